"""Masked arrays: what takes an array for its numbers would lose the mask without a word, so each place asks first."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["MASKED", "is_masked"]

MASKED = "a masked array, whose mask would be lost; filled(numpy.nan) keeps the holes"


def is_masked(values: Any) -> bool:  # noqa: ANN401  # whatever was given
    """Return whether this is a masked array of numpy or dask; xarray makes NaN of what is masked by itself.

    Examples
    --------
    >>> is_masked(np.ma.masked_less([1, 2, 3], 2)), is_masked([1, 2, 3])
    (True, False)
    """
    return any(np.ma.isMaskedArray(one) for one in (values, getattr(values, "_meta", None)))
