"""Which bytes of which file hold some rows, and where they go. Arithmetic alone: nothing here opens a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Fetch", "Part", "Plan", "Run"]

MOST = 8 << 20  # bytes fetched at once where they go through memory of our own: 13 chunks of 8,000 raw float32


class Part(NamedTuple):
    """One encoded chunk inside a fetch: its number in the array, and where its bytes are in what was fetched."""

    chunk: int
    start: int
    stop: int


class Fetch(NamedTuple):
    """Whole chunks that lie one after another in a file, in one range of bytes."""

    shard: int
    offset: int
    length: int
    parts: tuple[Part, ...]


class Run(NamedTuple):
    """Rows that lie one after another in a file, uncompressed: ``n_rows`` of them, going to row ``at`` of the output."""

    shard: int
    offset: int
    at: int
    n_rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Where the rows of a sharded array lie.

    Parameters
    ----------
    n_rows : int
        Rows of the array.
    chunk : int
        Rows of a chunk.
    per_shard : int
        Chunks of a shard.
    row_bytes : int
        Bytes of a row, decoded.
    index : (chunk, 2) int64, bytes
        Offset and length of each encoded chunk in the file of its shard, over all shards.

    Examples
    --------
    >>> import numpy as np
    >>> index = np.array([[0, 80], [80, 80], [0, 80]])
    >>> plan = Plan(n_rows=25, chunk=10, per_shard=2, row_bytes=8, index=index)
    >>> plan.runs(8, 14)
    [Run(shard=0, offset=64, at=0, n_rows=12), Run(shard=1, offset=0, at=12, n_rows=2)]
    """

    n_rows: int
    chunk: int
    per_shard: int
    row_bytes: int
    index: NDArray[np.int64]
    _even: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        size = self.chunk * self.row_bytes
        offsets = (np.arange(len(self.index)) % self.per_shard) * size
        even = bool((self.index[:, 1] == size).all() and (self.index[:, 0] == offsets).all())
        object.__setattr__(self, "_even", even)

    def chunks(self, first: int, n: int) -> tuple[int, int]:
        """Return the half-open run of chunks that rows [first, first + n) lie in; n is at least 1."""
        return first // self.chunk, -(-(first + n) // self.chunk)

    def rows_of(self, chunk: int) -> tuple[int, int]:
        """Return the half-open run of rows of a chunk."""
        return chunk * self.chunk, min((chunk + 1) * self.chunk, self.n_rows)

    def fetches(self, first: int, stop: int, most: int = MOST) -> list[Fetch]:
        """Return the ranges that hold chunks [first, stop), neighbours in one.

        Parameters
        ----------
        first, stop : int
            Half-open run of chunks.
        most : int, bytes
            Longest range that may be made of several chunks.
        """
        found: list[Fetch] = []
        parts: list[Part] = []
        offset = end = shard = -1
        for chunk, (start, length) in enumerate(self.index[first:stop].tolist(), start=first):
            if chunk // self.per_shard != shard or start != end or end + length - offset > most:
                if parts:
                    found.append(Fetch(shard, offset, end - offset, tuple(parts)))
                parts, shard, offset = [], chunk // self.per_shard, start
            parts.append(Part(chunk, start - offset, start - offset + length))
            end = start + length
        if parts:
            found.append(Fetch(shard, offset, end - offset, tuple(parts)))
        return found

    def runs(self, first: int, n: int, most: int | None = None) -> list[Run]:
        """Return where exactly rows [first, first + n) of an uncompressed array are.

        Parameters
        ----------
        first, n : int
            Half-open run of rows.
        most : int, optional, bytes
            Longest run, in whole rows, but at least one of them.
        """
        if self._even and most is None:  # as every uncompressed array of a store is: no need to look chunk by chunk
            shard, row = divmod(first, self.chunk * self.per_shard)
            if row + n <= self.chunk * self.per_shard:
                return [Run(shard, row * self.row_bytes, 0, n)]
        most_rows = n if most is None else max(1, most // self.row_bytes)
        found: list[Run] = []
        row, stop, end = first, first + n, -1
        last, rows, start = -1, 0, 0  # of the run that is growing: its shard, its rows, its offset
        for chunk, (place, _) in enumerate(
            self.index[slice(*self.chunks(first, n))].tolist(), start=first // self.chunk
        ):
            here = min(stop, (chunk + 1) * self.chunk) - row
            offset = place + (row - chunk * self.chunk) * self.row_bytes
            if chunk // self.per_shard != last or offset != end:
                found += _cut(last, start, row - rows - first, rows, most_rows, self.row_bytes)
                last, rows, start = chunk // self.per_shard, 0, offset
            rows, row, end = rows + here, row + here, offset + here * self.row_bytes
        return found + _cut(last, start, row - rows - first, rows, most_rows, self.row_bytes)


def _cut(shard: int, offset: int, at: int, n_rows: int, most: int, row_bytes: int) -> list[Run]:
    """Return a run in pieces of at most so many rows."""
    if 0 < n_rows <= most:
        return [Run(shard, offset, at, n_rows)]
    starts = range(0, n_rows, most) if n_rows else ()
    return [Run(shard, offset + k * row_bytes, at + k, min(most, n_rows - k)) for k in starts]
