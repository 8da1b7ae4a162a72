"""The sidecar: every shard index, a CRC-32C per encoded chunk, and the bytes of small single-chunk arrays, in one object.

It is a plain Zarr array of bytes (`sidecar/index`), so that a store holds nothing that Zarr does not know. Its bytes::

    "SDX1"  length of the JSON (uint64, little-endian)  JSON  blobs  CRC-32C of all before it (uint32, little-endian)

The JSON maps each array to its chunks: for shards, where index and checksums lie among the blobs; for a single chunk,
where its bytes lie, or its size alone where it is more than a mebibyte: whoever asks for a table must not read hours of
running as well. Every entry carries the size of the object it speaks of: where they differ, the sidecar is stale and must
not be used.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

from sensorium_data.errors import StoreInvalid
from sensorium_data.store.shards import ShardRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensorium_data.store.layout import ArraySpec

__all__ = ["ChunkRecord", "Sidecar", "pack_sidecar", "read_sidecar"]

MAGIC = b"SDX1"
LARGE = 1 << 20  # bytes of a chunk beyond which the sidecar has no copy of it


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """The file of an array that is one chunk: its size, its CRC-32C, and its bytes where they are few.

    These are a part of the sidecar's own, which stays in memory for the indexes anyway.
    """

    key: str
    size: int
    crc: int
    data: memoryview | None


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The sidecar, parsed: records of shards and single chunks by array path."""

    shards: dict[str, tuple[ShardRecord, ...]]
    chunks: dict[str, ChunkRecord]


class _Blobs:
    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> list[int]:
        place = [self.size, len(data)]
        self.parts.append(data)
        self.size += len(data)
        return place


def pack_sidecar(shards: Iterable[tuple[ArraySpec, list[ShardRecord]]], singles: dict[str, tuple[str, bytes]]) -> bytes:
    """Return the bytes of the sidecar.

    Parameters
    ----------
    shards : iterable of (spec, records)
        The sharded arrays.
    singles : dict of path to (key, data)
        The arrays of one chunk, encoded.
    """
    blobs = _Blobs()
    entries: dict[str, Any] = {}
    for spec, records in shards:
        listed = [
            {"key": r.key, "size": r.size, "index": blobs.add(r.index.tobytes()), "crc": blobs.add(r.crc.tobytes())}
            for r in records
        ]
        entries[spec.path] = {"kind": "shards", "shards": listed}
    for path, (key, data) in singles.items():
        held = {"data": blobs.add(data)} if len(data) <= LARGE else {"size": len(data)}
        entries[path] = {"kind": "chunk", "key": key, **held, "crc": google_crc32c.value(data)}
    body = b"".join(blobs.parts)
    header = json.dumps({"arrays": entries}, separators=(",", ":")).encode()
    whole = MAGIC + struct.pack("<Q", len(header)) + header + body
    return whole + struct.pack("<I", google_crc32c.value(whole))


def read_sidecar(data: bytes, where: str) -> Sidecar:
    """Return the sidecar from its bytes.

    Raises
    ------
    StoreInvalid
        The bytes are no sidecar, or their checksum is wrong.
    """
    try:
        if data[:4] != MAGIC:
            raise ValueError("it does not begin with SDX1")  # noqa: TRY301  # one place turns every fault into one error
        if google_crc32c.value(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
            raise ValueError("its checksum is wrong")  # noqa: TRY301
        start = 12 + struct.unpack("<Q", data[4:12])[0]
        return _parse(json.loads(data[12:start])["arrays"], memoryview(data)[start:-4])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error) as error:
        raise StoreInvalid(f"{where}: the sidecar cannot be used: {error}", code="sidecar-damaged") from None


def _parse(entries: dict[str, Any], body: memoryview) -> Sidecar:
    def blob(place: list[int]) -> memoryview:
        return body[place[0] : place[0] + place[1]]

    shards, chunks = {}, {}
    for path, entry in entries.items():
        if entry["kind"] == "chunk":
            data = blob(entry["data"]) if "data" in entry else None
            size = entry["size"] if data is None else len(data)
            chunks[path] = ChunkRecord(entry["key"], size, entry["crc"], data)
            continue
        shards[path] = tuple(
            ShardRecord(
                s["key"],
                s["size"],
                np.frombuffer(blob(s["index"]), "<u8").reshape(-1, 2),
                np.frombuffer(blob(s["crc"]), "<u4"),
            )
            for s in entry["shards"]
        )
    return Sidecar(shards, chunks)
