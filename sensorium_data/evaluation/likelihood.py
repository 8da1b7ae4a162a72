"""Poisson loss: the negative log-likelihood of responses as counts, up to what does not depend on the prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from sensorium_data.errors import BadArgument, near_miss
from sensorium_data.evaluation.correlations import EPS
from sensorium_data.evaluation.pairmoments import Means
from sensorium_data.evaluation.samples import NanPolicy, Samples, blocks_of, checked, refuse_eps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.evaluation.stimulusgroups import Stimulus

__all__ = ["Reduction", "losses_of", "poisson_loss", "reduced"]

Reduction: TypeAlias = Literal["mean", "sum"]


def poisson_loss(
    responses: ArrayLike,
    predictions: ArrayLike,
    *,
    stimulus: Stimulus | None = None,
    eps: float = EPS,
    reduction: Reduction = "mean",
    nan: NanPolicy = "propagate",
) -> NDArray[np.float64]:
    """Prediction - response × log(prediction + eps), averaged over samples.

    Parameters
    ----------
    responses : (sample, neuron) array_like
        May be a little negative, as deconvolved activity is: the loss is then taken by the same formula, and is no
        likelihood.
    predictions : (sample, neuron) array_like
        Rates in the unit of the responses, not their logarithms. A rate below -eps has no logarithm: NaN.
    stimulus : (sample,) or (sample, 2) array_like, optional
        Checked, and of no effect.
    eps : float, 0 or more, unit of the responses
        Added inside the logarithm.
    reduction : {"mean", "sum"}
        Over samples.
    nan : {"propagate", "omit", "raise"}
        A neuron with NaN in either array: has the loss NaN; the loss over its other samples; or is refused. What is NaN
        because of a negative rate stays NaN.

    Returns
    -------
    (neuron,) float64
        Smaller is better. With "sum" and nothing left, 0.

    Raises
    ------
    BadArgument
        Arrays that do not fit together, are empty or hold infinity; another reduction.

    Notes
    -----
    Sensorium 2022, baselines. The official training sums over samples and neurons with eps 1e-8; some reports of the
    same repositories use 1e-12. The term that depends on the response alone, log(response!), is left out, as published.

    Examples
    --------
    >>> poisson_loss([[0.0], [2.0]], [[1.0], [1.0]]).round(6)
    array([1.])
    """
    samples = checked("Poisson loss", responses, predictions, stimulus=stimulus, nan=nan)
    check_options(eps, reduction)
    return reduced(losses_of(samples, eps, omit=nan == "omit"), reduction)


def losses_of(samples: Samples, eps: float, *, omit: bool) -> Means:
    """Return the mean loss of each neuron, and over how many samples."""
    blocks = blocks_of(*samples.responses.shape)
    parts = [_of(samples.responses[:, block], samples.predictions[:, block], eps, omit=omit) for block in blocks]
    return Means(np.concatenate([part.n for part in parts]), np.concatenate([part.mean for part in parts]))


def _of(responses: NDArray[Any], predictions: NDArray[Any], eps: float, *, omit: bool) -> Means:
    responses, predictions = responses.astype(np.float64), predictions.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        losses = predictions - responses * np.log(predictions + eps)
        if not omit:
            return Means.of(losses)
        valid = ~(np.isnan(responses) | np.isnan(predictions))
        n = valid.sum(axis=0)
        return Means(n.astype(np.int64), np.where(valid, losses, 0).sum(axis=0) / np.maximum(n, 1))


def reduced(losses: Means, reduction: Reduction) -> NDArray[np.float64]:
    """Return the mean loss, NaN without samples, or the sum."""
    return losses.known() if reduction == "mean" else losses.mean * losses.n


def check_options(eps: float, reduction: str) -> None:
    """Refuse options that are none."""
    refuse_eps(eps)
    if reduction not in get_args(Reduction):
        hint = near_miss(str(reduction), get_args(Reduction))
        raise BadArgument(f"reduction is {reduction!r}", hint=hint, code="bad-reduction")
