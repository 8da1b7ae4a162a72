"""Windows cut by hand from `session.trial`, each trial looked at once: what items of a dataset must be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import sensorium_data as sd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.windows import Window

__all__ = ["ByHand"]


class ByHand:
    """The trials of some sessions, whole, by name of stream."""

    def __init__(self, stores: Sequence[Path]) -> None:
        opened = [sd.open_session(store) for store in stores]
        self.sessions = {session.document.identity.key: session for session in opened}
        self.static = opened[0].document.identity.modality == "static"
        self._trials: dict[tuple[str, int], dict[str, NDArray[Any]]] = {}
        self._tails = {key: _tails(session) for key, session in self.sessions.items()}

    def trial(self, key: str, trial_id: int) -> dict[str, NDArray[Any]]:
        """What was published of a trial, (time, …) each; streams that it lacks are not there."""
        if (key, trial_id) not in self._trials:
            found = self.sessions[key].trial(trial_id)
            values = {str(name): np.asarray(found[name]) for name in found}
            self._trials[key, trial_id] = {n: v[None] for n, v in values.items()} if self.static else values
        return self._trials[key, trial_id]

    def n_of(self, key: str, trial_id: int) -> int:
        """Samples of a trial."""
        return len(next(iter(self.trial(key, trial_id).values())))

    def window(self, window: Window, n: int | None = None, names: Sequence[str] | None = None) -> dict[str, Any]:
        """An item: what the trial has of the window; the rest, up to `n` samples, is padding, and missing is NaN."""
        item: dict[str, Any] = {}
        masks: dict[str, Any] = {}
        trial = self.trial(window.session, window.trial_id)
        n = window.n_samples if n is None else n
        cut = slice(window.start_frame, window.start_frame + window.n_samples)
        for name, (tail, dtype) in self._tails[window.session].items():
            if names is not None and name not in names:
                continue
            values = np.full((n, *tail), 0 if dtype == np.uint8 else np.nan, dtype)
            known = np.zeros(n, np.bool_)
            if name in trial:
                part = trial[name][cut]
                values[: len(part)] = part
                known[: len(part)] = ~np.isnan(part.reshape(len(part), -1)).any(axis=1)
            at: Any = 0 if self.static else slice(None)
            item[name], masks[name] = torch.as_tensor(values[at]), torch.as_tensor(known[at])
        return item | {
            "mask": masks, "session": window.session, "trial_id": window.trial_id, "start_frame": window.start_frame
        }  # fmt: skip


def _tails(session: sd.Session) -> dict[str, tuple[tuple[int, ...], Any]]:
    film = session.document.identity.film
    found: dict[str, tuple[tuple[int, ...], Any]] = {film: (tuple(session.frames.shape[1:]), session.frames.dtype)}
    for name in session.handle.signals:
        samples = session.samples(name)
        found[name] = (tuple(samples.shape[1:]), samples.dtype)
    return found
