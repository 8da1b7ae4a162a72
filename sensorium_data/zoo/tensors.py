"""From batches of the loaders to what models take, where the model is: one tensor of behaviour, one of the pupil's place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch  # noqa: TID253  # models are torch's

from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor  # for type checkers alone

    from sensorium_data.zoo.contract import Model

__all__ = ["BEHAVIOR", "FILMS", "PUPIL_CENTER", "Inputs", "inputs_of", "moved", "streams_for"]

FILMS = ("video", "image")
# In the order of their channels: dilation, where there is one its change, speed. As published, and as `session_facts` counts.
BEHAVIOR = ("pupil", "running")
PUPIL_CENTER = ("gaze",)


class Inputs(NamedTuple):
    """What `Model.predict` and `Normalisation.inputs` take of a batch, as it is stored.

    Attributes
    ----------
    stimulus : (batch, time, y, x) or (batch, [channel,] y, x)
    behavior : (batch, [time,] channel) or None
        Of the streams that the batch has: pupil, then running.
    pupil_center : (batch, [time,] axis = x, y) or None
    """

    stimulus: Tensor
    behavior: Tensor | None
    pupil_center: Tensor | None


def inputs_of(batch: Mapping[str, Any]) -> Inputs:
    """Return the inputs in a batch, or in an item without its axis.

    Parameters
    ----------
    batch : mapping of str to Tensor
        With masks, as the loaders give it.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.loaders import make_loader
    >>> from sensorium_data.testing import make_session
    >>> batch = next(iter(make_loader(make_session(tempfile.mkdtemp()), window=12, batch_size=3)))
    >>> [tuple(each.shape) for each in inputs_of(batch)]
    [(3, 12, 36, 64), (3, 12, 2), (3, 12, 2)]
    """
    film = next(name for name in FILMS if name in batch)
    lead = batch["mask"][film].shape
    return Inputs(batch[film], _together(batch, BEHAVIOR, lead), _together(batch, PUPIL_CENTER, lead))


def _together(batch: Mapping[str, Any], names: Sequence[str], lead: torch.Size) -> Tensor | None:
    """Return streams side by side, (…, channel); one of a single number a sample has no axis of channels of its own."""
    there = [batch[name].reshape(*lead, -1) for name in names if name in batch]
    return torch.cat(there, dim=-1) if there else None


def streams_for(film: str, n_behavior: int, n_pupil_center: int, there: Iterable[str]) -> list[str]:
    """Return the streams of a session that a model is fed with.

    Parameters
    ----------
    film : {"video", "image"}
    n_behavior, n_pupil_center : int
        Channels that the model takes.
    there : iterable of str
        Streams that the session has.

    Examples
    --------
    >>> streams_for("video", 2, 0, ["responses", "pupil", "running", "gaze"])
    ['video', 'pupil', 'running']
    """
    known = set(there)
    wanted = (BEHAVIOR if n_behavior else ()) + (PUPIL_CENTER if n_pupil_center else ())
    return [film, *(name for name in wanted if name in known)]


def moved(model: Model, device: str | torch.device) -> Model:
    """Return a model, moved to a device.

    Parameters
    ----------
    model : Model
    device : str or torch.device

    Raises
    ------
    BadArgument
        There is no such device, or no room on it.
    """
    try:
        return model.to(torch.device(device))
    except (
        RuntimeError,
        AssertionError,
    ) as error:  # torch's own words for what is not there differ from build to build
        said = str(error).partition("\n")[0]
        what = f"{model.name} cannot be moved to device {str(device)!r}: {said}"
        raise BadArgument(what, hint='device="cpu", or "cuda" where there is a GPU', code="no-such-device") from None
