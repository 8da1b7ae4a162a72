"""Where the eye looks moves what every neuron sees: from the centre of the pupil to a shift of all positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn  # noqa: TID253  # models are torch's

from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from sensorium_data.zoo.sessions import BySession

__all__ = ["Shifter", "shift_of"]


class Shifter(nn.Sequential):
    """A small network from the position of the pupil to a shift of the positions of a readout, in map units.

    Three linear layers, each followed by tanh, so that a shift is within ±1 (half a map) on either axis. A shift
    of (+0.1, 0) makes every neuron read 0.1 further to the right. Sinz et al. 2018, "Stimulus domain transfer in
    recurrent models for large scale cortical population prediction on video"; sizes as in Sensorium 2022 and 2023,
    baselines.

    Parameters
    ----------
    n_inputs : int
        Channels of the position of the pupil.
    n_hidden : int

    Examples
    --------
    >>> import torch
    >>> shifter = Shifter()
    >>> shifter(torch.zeros(7, 2)).shape, sum(each.numel() for each in shifter.parameters())
    (torch.Size([7, 2]), 57)
    """

    def __init__(self, n_inputs: int = 2, n_hidden: int = 5) -> None:
        super().__init__(
            nn.Linear(n_inputs, n_hidden),  # (sample, hidden)
            nn.Tanh(),
            nn.Linear(n_hidden, n_hidden),  # (sample, hidden)
            nn.Tanh(),
            nn.Linear(n_hidden, 2),  # (sample, axis = x, y)
            nn.Tanh(),
        )


def shift_of(shifters: BySession[Shifter], session: str, pupil_center: Tensor | None) -> Tensor | None:
    """Return how far the positions of a session move, or None where it has no shifter.

    Parameters
    ----------
    shifters : BySession of Shifter
    session : str
    pupil_center : (batch, [time,] axis = x, y) float, optional

    Returns
    -------
    (batch, [time,] axis = x, y) float or None
        In map units.

    Raises
    ------
    BadArgument
        The session has a shifter, and the position of the pupil is missing.
    """
    if session not in shifters:
        return None
    if pupil_center is None:
        raise BadArgument(f"{session}: pupil_center is missing", hint="its shifter needs it", code="input-missing")
    made: Tensor = shifters[session](pupil_center)
    return made
