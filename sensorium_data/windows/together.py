"""Several random clips of one trial at once: which trials have their turn in an epoch, and where in them clips begin.

Each trial gives as many clips at its turn as a block has, or as many as it has legal starts. Turns follow each other
without end, in passes: every trial once, in an order drawn anew for each pass. An epoch is the next n clips of them, n
being the number of trials. So an epoch has as many clips as with one clip a trial, and k epochs of blocks of k are one
pass, in which every trial gives exactly k clips. Where an epoch ends within a trial's turn, the next goes on with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.windows.placing import below, drawn, high_bits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensorium_data.windows.placing import Pool

__all__ = ["drawn_together", "taken"]

OF_PASS = 0  # which bits are for the order of a pass; those for a trial's j-th clip in an epoch are its j, from 1 on


def drawn_together(
    pool: Pool, keys: Sequence[str], n_trials: Sequence[int], seed: int, epoch: int, n_clips: int
) -> NDArray[np.int64]:
    """Return the starts of an epoch in which a trial gives several clips, by number, those of a trial side by side.

    Of each session there are as many as it has slots. The first of a trial is the one that `drawn` draws; the others are
    further ones of the trial in which that one lies, each as likely as any other and no two the same, as far as there
    are so many.

    Parameters
    ----------
    pool : Pool
    keys : sequence of str
        Of the sessions.
    n_trials : sequence of int
        Rows of each session's trial table.
    seed, epoch : int
    n_clips : int
        Of a trial, at its turn.
    """
    firsts = drawn(pool, keys, n_trials, seed, epoch)
    ends = np.searchsorted(pool.slots.session, np.arange(len(keys) + 1))
    found = [np.zeros(0, np.int64)]
    for number, (key, n) in enumerate(zip(keys, n_trials, strict=True)):
        mine = slice(ends[number], ends[number + 1])
        rows = pool.slots.trial_row[mine]
        weights = np.minimum(pool.slots.n[mine], n_clips)
        orders = ((seed, number, OF_PASS) for number in _passes(epoch, weights))
        counts = taken(weights, epoch, [np.argsort(high_bits(key, n, *what)[rows], kind="stable") for what in orders])
        bits = [high_bits(key, n, seed, epoch, j)[rows] for j in range(1, int(counts.max(initial=0)))]
        found.append(_starts(pool, firsts[mine], counts, bits))
    return np.concatenate(found)


def _passes(epoch: int, weights: NDArray[np.int64]) -> range:
    """Return the passes that an epoch has a part of: one or two, as a pass has at least as many clips as an epoch."""
    n, total = len(weights), int(weights.sum())
    return range(epoch * n // total, ((epoch + 1) * n - 1) // total + 1) if n else range(0)


def taken(weights: NDArray[np.int64], epoch: int, orders: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return how many clips each slot gives in an epoch, (slot,) int64, as many as slots in all.

    Parameters
    ----------
    weights : (slot,) int64
        Clips that each gives at its turn, 1 or more.
    epoch : int
    orders : sequence of (slot,) int64
        The slots in the order of each pass that the epoch has a part of.

    Examples
    --------
    >>> order = np.array([2, 0, 1])
    >>> [taken(np.array([2, 2, 2]), epoch, [order]).tolist() for epoch in (0, 1)]
    [[1, 0, 2], [1, 2, 0]]
    """
    n, total = len(weights), int(weights.sum())
    counts = np.zeros(n, np.int64)
    for number, order in zip(_passes(epoch, weights), orders, strict=True):
        begin = epoch * n - number * total  # of the epoch, counted from the beginning of the pass
        before = np.concatenate([[0], np.cumsum(weights[order])])
        inside = np.clip(before, max(begin, 0), min(begin + n, total))
        counts[order] += np.diff(inside)
    return counts


def _starts(
    pool: Pool, firsts: NDArray[np.int64], counts: NDArray[np.int64], bits: Sequence[NDArray[np.uint64]]
) -> NDArray[np.int64]:
    """Return as many starts of each slot as it gives clips, slot after slot."""
    slots = np.flatnonzero(counts)
    low, n = _of_trial(pool, firsts[slots])
    chosen = np.empty((len(bits) + 1, len(slots)), np.int64)  # places among the starts of the trial
    chosen[0] = firsts[slots] - low
    for j, drawn_for in enumerate(bits, start=1):
        chosen[j] = _another(chosen[:j], n, drawn_for[slots])
    given = np.arange(len(chosen))[:, None] < counts[slots]
    starts: NDArray[np.int64] = (chosen + low).T[given.T]
    return starts


def _of_trial(pool: Pool, starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first legal start of the trial in which each start lies, and how many the trial has."""
    runs, before = pool.runs, pool.n_before
    other = (np.diff(runs.session, prepend=-1) != 0) | (np.diff(runs.trial_row, prepend=-1) != 0)
    trial = np.cumsum(other) - 1  # of each run
    bounds = np.append(before[:-1][other], before[-1])
    its = trial[pool.at(starts)[0]]
    return bounds[its], bounds[its + 1] - bounds[its]


def _another(chosen: NDArray[np.int64], n: NDArray[np.int64], bits: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return one more of n places for each slot: none that was chosen, or where all were, the chosen ones once more."""
    j = len(chosen)
    left = below(np.maximum(n - j, 1), bits)
    # The r-th place that was not chosen: as many further on as chosen ones lie before it.
    others = left + (np.sort(chosen, axis=0) - np.arange(j)[:, None] <= left).sum(axis=0)
    again = np.take_along_axis(chosen, np.minimum(j % n, j - 1)[None], axis=0)[0]
    found: NDArray[np.int64] = np.where(n > j, others, again)
    return found
