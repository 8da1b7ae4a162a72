"""Bytes of the shards of one array from a URL: whole chunks in few requests, each held against its checksum.

What comes over a network may be anything, so every chunk is checked each time it comes, and asked for again where it is
wrong. What was checked is kept on disk, as far as the setting `stream_cache_bytes` goes, and comes from there next time.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import google_crc32c
import numpy as np

from sensorium_data.errors import NotFound, StorageFailed
from sensorium_data.reading.faults import chunk_damaged, file_lost, store_changed
from sensorium_data.reading.flights import Flights
from sensorium_data.remote import Location, open_objects
from sensorium_data.remote.streams import StreamedStore
from sensorium_data.settings import settings
from sensorium_data.store.layout import Paths
from sensorium_data.store.remoteopen import is_replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from sensorium_data.reading.transport import Counters, Range
    from sensorium_data.reading.verify import Verify
    from sensorium_data.store.opened import OpenStore
    from sensorium_data.store.shards import ShardRecord

__all__ = ["RemoteShards"]

AGAIN = 3  # times that chunks are asked for whose checksum is wrong
GAP = 1 << 20  # bytes between two ranges that are fetched along rather than asked for apart: a request takes as long
MOST = 16 << 20  # bytes of ranges that are fetched in one


class RemoteShards:
    """The shards of one array of a store at a URL; the interface is that of `LocalShards`.

    Parameters
    ----------
    store : OpenStore
    path : str
        Of the array in it.
    records : sequence of ShardRecord
        What the sidecar says of each shard.
    counters : Counters
    verify : {"first", "always", "never"}
        With ``never`` no checksum is made.
    rows : int
        Of a chunk, for messages.

    Attributes
    ----------
    keys : tuple of str
    stamps : tuple of str
        Which store this is.
    lasting : bool
        False: what was announced once must be announced again the next time.
    """

    lasting = False

    def __init__(
        self,
        store: OpenStore,
        path: str,
        records: Sequence[ShardRecord],
        counters: Counters,
        verify: Verify,
        rows: int,
    ) -> None:
        if not isinstance(store.path, Location):
            raise TypeError(store.path)
        self.store, self.path, self.counters = store.path, path, counters
        self.keys, self.stamps = tuple(record.key for record in records), (store.identity,)
        self._identity, self._records, self._verify, self._rows = store.identity, tuple(records), verify, rows
        self._starts = [np.asarray(record.index[:, 0], np.int64) for record in records]
        streamed = StreamedStore(store.identity)
        self._kept = [streamed.shard(record.key, record.size, len(record.crc)) for record in records]
        self._sound = [bytearray(len(record.crc)) for record in records]  # chunks on disk that were found sound
        self._flights = Flights()

    def read(self, shard: int, offset: int, into: NDArray[np.uint8]) -> None:
        """Fill a buffer with the bytes from an offset on; see `read_each`."""
        self.read_each(((shard, offset, into),))

    def read_each(self, ranges: Iterable[Range]) -> None:
        """Fill buffers, each with the bytes from an offset on; see `LocalShards.read_each`.

        Raises
        ------
        StoreInvalid
            A chunk is damaged or gone, or another store is there now.
        StorageFailed
            The place cannot be reached, or lets nobody in.
        """
        wanted = list(ranges)
        self.begin_each([(shard, offset, len(into)) for shard, offset, into in wanted])
        for shard, offset, into in wanted:
            first, stop = self._chunks(shard, offset, len(into))
            begin, end = self._bytes(shard, first, stop)
            # What was asked for goes first: by now it is on disk as well, and nobody would ever take it.
            found = self._flights.taken(shard, offset, offset + len(into))
            if found is None and self._on_disk(shard, first, stop):
                whole = into if (begin, end) == (offset, offset + len(into)) else np.empty(end - begin, np.uint8)
                if self._from_disk(shard, first, stop, whole):
                    if whole is not into:
                        into[...] = whole[offset - begin : offset - begin + len(into)]
                    continue
            if found is None:
                found = begin, self._fetched(shard, first, stop)
            into[...] = np.frombuffer(found[1], np.uint8, len(into), offset - found[0])

    def unchanged(self, shard: int) -> None:
        """Ask nothing: bytes that were checked against the sidecar are those of the store that was opened."""

    def announce(self, shard: int, offset: int, length: int) -> None:
        """Ask for a range that will be read; returns at once."""
        self.announce_each(((shard, offset, length),))

    def announce_each(self, ranges: Iterable[tuple[int, int, int]]) -> None:
        """Ask for ranges that will be read, near ones in one request; returns at once.

        Parameters
        ----------
        ranges : iterable of (shard, offset, length)
        """
        runs = [(shard, *self._chunks(shard, offset, length)) for shard, offset, length in ranges]
        for shard, first, stop, n_times in self._together(runs):
            if self._on_disk(shard, first, stop):
                continue
            begin, end = self._bytes(shard, first, stop)
            self._flights.start(shard, begin, end, n_times, partial(self._fetched, shard, first, stop))

    def begin_each(self, ranges: Sequence[tuple[int, int, int]]) -> None:
        """Ask at once for ranges that are read now, as far as they were not announced.

        Parameters
        ----------
        ranges : sequence of (shard, offset, length)
        """
        if len(ranges) > 1:
            new = (one for one in ranges if not self._flights.coming(one[0], one[1], one[1] + one[2]))
            self.announce_each(list(new))

    def _together(self, runs: list[tuple[int, int, int]]) -> Iterable[tuple[int, int, int, int]]:
        """Yield runs of chunks to fetch at once, and how many of those that were asked for lie in each."""
        shard, first, stop, n_times = -1, 0, 0, 0
        for its_shard, its_first, its_stop in sorted(runs):
            begin = self._bytes(shard, first, stop)[0] if n_times else 0
            near = its_shard == shard and self._near(shard, begin, stop, its_first, its_stop)
            if n_times and near:
                stop, n_times = max(stop, its_stop), n_times + 1
                continue
            if n_times:
                yield shard, first, stop, n_times
            shard, first, stop, n_times = its_shard, its_first, its_stop, 1
        if n_times:
            yield shard, first, stop, n_times

    def _near(self, shard: int, begin: int, stop: int, next_first: int, next_stop: int) -> bool:
        (_, end), (start, new_end) = self._bytes(shard, stop - 1, stop), self._bytes(shard, next_first, next_stop)
        return start - end <= GAP and max(end, new_end) - begin <= MOST

    def _chunks(self, shard: int, offset: int, length: int) -> tuple[int, int]:
        """Return the half-open run of chunks that a range of bytes lies in."""
        starts = self._starts[shard]
        first = max(0, int(np.searchsorted(starts, offset, side="right")) - 1)
        return first, max(first + 1, int(np.searchsorted(starts, offset + length, side="left")))

    def _bytes(self, shard: int, first: int, stop: int) -> tuple[int, int]:
        index = self._records[shard].index
        return int(index[first, 0]), int(index[stop - 1, 0]) + int(index[stop - 1, 1])

    def _on_disk(self, shard: int, first: int, stop: int) -> bool:
        kept = self._kept[shard]
        return kept is not None and kept.has(first, stop)

    def _from_disk(self, shard: int, first: int, stop: int, into: NDArray[np.uint8]) -> bool:
        """Fill a buffer with whole chunks that were kept; False where they were not, or are not what they should be."""
        kept = self._kept[shard]
        if kept is None or not kept.has(first, stop):
            return False
        begin, _ = self._bytes(shard, first, stop)
        sound = kept.read(begin, into, first, stop)
        if sound and (self._verify == "always" or self._sound[shard].find(0, first, stop) >= 0):
            sound = self._verify == "never" or self._fault(shard, first, stop, begin, into) is None
            self._sound[shard][first:stop] = bytes([sound]) * (stop - first)
        if not sound:
            kept.drop(first, stop)
            return False
        self.counters.kept(len(into))
        return True

    def _fetched(self, shard: int, first: int, stop: int) -> bytes:
        """Return the bytes of a run of chunks, asked for and found to be what was written."""
        key, (begin, end) = self.keys[shard], self._bytes(shard, first, stop)
        fault: tuple[int, str] | None = None
        for _ in range(AGAIN):
            try:
                data = open_objects(self.store).read(key, begin, end)
            except NotFound:
                raise self._otherwise(file_lost(self.store, self.path, key)) from None
            except StorageFailed as error:
                raise self._otherwise(error) if error.code == "changed-remote" else error from None
            self.counters.read(len(data))
            if self._verify == "never" or (fault := self._fault(shard, first, stop, begin, data)) is None:
                if (kept := self._kept[shard]) is not None:
                    kept.add(begin, data, first, stop)
                    self._sound[shard][first:stop] = b"\1" * (stop - first)
                return data
        chunk, what = fault or (first, "")
        n = len(self._records[0].crc)  # chunks of a shard; the last one may have fewer
        rows = (shard * n + chunk) * self._rows, (shard * n + chunk + 1) * self._rows
        raise self._otherwise(chunk_damaged(self.store, self.path, key, chunk, rows, f"it {what}"))

    def _fault(
        self, shard: int, first: int, stop: int, begin: int, data: bytes | NDArray[np.uint8]
    ) -> tuple[int, str] | None:
        """Return the first chunk that is not what was written, and what is wrong with it."""
        record = self._records[shard]
        whole = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
        for chunk in range(first, stop):
            self.counters.checked()
            offset, length = record.index[chunk].tolist()
            piece = whole[offset - begin : offset - begin + length]
            if (seen := google_crc32c.value(piece)) != int(record.crc[chunk]):
                return chunk, f"has CRC-32C {seen:08x}, written as {int(record.crc[chunk]):08x}"
        return None

    def _otherwise(self, error: Exception) -> Exception:
        """Return the error, or that of a store that was replaced, which explains any other."""
        try:
            if settings().offline or not is_replaced(self.store, self._identity):
                return error
        except StorageFailed:  # nobody can tell
            return error
        return store_changed(self.store, Paths.root, "was replaced or removed")
