"""Rows of an array by plan: the bytes of exactly these rows, or of the chunks they lie in, decoded into place."""

from __future__ import annotations

import os
from math import prod
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import StoreInvalid
from sensorium_data.reading import scratch
from sensorium_data.reading.base import Reader
from sensorium_data.reading.decode import LEADING, decoder_of
from sensorium_data.reading.faults import chunk_damaged
from sensorium_data.reading.grammar import Grammar, recognise
from sensorium_data.reading.plan import MOST
from sensorium_data.reading.shards import shards_of
from sensorium_data.reading.verify import Checks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.reading.transport import Range
    from sensorium_data.reading.verify import Verify
    from sensorium_data.store.opened import OpenStore
    from sensorium_data.store.shards import ShardRecord

__all__ = ["ArrayReader"]

REQUEST = 1 << 16  # bytes that are read in the time that a request takes


class ArrayReader(Reader):
    """Rows of a sharded array of a session store, read by plan.

    Parameters
    ----------
    store : OpenStore
    path : str
        Of the array.
    columns : (column,) int, optional
        Positions along the second axis to keep, in any order; all of them by default.
    verify : {"first", "always", "never"}, optional
        When to hold a chunk against its CRC-32C: the first time this process reads it, each time, or never.

    Attributes
    ----------
    encoded : bool
        Whether chunks are packed, so that reading a row takes unpacking its chunk.
    identity : hashable
        Which files these are: after a write they are others.

    Raises
    ------
    BadArgument
        The columns are not there, or `verify` is none of the three.
    StoreInvalid
        The array cannot be read by plan (code ``outside-grammar``); `open_reader` finds another way.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> from sensorium_data.store.opened import OpenStore
    >>> from sensorium_data.testing import make_session
    >>> folder = tempfile.TemporaryDirectory()
    >>> session = make_session(Path(folder.name) / "mouse.zarr", n_neurons=5)
    >>> reader = ArrayReader(OpenStore(session), "signals/responses/values", columns=[4, 0])
    >>> out = np.empty((30, 2), reader.dtype)
    >>> reader.read_into(out, first=10)
    >>> bool(np.isfinite(out).all())
    True
    >>> folder.cleanup()
    """

    def __init__(
        self, store: OpenStore, path: str, *, columns: ArrayLike | None = None, verify: Verify = "first"
    ) -> None:
        found = _grammar(store, path)
        if isinstance(found, str):
            raise StoreInvalid(f"{store.path}: `{path}` cannot be read by plan: {found}", code="outside-grammar")
        super().__init__(store, path, found.shape, found.dtype, columns, verify)
        self._plan, self.encoded = found.plan, found.codec != "raw"
        self._decode, self._leading = decoder_of(found.codec), found.codec in LEADING
        self._chunk_shape = (found.plan.chunk, *found.shape[1:])
        self._chunk_bytes = found.plan.chunk * found.plan.row_bytes
        self._kept_bytes = prod(self.shape[1:]) * self.dtype.itemsize  # of a row, of what is kept
        records = store.sidecar.shards[path]
        self._shards = shards_of(store, path, records, self.counters, self.verify, found.plan.chunk)
        # No chunk is decoded twice; of raw rows, a request costs as much as reading on.
        self.reach = max(1, REQUEST // found.plan.row_bytes) if not self.encoded else found.plan.chunk
        # A byte for each chunk that the system was asked for; a network must be asked each time.
        self._asked = bytearray(len(found.crc) if self._shards.lasting else 0)
        self.announced = self._shards.lasting and not self._asked
        self.identity = (str(store.path), path, self._shards.stamps)
        # What comes over a network was checked where it came in.
        self._checks = Checks(self.verify if self._shards.lasting else "never", found.crc, self.identity)

    def read_into(self, out: NDArray[Any], first: int) -> None:
        """Write rows [first, first + len(out)) into an array; see `Reader.read_into`."""
        self.read_each((out,), (first,))

    def read_each(self, outs: Sequence[NDArray[Any]], firsts: Sequence[int]) -> None:
        """Write several runs of rows, each into its array; see `Reader.read_each`."""
        exact: list[Range] = []
        for out, at in zip(outs, firsts, strict=True):
            self._refuse_out(out)
            first, n = index(at), len(out)  # arithmetic of numpy's integers is ten times as slow
            self._refuse_rows(first, n)
            if not n or not out.size:
                continue
            start, stop = self._plan.chunks(first, n)
            if self._asked.find(0, start, stop) >= 0:
                self.prefetch(first, n)
            if self.encoded or self._checks.due(start, stop):
                self._by_chunk(out, first)
            elif self.columns is None and out.flags.c_contiguous:
                exact += self._ranges(out, first)
            else:
                for into, rows in self._exact_blocks(first, n):
                    self._place(rows, out[into : into + len(rows)])
        if exact:
            self._shards.read_each(exact)

    def unchanged(self, first: int, n: int) -> None:
        """Make sure that the files of rows [first, first + n) are those that they were, and read nothing.

        Raises
        ------
        StoreInvalid, StorageFailed
            As `Reader.read_into` raises them.
        """
        start, stop = self._plan.chunks(first, n)
        for shard in range(start // self._plan.per_shard, -(-stop // self._plan.per_shard)):
            self._shards.unchanged(shard)

    def pieces(self, first: int, n: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield rows [first, first + n) block by block; see `Reader.pieces`."""
        first, n = index(first), index(n)
        self._refuse_rows(first, n)
        if not n:
            return
        self.prefetch(first, n)
        start, stop = self._plan.chunks(first, n)
        exact = not self.encoded and not self._checks.due(start, stop)
        blocks = self._exact_blocks(first, n) if exact else self._chunk_blocks(first, n)
        if self.columns is None:
            yield from blocks
        else:
            yield from self._kept(blocks, min(n, max(self._plan.chunk, MOST // self._plan.row_bytes)))

    def prefetch_each(self, runs: Sequence[tuple[int, int]]) -> None:
        """Ask for several runs of rows; see `Reader.prefetch_each`."""
        if self._shards.lasting:
            super().prefetch_each(runs)
            return
        ranges: list[tuple[int, int, int]] = []
        for at, n in runs:
            first, last = max(index(at), 0), min(index(at) + index(n), self.shape[0])
            if first < last:
                fetches = self._plan.fetches(*self._plan.chunks(first, last - first))
                ranges += [(shard, offset, length) for shard, offset, length, _ in fetches]
        self._shards.announce_each(ranges)

    def prefetch(self, first: int, n: int) -> None:
        """Ask the system to have rows at hand soon; see `Reader.prefetch`."""
        if not self._shards.lasting:
            self.prefetch_each(((first, n),))
            return
        start, stop = self._plan.chunks(index(first), index(n))
        at = self._asked.find(0, max(start, 0), max(stop, 0))
        if at < 0 or n < 1 or first >= self.shape[0]:
            return
        stop = min(stop, len(self._asked))
        self._asked[at:stop] = b"\1" * (stop - at)
        self.announced = 0 not in self._asked
        for shard, offset, length, _ in self._plan.fetches(at, stop):
            self._shards.announce(shard, offset, length)

    def _kept(self, blocks: Iterator[tuple[int, NDArray[Any]]], most: int) -> Iterator[tuple[int, NDArray[Any]]]:
        with scratch.borrowed(most * self._kept_bytes) as buffer:
            kept = buffer.view(self.dtype).reshape(most, *self.shape[1:])
            for at, rows in blocks:
                self._place(rows, kept[: len(rows)])
                yield at, kept[: len(rows)]

    def _place(self, rows: NDArray[Any], out: NDArray[Any]) -> None:
        if self.columns is None:
            np.copyto(out, rows)
        else:
            self.columns.copy(rows, out)

    def _ranges(self, out: NDArray[Any], first: int) -> list[Range]:
        flat, row_bytes = out.reshape(-1).view(np.uint8), self._plan.row_bytes
        runs = self._plan.runs(first, len(out))
        if len(runs) == 1:
            return [(runs[0].shard, runs[0].offset, flat)]
        return [(shard, offset, flat[at * row_bytes : (at + n) * row_bytes]) for shard, offset, at, n in runs]

    def _exact_blocks(self, first: int, n: int) -> Iterator[tuple[int, NDArray[Any]]]:
        runs = self._plan.runs(first, n, MOST)
        with scratch.borrowed(max(run.n_rows for run in runs) * self._plan.row_bytes) as buffer:
            for shard, offset, at, n_rows in runs:
                data = buffer[: n_rows * self._plan.row_bytes]
                self._shards.read(shard, offset, data)
                yield at, data.view(self.dtype).reshape(n_rows, *self._chunk_shape[1:])

    def _by_chunk(self, out: NDArray[Any], first: int) -> None:
        rows, n = self._plan.chunk, len(out)
        straight = self.columns is None and out.flags.c_contiguous
        with scratch.borrowed(self._chunk_bytes) as buffer:
            block = buffer.view(self.dtype).reshape(self._chunk_shape)
            for chunk, data in self._chunks(first, n):
                at = chunk * rows - first
                if straight and at >= 0 and (self._leading or at + rows <= n):
                    self._decoded(chunk, data, out[at : at + rows])
                    continue
                start, stop = max(at, 0), min(at + rows, n)
                self._decoded(chunk, data, block[: stop - at] if self._leading else block)
                self._place(block[start - at : stop - at], out[start:stop])

    def _chunk_blocks(self, first: int, n: int) -> Iterator[tuple[int, NDArray[Any]]]:
        with scratch.borrowed(self._chunk_bytes) as buffer:
            block = buffer.view(self.dtype).reshape(self._chunk_shape)
            for chunk, data in self._chunks(first, n):
                at = chunk * self._plan.chunk - first
                start, stop = max(at, 0), min(at + self._plan.chunk, n)
                self._decoded(chunk, data, block[: stop - at] if self._leading else block)
                yield start, block[start - at : stop - at]

    def _chunks(self, first: int, n: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield the chunks that some rows lie in, by number, and their bytes, found to be those that were written."""
        start, stop = self._plan.chunks(first, n)
        fetches, due = self._plan.fetches(start, stop), self._checks.due(start, stop)
        if len(fetches) > 1 and not self._shards.lasting:  # all at once, and not one after the other
            self._shards.begin_each([fetch[:3] for fetch in fetches])
        with scratch.borrowed(max(fetch.length for fetch in fetches)) as buffer:
            for shard, offset, length, parts in fetches:
                self._shards.read(shard, offset, buffer[:length])
                for chunk, begin, end in parts:
                    data = buffer[begin:end]
                    if due and self._checks.due(chunk, chunk + 1):
                        self.counters.checked()
                        if fault := self._checks.fault(chunk, data):
                            raise self._damaged(chunk, fault)
                    yield chunk, data

    def _decoded(self, chunk: int, data: NDArray[np.uint8], out: NDArray[Any]) -> None:
        try:
            self._decode(data, out)
        except (ValueError, RuntimeError, TypeError) as error:
            raise self._damaged(chunk, f"does not decode ({error})") from None

    def _damaged(self, chunk: int, what: str) -> StoreInvalid:
        shard, number = divmod(chunk, self._plan.per_shard)
        rows = self._plan.rows_of(chunk)
        return chunk_damaged(self.store.path, self.path, self._shards.keys[shard], number, rows, f"it {what}")


def _grammar(store: OpenStore, path: str) -> Grammar | str:
    node = store.metadata.get(path)
    if node is None or not hasattr(os, "preadv"):
        return "this system has no preadv" if node is not None else "the root of the store does not list it"
    try:
        records = store.sidecar.shards.get(path)
    except StoreInvalid as error:
        return error.message
    found = recognise(path, node, records)
    if not isinstance(found, str) and store.identity and not _in_order(records or ()):
        return "its chunks do not lie in order, and are not fetched together"
    return found


def _in_order(records: Sequence[ShardRecord]) -> bool:
    """True where the chunks of each shard lie one after another."""
    return all((np.diff(record.index[:, 0].astype(np.int64)) > 0).all() for record in records)
