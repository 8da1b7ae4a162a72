"""Decoded chunks of one array in memory: which are there, which are being decoded, and by whom they may be."""

from __future__ import annotations

import os
import weakref
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.forks import lock_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from threading import Lock

    from numpy.typing import NDArray

    from sensorium_data.reading.budget import Budget

__all__ = ["BUSY", "NOTHING", "THERE", "Memory", "shared"]

NOTHING, BUSY, THERE = 0, 1, 2  # of a chunk: not in memory, being decoded by some thread, decoded
# Bytes that a budget is asked for at once, in whole chunks: the system may give memory in pages of 2 MB, and single chunks
# here and there would take several times their size.
SLAB = 8 << 20


class Memory:
    """The rows of an array as far as they were decoded and a budget has paid for them. Thread safe.

    Memory is that of the whole array, of which the system gives what is written to. What is granted goes back to the
    budget when the memory is collected.

    Parameters
    ----------
    shape : tuple of int
        (row, …).
    dtype : numpy.dtype
    chunk : int
        Rows of a chunk; the last one may have fewer.
    budget : Budget

    Attributes
    ----------
    values : (row, …) array
        Without rows where the system promises no more memory than it has.
    state : bytearray
        A byte for each chunk.

    Examples
    --------
    >>> from sensorium_data.reading.budget import Budget
    >>> memory = Memory((50, 3), np.dtype("float32"), 20, Budget(1000))
    >>> with memory.claimed(15, 10) as mine, memory.claimed(0, 50) as rest:
    ...     memory.settle(0, 2, THERE)
    ...     print(mine, rest)
    [(0, 2)] [(2, 3)]
    >>> memory.holds(15, 10), memory.holds(15, 30)
    (True, False)
    """

    __slots__ = ("__weakref__", "_budget", "_chunk", "_granted", "_locks", "_pid", "_slab", "_taken", "state", "values")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], chunk: int, budget: Budget) -> None:
        try:
            self.values: NDArray[Any] = np.empty(shape, dtype)
        except MemoryError:
            self.values = np.empty((0, *shape[1:]), dtype)
        self._chunk, self._budget = chunk, budget
        self._slab = max(1, SLAB // max(1, self.values[:1].nbytes * chunk))  # chunks
        self.state = bytearray(-(-len(self.values) // chunk))
        self._granted = bytearray(-(-len(self.state) // self._slab))
        self._taken = [0]  # bytes
        self._locks: dict[int, Lock] = {}
        self._pid = os.getpid()  # where chunks were claimed last
        weakref.finalize(self.values, _give_back, budget, self._taken).atexit = False

    def holds(self, first: int, n: int) -> bool:
        """Return whether rows [first, first + n) are all there."""
        start, stop = self._chunks(first, n)
        return self.state.count(THERE, start, stop) == stop - start  # beyond the last chunk it counts none

    def runs(self, first: int, n: int) -> list[tuple[int, int, int]]:
        """Return runs of chunks that are equally far, as they are now, in which rows lie: how far, begin, end."""
        start, stop = self._chunks(first, n)
        found, at = [], start
        for what, run in groupby(bytes(self.state[start:stop])):
            found.append((what, at, at := at + sum(1 for _ in run)))
        return found

    @contextmanager
    def claimed(self, first: int, n: int) -> Iterator[list[tuple[int, int]]]:
        """Lend the runs of chunks of some rows that are the caller's to decode, as far as the budget goes.

        Those that are not settled when it ends, by an error or an interruption, are free again.
        """
        mine: list[tuple[int, int]] = []
        try:
            with lock_of(self._locks):
                self._after_fork()
                for begin, end in self._free(*self._chunks(first, n)):
                    mine.append((begin, end))
                    self.settle(begin, end, BUSY)
            yield mine
        finally:
            for begin, end in mine:
                if self.state[begin] == BUSY:
                    self.settle(begin, end, NOTHING)

    def settle(self, begin: int, end: int, what: int) -> None:
        """Say how far a run of chunks is."""
        self.state[begin:end] = bytes([what]) * (end - begin)

    def _chunks(self, first: int, n: int) -> tuple[int, int]:
        return first // self._chunk, -(-(first + n) // self._chunk)

    def _after_fork(self) -> None:
        if self._pid != os.getpid():  # who was decoding when this process was forked is not here to end it
            self.state[:] = self.state.replace(bytes([BUSY]), bytes([NOTHING]))
            self._pid = os.getpid()

    def _free(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the runs of chunks in which nothing is, and for which there is memory."""
        free: list[tuple[int, int]] = []
        for chunk in range(start, min(stop, len(self.state))):
            if self.state[chunk] == NOTHING and self._paid(chunk // self._slab):
                begin = free.pop()[0] if free and free[-1][1] == chunk else chunk
                free.append((begin, chunk + 1))
        return free

    def _paid(self, slab: int) -> bool:
        if not self._granted[slab]:
            rows = self.values[slab * self._slab * self._chunk : (slab + 1) * self._slab * self._chunk]
            self._granted[slab] = bool(self._budget.take(rows.nbytes, rows.nbytes))
            self._taken[0] += rows.nbytes * self._granted[slab]
        return bool(self._granted[slab])


def _give_back(budget: Budget, taken: list[int]) -> None:
    budget.give(taken[0])


# Training and validation read the same files.
_SHARED: weakref.WeakValueDictionary[Hashable, Memory] = weakref.WeakValueDictionary()
_LOCKS: dict[int, Lock] = {}


def shared(key: Hashable, made: Callable[[], Memory]) -> Memory:
    """Return the memory that others have under a key, or a new one; it goes with the last who has it."""
    with lock_of(_LOCKS):
        if (found := _SHARED.get(key)) is None:
            found = _SHARED[key] = made()
        return found
