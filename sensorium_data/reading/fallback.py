"""Any array of any store through zarr-python: the same numbers, a tenth of the speed, and said so once."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import BadArgument, SlowReadWarning
from sensorium_data.forks import refuse_fork
from sensorium_data.reading.base import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    import zarr
    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.reading.verify import Verify
    from sensorium_data.store.opened import OpenStore

__all__ = ["ZarrReader", "warn_once"]

BLOCK = 1 << 22  # bytes read at once by `pieces`

_WARNED: dict[tuple[int, str], object] = {}


def warn_once(store: OpenStore, why: str) -> None:
    """Say, once for a store and process, that it is read slowly, and why."""
    mine = object()
    if _WARNED.setdefault((os.getpid(), str(store.path)), mine) is mine:
        how = "it is read through zarr-python, ten times as slow and without checksums"
        warnings.warn(f"{store.path}: {why}; {how}", SlowReadWarning, stacklevel=3)


class ZarrReader(Reader):
    """Rows of any array, read through zarr-python; the interface is that of `ArrayReader`.

    Parameters
    ----------
    store : OpenStore
    path : str
    columns : (column,) int, optional
    verify : {"first", "always", "never"}, optional
        Not used: where zarr-python is needed there are no checksums to hold the chunks against.

    Raises
    ------
    BadArgument
        The columns are not there, or the array holds text or a single value.
    StoreInvalid
        The store has no such array.
    """

    def __init__(
        self, store: OpenStore, path: str, *, columns: ArrayLike | None = None, verify: Verify = "first"
    ) -> None:
        import zarr

        self._array, self._pid = store.array(path), os.getpid()
        self._pipeline = str(zarr.config.get("codec_pipeline.path"))
        dtype = np.dtype(self._array.dtype)
        if dtype.kind not in "biufc" or not self._array.ndim:
            what = f"{store.path}: `{path}` has no rows of numbers: {dtype}, shape {self._array.shape}"
            raise BadArgument(what, hint="`OpenStore.values` reads it whole", code="not-numbers")
        super().__init__(store, path, tuple(self._array.shape), dtype.newbyteorder("="), columns, verify)
        self.reach = self._array.chunks[0]

    def _opened(self) -> zarr.Array[Any]:
        if self._pid != os.getpid():
            if not self._pipeline.startswith("zarr."):  # threads of its own, in Rust or C++, that no fork takes along
                refuse_fork(self._pid, f"the codec pipeline {self._pipeline}")
            self._array, self._pid = self.store.array(self.path), os.getpid()
        return self._array

    def _rows(self, first: int, n: int) -> NDArray[Any]:
        key: Any = slice(first, first + n)
        if self.columns is not None and self.columns.run is not None:
            key = (key, self.columns.run)
        values = self.store.read(self._opened(), key)
        self.counters.read(values.nbytes)
        return values if self.columns is None or self.columns.run is not None else values[:, self.columns.kept]

    def read_into(self, out: NDArray[Any], first: int) -> None:
        """Write rows [first, first + len(out)) into an array; see `Reader.read_into`."""
        self._refuse_out(out)
        self._refuse_rows(first, len(out))
        if out.size:
            np.copyto(out, self._rows(first, len(out)), casting="equiv")

    def pieces(self, first: int, n: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield rows [first, first + n) block by block; see `Reader.pieces`."""
        self._refuse_rows(first, n)
        row_bytes = max(1, int(np.prod(self._array.shape[1:])) * self.dtype.itemsize)
        step = max(1, BLOCK // row_bytes)
        for at in range(0, n, step):
            yield at, self._rows(first + at, min(step, n - at)).astype(self.dtype, copy=False)
