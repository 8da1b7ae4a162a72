"""Arrays of one chunk, which are small: read whole at the first request, then served from memory."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

from sensorium_data.errors import StoreInvalid
from sensorium_data.reading.base import Reader
from sensorium_data.reading.faults import chunk_damaged
from sensorium_data.reading.grammar import DTYPES, STRANGE
from sensorium_data.reading.shards import single_of
from sensorium_data.store.decode import decode_single

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.reading.verify import Verify
    from sensorium_data.store.opened import OpenStore
    from sensorium_data.store.sidecar import ChunkRecord

__all__ = ["ResidentReader", "one_chunk"]


class ResidentReader(Reader):
    """Rows of an array of one chunk, or of none; the interface is that of `ArrayReader`.

    Parameters
    ----------
    store : OpenStore
    path : str
    columns : (column,) int, optional
    verify : {"first", "always", "never"}, optional
        The chunk is read once, and held against its CRC-32C then, or never.

    Raises
    ------
    BadArgument
        The columns are not there.
    StoreInvalid
        The array is of more than one chunk, or the sidecar does not speak of it (code ``outside-grammar``).
    """

    def __init__(
        self, store: OpenStore, path: str, *, columns: ArrayLike | None = None, verify: Verify = "first"
    ) -> None:
        found = _only_chunk(store, path)
        if isinstance(found, str):
            raise StoreInvalid(f"{store.path}: `{path}` is not read at once: {found}", code="outside-grammar")
        node, self._record = store.metadata[path], found
        super().__init__(store, path, tuple(node["shape"]), np.dtype(node["data_type"]), columns, verify)
        self._shards = single_of(store, path, found, self.counters, self.verify, self.shape[0])
        self.reach = self.shape[0]  # all of it is in memory
        self._values: NDArray[Any] | None = None

    @property
    def values(self) -> NDArray[Any]:
        """All rows, (row, column, …), not to be changed.

        Raises
        ------
        StoreInvalid
            They are damaged, or were changed or removed since the reader was made.
        StorageFailed
            The system does not let them be read.
        """
        # Two threads may both come first; what they read is the same.
        if (values := self._values) is None:
            values = self._loaded()
            if self.columns is not None:
                values = np.ascontiguousarray(values[:, self.columns.kept])
            values.setflags(write=False)
            self._values = values
        return values

    def _loaded(self) -> NDArray[Any]:
        shape = tuple(self.store.metadata[self.path]["shape"])
        if self._record is None:
            return np.empty(shape, self.dtype)
        if self.store.identity and self._record.data is not None:  # it came with the sidecar, over the network
            data = np.frombuffer(self._record.data, np.uint8)
        else:
            data = np.empty(self._record.size, np.uint8)
            self._shards.read(0, 0, data)
        if self.verify != "never":
            self.counters.checked()
            seen = google_crc32c.value(data)
            if seen != self._record.crc:
                what = f"it has CRC-32C {seen:08x}, written as {self._record.crc:08x}"
                raise chunk_damaged(self.store.path, self.path, self._record.key, 0, (0, shape[0]), what)
        values = decode_single(self.store.metadata[self.path], data.tobytes())
        return self.store.values(self.path) if values is None else values

    def read_into(self, out: NDArray[Any], first: int) -> None:
        """Write rows [first, first + len(out)) into an array; see `Reader.read_into`."""
        self._refuse_out(out)
        self._refuse_rows(first, len(out))
        np.copyto(out, self.values[first : first + len(out)])

    def pieces(self, first: int, n: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield rows [first, first + n) in one block; see `Reader.pieces`."""
        self._refuse_rows(first, n)
        if n:
            yield 0, self.values[first : first + n]


def one_chunk(store: OpenStore, path: str) -> bool:
    """True where an array of numbers is one chunk, or none as it has no values, whatever else is wrong with it."""
    node = store.metadata.get(path, {})
    try:
        numbers = node["data_type"] in DTYPES and bool(node["shape"])
        whole = node["chunk_grid"]["configuration"]["chunk_shape"] == node["shape"]
        cut_again = any(codec["name"] == "sharding_indexed" for codec in node["codecs"])
        return numbers and (not prod(node["shape"]) or (whole and not cut_again))
    except STRANGE:
        return False


def _only_chunk(store: OpenStore, path: str) -> ChunkRecord | str | None:
    """Return what the sidecar says of the only chunk of an array, None where it has no value, or why it is not read so."""
    if not one_chunk(store, path):
        return "it is more than one chunk, or no array of numbers"
    shape = store.metadata[path]["shape"]
    if not prod(shape):
        return None
    try:
        record = store.sidecar.chunks.get(path)
    except StoreInvalid as error:
        return error.message
    expected = f"{path}/c" + "/0" * len(shape)
    return record if record is not None and record.key == expected else "the sidecar does not speak of it"
