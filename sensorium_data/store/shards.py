"""Write the payload of arrays: chunks encoded one by one, appended to a shard file, the index at its end.

zarr-python writes the metadata of every array and reads everything that is written here; the payload is written
directly because that streams (one chunk in memory, not one shard), yields the checksum of each encoded chunk for the
sidecar, and lets both cores encode.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

# Here, and not where they are needed: two threads that import parts of numcodecs at once see it half initialised.
from numcodecs.blosc import Blosc
from numcodecs.pcodec import PCodec
from numcodecs.vlen import VLenUTF8
from numcodecs.zstd import Zstd

from sensorium_data.store.layout import BLOSC_LEVEL, CHUNK, PCODEC_LEVEL, SHARD, ZSTD_LEVEL, ArraySpec, chunk_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["ShardRecord", "encode", "encoder_of", "write_shard"]

EMPTY = 2**64 - 1  # offset and length of a chunk that a shard does not hold (Zarr v3 sharding, index)


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """What the sidecar keeps of a file: its size, and place and CRC-32C of each encoded chunk.

    ``index`` is (chunk, 2) uint64, offset and length; ``crc`` is (chunk,) uint32.
    """

    key: str
    size: int
    index: NDArray[np.uint64]
    crc: NDArray[np.uint32]


def _plain(block: NDArray[Any]) -> bytes:
    if block.dtype.kind in "UTO":
        return bytes(VLenUTF8().encode(block.astype(object)))
    return np.ascontiguousarray(block, block.dtype.newbyteorder("<")).tobytes()


def encoder_of(spec: ArraySpec) -> Callable[[NDArray[Any]], bytes]:
    """Return the function that encodes one chunk of an array exactly as its zarr metadata say."""
    if spec.codec == "pcodec":
        codec = PCodec(level=PCODEC_LEVEL)
        return lambda block: bytes(codec.encode(np.ascontiguousarray(block)))
    if spec.codec == "zstd":
        zstd = Zstd(level=ZSTD_LEVEL)
        return lambda block: bytes(zstd.encode(_plain(block)))
    if spec.codec == "blosc":
        # No shuffle: it breaks the runs of zeros in sparse traces.
        blosc = Blosc(cname="zstd", clevel=BLOSC_LEVEL, shuffle=Blosc.NOSHUFFLE)
        return lambda block: bytes(blosc.encode(np.frombuffer(_plain(block), block.dtype)))
    return _plain


def encode(spec: ArraySpec, block: NDArray[Any]) -> bytes:
    """Return one encoded chunk."""
    return encoder_of(spec)(block)


def _whole_chunks(blocks: Iterable[NDArray[Any]], spec: ArraySpec) -> Iterable[NDArray[Any]]:
    """Cut a stream of rows into chunks of 20; the last one is filled up, as chunks of Zarr always are whole."""
    buffer = np.zeros(spec.chunk_shape, spec.dtype)
    filled = 0
    for block in blocks:
        at = 0
        while at < len(block):
            if filled == 0 and len(block) - at >= CHUNK:
                yield block[at : at + CHUNK]
                at += CHUNK
                continue
            n = min(CHUNK - filled, len(block) - at)
            buffer[filled : filled + n] = block[at : at + n]
            filled, at = filled + n, at + n
            if filled == CHUNK:
                yield buffer
                filled = 0
    if filled:
        buffer[filled:] = 0
        yield buffer


def write_shard(root: Path, spec: ArraySpec, shard: int, blocks: Iterable[NDArray[Any]]) -> ShardRecord:
    """Encode a stream of rows into one shard file and put it in its place when it is whole.

    Parameters
    ----------
    root : Path
        The store being written.
    spec : ArraySpec
        A sharded array.
    shard : int
        Which shard of it.
    blocks : iterable of (row, …) arrays
        The rows of the shard in order, in blocks of any length.
    """
    key = chunk_key(spec, shard)
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    encoder = encoder_of(spec)
    index = np.full((SHARD // CHUNK, 2), EMPTY, "<u8")
    crc = np.zeros(SHARD // CHUNK, "<u4")
    part = path.with_name(path.name + ".part")
    offset = n_chunks = 0
    with part.open("wb") as file:
        for n_chunks, chunk in enumerate(_whole_chunks(blocks, spec), start=1):
            data = encoder(chunk)
            file.write(data)
            index[n_chunks - 1] = offset, len(data)
            crc[n_chunks - 1] = google_crc32c.value(data)
            offset += len(data)
        tail = index.tobytes()
        file.write(tail + struct.pack("<I", google_crc32c.value(tail)))
    part.replace(path)
    return ShardRecord(key, path.stat().st_size, index[:n_chunks], crc[:n_chunks])
