"""Which arrays are read by plan: those cut along time alone, coded as layout 1 codes, of which the sidecar knows the rest."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.reading.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sensorium_data.store.layout import Codec
    from sensorium_data.store.shards import ShardRecord

__all__ = ["Grammar", "recognise"]

DTYPES = frozenset(
    ["bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float16", "float32", "float64"]
)
# What metadata that are JSON, and nothing else that is certain, raise when they are looked into.
STRANGE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True, eq=False)
class Grammar:
    """Everything that reading an array by plan needs to know of it.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    codec : {"pcodec", "zstd", "blosc", "raw"}
    plan : Plan
    crc : (chunk,) uint32
        CRC-32C of each encoded chunk.
    keys : tuple of str
        The file of each shard, below the store.
    sizes : tuple of int, bytes
        What the sidecar says of their sizes.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    codec: Codec
    plan: Plan
    crc: NDArray[np.uint32]
    keys: tuple[str, ...]
    sizes: tuple[int, ...]


def recognise(path: str, node: Mapping[str, Any], records: Sequence[ShardRecord] | None) -> Grammar | str:
    """Return how an array is read by plan, or in words why it cannot be.

    Parameters
    ----------
    path : str
        Of the array in its store.
    node : mapping
        Its `zarr.json`.
    records : sequence of ShardRecord, or None
        What the sidecar says of its shards.

    Examples
    --------
    >>> from sensorium_data.store.layout import ArraySpec
    >>> from sensorium_data.store.metadata import array_document
    >>> spec = ArraySpec("trials/start", (3,), np.dtype("int64"), ("trial",), "zstd")
    >>> recognise("trials/start", array_document(spec), None)
    'it is not cut into shards'
    """
    try:
        return _recognised(path, node, records)
    except STRANGE as error:
        return f"its metadata are not those of a session store ({type(error).__name__})"


def _recognised(path: str, node: Mapping[str, Any], records: Sequence[ShardRecord] | None) -> Grammar | str:
    shape = tuple(node["shape"])
    if node["data_type"] not in DTYPES or sys.byteorder != "little":
        return f"its data type is {node['data_type']}"
    dtype = np.dtype(node["data_type"])
    sharding = node["codecs"][0]
    if [codec["name"] for codec in node["codecs"]] != ["sharding_indexed"]:
        return "it is not cut into shards"
    inner = sharding["configuration"]
    if not _as_zarr_has_it(node, inner):
        return "its shards are named, or indexed, in another way"
    codec = _codec(inner["codecs"], dtype)
    if codec is None:
        return f"it is coded by {', '.join(str(codec['name']) for codec in inner['codecs'])}"
    rows = _rows_cut(shape, inner["chunk_shape"], node["chunk_grid"]["configuration"]["chunk_shape"])
    if rows is None:
        return "it is cut along other dims than the first"
    if records is None:
        return "the sidecar does not speak of it"
    return _with_records(path, shape, dtype, codec, rows, records)


def _as_zarr_has_it(node: Mapping[str, Any], inner: Mapping[str, Any]) -> bool:
    naming = node["chunk_key_encoding"]
    default = naming["name"] == "default" and naming.get("configuration", {}).get("separator", "/") == "/"
    index = [codec["name"] for codec in inner["index_codecs"]] == ["bytes", "crc32c"]
    at_end = inner.get("index_location", "end") == "end"
    regular = node["chunk_grid"]["name"] == "regular" and not node.get("storage_transformers")
    return default and index and at_end and regular


def _codec(codecs: Sequence[Mapping[str, Any]], dtype: np.dtype[Any]) -> Codec | None:
    match [codec["name"] for codec in codecs]:
        case ["numcodecs.pcodec"]:
            return "pcodec" if dtype.kind in "iuf" and dtype.itemsize > 1 else None
        case ["bytes", *packing]:
            little = dtype.itemsize == 1 or codecs[0]["configuration"]["endian"] == "little"
            known: dict[tuple[str, ...], Codec] = {(): "raw", ("zstd",): "zstd", ("blosc",): "blosc"}
            return known.get(tuple(packing)) if little else None
    return None


def _rows_cut(shape: tuple[int, ...], chunk: list[int], shard: list[int]) -> tuple[int, int] | None:
    """Return the rows of a chunk and the chunks of a shard, or None where other dims are cut too."""
    whole = list(shape[1:])
    if not shape or not prod(whole) or chunk[1:] != whole or shard[1:] != whole:
        return None
    fits = type(chunk[0]) is int and type(shard[0]) is int and 0 < chunk[0] <= shard[0] and shard[0] % chunk[0] == 0
    return (chunk[0], shard[0] // chunk[0]) if fits else None


def _with_records(
    path: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    codec: Codec,
    rows: tuple[int, int],
    records: Sequence[ShardRecord],
) -> Grammar | str:
    chunk, per_shard = rows
    n_chunks = -(-shape[0] // chunk)
    keys = tuple(f"{path}/c/{shard}" + "/0" * (len(shape) - 1) for shard in range(-(-n_chunks // per_shard)))
    if tuple(record.key for record in records) != keys:
        return "the sidecar speaks of other shards"
    # A sidecar of no shards is that of an array without rows.
    index = np.concatenate([record.index for record in records]) if records else np.empty((0, 2), np.uint64)
    crc = np.concatenate([record.crc for record in records]) if records else np.empty(0, np.uint32)
    counts = [min(per_shard, n_chunks - shard * per_shard) for shard in range(len(keys))]
    if [len(record.index) for record in records] != counts or [len(record.crc) for record in records] != counts:
        return "the sidecar speaks of other chunks"
    row_bytes = prod(shape[1:]) * dtype.itemsize
    sizes = np.repeat(np.array([record.size for record in records], np.uint64), counts)
    offset, length = index[:, 0], index[:, 1]
    # Lengths first, or the sum of two that are too long would come out short. A chunk left out has the largest of all.
    inside = (length > 0) & (length <= sizes) & (offset <= sizes - np.minimum(length, sizes))
    if not inside.all() or (codec == "raw" and (length != chunk * row_bytes).any()):
        return "the sidecar does not say where all its chunks are"
    plan = Plan(shape[0], chunk, per_shard, row_bytes, index.astype(np.int64))
    return Grammar(shape, dtype, codec, plan, crc, keys, tuple(record.size for record in records))
