"""Values of an array by one index for each axis: the rows in runs, through a reader, the other axes on each block."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sensorium_data.reading.base import Reader

__all__ = ["read_indexed"]


def read_indexed(reader: Reader, key: Sequence[Any]) -> NDArray[Any]:
    """Return values of an array, each axis indexed by itself.

    Rows that lie far apart are read apart; no more is held than what is returned and one block of the reader.

    Parameters
    ----------
    reader : Reader
    key : sequence of int, slice or (chosen,) int
        One for each axis; an axis with an integer is not in what is returned.

    Returns
    -------
    (row, column, …) array of the reader's dtype

    Raises
    ------
    IndexError
        A place is not there, as numpy says it.
    StoreInvalid, StorageFailed
        As `Reader.read_into` raises them.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sensorium_data.reading import open_reader
    >>> from sensorium_data.store.opened import OpenStore
    >>> from sensorium_data.testing import make_session
    >>> folder = tempfile.TemporaryDirectory()
    >>> session = make_session(Path(folder.name) / "mouse.zarr", n_neurons=5)
    >>> reader = open_reader(OpenStore(session), "signals/responses/values")
    >>> read_indexed(reader, (slice(0, 30, 10), [4, 0])).shape
    (3, 2)
    >>> folder.cleanup()
    """
    rows, within = _places(key[0], reader.shape[0]), _Within(key[1:], reader.shape[1:])
    out = np.empty((len(rows), *within.shape), reader.dtype)
    order = None
    if (rows[1:] < rows[:-1]).any():
        order = np.argsort(rows, kind="stable")
        rows = rows[order]
    breaks = (np.flatnonzero(np.diff(rows) > reader.reach) + 1).tolist()
    for start, stop in pairwise([0, *breaks, len(rows)] if len(rows) else []):
        dense = bool((np.diff(rows[start:stop]) == 1).all())
        if dense and within.whole and order is None:
            reader.read_into(out[start:stop], int(rows[start]))
            continue
        for first, last, at, block in _blocks(reader, rows, start, stop):
            wanted = None if dense else rows[first:last] - at
            out[slice(first, last) if order is None else order[first:last]] = within.of(block, wanted)
    return out[0] if _is_place(key[0]) else out


def _is_place(part: Any) -> bool:  # noqa: ANN401  # an integer, a slice or an array
    return not isinstance(part, slice) and not np.ndim(part)


def _places(part: Any, n: int) -> NDArray[np.int64]:  # noqa: ANN401  # an integer, a slice or an array
    """Return the rows that an index means, in its order."""
    if isinstance(part, slice):
        return np.arange(*part.indices(n), dtype=np.int64)
    places = np.atleast_1d(np.asarray(part, np.int64))
    if len(beyond := places[(places < -n) | (places >= n)]):
        raise IndexError(f"index {beyond[0]} is out of bounds for axis 0 with size {n}")
    return np.where(places < 0, places + n, places)


class _Block(NamedTuple):
    """Rows of the array from row ``at`` on, and which of the wanted ones, [first, last), they hold."""

    first: int
    last: int
    at: int
    rows: NDArray[Any]


def _blocks(reader: Reader, rows: NDArray[np.int64], start: int, stop: int) -> Iterator[_Block]:
    """Read wanted rows [start, stop), which are sorted, block by block; a block without any is left out."""
    row = int(rows[start])
    for offset, block in reader.pieces(row, int(rows[stop - 1]) + 1 - row):
        at = row + offset
        first, last = np.searchsorted(rows, (at, at + len(block))).tolist()
        if first < last:
            yield _Block(first, last, at, block)


class _Within:
    """What is wanted of each row: integers and slices first, which copy nothing, then the places of other axes."""

    def __init__(self, parts: Sequence[Any], shape: tuple[int, ...]) -> None:
        given = [part if isinstance(part, slice) or _is_place(part) else np.asarray(part, np.int64) for part in parts]
        self._views = tuple(slice(None) if isinstance(part, np.ndarray) else part for part in given)
        left = [part for part in given if isinstance(part, slice | np.ndarray)]
        self._places = [(axis, part) for axis, part in enumerate(left, start=1) if isinstance(part, np.ndarray)]
        self.shape = self.of(np.broadcast_to(np.empty((), np.bool_), (1, *shape)), None).shape[1:]
        self.whole = all(
            isinstance(part, slice) and part.indices(n) == (0, n, 1) for part, n in zip(given, shape, strict=True)
        )

    def of(self, block: NDArray[Any], rows: NDArray[np.int64] | None) -> NDArray[Any]:
        """Return what is wanted of some rows of a block, of all where None are named."""
        found = block[(slice(None), *self._views)]
        if rows is not None:
            found = found.take(rows, axis=0)
        for axis, places in self._places:
            found = found.take(places, axis=axis)
        return found
