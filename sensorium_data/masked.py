"""Masked arrays: what takes an array for its numbers would lose the mask without a word, so each place asks first."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["MASKED", "is_masked"]

MASKED = "a masked array, whose mask would be lost; filled(numpy.nan) keeps the holes"


def is_masked(values: Any) -> bool:  # noqa: ANN401  # whatever was given
    """Return whether this is a masked array of numpy or dask, or a column of one.

    Examples
    --------
    >>> is_masked(np.ma.masked_less([1, 2, 3], 2)), is_masked([1, 2, 3])
    (True, False)
    """
    inside = getattr(values, "_data", None)  # of an xarray variable
    return any(np.ma.isMaskedArray(one) for one in (values, getattr(values, "_meta", None), inside))
