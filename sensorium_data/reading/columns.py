"""Which columns of an array are kept, in any order, and how they are copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Columns", "columns_of"]


class Columns:
    """Some columns: positions along the second axis.

    Parameters
    ----------
    kept : (column,) int64
        Each at least 0; any order, and any of them more than once.

    Examples
    --------
    >>> out = np.empty((1, 2), "int64")
    >>> Columns(np.array([3, 1])).copy(np.array([[10, 11, 12, 13]]), out)
    >>> out
    array([[13, 11]])
    """

    def __init__(self, kept: NDArray[np.int64]) -> None:
        self.kept = kept
        first = int(kept[0]) if len(kept) else 0
        beside = np.array_equal(kept, np.arange(first, first + len(kept)))
        self.run = slice(first, first + len(kept)) if beside else None  # neighbours, which are copied at once

    def copy(self, rows: NDArray[Any], out: NDArray[Any]) -> None:
        """Copy these columns of some rows, (row, column, …), to where they belong."""
        if self.run is not None:
            np.copyto(out, rows[:, self.run])
        else:
            # "clip" writes into place, where "raise" would write elsewhere first; the positions are known to exist.
            np.take(rows, self.kept, axis=1, out=out, mode="clip")


def columns_of(columns: ArrayLike | None, shape: tuple[int, ...], path: str) -> Columns | None:
    """Return the columns that were asked for, or None where they are all, in order.

    Parameters
    ----------
    columns : (column,) int, or None
    shape : tuple of int
        Of the array.
    path : str
        Of the array, for messages.

    Raises
    ------
    BadArgument
        They are no such positions.
    """
    if columns is None:
        return None
    given = np.asarray(columns)
    if len(shape) < 2:
        raise BadArgument(f"`{path}` has no columns: its shape is {shape}", code="bad-columns")
    if given.ndim != 1 or (given.dtype.kind not in "iu" and given.size):
        what = f"columns of `{path}` are {given.dtype} of shape {given.shape}, expected a row of integers"
        raise BadArgument(what, hint="positions, not a mask: `numpy.flatnonzero(mask)`", code="bad-columns")
    beyond = (given < 0) | (given >= shape[1])
    if beyond.any():
        what = f"`{path}` has columns 0 to {shape[1] - 1}, asked for {given[beyond][0]}"
        raise BadArgument(what, code="bad-columns")
    kept = given.astype(np.int64)
    kept.setflags(write=False)
    whole = len(kept) == shape[1] and np.array_equal(kept, np.arange(shape[1]))
    return None if whole else Columns(kept)
