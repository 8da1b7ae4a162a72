"""The check that reads every byte: root and encoded chunks against the CRC-32C that they were written with."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

import google_crc32c
import numpy as np

from sensorium_data.remote.requests import Hands
from sensorium_data.settings import settings
from sensorium_data.store.check import Remark, register, unreadable
from sensorium_data.store.layout import CHUNK, SHARD, Paths
from sensorium_data.store.metadata import root_checksum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensorium_data.store.opened import OpenStore
    from sensorium_data.store.shards import ShardRecord

INDEX_BYTES = SHARD // CHUNK * 16 + 4  # offset and length of each chunk, and a CRC-32C


@register("root")
def root(store: OpenStore) -> Iterator[Remark]:
    """The root says what it was written with; when the recording was converted is left out."""
    written = store.metadata.get(Paths.sidecar, {}).get("attributes", {}).get("root_crc32c")
    if written is not None and written != (seen := root_checksum(store.root)):
        yield Paths.root, f"has CRC-32C {seen:08x}, written as {written}"


@register("digests")
def digests(store: OpenStore) -> Iterator[Remark]:
    """Every encoded chunk has the CRC-32C it was written with."""
    for chunk in store.sidecar.chunks.values():
        yield from _chunk(store, chunk.key, chunk.crc)
    records = [record for shards in store.sidecar.shards.values() for record in shards]
    with Hands(settings().n_threads) as hands:
        for found in hands.map(lambda record: list(_shard(store, record)), records):
            yield from found


def _chunk(store: OpenStore, key: str, crc: int) -> Iterator[Remark]:
    try:
        seen = google_crc32c.value(store.parts.read(key))
    except OSError as error:
        yield key, f"cannot be read ({unreadable(error)})"
        return
    if seen != crc:
        yield key, f"has CRC-32C {seen:08x}, written as {crc:08x}"


def _shard(store: OpenStore, record: ShardRecord) -> Iterator[Remark]:
    # Chunks lie end to end; the index, 16 bytes a chunk and its own checksum, ends the file.
    places = [(offset, offset + length) for offset, length in record.index.tolist()]
    tail = b""
    try:
        pieces = store.parts.pieces(record.key, [*places, (record.size - INDEX_BYTES, record.size)])
        for n, (data, crc) in enumerate(zip_longest(pieces, record.crc.tolist())):
            tail = data
            if crc is not None and (seen := google_crc32c.value(data)) != crc:
                yield f"{record.key} chunk {n}", f"has CRC-32C {seen:08x}, written as {crc:08x}"
    except OSError as error:
        yield record.key, f"cannot be read ({unreadable(error)})"
        return
    if len(tail) != INDEX_BYTES:
        yield record.key, f"ends with {len(tail)} bytes, an index has {INDEX_BYTES}"
        return
    index = np.frombuffer(tail[:-4][: record.index.nbytes], "<u8").reshape(-1, 2)
    if google_crc32c.value(tail[:-4]) != int.from_bytes(tail[-4:], "little") or not np.array_equal(index, record.index):
        yield record.key, "has an index that is damaged or not the one the sidecar holds"
