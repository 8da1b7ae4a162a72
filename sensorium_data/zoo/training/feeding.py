"""From a batch as it is stored to what the loss takes: inputs as the network knows them, responses, and which of them count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import torch  # noqa: TID253  # models are torch's

from sensorium_data.errors import DataInvalid, Problem, counted
from sensorium_data.zoo.tensors import FILMS, inputs_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from sensorium_data.zoo.contract import Model

__all__ = ["Fed", "Missing", "feed", "predicted"]

Missing: TypeAlias = Literal["fill", "skip", "raise"]


class Fed(NamedTuple):
    """A batch on the model's device, normalised by the model.

    Attributes
    ----------
    session : str
    stimulus : (batch, channel, [time,] y, x)
    behavior : (batch, [time,] channel) or None
    pupil_center : (batch, [time,] axis) or None
    responses : (batch, [time - n_lost_frames,] neuron)
        Of the frames that the model answers to, in the units that it answers in.
    valid : (batch, [time - n_lost_frames,] neuron) bool
        Which of them count.
    """

    session: str
    stimulus: Tensor
    behavior: Tensor | None
    pupil_center: Tensor | None
    responses: Tensor
    valid: Tensor

    @property
    def n_windows(self) -> int:
        """How many windows it has."""
        return len(self.responses)


def feed(model: Model, batch: Mapping[str, Any], *, missing: Missing) -> Fed:
    """Return a batch as a model trains on it.

    A response counts where film and responses are valid and its normalisation is known: what was published of films has
    numbers for 300 frames.

    Parameters
    ----------
    model : Model
    batch : mapping of str to Tensor
        As the loaders give it, of one session.
    missing : {"fill", "skip", "raise"}
        Behaviour that is missing where the film is not: the loader has filled it; nothing of the window counts; or it is
        refused.

    Raises
    ------
    DataInvalid
        Behaviour is missing where the film is not; the trials are named.
    """
    session, mask = batch["session"], batch["mask"]
    film = next(name for name in FILMS if name in batch)
    if missing == "raise":
        _refuse_holes(batch, mask[film])
    device, inputs = model.device, inputs_of(batch)
    first = batch["start_frame"].to(device)
    stimulus, behavior, pupil_center = model.normalisation.inputs(
        session,
        model.modality,
        inputs.stimulus.to(device, non_blocking=True),
        _moved(inputs.behavior, device),
        _moved(inputs.pupil_center, device),
        first_frame=first,
    )
    aim = model.normalisation.responses(session, batch["responses"].to(device, non_blocking=True), first_frame=first)
    known = mask[film] & mask["responses"]
    if missing == "skip":
        known = known & ~_holes(batch, mask[film]).reshape(-1, *(1 for _ in known.shape[1:]))
    known = known.to(device, non_blocking=True)
    if model.modality == "dynamic":
        aim, known = aim[:, model.n_lost_frames :], known[:, model.n_lost_frames :]
    valid = aim.isfinite() & known[..., None]
    return Fed(session, _plain(stimulus), _given(behavior), _given(pupil_center), aim, valid)


def predicted(model: Model, fed: Fed) -> Tensor:
    """Return what a model answers to a batch, (batch, [time - n_lost_frames,] neuron)."""
    made: Tensor = model(fed.stimulus, behavior=fed.behavior, pupil_center=fed.pupil_center, session=fed.session)
    return made


def _moved(tensor: Tensor | None, device: torch.device) -> Tensor | None:
    return None if tensor is None else tensor.to(device, non_blocking=True)


def _plain(tensor: Tensor) -> Tensor:
    """Return inputs without NaN or infinity: frames past the end of a trial, and channels that never vary, say nothing."""
    return torch.nan_to_num(tensor, nan=0.0, posinf=0.0, neginf=0.0)


def _given(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else _plain(tensor)


def _lacking(batch: Mapping[str, Any], shown: Tensor) -> dict[str, Tensor]:
    """Return how many samples of each stream beside film and responses are missing where the film is not, (batch,) int."""
    beside = {name: mask for name, mask in batch["mask"].items() if name not in (*FILMS, "responses")}
    return {name: (~mask & shown).reshape(len(shown), -1).sum(dim=1) for name, mask in beside.items()}


def _holes(batch: Mapping[str, Any], shown: Tensor) -> Tensor:
    """Return which windows lack something, (batch,) bool."""
    return sum(_lacking(batch, shown).values(), torch.zeros(len(shown), dtype=torch.int64)) > 0


def _refuse_holes(batch: Mapping[str, Any], shown: Tensor) -> None:
    problems = []
    for name, n_lacking in _lacking(batch, shown).items():
        for row in n_lacking.nonzero().flatten().tolist():
            what = f"{counted(int(n_lacking[row]), 'sample')} of `{name}` are missing"
            problems.append(Problem("input-missing", f"{batch['session']}, trial {int(batch['trial_id'][row])}", what))
    if problems:
        hint = 'data.missing = "fill" takes the mean of the training trials instead, "skip" leaves such windows out'
        raise DataInvalid("inputs are missing", hint=hint, problems=problems, code="input-missing")
