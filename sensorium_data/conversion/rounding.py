"""Precision: what a stream is stored in, and what that did to its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.schemas import Rounding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.schemas import ConvertOptions

__all__ = ["largest_error", "rounded", "rounding_of", "stored_dtype"]


def stored_dtype(source: np.dtype[Any], options: ConvertOptions, *, responses: bool = False) -> np.dtype[Any]:
    """Return the dtype a floating-point stream is stored in.

    float16 is for responses alone: gaze of 150 pixels would keep a tenth of one.

    Examples
    --------
    >>> from sensorium_data.schemas import ConvertOptions
    >>> stored_dtype(np.dtype("float64"), ConvertOptions())
    dtype('float32')
    """
    if options.precision == "source":
        return source
    if options.precision == "float16" and responses:
        return np.dtype(np.float16)
    return source if source.itemsize < 4 else np.dtype(np.float32)


def largest_error(source: NDArray[Any], stored: NDArray[Any]) -> float:
    """Return the largest absolute difference; NaN against NaN and infinity against itself count as none."""
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.subtract(source, stored, dtype=np.float64)
    high, low = float(gap.max(initial=0.0)), float(gap.min(initial=0.0))
    if np.isnan(high):  # fmax and fmin leave NaN out; they take twice the time, and most signals have none
        high, low = (
            float(np.fmax.reduce(gap, axis=None, initial=0.0)),
            float(np.fmin.reduce(gap, axis=None, initial=0.0)),
        )
    return max(high, -low)


def rounded(source: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the values in the stored dtype, as the conversion rounds them."""
    with np.errstate(over="ignore", invalid="ignore"):
        return source.astype(dtype)


def rounding_of(source: np.dtype[Any], stored: np.dtype[Any], max_error: float) -> Rounding:
    """Return the record of a change of precision."""
    return Rounding(source_dtype=str(source), stored_dtype=str(stored), exact=max_error == 0.0, max_abs_error=max_error)
