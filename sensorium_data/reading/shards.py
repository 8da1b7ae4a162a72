"""Where the shards of an array come from: the disk of this machine, or a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sensorium_data.reading.streaming import RemoteShards
from sensorium_data.reading.transport import LocalShards
from sensorium_data.remote import Location
from sensorium_data.store.shards import ShardRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.reading.transport import Counters
    from sensorium_data.reading.verify import Verify
    from sensorium_data.store.opened import OpenStore
    from sensorium_data.store.sidecar import ChunkRecord

__all__ = ["Shards", "shards_of", "single_of"]

Shards: TypeAlias = LocalShards | RemoteShards


def shards_of(
    store: OpenStore, path: str, records: Sequence[ShardRecord], counters: Counters, verify: Verify, rows: int
) -> Shards:
    """Return the shards of an array.

    Parameters
    ----------
    store : OpenStore
    path : str
        Of the array.
    records : sequence of ShardRecord
    counters : Counters
    verify : {"first", "always", "never"}
    rows : int
        Of a chunk.
    """
    if isinstance(store.path, Location):
        return RemoteShards(store, path, records, counters, verify, rows)
    keys, sizes = [record.key for record in records], [record.size for record in records]
    return LocalShards(store.path, path, keys, counters, sizes)


def single_of(
    store: OpenStore, path: str, record: ChunkRecord | None, counters: Counters, verify: Verify, rows: int
) -> Shards:
    """Return the only chunk of an array as a shard that holds nothing else; parameters as `shards_of`."""
    records = []
    if record is not None:
        index = np.array([[0, record.size]], np.uint64)
        records = [ShardRecord(record.key, record.size, index, np.array([record.crc], np.uint32))]
    return shards_of(store, path, records, counters, verify, rows)
