"""Deal groups of trials to sides: no group on two, each side near its share, the same for the same seed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["deal"]


def deal(n_trials: NDArray[np.int64], shares: Sequence[float], *, seed: int) -> NDArray[np.int64]:
    """Return the side of each group.

    The groups are shuffled, then dealt from the largest to the smallest, each to the side that stays furthest below its
    share. So sides get their share of the films that were shown ten times as well as of those shown once.

    Parameters
    ----------
    n_trials : (group,) int64
        Trials of each group; a group without trials is on no side.
    shares : sequence of float
        Of all trials, one for each side; they add up to 1.
    seed : int
        Of the shuffle.

    Returns
    -------
    (group,) int64
        Side, -1 where there are no trials. Every side has a group.

    Raises
    ------
    BadArgument
        A share that is not above 0, shares that do not add up to 1, a negative seed, or fewer groups than sides.

    Examples
    --------
    >>> deal(np.array([10, 1, 10, 1]), [0.5, 0.5], seed=0).tolist()
    [1, 0, 0, 1]
    """
    shown = np.flatnonzero(n_trials)
    _check(shares, len(shown), seed)
    shuffled = np.random.default_rng(seed).permutation(shown)
    order = shuffled[np.argsort(-n_trials[shuffled], kind="stable")]
    sides = np.full(len(n_trials), -1, np.int64)
    held = [0] * len(shares)
    for n_left, group in zip(range(len(order), 0, -1), order.tolist(), strict=True):
        size = int(n_trials[group])
        empty = [side for side, n in enumerate(held) if not n]
        # The last groups fill the sides that would have none.
        open_to = empty if n_left <= len(empty) else range(len(shares))
        side = min(open_to, key=lambda s: (held[s] + size) / shares[s])
        held[side] += size
        sides[group] = side
    return sides


def _check(shares: Sequence[float], n_groups: int, seed: int) -> None:
    if seed < 0:
        raise BadArgument(f"seed is {seed!r}, expected an integer of 0 or more")
    if not len(shares) or not all(0 < share <= 1 for share in shares) or not math.isclose(sum(shares), 1, abs_tol=1e-9):
        listed = ", ".join(f"{share:g}" for share in shares)
        raise BadArgument(f"shares are {listed or 'none'}, expected numbers above 0 that add up to 1")
    if n_groups < len(shares):
        raise BadArgument(f"{n_groups} films cannot be dealt to {len(shares)} sides", hint="ask for fewer sides")
