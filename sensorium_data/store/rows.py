"""Read a few rows again and again: they lie 20 to a chunk, and decoding it for each image costs 20 times as much."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from sensorium_data.store.layout import CHUNK

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium_data.store.opened import OpenStore

__all__ = ["RowReader"]

KEPT = 64  # decoded chunks that are kept: 47 MB of images of 144 × 256


class RowReader:
    """The rows of a sharded array; short runs come from chunks that are kept decoded for a while.

    Parameters
    ----------
    store : OpenStore
    path : str
        Of the array in it.
    """

    def __init__(self, store: OpenStore, path: str) -> None:
        self.store = store
        self.array = store.array(path)
        self._chunks: OrderedDict[int, NDArray[np.generic]] = OrderedDict()

    def read(self, first: int, n_rows: int) -> NDArray[Any]:
        """Return some rows, (row, …).

        Raises
        ------
        StoreInvalid
            They are missing or do not decode.
        """
        chunk, at = divmod(first, CHUNK)
        if n_rows >= CHUNK or at + n_rows > CHUNK:
            return self._read(first, first + n_rows)
        if chunk not in self._chunks:
            self._chunks[chunk] = self._read(chunk * CHUNK, (chunk + 1) * CHUNK)
            if len(self._chunks) > KEPT:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(chunk)
        return self._chunks[chunk][at : at + n_rows]

    def _read(self, first: int, stop: int) -> NDArray[Any]:
        """Return rows [first, stop) as far as they are there."""
        return self.store.read(self.array, slice(first, stop))
