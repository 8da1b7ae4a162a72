"""Zarr arrays as lazy xarray variables: nothing is read until values are asked for, and then only what was asked."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from xarray import DataArray, Variable  # noqa: TID253  # only views import this module, and they are xarray's face
from xarray.backends import BackendArray  # noqa: TID253
from xarray.core import indexing  # noqa: TID253

from sensorium_data.reading import planned_reader, read_indexed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import zarr
    from numpy.typing import NDArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.reading import Reader
    from sensorium_data.store.opened import OpenStore

__all__ = ["DASK_BYTES", "dask_rows", "lazy_array", "lazy_variable", "plain_key"]

DASK_BYTES = 8_000_000


class StoreArray(BackendArray):  # type: ignore[misc,unused-ignore]
    """One array of a store, or some of its columns; reopened in each process, so that it can be pickled.

    What is read is held against the checksums of the store. Text, and arrays of another make, which have none, are read
    through zarr-python.

    Parameters
    ----------
    store : OpenStore
    path : str
    kept : mapping of axis to (kept,) int64, optional
        Places along an axis that are there; the others are decoded with their chunk and never copied out of it.
    """

    def __init__(self, store: OpenStore, path: str, kept: Mapping[int, NDArray[np.int64]] | None = None) -> None:
        self._store = store
        self._path = path
        self._kept = dict(kept or {})
        self._array: zarr.Array[Any] | None = None
        self._reader: tuple[Reader | None] | None = None  # not looked for yet, or the one there is
        array = self._open()
        sizes = {axis: len(places) for axis, places in self._kept.items()}
        self.shape = tuple(sizes.get(axis, n) for axis, n in enumerate(array.shape))
        self.dtype = np.dtype(array.dtype)
        self.chunks = tuple(sizes.get(axis, n) for axis, n in enumerate(array.chunks))
        self.shards = tuple(sizes.get(axis, n) for axis, n in enumerate(array.shards or array.chunks))
        self.row_bytes = prod(array.chunks[1:]) * self.dtype.itemsize  # what a row costs to decode

    def _open(self) -> zarr.Array[Any]:
        if self._array is None:
            self._array = self._store.array(self._path)
        return self._array

    def __getstate__(self) -> dict[str, Any]:
        """Leave behind what each process opens for itself."""
        return self.__dict__ | {"_array": None, "_reader": None}

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:  # noqa: ANN401  # xarray's own signature
        key = plain_key(key, self.shape)
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        inside = tuple(self._kept[axis][part] if axis in self._kept else part for axis, part in enumerate(key))
        if self._reader is None:  # two threads may both come first; what they find is the same
            self._reader = (planned_reader(self._store, self._path),)
        (reader,) = self._reader
        return self._store.read(self._open(), inside) if reader is None else read_indexed(reader, inside)


def plain_key(key: indexing.ExplicitIndexer, shape: tuple[int, ...]) -> indexing.ExplicitIndexer:
    """Return a key whose empty slices are plain ones.

    xarray takes an empty slice with a negative step apart and fails; nothing is nothing in either direction.
    """
    return type(key)(
        tuple(
            slice(0, 0) if isinstance(part, slice) and not range(*part.indices(n)) else part
            for part, n in zip(key.tuple, shape, strict=True)
        )
    )


def lazy_variable(
    store: OpenStore,
    path: str,
    dims: tuple[str, ...],
    attrs: Mapping[str, Any] | None = None,
    kept: Mapping[str, NDArray[np.int64]] | None = None,
) -> Variable:
    """Return an array of the store as an xarray variable that reads when it is looked at.

    Its encoding says how to cut it for dask: `array.chunk(array.encoding["preferred_chunks"])`. Of the dims in ``kept``
    only those places are there.
    """
    backend = StoreArray(store, path, {dims.index(dim): places for dim, places in (kept or {}).items() if dim in dims})
    encoding = {"chunks": backend.chunks, "preferred_chunks": _dask_chunks(backend, dims)}
    return Variable(dims, indexing.LazilyIndexedArray(backend), dict(attrs or {}), encoding)


def lazy_array(handle: SessionHandle, path: str, name: str) -> DataArray:
    """Return an array of a session, with the selected neurons alone where its columns are neurons."""
    store = handle.store
    kept = None if handle.selected is None else {"neuron": handle.selected}
    attrs = store.metadata.get(path, {}).get("attributes", {})
    variable = lazy_variable(store, path, store.dims(path), attrs, kept)
    found = DataArray(variable, name=name)
    found.encoding = variable.encoding  # xarray leaves it behind
    return found


def _dask_chunks(backend: StoreArray, dims: tuple[str, ...]) -> dict[str, int]:
    if not dims:
        return {}
    rows = dask_rows(backend.shards[0], backend.chunks[0], backend.row_bytes)
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
