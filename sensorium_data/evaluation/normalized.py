"""Normalised correlation: the correlation with the mean response, freed of what noise is left in that mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.evaluation.correlations import EPS
from sensorium_data.evaluation.filmwise import averaged_over_films
from sensorium_data.evaluation.pairmoments import PairMoments
from sensorium_data.evaluation.samples import NanPolicy, blocks_of, checked, refuse_eps
from sensorium_data.evaluation.stimulusgroups import grouped, occurrences
from sensorium_data.evaluation.stimulussums import StimulusSums, average_over, of_groups

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.evaluation.samples import Samples
    from sensorium_data.evaluation.stimulusgroups import Stimulus

__all__ = ["LEAST_POWER", "normalized_correlation", "normalized_of"]

LEAST_POWER = 1e-4  # squared unit of the responses: neurons with less signal are not scored by ViV1T


def normalized_correlation(
    responses: ArrayLike,
    predictions: ArrayLike,
    *,
    stimulus: Stimulus | None = None,
    eps: float = EPS,
    least_power: float = LEAST_POWER,
    nan: NanPolicy = "propagate",
    per_film: bool = False,
) -> NDArray[np.float64]:
    """Covariance of mean response and prediction over the root of (signal power times variance of the prediction).

    Parameters
    ----------
    responses, predictions : (sample, neuron) array_like
        The k-th sample of a stimulus is its k-th presentation; predictions are averaged over presentations.
    stimulus : (sample,) or (sample, 2) array_like, or tuple of two (sample,) array_like
        What each sample answers to; for films (film, frame). Needed. Stimuli shown once are left out.
    eps : float, 0 or more, squared unit of the responses
        Added to the root.
    least_power : float, squared unit of the responses
        Neurons with this signal power or less are not scored. Schoppe et al. ask for more than 0.
    nan : {"propagate", "omit", "raise"}
        A neuron with NaN: scores NaN; is scored without those samples; or is refused.
    per_film : bool
        Score the frames of each film on their own, and average over the films that have a score, as ViV1T does. By
        default the frames of all films are one series, as in the paper.

    Returns
    -------
    (neuron,) float64
        About -1 to 1; more than 1 where the signal power is underestimated. NaN for neurons that are not scored, and
        where no stimulus was shown twice.

    Raises
    ------
    BadArgument
        Arrays that do not fit together, are empty or hold infinity, no ids, or `per_film` with ids that name no frame.

    Notes
    -----
    Schoppe, Harper, Willmore, King and Schnupp 2016, "Measuring the performance of neural models", doi
    10.3389/fncom.2016.00010: with N presentations R, signal power = (var(Σ R) - Σ var(R)) / (N (N - 1)), variances over
    stimuli, ddof 1. Threshold and eps as in the metrics of ViV1T's successor (Sensorium 2023, scores).

    Where numbers of presentations differ, or one has NaN that is left out, there is no k-th presentation of everything.
    Then signal power is the variance of the means less what noise adds to it, the mean over stimuli of (variance over
    presentations / their number). With equal numbers that is the mean of the formula above over all ways to number the
    presentations.

    Examples
    --------
    >>> responses = [[0.0], [4.0], [8.0], [1.0], [3.0], [8.0]]
    >>> normalized_correlation(responses, responses, stimulus=[0, 1, 2, 0, 1, 2]).round(4)
    array([1.0089])
    """
    name, omit = "normalised correlation", nan == "omit"
    samples = checked(name, responses, predictions, stimulus=stimulus, repeats=True, nan=nan)
    refuse_eps(eps)

    def score(part: Samples) -> NDArray[np.float64]:
        sums = StimulusSums.of(part, omit=omit)
        return normalized_of(sums, eps, least_power, _of_presentations(part, sums))

    return averaged_over_films(samples, score, omit=True) if per_film else score(samples)


def _of_presentations(samples: Samples, sums: StimulusSums) -> NDArray[np.float64]:
    """Return the sum over presentations of the squared deviations over stimuli, NaN where some are missing."""
    groups, n_neurons = samples.groups, samples.responses.shape[1]
    n = int(groups.counts[0])
    if (groups.counts != n).any():
        return np.full(n_neurons, np.nan)
    presented = grouped((occurrences(groups),))
    squares = [
        of_groups(samples.responses[presented.order, block].astype(np.float64), presented)[2].sum(axis=0)
        for block in blocks_of(*samples.responses.shape)
    ]
    return np.where((sums.n == n).all(axis=0), np.concatenate(squares), np.nan)


def normalized_of(
    sums: StimulusSums, eps: float, least_power: float, presentations: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the normalised correlation, (neuron,).

    Parameters
    ----------
    sums : StimulusSums
    eps, least_power : float
    presentations : (neuron,) float64, optional
        Sum over presentations of the squared deviations over stimuli; NaN where presentations cannot be told apart.
    """
    repeated = sums.shown(least=2)
    means = PairMoments.of(np.where(repeated, sums.mean, np.nan), np.where(repeated, sums.predicted, np.nan), omit=True)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ddof1 = means.n - 1
        variance = means.m2_x / ddof1
        noise = np.where(repeated, sums.m2 / (np.maximum(sums.n - 1, 1) * np.maximum(sums.n, 1)), np.nan)
        power = variance - average_over(noise, omit=True)
        if presentations is not None:
            n = sums.n.max(axis=0)
            exact = (n * n * variance - presentations / ddof1) / (n * (n - 1))
            power = np.where(np.isnan(presentations), power, exact)
        score = means.product / ddof1 / (np.sqrt(means.m2_y / ddof1 * power) + eps)
        known = (power > least_power) & (sums.omit | ~_any_nan(sums))
        return np.where(known, score, np.nan)


def _any_nan(sums: StimulusSums) -> NDArray[np.bool_]:
    return np.isnan(sums.error)
