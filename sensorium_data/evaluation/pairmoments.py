"""Means, squares and products of two series, streaming and mergeable: all that a correlation needs; float64.

Parts are merged by the update of Chan, Golub and LeVeque (1983), extended to products: deviations are taken from each
part's own mean, so a large common offset costs no digits.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.evaluation.samples import blocks_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Means", "PairMoments", "deviations"]


@dataclass(frozen=True, slots=True, eq=False)
class PairMoments:
    """Moments of responses x and predictions y, every field (neuron,).

    Examples
    --------
    >>> x = np.array([[1.0], [2.0], [6.0]])
    >>> parts = PairMoments.of(x[:1], 2 * x[:1]).merge(PairMoments.of(x[1:], 2 * x[1:]))
    >>> parts.mean_x, parts.m2_x, parts.product
    (array([3.]), array([14.]), array([28.]))
    """

    n: NDArray[np.int64]
    mean_x: NDArray[np.float64]
    mean_y: NDArray[np.float64]
    m2_x: NDArray[np.float64]
    m2_y: NDArray[np.float64]
    product: NDArray[np.float64]

    @classmethod
    def of(cls, x: NDArray[Any], y: NDArray[Any], *, omit: bool = False) -> PairMoments:
        """Return the moments of a block, (sample, neuron) both; with `omit` without samples where either is NaN."""
        parts = [cls._of(x[:, block], y[:, block], omit=omit) for block in blocks_of(*x.shape)]
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    @classmethod
    def _of(cls, x: NDArray[Any], y: NDArray[Any], *, omit: bool) -> PairMoments:
        x, y = x.astype(np.float64), y.astype(np.float64)
        valid = ~(np.isnan(x) | np.isnan(y)) if omit else None
        n = np.full(x.shape[1], len(x)) if valid is None else valid.sum(axis=0)
        with np.errstate(invalid="ignore", over="ignore"):  # beyond 1e154 squares are infinite, and the score is NaN
            dx, mean_x = deviations(x, valid)
            dy, mean_y = deviations(y, valid)
            squares = (np.einsum("ij,ij->j", one, other) for one, other in ((dx, dx), (dy, dy), (dx, dy)))
            return cls(n.astype(np.int64), mean_x, mean_y, *squares)

    def merge(self, other: PairMoments) -> PairMoments:
        """Return the moments of both sets of samples together."""
        n = self.n + other.n
        share = other.n / np.maximum(n, 1)
        both = self.n * share
        with np.errstate(invalid="ignore", over="ignore"):
            dx, dy = other.mean_x - self.mean_x, other.mean_y - self.mean_y
            return PairMoments(
                n,
                self.mean_x + dx * share,
                self.mean_y + dy * share,
                self.m2_x + other.m2_x + dx * dx * both,
                self.m2_y + other.m2_y + dy * dy * both,
                self.product + other.product + dx * dy * both,
            )

    def correlation(self, eps: float) -> NDArray[np.float64]:
        """Return the correlation, `eps` added to each population standard deviation; NaN without samples."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            std_x, std_y = np.sqrt(self.m2_x / self.n) + eps, np.sqrt(self.m2_y / self.n) + eps
            return self.product / self.n / std_x / std_y


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """How many, and their mean, (neuron,) both: all that an average over samples or trials needs.

    Examples
    --------
    >>> Means.of(np.array([[1.0], [np.nan]]), omit=True).merge(Means.of(np.array([[4.0]]))).mean
    array([2.5])
    """

    n: NDArray[np.int64]
    mean: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64], *, omit: bool = False) -> Means:
        """Return the means of (sample, neuron) values; with `omit` NaN is left out."""
        if not omit:
            return cls(np.full(values.shape[1], len(values), np.int64), values.mean(axis=0))
        valid = ~np.isnan(values)
        n = valid.sum(axis=0)
        return cls(n.astype(np.int64), np.where(valid, values, 0).sum(axis=0) / np.maximum(n, 1))

    def merge(self, other: Means) -> Means:
        """Return the means of both together."""
        n = self.n + other.n
        with np.errstate(invalid="ignore"):
            return Means(n, self.mean + (other.mean - self.mean) * (other.n / np.maximum(n, 1)))

    def known(self) -> NDArray[np.float64]:
        """Return the means, NaN where there is nothing."""
        return np.where(self.n == 0, np.nan, self.mean)


def deviations(
    values: NDArray[np.float64], valid: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the deviations of each column from its mean, 0 where not valid, and the means.

    Everything is first taken from a sample of the column itself. So what is constant deviates by exactly 0, whatever it
    is, and what is large deviates by what its own digits say.
    """
    if valid is None:
        first = values[0]
        values = values - first
        mean = values.sum(axis=0) / len(values)
        values -= mean
        return values, first + mean
    n = valid.sum(axis=0)
    first = np.where(n > 0, values[valid.argmax(axis=0), np.arange(values.shape[1])], 0.0)
    values = np.where(valid, values - first, 0.0)
    mean = values.sum(axis=0) / np.maximum(n, 1)
    return np.where(valid, values - mean, 0.0), first + mean
