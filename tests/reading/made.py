"""Stores of any arrays: the document of a small session, and shards written as a conversion writes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.reading import open_reader
from sensorium_data.store.layout import ArraySpec, Codec
from sensorium_data.store.opened import OpenStore
from sensorium_data.store.shards import write_shard
from sensorium_data.store.write import StoreWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.reading import Reader
    from sensorium_data.schemas import Session

PATH = "signals/made/values"
DIMS = ("time", "neuron", "y", "x")


def folder_of(store: OpenStore) -> Path:
    """Return where a store is that lies on this machine."""
    assert isinstance(store.path, Path)
    return store.path


def values_of(shape: tuple[int, ...], dtype: str, seed: int = 0) -> NDArray[Any]:
    """Return values with what real traces have: many zeros, and NaN where the dtype knows it."""
    rng = np.random.default_rng(seed)
    values: NDArray[Any] = (rng.gamma(0.7, 30, shape) * (rng.random(shape) < 0.4)).astype(dtype)
    if values.dtype.kind == "f":
        values[rng.random(shape) < 0.01] = np.nan
    return values


def make_store(
    root: Path,
    session: Session,
    arrays: dict[str, tuple[NDArray[Any], Codec]],
    small: dict[str, NDArray[Any]] | None = None,
) -> OpenStore:
    """Write a store of sharded arrays, and of small ones, and open it."""
    writer = StoreWriter(root)
    for path, (values, codec) in arrays.items():
        spec = ArraySpec(path, values.shape, values.dtype, DIMS[: values.ndim], codec, sharded=True)
        runs = [spec.shard_rows(shard) for shard in range(spec.n_shards)]
        writer.sharded(spec, [write_shard(root, spec, k, [values[slice(*run)]]) for k, run in enumerate(runs)])
    for path, values in (small or {}).items():
        writer.small(ArraySpec(path, values.shape, values.dtype, DIMS[: values.ndim], "zstd"), values)
    writer.finish(session)
    return OpenStore(root)


def read(reader: Reader, first: int, n: int) -> NDArray[Any]:
    """Return some rows, read into an array that held something else."""
    out = np.ones((n, *reader.shape[1:]), reader.dtype)
    reader.read_into(out, first)
    return out


def collected(reader: Reader, first: int, n: int) -> NDArray[Any]:
    """Return some rows, put together from pieces."""
    out = np.ones((n, *reader.shape[1:]), reader.dtype)
    filled = 0
    for at, block in reader.pieces(first, n):
        assert at == filled
        out[at : at + len(block)] = block
        filled += len(block)
    assert filled == n
    return out


def same(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """True where two arrays are equal to the bit."""
    return left.shape == right.shape and left.dtype == right.dtype and left.tobytes() == right.tobytes()


def read_elsewhere(reader: Reader, first: int, n: int) -> tuple[bytes, int]:
    """Return some rows as bytes, and how many checksums were made: what another process is asked to do."""
    return read(reader, first, n).tobytes(), reader.counters.n_checks


def reader_of(root: Path, **options: Any) -> Reader:
    """Return a reader of the made array, the store opened anew."""
    return open_reader(OpenStore(root), PATH, **options)
