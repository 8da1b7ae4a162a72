"""Moments of the responses to each stimulus: all that scores of repeated stimuli are made of, from any number of parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.evaluation.samples import Samples, blocks_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sensorium_data.evaluation.stimulusgroups import Key, StimulusGroups

__all__ = ["StimulusSums", "average_over", "of_groups"]


@dataclass(frozen=True, slots=True, eq=False)
class StimulusSums:
    """What is known of each stimulus, (stimulus, neuron) where nothing else is said.

    Attributes
    ----------
    keys : tuple
        Ids of the stimuli.
    n : (stimulus, 1) or (stimulus, neuron) int
        Presentations; a number for each neuron where samples with NaN are left out.
    mean : (stimulus, neuron) float64
        Of the responses.
    m2 : (stimulus, neuron) float64
        Sums of the squared deviations from `mean`.
    predicted : (stimulus, neuron) float64
        Mean of the predictions.
    error : (neuron,) float64
        Sum over all samples of (response - prediction)².
    omit : bool
        Samples with NaN are left out; so are stimuli of which something cannot be known.
    """

    keys: tuple[Key, ...]
    n: NDArray[np.int64]
    mean: NDArray[np.float64]
    m2: NDArray[np.float64]
    predicted: NDArray[np.float64]
    error: NDArray[np.float64]
    omit: bool = False

    @classmethod
    def of(
        cls, samples: Samples, *, omit: bool = False, transform: Callable[[Any], NDArray[np.float64]] | None = None
    ) -> StimulusSums:
        """Return the moments of the responses to each stimulus, transformed first where that is asked for."""
        groups = samples.groups
        blocks = blocks_of(*samples.responses.shape)
        parts = [_of_block(samples, block, groups, omit=omit, transform=transform) for block in blocks]
        n = np.concatenate([part[0] for part in parts], axis=1) if omit else groups.counts[:, None].astype(np.int64)
        mean, m2, predicted, error = (np.concatenate(part, axis=-1) for part in list(zip(*parts, strict=True))[1:])
        return cls(groups.keys, n, mean, m2, predicted, error, omit)

    @property
    def n_samples(self) -> NDArray[np.int64]:
        """Samples of all stimuli, (1,) or (neuron,)."""
        total: NDArray[np.int64] = self.n.sum(axis=0)
        return total

    def reference(self) -> NDArray[np.float64]:
        """Return the first mean there is of each neuron, (neuron,): from it, equal means differ by exactly 0."""
        at = np.broadcast_to(self.shown(), self.mean.shape).argmax(axis=0)
        return np.asarray(np.take_along_axis(self.mean, at[None], axis=0)[0])

    def total(self) -> NDArray[np.float64]:
        """Return the sum of squared deviations of all samples from the mean of all, (neuron,)."""
        apart = self.mean - self.reference()
        grand = (self.n * apart).sum(axis=0) / np.maximum(self.n_samples, 1)
        squares: NDArray[np.float64] = (self.m2 + self.n * (apart - grand) ** 2).sum(axis=0)
        return squares

    def within(self, ddof: int) -> NDArray[np.float64]:
        """Return the variance over repeats of one stimulus, averaged over stimuli with equal weight, (neuron,).

        A stimulus without enough repeats has none: NaN, or with `omit` it is left out.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            variances = np.where(self.n > ddof, self.m2 / (self.n - ddof), np.nan)
        return average_over(variances, omit=self.omit)

    def shown(self, least: int = 1) -> NDArray[np.bool_]:
        """Return which stimuli have so many samples, of the shape of `n`."""
        return self.n >= least


def _of_block(
    samples: Samples,
    block: slice,
    groups: StimulusGroups,
    *,
    omit: bool,
    transform: Callable[[Any], NDArray[np.float64]] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return n, mean, squared deviations, mean prediction and squared errors of some neurons."""
    responses = samples.responses[groups.order, block].astype(np.float64)
    predictions = samples.predictions[groups.order, block].astype(np.float64)
    if transform is not None:
        responses = transform(responses)
    valid = ~(np.isnan(responses) | np.isnan(predictions)) if omit else None
    with np.errstate(invalid="ignore", over="ignore"):
        n, mean, m2 = of_groups(responses, groups, valid)
        predicted = of_groups(predictions, groups, valid)[1]
        errors = (responses - predictions) ** 2
        return n, mean, m2, predicted, (errors if valid is None else np.where(valid, errors, 0)).sum(axis=0)


def of_groups(
    values: NDArray[np.float64], groups: StimulusGroups, valid: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return how many, the mean and the squared deviations from it of each group.

    Parameters
    ----------
    values : (sample, neuron) float64
        Sorted as the groups are.
    groups : StimulusGroups
    valid : (sample, neuron) bool, optional
        Of the values; the others are left out.

    Returns
    -------
    tuple of (group, neuron)
    """
    starts = groups.starts
    if valid is None:
        n = np.broadcast_to(groups.counts[:, None], (len(starts), values.shape[1]))
        first = values[starts]
    else:
        n = np.add.reduceat(valid, starts, axis=0, dtype=np.int64)
        at = np.where(valid, np.arange(len(values))[:, None], len(values) - 1)
        first = np.take_along_axis(values, np.minimum.reduceat(at, starts, axis=0), axis=0)
        first = np.where(n > 0, first, 0.0)
    # From a sample of the group itself, as in `pairmoments.deviations`, so that equal repeats vary by exactly 0.
    values = values - groups.each(first)
    if valid is not None:
        values = np.where(valid, values, 0.0)
    mean = np.add.reduceat(values, starts, axis=0) / np.maximum(n, 1)
    values = values - groups.each(mean)
    if valid is not None:
        values = np.where(valid, values, 0.0)
    return n.astype(np.int64), first + mean, np.add.reduceat(values * values, starts, axis=0)


def average_over(values: NDArray[np.float64], *, omit: bool) -> NDArray[np.float64]:
    """Return the mean over rows, with `omit` of what is not NaN; NaN where nothing is left."""
    if not omit:
        return np.asarray(values.mean(axis=0))
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, values, 0).sum(axis=0) / known.sum(axis=0))
