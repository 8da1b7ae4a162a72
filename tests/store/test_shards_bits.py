"""Shards: what is written here, zarr-python reads to the bit, whatever the codec, the dtype and the blocks."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import google_crc32c
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.store.layout import CHUNK, SHARD, ArraySpec, Codec, chunk_key, quiet_zarr
from sensorium_data.store.shards import ShardRecord, encode, write_shard
from sensorium_data.store.write import StoreWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES = ("float16", "float32", "float64", "uint8")
# One row, both sides of a chunk, both sides of a shard, and of two.
COUNTS = (1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7, SHARD - 1, SHARD, SHARD + 1, 2 * SHARD, 2 * SHARD + CHUNK + 1)
KINDS = [(codec, dtype) for codec in get_args(Codec) for dtype in DTYPES if (codec, dtype) != ("pcodec", "uint8")]


def values_of(seed: int, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return random bits, so that NaN of every payload, both zeros, infinities and subnormals are all there."""
    rng, size = np.random.default_rng(seed), np.dtype(dtype).itemsize
    values: NDArray[Any] = rng.integers(0, 256, (*shape[:-1], shape[-1] * size), np.uint8).view(dtype)
    if values.dtype.kind == "f":
        special = np.array([0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf], dtype)
        at = rng.random(values.shape) < 0.3
        values[at] = rng.choice(special, int(at.sum()))
    return values


def bits(values: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(values).tobytes()


def blocks(values: NDArray[Any], cuts: list[int]) -> list[NDArray[Any]]:
    return np.split(values, sorted(cut % (len(values) + 1) for cut in cuts))


def written(root: Path, spec: ArraySpec, values: NDArray[Any], cuts: list[int]) -> list[ShardRecord]:
    writer, records = StoreWriter(root), []
    for shard in range(spec.n_shards):
        start, stop = spec.shard_rows(shard)
        records.append(write_shard(root, spec, shard, blocks(values[start:stop], cuts)))
    writer.sharded(spec, records)
    writer.save({})
    return records


def spec_of(shape: tuple[int, ...], dtype: str, codec: Any) -> ArraySpec:
    dims = ("time", "y", "x")[: len(shape)]
    return ArraySpec("signals/noise/values", shape, np.dtype(dtype), dims, codec, sharded=True)


def read(root: Path, spec: ArraySpec) -> NDArray[Any]:
    with quiet_zarr():
        return np.asarray(zarr.open_array(root / spec.path, mode="r", zarr_format=3)[...])


@pytest.mark.parametrize(("codec", "dtype"), KINDS)
@settings(deadline=None, max_examples=12)
@given(
    n=st.sampled_from(COUNTS) | st.integers(1, 2 * SHARD + 50),
    rest=st.sampled_from([(), (1,), (3,), (2, 3)]),
    cuts=st.lists(st.integers(0, 2 * SHARD), max_size=6),
    seed=st.integers(0, 2**32),
)
def test_zarr_reads_the_bits_that_were_written(
    codec: str, dtype: str, n: int, rest: tuple[int, ...], cuts: list[int], seed: int
) -> None:
    spec = spec_of((n, *rest), dtype, codec)
    values = values_of(seed, spec.shape, dtype)
    with tempfile.TemporaryDirectory() as folder:
        written(Path(folder), spec, values, cuts)
        again = read(Path(folder), spec)
    assert (again.shape, again.dtype) == (values.shape, values.dtype)
    assert bits(again) == bits(values)


@pytest.mark.parametrize(("codec", "dtype"), KINDS)
def test_a_row_and_a_chunk_read_alone_are_the_same(tmp_path: Path, codec: str, dtype: str) -> None:
    spec = spec_of((SHARD + 61, 3), dtype, codec)
    values = values_of(1, spec.shape, dtype)
    written(tmp_path, spec, values, [])
    with quiet_zarr():
        array = zarr.open_array(tmp_path / spec.path, mode="r", zarr_format=3)
        for key in (0, CHUNK - 1, CHUNK, SHARD - 1, SHARD, SHARD + 60, slice(15, 45), slice(SHARD - 3, SHARD + 3)):
            assert bits(np.asarray(array[key])) == bits(values[key])


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 200), cuts=st.lists(st.integers(0, 200), max_size=8), seed=st.integers(0, 99))
def test_the_file_does_not_depend_on_the_blocks(n: int, cuts: list[int], seed: int) -> None:
    spec = spec_of((n, 2), "float32", "zstd")
    values = values_of(seed, spec.shape, "float32")
    files = []
    for places in ([], cuts):
        with tempfile.TemporaryDirectory() as folder:
            write_shard(Path(folder), spec, 0, blocks(values, places))
            files.append(Path(folder, chunk_key(spec, 0)).read_bytes())
    assert files[0] == files[1]


@settings(deadline=None, max_examples=25)
@given(n=st.sampled_from(COUNTS[:7]) | st.integers(1, SHARD), codec=st.sampled_from(get_args(Codec)))
def test_the_record_says_where_each_chunk_lies(n: int, codec: Any) -> None:
    spec = spec_of((n, 2), "float32", codec)
    values = values_of(n, spec.shape, "float32")
    with tempfile.TemporaryDirectory() as folder:
        record = write_shard(Path(folder), spec, 0, [values])
        data = Path(folder, record.key).read_bytes()
        left = [path.name for path in Path(folder).rglob("*.part")]
    assert left == []
    assert (record.key, record.size) == (chunk_key(spec, 0), len(data))
    assert len(record.index) == len(record.crc) == -(-n // CHUNK)
    for i, ((offset, length), crc) in enumerate(zip(record.index.tolist(), record.crc.tolist(), strict=True)):
        chunk = np.zeros(spec.chunk_shape, spec.dtype)
        rows = values[i * CHUNK : (i + 1) * CHUNK]
        chunk[: len(rows)] = rows
        assert data[offset : offset + length] == encode(spec, chunk)
        assert google_crc32c.value(data[offset : offset + length]) == crc


def test_a_writer_that_fails_leaves_no_shard(tmp_path: Path) -> None:
    spec = spec_of((100, 2), "float32", "raw")

    def failing() -> Any:
        yield np.zeros((30, 2), np.float32)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_shard(tmp_path, spec, 0, failing())
    assert not (tmp_path / chunk_key(spec, 0)).exists()
