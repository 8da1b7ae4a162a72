"""Streaming statistics that can be merged: mean, standard deviation, extremes, count; float64, NaN left out.

Parts are merged by the update of Chan, Golub and LeVeque (1983), which stays accurate where the naive
mean-of-squares cancels.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Moments"]

BLOCK = 1024  # channels at once: what is done to 300 samples of them stays in the second-level cache, a third faster


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean, sum of squared deviations and extremes of each channel, every field (channel,).

    Examples
    --------
    >>> parts = [np.array([[1.0], [2.0]]), np.array([[6.0]])]
    >>> whole = Moments.empty(1).merge(Moments.of(parts[0])).merge(Moments.of(parts[1]))
    >>> whole.mean, whole.n
    (array([3.]), array([3]))
    """

    n: NDArray[np.int64]
    mean: NDArray[np.float64]
    m2: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def empty(cls, n_channels: int) -> Moments:
        """Return the moments of no sample at all."""
        zeros = np.zeros(n_channels)
        inf = np.full(n_channels, np.inf)
        return cls(np.zeros(n_channels, np.int64), zeros, zeros.copy(), inf, -inf)

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Moments:
        """Return the moments of a block, (time, channel) float; NaN and infinity are left out."""
        blocks = [cls._of(values[:, start : start + BLOCK]) for start in range(0, max(1, values.shape[1]), BLOCK)]
        return cls(*(np.concatenate([getattr(block, part.name) for block in blocks]) for part in fields(cls)))

    @classmethod
    def _of(cls, values: NDArray[np.floating]) -> Moments:
        if not len(values):
            return cls.empty(values.shape[1])
        # About a sample of its own each channel's squares cancel by a factor of n at the worst, whatever its offset.
        first = values[0].astype(np.float64)
        n = len(values)
        with np.errstate(invalid="ignore", over="ignore"):  # infinity, and what overflows, is noticed below
            deviation = np.subtract(values, first, dtype=np.float64)
            total = deviation.sum(axis=0)
            m2 = np.einsum("ij,ij->j", deviation, deviation) - total * total / n
        if not np.isfinite(m2).all():
            return cls._of_gappy(values)
        low, high = values.min(axis=0), values.max(axis=0)
        counts = np.full(values.shape[1], n, np.int64)
        return cls(counts, first + total / n, np.maximum(m2, 0), low.astype(np.float64), high.astype(np.float64))

    @classmethod
    def _of_gappy(cls, values: NDArray[np.floating]) -> Moments:
        good = np.isfinite(values)
        n = good.sum(axis=0)
        safe = np.where(good, values, 0).astype(np.float64)
        with np.errstate(over="ignore"):  # beyond 1e154 squares are infinite, and so is the standard deviation
            mean = safe.sum(axis=0) / np.maximum(n, 1)
            m2 = (np.where(good, safe - mean, 0) ** 2).sum(axis=0)
        low = np.where(good, values, np.inf).min(axis=0)
        high = np.where(good, values, -np.inf).max(axis=0)
        return cls(n.astype(np.int64), mean, m2, low.astype(np.float64), high.astype(np.float64))

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets of samples together."""
        n = self.n + other.n
        safe = np.maximum(n, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            delta = other.mean - self.mean
            mean = self.mean + delta * (other.n / safe)
            m2 = self.m2 + other.m2 + delta * delta * (self.n * (other.n / safe))
        return Moments(n, mean, m2, np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def measures(self) -> dict[str, NDArray[np.generic]]:
        """Return mean, population std, min, max and n; channels without a sample are NaN."""
        none = self.n == 0
        std = np.sqrt(self.m2 / np.maximum(self.n, 1))
        values = {"mean": self.mean, "std": std, "min": self.low, "max": self.high}
        measured: dict[str, NDArray[np.generic]] = {k: np.where(none, np.nan, v) for k, v in values.items()}
        return measured | {"n": self.n}
