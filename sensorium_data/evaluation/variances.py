"""How much of a neuron's variance the stimulus explains, and how much of that a model explains.

All from three numbers of each neuron: the variance over all samples, the variance over repeats of one stimulus averaged
over stimuli, and the mean squared error of the predictions (Sensorium 2022, metrics: FEVE; Cadena et al. 2019, eq. 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.evaluation.samples import NanPolicy, checked, refuse_eps
from sensorium_data.evaluation.stimulussums import StimulusSums, average_over

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.evaluation.stimulusgroups import Stimulus

__all__ = [
    "FEVE_THRESHOLD",
    "VARIANCE_EPS",
    "anscombe",
    "explainable_of",
    "explainable_variance",
    "feve",
    "feve_of",
    "signal_to_noise",
    "signal_to_noise_of",
]

FEVE_THRESHOLD = 0.15  # of explainable variance: below it the benchmarks do not score a neuron
VARIANCE_EPS = 1e-9  # added by the published code to the total variance


def explainable_variance(
    responses: ArrayLike,
    *,
    stimulus: Stimulus | None = None,
    eps: float = VARIANCE_EPS,
    nan: NanPolicy = "propagate",
) -> NDArray[np.float64]:
    """Share of the variance over all samples that is not variance over repeats of one stimulus.

    Parameters
    ----------
    responses : (sample, neuron) array_like
    stimulus : (sample,) or (sample, 2) array_like, or tuple of two (sample,) array_like
        What each sample answers to; for films (film, frame). Needed.
    eps : float, 0 or more, squared unit of the responses
        Added to the total variance.
    nan : {"propagate", "omit", "raise"}
        A neuron with NaN, or with a stimulus shown once, whose variance over repeats is not known: scores NaN, as in the
        published code; is scored without that sample or stimulus. "raise" refuses NaN.

    Returns
    -------
    (neuron,) float64
        1 where repeats are equal; 0 where nothing varies; below 0 where repeats vary more than all samples do.

    Raises
    ------
    BadArgument
        Arrays that do not fit together, are empty or hold infinity, or no ids.

    Notes
    -----
    (total - noise) / (total + eps), total: variance over all samples, noise: mean over stimuli of the variance over
    repeats, both ddof 1. The published function wants equally many repeats of each; with those the numbers are the same.

    Examples
    --------
    >>> explainable_variance([[0.0], [2.0], [10.0], [12.0]], stimulus=[0, 0, 1, 1]).round(4)
    array([0.9423])
    """
    samples = checked("explainable variance", responses, stimulus=stimulus, repeats=True, nan=nan)
    refuse_eps(eps)
    return explainable_of(StimulusSums.of(samples, omit=nan == "omit"), eps)


def explainable_of(sums: StimulusSums, eps: float) -> NDArray[np.float64]:
    """Return the explainable variance as a share of the total, (neuron,)."""
    total, noise = _total_and_noise(sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((total - noise) / (total + eps))


def feve(
    responses: ArrayLike,
    predictions: ArrayLike,
    *,
    stimulus: Stimulus | None = None,
    threshold: float = FEVE_THRESHOLD,
    nan: NanPolicy = "propagate",
) -> NDArray[np.float64]:
    """Fraction of the explainable variance that is explained.

    Parameters
    ----------
    responses, predictions : (sample, neuron) array_like
    stimulus : (sample,) or (sample, 2) array_like, or tuple of two (sample,) array_like
        What each sample answers to; for films (film, frame). Needed.
    threshold : float
        Neurons with a smaller share of explainable variance are not scored; equal is enough. -inf scores all.
    nan : {"propagate", "omit", "raise"}
        As for `explainable_variance`: a stimulus shown once makes every neuron NaN unless it is left out.

    Returns
    -------
    (neuron,) float64
        1 at best, not bounded below; NaN for neurons that are not scored. The benchmarks average over the others:
        ``mean_score(…, nan="omit")``.

    Raises
    ------
    BadArgument
        Arrays that do not fit together, are empty or hold infinity, or no ids.

    Notes
    -----
    Sensorium 2022, metrics: "FEVE". With total and noise as for `explainable_variance`, and mse the mean over samples of
    the squared error: 1 - (mse - noise) / (total - noise), where (total - noise) / total ≥ threshold. Repeats may differ
    in number; every stimulus weighs the same in noise, every sample in mse.

    Examples
    --------
    >>> responses, stimulus = [[0.0], [2.0], [10.0], [12.0]], [0, 0, 1, 1]
    >>> feve(responses, [[1.0], [1.0], [10.0], [10.0]], stimulus=stimulus).round(4)
    array([1.0153])
    """
    samples = checked("FEVE", responses, predictions, stimulus=stimulus, repeats=True, nan=nan)
    return feve_of(StimulusSums.of(samples, omit=nan == "omit"), threshold)


def feve_of(sums: StimulusSums, threshold: float) -> NDArray[np.float64]:
    """Return the explained share of the explainable variance, (neuron,), NaN below the threshold."""
    total, noise = _total_and_noise(sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        explainable = total - noise
        explained = 1 - (sums.error / sums.n_samples - noise) / explainable
        return np.where(explainable / total >= threshold, explained, np.nan)


def signal_to_noise(
    responses: ArrayLike, *, stimulus: Stimulus | None = None, nan: NanPolicy = "propagate"
) -> NDArray[np.float64]:
    """Variance of the mean responses to stimuli over the mean variance of repeats, after Anscombe's transform.

    Parameters
    ----------
    responses : (sample, neuron) array_like
        At least -3/8: below, the transform has no value, and the sample counts as NaN.
    stimulus : (sample,) or (sample, 2) array_like, or tuple of two (sample,) array_like
        What each sample answers to; for films (film, frame). Needed.
    nan : {"propagate", "omit", "raise"}
        As for `explainable_variance`. "raise" does not refuse responses below -3/8.

    Returns
    -------
    (neuron,) float64
        Infinite where repeats are equal and stimuli are not; NaN where neither varies.

    Raises
    ------
    BadArgument
        Arrays that do not fit together, are empty or hold infinity, or no ids.

    Notes
    -----
    As `snr` of neuralpredictors: 2 √(x + 3/8) makes the variance of Poisson counts the same at every mean (Anscombe
    1948); the variance over stimuli has ddof 0, the variance over repeats ddof 1; every stimulus weighs the same.

    Examples
    --------
    >>> signal_to_noise([[0.625], [3.625], [8.625], [15.625]], stimulus=["a", "a", "b", "b"]).round(6)
    array([2.])
    """
    samples = checked("signal to noise", responses, stimulus=stimulus, repeats=True, nan=nan)
    return signal_to_noise_of(StimulusSums.of(samples, omit=nan == "omit", transform=anscombe))


def signal_to_noise_of(sums: StimulusSums) -> NDArray[np.float64]:
    """Return the ratio of the sums of transformed responses, (neuron,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(variance_of_means(sums) / sums.within(ddof=1))


def variance_of_means(sums: StimulusSums) -> NDArray[np.float64]:
    """Return the population variance over stimuli of the mean response, each stimulus weighing the same, (neuron,)."""
    means = np.where(sums.shown(), sums.mean - sums.reference(), np.nan)
    with np.errstate(invalid="ignore"):
        return average_over((means - average_over(means, omit=sums.omit)) ** 2, omit=sums.omit)


def anscombe(responses: NDArray[Any]) -> NDArray[np.float64]:
    """Return 2 √(x + 3/8), NaN below -3/8.

    Examples
    --------
    >>> anscombe(np.array([0.625, 3.625]))
    array([2., 4.])
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * np.sqrt(responses.astype(np.float64) + 3 / 8))


def _total_and_noise(sums: StimulusSums) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the variance over all samples and the mean variance over repeats, ddof 1 both."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return sums.total() / (sums.n_samples - 1), sums.within(ddof=1)
