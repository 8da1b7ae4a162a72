"""What is minimised: the Poisson loss of the valid responses, scaled as published; what is masked never enters it."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import torch  # noqa: TID253  # models are torch's

if TYPE_CHECKING:
    from torch import Tensor

    from sensorium_data.schemas.recipe import LossPart

__all__ = ["Loss", "loss_of", "loss_scale"]


class Loss(NamedTuple):
    """The loss of one batch.

    Attributes
    ----------
    objective : () float
        What gradients are taken of, without the model's own penalty.
    total : () float, no gradient
        Sum over valid responses, without scale.
    n_valid : () int
        Responses that it is the sum of.
    """

    objective: Tensor
    total: Tensor
    n_valid: Tensor


def loss_scale(part: LossPart, n_windows: int, *, n_all: int, n_tier: int) -> float:
    """Return what the loss of a batch is multiplied by.

    As published, the square root of trials per window of the batch (Sensorium 2022, `trainers.py`): a mouse with four times
    as many trials weighs twice as much. There the files of all tiers were counted, test trials too, for `len(dataset)` does
    not know of tiers; in the old mice of 2023 those of tier `none` have no files, and do not count.

    Parameters
    ----------
    part : LossPart
    n_windows : int
        Of the batch.
    n_all, n_tier : int
        Trials of the session with data, and those of them that are trained on.

    Examples
    --------
    >>> from sensorium_data.schemas.recipe import LossPart
    >>> [loss_scale(LossPart(scale_by=by), 8, n_all=128, n_tier=32) for by in ("all-tiers", "tier", "none")]
    [4.0, 2.0, 1.0]
    """
    if part.scale_by == "none":
        return 1.0
    return sqrt((n_all if part.scale_by == "all-tiers" else n_tier) / n_windows)


def loss_of(part: LossPart, predicted: Tensor, responses: Tensor, valid: Tensor, scale: float = 1.0) -> Loss:
    """Return the loss of one batch: predicted - responses · log(predicted + eps), the Poisson likelihood less its constant.

    Parameters
    ----------
    part : LossPart
    predicted : (batch, [time,] neuron) float
        Not negative.
    responses : (batch, [time,] neuron) float
        In the units that are predicted in; whatever they are where they are not valid.
    valid : (batch, [time,] neuron) bool
        What counts.
    scale : float
        As `loss_scale` says.

    Examples
    --------
    >>> from sensorium_data.schemas.recipe import LossPart
    >>> responses = torch.tensor([[1.0, float("nan")]])
    >>> loss_of(LossPart(), torch.ones(1, 2), responses, responses.isfinite(), scale=2.0).objective
    tensor(2.)
    """
    predicted = predicted.float()
    # Chosen before anything is computed: NaN times 0 is NaN, in gradients too.
    aim = torch.where(valid, responses, 0.0)
    each = torch.where(valid, predicted - aim * torch.log(predicted + part.eps), 0.0)
    total, n_valid = each.sum(), valid.sum()
    reduced = total if part.reduction == "sum" else total / n_valid.clamp(min=1)
    return Loss(scale * reduced, total.detach(), n_valid)
