"""Where windows are put: a step apart along legal starts, or anywhere among them by chance."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensorium_data.windows.legal import Starts

__all__ = ["Pool", "Slots", "StartRuns", "below", "drawn", "high_bits", "pooled", "stepped"]


class StartRuns(NamedTuple):
    """All legal starts, as half-open runs of frames.

    Attributes
    ----------
    session : (run,) int32
        Number of the session.
    trial_row : (run,) int32
        Row of its trial table.
    first, stop : (run,) int32, frames
        Of the trial.
    """

    session: NDArray[np.int32]
    trial_row: NDArray[np.int32]
    first: NDArray[np.int32]
    stop: NDArray[np.int32]


class Slots(NamedTuple):
    """Windows to be drawn: one for each trial of a run of trials, from all legal starts of the run.

    Attributes
    ----------
    session : (slot,) int32
    trial_row : (slot,) int32
        Whose draw it is.
    first, n : (slot,) int64
        The legal starts to draw from, by their number among all.
    """

    session: NDArray[np.int32]
    trial_row: NDArray[np.int32]
    first: NDArray[np.int64]
    n: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pool:
    """The legal starts of all sessions.

    Attributes
    ----------
    runs : StartRuns
    n_samples : (run,) int32
        Of windows that start there.
    stretch : (run,) int64
        Number of the stretch of contiguous legal starts that the run is part of; ascending.
    slots : Slots
    """

    runs: StartRuns
    n_samples: NDArray[np.int32]
    stretch: NDArray[np.int64]
    slots: Slots

    @property
    def n_before(self) -> NDArray[np.int64]:
        """Legal starts before each run, and their number, (run + 1,) int64."""
        lengths = (self.runs.stop - self.runs.first).astype(np.int64)
        return np.concatenate([[0], np.cumsum(lengths)])

    def at(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the run of each legal start, given by its number, and the frame that it is."""
        before = self.n_before
        run = np.searchsorted(before, numbers, side="right") - 1
        return run, (self.runs.first[run] + (numbers - before[run])).astype(np.int32)


def pooled(found: Sequence[Starts]) -> Pool:
    """Return the legal starts of all sessions in one."""
    parts = [_of_session(number, starts) for number, starts in enumerate(found)]
    runs = StartRuns(
        *(np.concatenate(columns).astype(np.int32) for columns in zip(*(p[0] for p in parts), strict=True))
    )
    n_samples = np.concatenate([part[1] for part in parts]).astype(np.int32)
    stretch = np.cumsum(np.concatenate([part[2] for part in parts])) - 1
    n_starts = np.cumsum([0, *(part[4] for part in parts)])
    columns = [
        (session, trial_row, first + n, length)
        for (session, trial_row, first, length), n in zip((part[3] for part in parts), n_starts[:-1], strict=True)
    ]
    session, trial_row, first, length = (np.concatenate(each) for each in zip(*columns, strict=True))
    slots = Slots(session.astype(np.int32), trial_row.astype(np.int32), first, length)
    return Pool(runs, n_samples, stretch.astype(np.int64), slots)


def _of_session(number: int, starts: Starts) -> tuple[StartRuns, NDArray[np.int64], NDArray[np.bool_], Slots, int]:
    """Return the runs of one session, their windows' lengths, which begin a stretch, the slots, and how many starts."""
    runs, trial = starts.runs, starts.trial
    lengths = starts.stop - starts.first
    of_run, where = runs.run[trial], runs.before[trial] + starts.first
    begins = np.ones(len(trial), np.bool_)
    begins[1:] = (of_run[1:] != of_run[:-1]) | (where[1:] != (where + lengths)[:-1])
    n_runs = int(runs.run[-1]) + 1 if len(runs.run) else 0
    in_run = np.bincount(of_run, lengths, n_runs).astype(np.int64)
    before = np.cumsum(in_run) - in_run
    drawn_for = np.flatnonzero(in_run[runs.run] > 0)
    session = np.full(len(trial), number, np.int32)
    slots = Slots(
        np.full(len(drawn_for), number, np.int32), runs.rows[drawn_for].astype(np.int32),
        before[runs.run[drawn_for]], in_run[runs.run[drawn_for]],
    )  # fmt: skip
    found = StartRuns(session, *(part.astype(np.int32) for part in (runs.rows[trial], starts.first, starts.stop)))
    return found, starts.n_samples, begins, slots, int(lengths.sum())


def stepped(pool: Pool, stride: int) -> NDArray[np.int64]:
    """Return every stride-th start of each stretch of contiguous legal starts, the first included, by number."""
    before = pool.n_before
    heads = np.flatnonzero(np.diff(pool.stretch, prepend=-1))
    first = before[heads]
    n = -(-np.diff(np.append(first, before[-1])) // stride)
    of = np.repeat(np.arange(len(heads)), n)
    step = np.arange(len(of)) - np.repeat(np.cumsum(n) - n, n)
    starts: NDArray[np.int64] = first[of] + step * stride
    return starts


def drawn(pool: Pool, keys: Sequence[str], n_trials: Sequence[int], seed: int, epoch: int) -> NDArray[np.int64]:
    """Return one start for each slot, each as likely as any other of its run, by number.

    A draw depends on the seed, the epoch, the key of the session and the row of the trial, and on nothing else: not on
    which other sessions or trials there are, nor on their order.
    """
    starts = np.empty(len(pool.slots.session), np.int64)
    ends = np.searchsorted(pool.slots.session, np.arange(len(keys) + 1))
    for number, (key, n) in enumerate(zip(keys, n_trials, strict=True)):
        mine = slice(ends[number], ends[number + 1])
        drawn_for = high_bits(key, n, seed, epoch)[pool.slots.trial_row[mine]]
        starts[mine] = pool.slots.first[mine] + below(pool.slots.n[mine], drawn_for)
    return starts


def high_bits(key: str, n: int, *what: int) -> NDArray[np.uint64]:
    """Return 32 random bits for each of n trials of a session, (n,), which follow from its key and `what` they are for."""
    # Python's hash() of a text differs from process to process; this one does not.
    source = np.random.SeedSequence(int.from_bytes(sha256(key.encode()).digest()), spawn_key=what)
    bits: NDArray[np.uint64] = np.random.Philox(source).random_raw(n) >> np.uint64(32)
    return bits


def below(n: NDArray[np.int64], bits: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return integers from 0 to below n, each as likely as any other, from 32 random bits for each."""
    # floor(u * n / 2**32) takes each value up to n - 1, the last included, as no rounding can.
    return ((bits * n.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)
