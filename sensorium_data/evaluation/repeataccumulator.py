"""Scores of repeated stimuli from parts: sums are kept for each stimulus, so the order of the samples does not matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from sensorium_data.errors import BadArgument, near_miss
from sensorium_data.evaluation.correlations import EPS, to_average
from sensorium_data.evaluation.normalized import LEAST_POWER, normalized_of
from sensorium_data.evaluation.oracles import conservative_of, jackknife_of
from sensorium_data.evaluation.repeatsums import RepeatSums, Transform
from sensorium_data.evaluation.stimulussums import StimulusSums
from sensorium_data.evaluation.variances import (
    FEVE_THRESHOLD,
    VARIANCE_EPS,
    explainable_of,
    feve_of,
    signal_to_noise_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RepeatAccumulator", "RepeatMetric"]

RepeatMetric: TypeAlias = Literal[
    "correlation_to_average",
    "explainable_variance",
    "feve",
    "oracle_jackknife",
    "oracle_conservative",
    "signal_to_noise",
    "normalized_correlation",
]


class RepeatAccumulator(RepeatSums):
    """All scores of repeated stimuli, from parts in any order.

    Holds for each stimulus 24 bytes a neuron (16 without predictions; 8 more with ``nan="omit"``), and for each numbered
    presentation 16; room grows by doubling, so up to twice that. For the oracle tier of 2023, 6 films of 300 frames and
    8,000 neurons: 350 MB.

    Parameters
    ----------
    nan : {"propagate", "omit", "raise"}
        As for `feve`.
    transform : {"none", "anscombe"}
        Of the responses; `signal_to_noise` needs the second, and is the only score that does.

    Raises
    ------
    BadArgument
        No such policy or transform.

    Examples
    --------
    >>> repeats = RepeatAccumulator()
    >>> repeats.update([[0.0], [10.0]], [[1.0], [10.0]], stimulus=["cat", "dog"])
    >>> elsewhere = RepeatAccumulator()
    >>> elsewhere.update([[12.0], [2.0]], [[10.0], [1.0]], stimulus=["dog", "cat"])
    >>> both = repeats.merge(RepeatAccumulator.from_state(elsewhere.state()))
    >>> both.value("feve").round(4), both.value("oracle_jackknife").round(4)
    (array([1.0153]), array([0.9231]))
    """

    def value(self, metric: RepeatMetric) -> NDArray[np.float64]:
        """Return a score with its default options, (neuron,) float64.

        Parameters
        ----------
        metric : str
            The name of the function that gives the same from all samples at once; there is a method of that name, with
            the function's options, too.

        Raises
        ------
        BadArgument
            No such score; no sample yet; no predictions, numbers of presentations or transform where it needs them.
        """
        if metric not in get_args(RepeatMetric):
            hint = near_miss(str(metric), get_args(RepeatMetric))
            raise BadArgument(f"no score of repeats is called {metric!r}", hint=hint, code="no-such-metric")
        made: NDArray[np.float64] = getattr(self, metric)()
        return made

    def correlation_to_average(self, *, eps: float = EPS) -> NDArray[np.float64]:
        """Return what the function of this name gives, (neuron,) float64."""
        return to_average(self._sums(predicted=True), eps)

    def explainable_variance(self, *, eps: float = VARIANCE_EPS) -> NDArray[np.float64]:
        """Return what the function of this name gives, (neuron,) float64."""
        return explainable_of(self._sums(), eps)

    def feve(self, *, threshold: float = FEVE_THRESHOLD) -> NDArray[np.float64]:
        """Return what the function of this name gives, (neuron,) float64."""
        return feve_of(self._sums(predicted=True), threshold)

    def oracle_jackknife(self, *, eps: float = EPS) -> NDArray[np.float64]:
        """Return what the function of this name gives, (neuron,) float64."""
        return jackknife_of(self._sums(), eps)

    def oracle_conservative(self) -> NDArray[np.float64]:
        """Return what the function of this name gives, (neuron,) float64."""
        return conservative_of(self._sums())

    def signal_to_noise(self) -> NDArray[np.float64]:
        """Return what the function of this name gives, (neuron,) float64."""
        return signal_to_noise_of(self._sums(transform="anscombe"))

    def normalized_correlation(self, *, eps: float = EPS, least_power: float = LEAST_POWER) -> NDArray[np.float64]:
        """Return what the function of this name gives, (neuron,) float64."""
        sums = self._sums(predicted=True)
        if self._held is None or not self._held.numbered:
            message = "normalised correlation needs the number of each presentation"
            raise BadArgument(message, hint="pass `repeat=` to `update`", code="no-repeat")
        presentations = self._held.presentations
        n = len(presentations.keys)
        complete = (presentations.n == len(sums.keys)).all() and (sums.n == n).all(axis=0)
        return normalized_of(sums, eps, least_power, np.where(complete, presentations.m2.sum(axis=0), np.nan))

    def _sums(self, *, predicted: bool = False, transform: Transform = "none") -> StimulusSums:
        if self._held is None:
            raise BadArgument("scores of repeats: no sample yet", hint="call `update` first", code="no-samples")
        if predicted and not self._held.predicted:
            raise BadArgument(
                "scores of predictions: there were none", hint="pass `predictions`", code="no-predictions"
            )
        if transform != self._transform:
            message = f"the responses went through the transform {self._transform!r}, this score is of {transform!r}"
            raise BadArgument(message, hint=f"RepeatAccumulator(transform={transform!r})", code="bad-transform")
        rows = self._held.stimuli
        means = rows.further[0] if self._held.predicted else rows.mean
        return StimulusSums(rows.keys, rows.n, rows.mean, rows.m2, means, self._held.error, self._nan == "omit")
