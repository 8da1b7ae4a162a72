"""Single rows at random, as images are drawn: they lie 20 to a chunk, which is kept decoded for a while."""

from __future__ import annotations

import os
from collections import OrderedDict
from math import prod
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.store.layout import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sensorium_data.reading import Reader

__all__ = ["KeptChunks"]

KEPT_BYTES = 256 * 2**20  # the 5,000 distinct images of a session of 2022 are 184 MB


class KeptChunks:
    """A reader whose short runs come from chunks that are kept, the least used leaving first; thread safe.

    Parameters
    ----------
    reader : Reader
    n_bytes : int
        That are kept at most.
    """

    def __init__(self, reader: Reader, n_bytes: int = KEPT_BYTES) -> None:
        self._reader = reader
        self.shape, self.dtype = reader.shape, reader.dtype
        self._most = max(1, n_bytes // max(1, CHUNK * prod(self.shape[1:]) * self.dtype.itemsize))
        self._chunks: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock, self._process = Lock(), os.getpid()

    def read_into(self, out: NDArray[Any], first: int) -> None:
        """Read rows [first, first + len(out)) into place."""
        if len(out) >= CHUNK:
            self._reader.read_into(out, first)
            return
        at = 0
        while at < len(out):
            chunk, row = divmod(first + at, CHUNK)
            n = min(CHUNK - row, len(out) - at)
            out[at : at + n] = self._chunk(chunk)[row : row + n]
            at += n

    def prefetch(self, first: int, n: int) -> None:
        """Tell the system that rows [first, first + n) will be read."""
        self._reader.prefetch(first, n)

    def pieces(self, first: int, n: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (offset, rows) of a run."""
        block = np.empty((n, *self.shape[1:]), self.dtype)
        self.read_into(block, first)
        yield 0, block

    def _chunk(self, number: int) -> NDArray[Any]:
        if os.getpid() != self._process:  # a thread that is not in this process may have held the lock at the fork
            self._lock, self._process = Lock(), os.getpid()
        with self._lock:
            if (found := self._chunks.get(number)) is not None:
                self._chunks.move_to_end(number)
                return found
        first = number * CHUNK
        read = np.empty((min(CHUNK, self.shape[0] - first), *self.shape[1:]), self.dtype)
        self._reader.read_into(read, first)
        with self._lock:
            self._chunks[number] = read
            while len(self._chunks) > self._most:
                self._chunks.popitem(last=False)
        return read
