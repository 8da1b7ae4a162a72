"""What a model is given, held against what it takes, before a tensor is touched: all faults at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch  # noqa: TID253  # models are torch's
from torch import Tensor  # noqa: TID253

from sensorium_data.errors import BadArgument, Problem, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensorium_data.zoo.contract import Model

__all__ = ["as_input", "require_inputs"]

HINTS = {
    "input-type": "torch.as_tensor makes a tensor of most things",
    "input-infinite": "what was stored is finite: look at how it was scaled",
    "window-too-short": "give a longer window",
    "input-nan": "fill missing values first: `fill_missing()` in the loader, or torch.nan_to_num",
}


def as_input(name: str, values: object) -> Tensor:
    """Return an input as a tensor, wherever it is; of an array a copy, for it may be read-only or turned round.

    Parameters
    ----------
    name : str
        For messages.
    values : Tensor or array

    Raises
    ------
    BadArgument
        It is neither, or holds no real numbers.

    Examples
    --------
    >>> as_input("images", np.ones((2, 3), np.uint8)).dtype
    torch.uint8
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "buif":
        try:
            return torch.tensor(np.ascontiguousarray(values))
        except TypeError:  # numbers of a kind that torch does not have, such as long doubles
            return torch.tensor(values.astype(np.float64))
    if not isinstance(values, Tensor) or values.is_complex():
        kind = f"{values.dtype} " if isinstance(values, np.ndarray | Tensor) else ""
        what = f"{name} is a {kind}{type(values).__name__}, expected a tensor or array of real numbers"
        raise BadArgument(what, hint=HINTS["input-type"], code="input-type")
    return values


def require_inputs(
    model: Model, stimulus: Tensor, behavior: Tensor | None, pupil_center: Tensor | None, session: str
) -> None:
    """Raise unless inputs, as they are stored, are such as a model takes.

    Parameters
    ----------
    model : Model
    stimulus : (batch, time, y, x) or (batch, [channel,] y, x)
    behavior : (batch, [time,] channel) or None
    pupil_center : (batch, [time,] axis = x, y) or None
    session : str
        One that the model knows.

    Raises
    ------
    BadArgument
        They are not; all that is wrong is named.
    """
    problems = list(_stimulus(model, stimulus, session))
    if not problems:
        lead = stimulus.shape[: 2 if model.modality == "dynamic" else 1]
        facts = model.sessions[session]
        problems += _beside("behavior", behavior, (*lead, facts.n_behavior))
        problems += _beside("pupil_center", pupil_center, (*lead, facts.n_pupil_center))
    if problems:
        what = f"{model.name} cannot answer for {session}: {problems[0].where} {problems[0].what}"
        hint = HINTS.get(problems[0].code, "shapes are in the model's `sessions`; planes of behaviour are added by it")
        raise BadArgument(what, hint=hint, problems=problems[1:], code=problems[0].code)


def _stimulus(model: Model, stimulus: Tensor, session: str) -> Iterator[Problem]:
    channels, *frame = model.sessions[session].image_shape
    stored = [side * model.normalisation.step for side in frame]
    name, seen = "video" if model.modality == "dynamic" else "images", tuple(stimulus.shape)
    if model.modality == "dynamic":
        wanted, fits = f"(batch, time, {stored[0]}, {stored[1]})", len(seen) == 4 and list(seen[2:]) == stored
    else:
        axes = f"(batch, {channels}, {stored[0]}, {stored[1]})"
        wanted = axes if channels > 1 else f"{axes} or without the channel"
        fits = seen[1:] == (channels, *stored) or (channels == 1 and list(seen[1:]) == stored)
    if not fits:
        yield Problem("input-shape", name, f"has shape {seen}, expected {wanted}")
        return
    if model.modality == "dynamic" and seen[1] <= model.n_lost_frames:
        short = model.n_lost_frames + 1 - seen[1]
        what = f"has {counted(seen[1], 'frame')}, {short} fewer than the {model.n_lost_frames + 1} that one answer rests on"
        yield Problem("window-too-short", name, what)
    yield from _not_finite(name, stimulus)


def _beside(name: str, values: Tensor | None, wanted: tuple[int, ...]) -> Iterator[Problem]:
    if wanted[-1] == 0:  # what a model does not use may be given all the same
        return
    if values is None:
        yield Problem("input-missing", name, f"is missing, expected {wanted}")
    elif tuple(values.shape) != wanted:
        yield Problem("input-shape", name, f"has shape {tuple(values.shape)}, expected {wanted}")
    else:
        yield from _not_finite(name, values)


def _not_finite(name: str, values: Tensor) -> Iterator[Problem]:
    if not values.is_floating_point() or bool(values.isfinite().all()):
        return
    if n := int(values.isnan().sum()):
        yield Problem("input-nan", name, f"holds {counted(n, 'NaN')}")
    else:
        yield Problem("input-infinite", name, f"holds {counted(int(values.isinf().sum()), 'infinite value')}")
