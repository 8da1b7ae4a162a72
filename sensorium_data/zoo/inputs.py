"""What a model is given, held against what it takes, before a tensor is touched: all faults at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium_data.errors import BadArgument, Problem, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor  # for type checkers alone

    from sensorium_data.zoo.contract import Model

__all__ = ["require_inputs"]

HINTS = {
    "window-too-short": "give a longer window",
    "input-nan": "fill missing values first: `fill_missing()` in the loader, or torch.nan_to_num",
}


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
        problems += _beside(model, "behavior", behavior, (*lead, facts.n_behavior))
        problems += _beside(model, "pupil_center", pupil_center, (*lead, facts.n_pupil_center))
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
    if stimulus.is_floating_point() and bool(stimulus.isnan().any()):
        yield Problem("input-nan", name, f"holds {counted(int(stimulus.isnan().sum()), 'NaN')}")


def _beside(model: Model, name: str, values: Tensor | None, wanted: tuple[int, ...]) -> Iterator[Problem]:
    if wanted[-1] == 0:  # what a model does not use may be given all the same
        return
    if values is None:
        yield Problem("input-missing", name, f"is missing, expected {wanted}")
    elif tuple(values.shape) != wanted:
        yield Problem("input-shape", name, f"has shape {tuple(values.shape)}, expected {wanted}")
    elif bool(values.isnan().any()):
        yield Problem("input-nan", name, f"holds {counted(int(values.isnan().sum()), 'NaN')}")
    del model
