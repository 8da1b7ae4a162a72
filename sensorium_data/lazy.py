"""Zarr arrays as lazy xarray variables: nothing is read until values are asked for, and then only what was asked."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from xarray import Variable  # noqa: TID253  # only views import this module, and they are xarray's face
from xarray.backends import BackendArray  # noqa: TID253
from xarray.core import indexing  # noqa: TID253

if TYPE_CHECKING:
    from collections.abc import Mapping

    import zarr
    from numpy.typing import NDArray

    from sensorium_data.store.opened import OpenStore

__all__ = ["dask_rows", "lazy_variable"]

DASK_BYTES = 8_000_000


class StoreArray(BackendArray):  # type: ignore[misc,unused-ignore]
    """One array of a store; reopened in each process, so that it can be pickled."""

    def __init__(self, store: OpenStore, path: str) -> None:
        self._store = store
        self._path = path
        self._array: zarr.Array[Any] | None = None
        array = self._open()
        self.shape = array.shape
        self.dtype = np.dtype(array.dtype)
        self.chunks = tuple(array.chunks)
        self.shards = tuple(array.shards or array.chunks)

    def _open(self) -> zarr.Array[Any]:
        if self._array is None:
            self._array = self._store.array(self._path)
        return self._array

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open array behind."""
        return self.__dict__ | {"_array": None}

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:  # noqa: ANN401  # xarray's own signature
        # xarray takes an empty slice with a negative step apart and fails; nothing is nothing in either direction.
        key = type(key)(tuple(_plain(part, n) for part, n in zip(key.tuple, self.shape, strict=True)))
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        return self._store.read(self._open(), key)


def _plain(part: Any, n: int) -> Any:  # noqa: ANN401  # an integer, a slice or an array
    return slice(0, 0) if isinstance(part, slice) and not range(*part.indices(n)) else part


def lazy_variable(
    store: OpenStore, path: str, dims: tuple[str, ...], attrs: Mapping[str, Any] | None = None
) -> Variable:
    """Return an array of the store as an xarray variable that reads when it is looked at.

    Its encoding says how to cut it for dask: `array.chunk(array.encoding["preferred_chunks"])`.
    """
    backend = StoreArray(store, path)
    encoding = {"chunks": backend.chunks, "preferred_chunks": _dask_chunks(backend, dims)}
    return Variable(dims, indexing.LazilyIndexedArray(backend), dict(attrs or {}), encoding)


def _dask_chunks(backend: StoreArray, dims: tuple[str, ...]) -> dict[str, int]:
    if not dims:
        return {}
    row_bytes = prod(backend.chunks[1:]) * backend.dtype.itemsize
    rows = dask_rows(backend.shards[0], backend.chunks[0], row_bytes)
    return dict(zip(dims, (rows, *backend.chunks[1:]), strict=True))


def dask_rows(shard: int, chunk: int, row_bytes: int) -> int:
    """Return how many rows make a good piece for dask: a few MB of whole chunks.

    A shard of 8,000 neurons is 96 MB, too much for one task, and a chunk of 20 frames 46 kB, which drowns the scheduler
    in tasks. So as many whole chunks are taken as fit into `DASK_BYTES` and divide a shard: no two tasks read the same
    chunk, and none opens two shards.
    """
    per_shard = shard // chunk
    fits = max(1, DASK_BYTES // max(1, chunk * row_bytes))
    return chunk * max(k for k in range(1, per_shard + 1) if per_shard % k == 0 and k <= fits)
