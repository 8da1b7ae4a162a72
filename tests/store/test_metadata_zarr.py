"""The metadata that a store writes are those zarr-python makes of the same array, and its chunks decode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.codecs.numcodecs import PCodec
from zarr.storage import MemoryStore

from sensorium_data.store.decode import decode_single
from sensorium_data.store.layout import BLOSC_LEVEL, PCODEC_LEVEL, SHARD, ZSTD_LEVEL, ArraySpec, quiet_zarr
from sensorium_data.store.metadata import array_document
from sensorium_data.store.shards import encode
from sensorium_data.store.write import StoreWriter

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = ["bool", "int8", "int64", "uint8", "uint16", "float16", "float32", "float64"]
SHAPES = [(), (0,), (1,), (7,), (5, 3), (4, 2, 3)]
KINDS = [
    *((dtype, codec) for dtype in NUMBERS for codec in ("raw", "zstd", "blosc")),
    *((dtype, "pcodec") for dtype in ("int64", "uint16", "float16", "float32", "float64")),
    *(("<U5", codec) for codec in ("raw", "zstd")),
]


def by_zarr(spec: ArraySpec) -> Any:
    """Create an array as its specification says, by zarr-python alone."""
    choices: dict[str, dict[str, Any]] = {
        "raw": {"compressors": None},
        "zstd": {"compressors": ZstdCodec(level=ZSTD_LEVEL)},
        "blosc": {
            "compressors": BloscCodec(
                cname="zstd", clevel=BLOSC_LEVEL, shuffle="noshuffle", typesize=spec.dtype.itemsize
            )
        },
        "pcodec": {"serializer": PCodec(level=PCODEC_LEVEL), "compressors": None},
    }
    fill: Any = np.nan if spec.dtype.kind == "f" else "" if spec.text else 0
    return zarr.open_group(MemoryStore(), mode="w", zarr_format=3).create_array(
        spec.path,
        shape=spec.shape,
        dtype=str if spec.text else spec.dtype,
        chunks=spec.chunk_shape if spec.shape else "auto",
        shards=(SHARD, *spec.chunk_shape[1:]) if spec.sharded else None,
        filters=None,
        fill_value=fill,
        dimension_names=spec.dims or None,
        attributes=dict(spec.attrs),
        **choices[spec.codec],
    )


def said(array: zarr.Array[Any]) -> str:
    """Return all metadata; as text, because NaN, the fill value, equals nothing."""
    return repr(array.metadata)


def some(spec: ArraySpec) -> Any:
    if spec.text:
        return np.resize(np.array(["", "a", "Zürich", "\N{MOUSE}"]), spec.shape)
    return np.random.default_rng(0).integers(0, 2, spec.shape).astype(spec.dtype)


@pytest.mark.parametrize(("dtype", "codec"), KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_small_arrays_are_what_zarr_makes_of_them(
    tmp_path: Path, dtype: str, codec: Any, shape: tuple[int, ...]
) -> None:
    dims = ("time", "y", "x")[: len(shape)]
    spec = ArraySpec("group/array", shape, np.dtype(dtype), dims, codec, attrs={"units": "px"})
    values = some(spec)
    writer = StoreWriter(tmp_path)
    writer.small(spec, values)
    writer.save({})
    with quiet_zarr():
        read = zarr.open_group(tmp_path, mode="r")["group/array"]
        assert isinstance(read, zarr.Array)
        assert said(read) == said(by_zarr(spec))
        np.testing.assert_array_equal(np.asarray(read[...]), values)
    if values.size:
        decoded = decode_single(array_document(spec), encode(spec, values.reshape(spec.chunk_shape)))
        assert decoded is not None
        assert decoded.dtype.kind == values.dtype.kind
        np.testing.assert_array_equal(decoded, values)


@pytest.mark.parametrize(("dtype", "codec"), [kind for kind in KINDS if not kind[0].startswith("<U")])
def test_sharded_arrays_have_the_metadata_of_zarr(tmp_path: Path, dtype: str, codec: Any) -> None:
    spec = ArraySpec("group/array", (2 * SHARD + 1, 3), np.dtype(dtype), ("time", "neuron"), codec, sharded=True)
    writer = StoreWriter(tmp_path)
    writer.sharded(spec, [])
    writer.save({"kept": True})
    with quiet_zarr():
        read = zarr.open_array(tmp_path / "group/array", mode="r")
        assert said(read) == said(by_zarr(spec))
        assert zarr.open_group(tmp_path, mode="r").attrs["kept"] is True


def test_the_consolidated_metadata_are_zarrs(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path)
    writer.group("signals/gaze", {"unit": "px"})
    writer.small(ArraySpec("signals/gaze/values", (3,), np.dtype("f4"), ("time",), "raw"), np.ones(3, "f4"))
    writer.save({"a": 1})
    with quiet_zarr():
        ours = zarr.open_group(tmp_path, mode="r", use_consolidated=True).metadata
        theirs = zarr.consolidate_metadata(str(tmp_path), zarr_format=3).metadata
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    "change",
    [
        {"codecs": [{"name": "bytes"}, {"name": "gzip"}]},
        {"codecs": [{"name": "bytes"}, {"name": "blosc"}]},
        {"codecs": "zstd"},
        {"data_type": "int33"},
        {"data_type": "string"},
        {"chunk_grid": {}},
        {"shape": [4]},
    ],
    ids=str,
)
def test_what_is_not_of_this_layout_is_left_to_zarr(change: dict[str, Any]) -> None:
    spec = ArraySpec("trials/start", (3,), np.dtype("int64"), ("trial",), "zstd")
    data = encode(spec, np.arange(3))
    assert decode_single(array_document(spec), data) is not None
    assert decode_single(array_document(spec) | change, data) is None
    assert decode_single(array_document(spec), data[:-1]) is None
