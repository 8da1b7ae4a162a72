"""How far a mean over neurons would move with other neurons: percentile intervals, drawn again from those there are."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["bootstrap_means", "percentile_interval"]

AT_ONCE = 1 << 22  # draws held in memory together: 32 MB


def bootstrap_means(values: NDArray[np.floating], n: int, *, seed: int = 0, name: str = "") -> NDArray[np.float64]:
    """Return means over neurons that are drawn with replacement.

    Parameters
    ----------
    values : (neuron,) float
        NaN is left out before anything is drawn: a neuron without a score stands for none.
    n : int
        How many means.
    seed : int
    name : str
        Of what is drawn from: equal names get equal draws, whatever else was drawn before.

    Returns
    -------
    (n,) float64
        NaN where no neuron has a score.

    Notes
    -----
    Efron, Bootstrap methods: another look at the jackknife, The Annals of Statistics 7, 1979. What varies is which
    neurons were recorded; the trials stay as they are, so trial-to-trial noise is in the scores and not in the intervals.

    Examples
    --------
    >>> means = bootstrap_means(np.array([0.1, 0.2, 0.3, np.nan]), 1000)
    >>> means.shape, bool(np.array_equal(means, bootstrap_means(np.array([0.1, 0.2, 0.3]), 1000)))
    ((1000,), True)
    """
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    means = np.full(n, np.nan)
    if not known.size:
        return means
    rng = np.random.default_rng([seed, crc32(name.encode())])
    step = max(1, AT_ONCE // known.size)
    for first in range(0, n, step):
        stop = min(first + step, n)
        means[first:stop] = known[rng.integers(known.size, size=(stop - first, known.size))].mean(axis=1)
    return means


def percentile_interval(means: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """Return the ends of the interval that holds the middle of some means.

    Parameters
    ----------
    means : (draw,) float64
    level : float
        Share of them that it holds.

    Returns
    -------
    low, high : float
        NaN where there are no means, or one of them is NaN.

    Examples
    --------
    >>> percentile_interval(np.arange(101.0), 0.5)
    (25.0, 75.0)
    """
    if not means.size:
        return float("nan"), float("nan")
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
