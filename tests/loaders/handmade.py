"""Items put together by hand from `session.trial`, and the streams they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sensorium_data.handle import SessionHandle
from sensorium_data.streams.base import Streams
from sensorium_data.streams.frames import TrialFrames

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from sensorium_data.views import Session

__all__ = ["item_of", "streams_of"]


class Bare:
    """A stream of which nothing but the shape of a sample is asked."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


def streams_of(
    session: Session | SessionHandle, names: Sequence[str] | None = None, rate: Fraction | None = None
) -> Streams:
    """Streams of a session, of which only the shape of a sample and the trials' frames are there."""
    handle = session if isinstance(session, SessionHandle) else session.handle
    shapes = {name: handle.store.metadata[f"signals/{name}/values"]["shape"][1:] for name in handle.signals}
    shapes[handle.document.identity.film] = handle.store.metadata["stimuli/frames"]["shape"][1:]
    bare: Any = {name: Bare(tuple(shape)) for name, shape in shapes.items() if names is None or name in names}
    return Streams(handle, TrialFrames(handle, handle.grid.rate if rate is None else rate), bare)


def item_of(
    session: Session, trial_id: int, start: int = 0, n: int | None = None, neurons: Sequence[int] | None = None
) -> dict[str, Any]:
    """A window of a trial as the loaders serve it; withheld signals are NaN, and past the trial is padding."""
    trial = session.trial(trial_id)
    static = session.document.identity.modality == "static"
    film = session.document.identity.film
    lead: Any = () if static else (trial.sizes["time"] - start if n is None else n,)
    item: dict[str, Any] = {}
    masks: dict[str, Any] = {}
    for name in (film, *session.handle.signals):
        tail: tuple[int, ...] = session.frames.shape[1:] if name == film else session[name].shape[1:]
        values = np.full((*lead, *tail), np.nan, np.float32)
        if name in trial:
            found = trial[name].to_numpy()[() if static else slice(start, start + lead[0])]
            values = np.full((*lead, *tail), 0 if found.dtype.kind == "u" else np.nan, found.dtype)
            values[() if static else slice(len(found))] = found
        known: Any = (
            ~np.isnan(values).reshape(*lead, -1).any(axis=-1) if values.dtype.kind == "f" else np.ones(lead, bool)
        )
        if name in trial and not static:
            known[len(found) :] = False
        item[name], masks[name] = torch.as_tensor(values), torch.as_tensor(known)
    if neurons is not None:
        item["responses"] = item["responses"][..., list(neurons)]
    key = session.document.identity.key
    return item | {"mask": masks, "session": key, "trial_id": trial_id, "start_frame": start}
