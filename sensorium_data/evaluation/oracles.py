"""Oracles: how well repeats of a stimulus predict each other, from below and from above."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.evaluation.correlations import EPS
from sensorium_data.evaluation.pairmoments import PairMoments
from sensorium_data.evaluation.samples import NanPolicy, checked, refuse_eps
from sensorium_data.evaluation.stimulussums import StimulusSums
from sensorium_data.evaluation.variances import variance_of_means

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.evaluation.stimulusgroups import Stimulus

__all__ = ["conservative_of", "jackknife_of", "oracle_conservative", "oracle_jackknife"]


def oracle_jackknife(
    responses: ArrayLike, *, stimulus: Stimulus | None = None, eps: float = EPS, nan: NanPolicy = "propagate"
) -> NDArray[np.float64]:
    """Correlation of every response with the mean of the other responses to the same stimulus.

    Too low an estimate of what a perfect model would score: the mean of few repeats is noisy itself.

    Parameters
    ----------
    responses : (sample, neuron) array_like
    stimulus : (sample,) or (sample, 2) array_like, or tuple of two (sample,) array_like
        What each sample answers to; for films (film, frame). Needed.
    eps : float, 0 or more, unit of the responses
        Added to each population standard deviation.
    nan : {"propagate", "omit", "raise"}
        A neuron with NaN: scores NaN, as in the published code; is scored without those samples; or is refused.

    Returns
    -------
    (neuron,) float64

    Raises
    ------
    BadArgument
        Arrays that do not fit together, are empty or hold infinity, or no ids.

    Notes
    -----
    Sensorium formats, metrics: "Oracle estimates". A stimulus shown once has no other responses: 0 is taken for their
    mean, as published, and the sample stays. With many such stimuli the score says little.

    Examples
    --------
    >>> oracle_jackknife([[0.0], [2.0], [10.0], [12.0]], stimulus=[0, 0, 1, 1]).round(4)
    array([0.9231])
    """
    samples = checked("jackknife oracle", responses, stimulus=stimulus, repeats=True, nan=nan)
    refuse_eps(eps)
    return jackknife_of(StimulusSums.of(samples, omit=nan == "omit"), eps)


def jackknife_of(sums: StimulusSums, eps: float) -> NDArray[np.float64]:
    """Return the jackknife oracle, (neuron,), from moments of each stimulus alone.

    The mean of the other n - 1 responses deviates from the mean of all by -1 / (n - 1) times what the response itself
    does. So inside a stimulus the product of the two series is -m2 / (n - 1), and the squares of the second are
    m2 / (n - 1)²; between stimuli both go with the mean, or the second is 0 where there are no others.
    """
    n = sums.n
    others = np.maximum(n - 1, 1)
    once = n == 1
    with np.errstate(invalid="ignore", over="ignore"):
        reference = sums.reference()
        apart = sums.mean - reference
        of_others = np.where(once, -reference, apart)
        inside = PairMoments(
            np.broadcast_to(n, sums.mean.shape),
            apart,
            of_others,
            sums.m2,
            np.where(once, 0, sums.m2 / others**2),
            np.where(once, 0, -sums.m2 / others),
        )
        return _of_all(inside).correlation(eps)


def _of_all(each: PairMoments) -> PairMoments:
    """Return the moments of all samples from those of each stimulus, fields (stimulus, neuron) to (neuron,)."""
    n = each.n.sum(axis=0)
    share = each.n / np.maximum(n, 1)
    mean_x, mean_y = (share * each.mean_x).sum(axis=0), (share * each.mean_y).sum(axis=0)
    dx, dy = each.mean_x - mean_x, each.mean_y - mean_y
    return PairMoments(
        n,
        mean_x,
        mean_y,
        (each.m2_x + each.n * dx * dx).sum(axis=0),
        (each.m2_y + each.n * dy * dy).sum(axis=0),
        (each.product + each.n * dx * dy).sum(axis=0),
    )


def oracle_conservative(
    responses: ArrayLike, *, stimulus: Stimulus | None = None, nan: NanPolicy = "propagate"
) -> NDArray[np.float64]:
    """Correlation that the variance of the mean responses would allow, were the means free of noise.

    Too high an estimate of what a perfect model would score, despite its name: the noise left in the means counts as
    signal.

    Parameters
    ----------
    responses : (sample, neuron) array_like
    stimulus : (sample,) or (sample, 2) array_like, or tuple of two (sample,) array_like
        What each sample answers to; for films (film, frame). Needed.
    nan : {"propagate", "omit", "raise"}
        A neuron with NaN: scores NaN, as in the published code; is scored without those samples; or is refused.

    Returns
    -------
    (neuron,) float64
        1 where repeats are equal; NaN where the means do not vary, as published.

    Raises
    ------
    BadArgument
        Arrays that do not fit together, are empty or hold infinity, or no ids.

    Notes
    -----
    Sensorium formats, metrics: "Oracle estimates". s / √(s (s + v)), s: variance over stimuli of the mean response,
    v: mean over stimuli of the variance over repeats, both ddof 0; unequal numbers of repeats bias it.

    Examples
    --------
    >>> oracle_conservative([[0.0], [2.0], [10.0], [12.0]], stimulus=[0, 0, 1, 1]).round(4)
    array([0.9806])
    """
    samples = checked("conservative oracle", responses, stimulus=stimulus, repeats=True, nan=nan)
    return conservative_of(StimulusSums.of(samples, omit=nan == "omit"))


def conservative_of(sums: StimulusSums) -> NDArray[np.float64]:
    """Return the conservative oracle, (neuron,)."""
    signal = variance_of_means(sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(signal > 0, np.sqrt(signal / (signal + sums.within(ddof=0))), np.nan))
