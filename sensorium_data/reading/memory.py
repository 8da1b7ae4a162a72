"""Decoded chunks of one array in memory: which are there, which are being decoded, and by whom they may be."""

from __future__ import annotations

import os
import weakref
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.reading.budget import lock_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from threading import Lock

    from numpy.typing import NDArray

    from sensorium_data.reading.budget import Budget

__all__ = ["BUSY", "NOTHING", "THERE", "Memory", "granted", "shared"]

NOTHING, BUSY, THERE = 0, 1, 2  # of a chunk: not in memory, being decoded by some thread, decoded


class Memory:
    """The first rows of an array, and a byte for each of their chunks: what there is of it. Thread safe.

    Parameters
    ----------
    values : (row, …) array
        Of unspecified content.
    chunk : int
        Rows of a chunk; the last one may have fewer.

    Examples
    --------
    >>> memory = Memory(np.empty((50, 3)), chunk=20)
    >>> memory.claimed(15, 10), memory.claimed(0, 50)
    ([(0, 2)], [(2, 3)])
    >>> memory.settle(0, 2, THERE)
    >>> memory.holds(15, 10), memory.holds(15, 30)
    (True, False)
    """

    __slots__ = ("__weakref__", "_chunk", "_locks", "_pid", "state", "values")

    def __init__(self, values: NDArray[Any], chunk: int) -> None:
        self.values, self._chunk = values, chunk
        self.state = bytearray(-(-len(values) // chunk))
        self._locks: dict[int, Lock] = {}
        self._pid = os.getpid()  # where chunks were claimed last

    def holds(self, first: int, n: int) -> bool:
        """Return whether rows [first, first + n) are all there."""
        start, stop = first // self._chunk, -(-(first + n) // self._chunk)
        return self.state.count(THERE, start, stop) == stop - start  # beyond the last chunk it counts none

    def runs(self, first: int, n: int) -> list[tuple[int, int, int]]:
        """Return runs of chunks that are equally far, as they are now, in which rows lie: how far, begin, end."""
        found, at = [], first // self._chunk
        for what, run in groupby(bytes(self.state[at : -(-(first + n) // self._chunk)])):
            found.append((what, at, at := at + sum(1 for _ in run)))
        return found

    def claimed(self, first: int, n: int) -> list[tuple[int, int]]:
        """Return the runs of chunks of some rows that are the caller's to decode, and to `settle`."""
        with lock_of(self._locks):
            if self._pid != os.getpid():  # who was decoding when this process was forked is not here to end it
                self.state[:] = self.state.replace(bytes([BUSY]), bytes([NOTHING]))
                self._pid = os.getpid()
            runs = [(begin, end) for what, begin, end in self.runs(first, n) if what == NOTHING]
            for begin, end in runs:
                self.settle(begin, end, BUSY)
        return runs

    def settle(self, begin: int, end: int, what: int) -> None:
        """Say how far a run of chunks is."""
        self.state[begin:end] = bytes([what]) * (end - begin)


# Training and validation read the same files.
_SHARED: weakref.WeakValueDictionary[Hashable, Memory] = weakref.WeakValueDictionary()
_LOCKS: dict[int, Lock] = {}


def shared(key: Hashable, made: Callable[[], Memory]) -> Memory:
    """Return the memory that others have under a key, or a new one; it goes with the last who has it."""
    with lock_of(_LOCKS):
        if (found := _SHARED.get(key)) is None:
            found = _SHARED[key] = made()
        return found


def granted(budget: Budget, shape: tuple[int, ...], dtype: np.dtype[Any], chunk: int) -> Memory:
    """Return memory for as many whole chunks of an array as a budget grants; they go back to it when it is collected."""
    chunk_bytes = chunk * prod(shape[1:]) * dtype.itemsize
    n_bytes = budget.take(-(-shape[0] // chunk) * chunk_bytes, chunk_bytes)
    try:
        values = np.empty((min(n_bytes // chunk_bytes * chunk, shape[0]), *shape[1:]), dtype)
    except MemoryError:  # a system that promises no more than it has: nothing is kept
        budget.give(n_bytes)
        n_bytes, values = 0, np.empty((0, *shape[1:]), dtype)
    weakref.finalize(values, budget.give, n_bytes).atexit = False
    return Memory(values, chunk)
