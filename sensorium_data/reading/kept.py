"""Decoded chunks stay in memory: what fits is decoded once in a process, and copied from then on."""

from __future__ import annotations

from collections import deque
from functools import partial
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.reading.base import Reader
from sensorium_data.reading.budget import BUDGET, Budget
from sensorium_data.reading.memory import NOTHING, THERE, Memory, granted, shared
from sensorium_data.reading.reader import ArrayReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["KeptReader", "kept"]


class KeptReader(Reader):
    """Rows of an array whose decoded chunks are kept as far as there is memory for them.

    Kept are the chunks of the first rows. Where rows are asked for at random, no choice of chunks is better than a fixed
    one, and a fixed one replaces nothing: after the first pass no memory is taken or given up, and rows beyond it cost
    what they cost before: 80 rows of 8,000 float32 take 1.7 ms to decode, 0.12 ms from memory. Memory is taken at the
    first read; pages that nothing was decoded into cost nothing.

    Readers of the same files and columns share what they keep. Whether the files are what they were is asked at each
    read, also of rows that are in memory.

    Parameters
    ----------
    reader : ArrayReader
        Decodes what is not there.
    budget : Budget, optional
        Who grants the memory; by default that of this process. It goes back when the memory is collected.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.store.opened import OpenStore
    >>> from sensorium_data.testing import make_session
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     reader = KeptReader(ArrayReader(OpenStore(make_session(folder)), "stimuli/frames"), Budget(1 << 20))
    ...     out = np.empty((30, *reader.shape[1:]), reader.dtype)
    ...     for _ in range(3):
    ...         reader.read_into(out, first=10)
    >>> reader.counters.n_requests
    1
    """

    def __init__(self, reader: ArrayReader, budget: Budget | None = None) -> None:
        # Not Reader's own: everything that it finds out is known, and the counters are those of who reads.
        self.store, self.path, self.dtype, self.verify = reader.store, reader.path, reader.dtype, reader.verify
        self.columns, self.shape, self.counters = reader.columns, reader.shape, reader.counters
        self.reach, self.announced = reader.reach, reader.announced
        self._reader, self._budget = reader, BUDGET if budget is None else budget
        self._chunk = reader.reach  # rows: of encoded chunks exactly one
        self._memory: Memory | None = None

    def __reduce__(self) -> tuple[Callable[..., Reader], tuple[object, ...]]:
        """Pickle as a recipe: what is kept stays in its process."""
        return kept, (self._reader,)

    def read_into(self, out: NDArray[Any], first: int) -> None:
        """Write rows [first, first + len(out)) into an array; see `Reader.read_into`."""
        n = self._from_memory(out, first)
        if n < len(out):
            self._reader.read_into(out[n:], first + n)

    def read_each(self, outs: Sequence[NDArray[Any]], firsts: Sequence[int]) -> None:
        """Write several runs of rows, each into its array; see `Reader.read_each`."""
        runs = [(out, first, self._from_memory(out, first)) for out, first in zip(outs, firsts, strict=True)]
        left = [(out[n:], first + n) for out, first, n in runs if n < len(out)]
        if left:
            self._reader.read_each([out for out, _ in left], [first for _, first in left])

    def pieces(self, first: int, n: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield rows [first, first + n), in one block where all are in memory; see `Reader.pieces`."""
        first, n = index(first), index(n)
        self._refuse_rows(first, n)
        if n and (memory := self._memory) is not None and memory.holds(first, n):
            self._reader.unchanged(first, n)
            block = memory.values[first : first + n]
            block.setflags(write=False)
            yield 0, block
        else:
            yield from self._reader.pieces(first, n)

    def prefetch(self, first: int, n: int) -> None:
        """Ask the system to have rows at hand soon; see `Reader.prefetch`."""
        self._reader.prefetch(first, n)
        self.announced = self._reader.announced

    def _from_memory(self, out: NDArray[Any], first: int) -> int:
        """Write those of some rows that memory is for, all of them or the first; return how many these are."""
        self._refuse_out(out)
        first = index(first)
        self._refuse_rows(first, len(out))
        if not out.size:
            return len(out)
        memory = self._memory if self._memory is not None else self._allocated()
        n = min(len(out), len(memory.values) - first)
        if n <= 0:
            return 0
        if memory.holds(first, n):
            np.copyto(out[:n], memory.values[first : first + n])
        else:
            self._decode(memory, memory.claimed(first, n))
            self._copy(memory, out[:n], first)
        self._reader.unchanged(first, n)
        return n

    def _decode(self, memory: Memory, runs: list[tuple[int, int]]) -> None:
        """Decode runs of chunks that this thread has claimed; after an error, those that are not there are free again."""
        left = deque(runs)
        try:
            while left:
                begin, end = left[0]
                self._reader.read_into(memory.values[begin * self._chunk : end * self._chunk], begin * self._chunk)
                memory.settle(*left.popleft(), THERE)
        finally:
            for begin, end in left:
                memory.settle(begin, end, NOTHING)

    def _copy(self, memory: Memory, out: NDArray[Any], first: int) -> None:
        """Copy rows that are there; those that another thread is decoding are not waited for, but read once more."""
        for what, begin, end in memory.runs(first, len(out)):
            row, last = max(begin * self._chunk, first), min(end * self._chunk, first + len(out))
            if what == THERE:
                np.copyto(out[row - first : last - first], memory.values[row:last])
            else:
                self._reader.read_into(out[row - first : last - first], row)

    def _allocated(self) -> Memory:
        columns = None if self.columns is None else self.columns.kept.tobytes()
        # What one has not checked is not for another who wants it checked.
        key = (self._reader.identity, columns, self.verify, id(self._budget))
        self._memory = memory = shared(key, partial(granted, self._budget, self.shape, self.dtype, self._chunk))
        return memory


def kept(reader: Reader) -> Reader:
    """Return a reader that keeps what it decodes, or the reader itself where there is nothing to keep.

    Rows that are not encoded are in the system's own memory of files, and `verify="always"` is to see each read.

    Parameters
    ----------
    reader : Reader

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.reading import open_reader
    >>> from sensorium_data.store.opened import OpenStore
    >>> from sensorium_data.testing import make_session
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept(open_reader(OpenStore(make_session(folder)), "stimuli/frames")).shape
    (778, 36, 64)
    """
    if isinstance(reader, ArrayReader) and reader.encoded and reader.verify != "always":
        return KeptReader(reader)
    return reader
