"""Which files a request for values touches: a file that is not there must be an error, and Zarr takes it for zeros."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["touched_cells"]


def touched_cells(shape: Sequence[int], cell: Sequence[int], key: Any) -> Iterator[tuple[int, ...]]:  # noqa: ANN401  # whatever indexes an array
    """Yield the cells of a regular grid that an orthogonal index touches.

    Parameters
    ----------
    shape : sequence of int
        Shape of the array.
    cell : sequence of int
        Shape of one file's part of it: of a shard, or of a chunk where there are no shards.
    key : int, slice, array, Ellipsis, or tuple of those
        The index, one part for each axis from the first.

    Examples
    --------
    >>> list(touched_cells((7000, 40), (3000, 40), slice(2990, 3010)))
    [(0, 0), (1, 0)]
    >>> list(touched_cells((7000,), (3000,), slice(10, 10)))
    []
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in [part for part in parts if not isinstance(part, np.ndarray)]:
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts[at : at + 1] = [slice(None)] * (len(shape) - len(parts) + 1)
    parts += [slice(None)] * (len(shape) - len(parts))
    return product(*(_along(part, n, size) for part, n, size in zip(parts, shape, cell, strict=True)))


def _along(part: Any, n: int, size: int) -> Iterable[int]:  # noqa: ANN401  # an integer, a slice or an array
    if isinstance(part, slice):
        rows = range(*part.indices(n))
        if not rows:
            return ()
        first, last = sorted((rows[0] // size, rows[-1] // size))
        # Steps shorter than a cell leave none out.
        return range(first, last + 1) if abs(rows.step) <= size else sorted({row // size for row in rows})
    places = np.asarray(part)
    if places.dtype == bool:
        places = np.flatnonzero(places)
    return np.unique(np.where(places < 0, places + n, places) // size).tolist()  # type: ignore[no-any-return]
