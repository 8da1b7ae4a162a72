"""Correlation between responses and predictions, sample by sample, to the average over repeats, or trial by trial.

One definition lies under all of them: both series centred, each divided by (population standard deviation + eps), and
the mean of their product (Sensorium formats, metrics, "Correlation primitive"; as in `neuralpredictors`, numpy version).
A neuron that never varies scores 0, not NaN. All functions take (sample, neuron) numbers of any precision, compute in
float64, and return (neuron,) float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.evaluation.filmwise import averaged_over_films
from sensorium_data.evaluation.pairmoments import Means, PairMoments
from sensorium_data.evaluation.samples import NanPolicy, checked, refuse_eps
from sensorium_data.evaluation.stimulussums import StimulusSums

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.evaluation.samples import Samples
    from sensorium_data.evaluation.stimulusgroups import Stimulus

__all__ = [
    "EPS",
    "correlation",
    "correlation_per_trial",
    "correlation_to_average",
    "single_trial_correlation",
    "to_average",
]

EPS = 1e-8  # added to each standard deviation by the published code


def correlation(
    responses: ArrayLike,
    predictions: ArrayLike,
    *,
    stimulus: Stimulus | None = None,
    eps: float = EPS,
    nan: NanPolicy = "propagate",
) -> NDArray[np.float64]:
    """Correlation of each neuron's responses with their predictions, over all samples.

    Parameters
    ----------
    responses, predictions : (sample, neuron) array_like
        Samples are presentations of images, or frames of films with trials laid end to end.
    stimulus : (sample,) or (sample, 2) array_like, optional
        Checked, and of no effect: every sample counts for itself.
    eps : float, 0 or more, unit of the responses
        Added to each population standard deviation.
    nan : {"propagate", "omit", "raise"}
        A neuron with NaN in either array: scores NaN, as in the published code; is scored over its other samples; or is
        refused.

    Returns
    -------
    (neuron,) float64
        0 where either series is constant.

    Raises
    ------
    BadArgument
        Arrays that do not fit together, are empty or hold infinity; all that is wrong is in its problems.

    Notes
    -----
    Sensorium formats, metrics: "Correlation primitive". Population moments (ddof 0), so a series of n samples correlates
    with itself to almost 1, not to (n - 1) / n as in torch code that divides by n - 1 in one place only.

    Examples
    --------
    >>> correlation([[1, 5], [2, 5], [3, 5]], [[10, 0], [30, 1], [20, 2]]).round(6)
    array([0.5, 0. ])
    """
    samples = checked("correlation", responses, predictions, stimulus=stimulus, nan=nan)
    refuse_eps(eps)
    return PairMoments.of(samples.responses, samples.predictions, omit=nan == "omit").correlation(eps)


def single_trial_correlation(
    responses: ArrayLike,
    predictions: ArrayLike,
    *,
    stimulus: Stimulus | None = None,
    eps: float = EPS,
    nan: NanPolicy = "propagate",
) -> NDArray[np.float64]:
    """Single-trial correlation: over every trial as it was recorded, repeats included and not averaged.

    The number is that of `correlation`, under the name the benchmarks give it. In 2022 the samples are all trials of the
    tier. In 2023 they are the scored frames of all its trials, laid end to end in time before the one correlation of
    each neuron; the mean of a correlation for each trial is another quantity, `correlation_per_trial`.

    Parameters
    ----------
    responses, predictions : (sample, neuron) array_like
    stimulus : (sample,) or (sample, 2) array_like, optional
        Checked, and of no effect.
    eps : float, 0 or more, unit of the responses
    nan : {"propagate", "omit", "raise"}
        As for `correlation`.

    Returns
    -------
    (neuron,) float64

    Raises
    ------
    BadArgument
        As for `correlation`.

    Notes
    -----
    Sensorium 2022, metrics: "Single-trial correlation"; Sensorium 2023, score. The published code of 2023 sets NaN to 0
    before it averages over neurons: that belongs to the average, `mean_score`.

    Examples
    --------
    >>> single_trial_correlation([[1], [2], [3]], [[10], [30], [20]], stimulus=[4, 4, 9]).round(6)
    array([0.5])
    """
    return correlation(responses, predictions, stimulus=stimulus, eps=eps, nan=nan)


def correlation_to_average(
    responses: ArrayLike,
    predictions: ArrayLike,
    *,
    stimulus: Stimulus | None = None,
    eps: float = EPS,
    nan: NanPolicy = "propagate",
    per_film: bool = False,
) -> NDArray[np.float64]:
    """Correlation after responses, and predictions, have been averaged over the repeats of each stimulus.

    Parameters
    ----------
    responses, predictions : (sample, neuron) array_like
    stimulus : (sample,) or (sample, 2) array_like, or tuple of two (sample,) array_like
        What each sample answers to; for films (film, frame). Needed.
    eps : float, 0 or more, unit of the responses
    nan : {"propagate", "omit", "raise"}
        As for `correlation`; "omit" leaves samples out before they are averaged.
    per_film : bool
        Correlate over the frames of each film shown at least twice, and average over films, as ViV1T does. By default
        the frames of all films are one series.

    Returns
    -------
    (neuron,) float64

    Raises
    ------
    BadArgument
        As for `correlation`; no ids; `per_film` with ids that name no frame.

    Notes
    -----
    Sensorium 2022, metrics: "Correlation to average". Repeats may differ in number; every stimulus weighs the same. A
    stimulus shown once counts as its own average.

    Examples
    --------
    >>> responses, predictions = [[0], [2], [5], [9]], [[1], [1], [2], [3]]
    >>> correlation_to_average(responses, predictions, stimulus=["cat", "cat", "dog", "cow"]).round(6)
    array([1.])
    """
    name = "correlation to average"
    samples = checked(name, responses, predictions, stimulus=stimulus, repeats=True, nan=nan)
    refuse_eps(eps)

    def score(part: Samples) -> NDArray[np.float64]:
        return to_average(StimulusSums.of(part, omit=nan == "omit"), eps)

    return averaged_over_films(samples, score, omit=nan == "omit") if per_film else score(samples)


def to_average(sums: StimulusSums, eps: float) -> NDArray[np.float64]:
    """Return the correlation over stimuli of mean response and mean prediction, (neuron,)."""
    if not sums.omit:
        return PairMoments.of(sums.mean, sums.predicted).correlation(eps)
    mean, predicted = (np.where(sums.shown(), values, np.nan) for values in (sums.mean, sums.predicted))
    return PairMoments.of(mean, predicted, omit=True).correlation(eps)


def correlation_per_trial(
    responses: ArrayLike,
    predictions: ArrayLike,
    *,
    trial: ArrayLike,
    eps: float = EPS,
    nan: NanPolicy = "propagate",
) -> NDArray[np.float64]:
    """Correlation over the time of each trial, averaged over trials.

    Not the score of any benchmark, though it goes by "single-trial correlation" too: what changes from trial to trial,
    and raises the score of 2023, counts for nothing here.

    Parameters
    ----------
    responses, predictions : (sample, neuron) array_like
    trial : (sample,) array_like
        Number or name of the trial each sample is from.
    eps : float, 0 or more, unit of the responses
    nan : {"propagate", "omit", "raise"}
        As for `correlation`; "omit" also leaves out trials that have no sample for a neuron.

    Returns
    -------
    (neuron,) float64

    Raises
    ------
    BadArgument
        As for `correlation`.

    Notes
    -----
    Sensorium 2023, scores: the second of the four quantities of ViV1T's successor.

    Examples
    --------
    >>> correlation_per_trial([[1], [2], [7], [8]], [[3], [4], [2], [1]], trial=[0, 0, 1, 1]).round(6)
    array([0.])
    """
    name, omit = "correlation per trial", nan == "omit"
    samples = checked(name, responses, predictions, stimulus=trial, repeats=True, nan=nan)
    refuse_eps(eps)
    groups = samples.groups
    runs = np.split(groups.order, groups.starts[1:])
    each = (
        PairMoments.of(samples.responses[run], samples.predictions[run], omit=omit).correlation(eps) for run in runs
    )
    return Means.of(np.stack(list(each)), omit=omit).known()
