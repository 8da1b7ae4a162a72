"""How samples become values: in the dtype of the signal, one output row after another where rows are long.

A value between two samples is ``x[k] + w * (x[k + 1] - x[k])``, from the sample ``k`` that its position is counted
from. Every way of computing it does the same operations in the same order, so that a channel has the same bits whatever
is read along with it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike, NDArray

    from sensorium_data.resampling.positions import Method, Picks

__all__ = [
    "LONG",
    "TOGETHER",
    "all_known",
    "gathered",
    "mark_unknown",
    "missing",
    "output_dtype",
    "row_by_row",
    "working",
]

TOGETHER = 8  # outputs between the same samples that are written together
LONG = 64  # numbers in a sample: below, a loop over rows costs more than the numbers


def output_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the dtype that resampled values have: floats keep theirs, integers become float32, or float64 from 32 bits on.

    Parameters
    ----------
    dtype : numpy.dtype
        Of the signal.

    Raises
    ------
    BadArgument
        The values are no real numbers.

    Examples
    --------
    >>> output_dtype("float32"), output_dtype("uint8"), output_dtype("int16")
    (dtype('float32'), dtype('float32'), dtype('float32'))
    """
    known = np.dtype(dtype)
    if known.kind not in "fiub":
        raise BadArgument(f"values are {known}, expected real numbers", code="bad-dtype")
    return known if known.kind == "f" else np.result_type(known, np.float32)


def working(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return what values of an output dtype are computed in: itself, but float32 for half precision.

    Examples
    --------
    >>> working(np.dtype("float64")), working(np.dtype("float16"))
    (dtype('float64'), dtype('float32'))
    """
    return dtype if dtype.itemsize >= 4 else np.dtype(np.float32)


def gathered(method: Method, out: NDArray[Any], values: NDArray[Any], picks: Picks, first_row: int) -> None:
    """Write all outputs at once, wherever their samples are: short rows, edges and gaps.

    Parameters
    ----------
    method : Method
    out : (output, …)
        Numbers, or integers where the method only copies.
    values : (row, …)
        Rows of the signal from ``first_row`` on; with an offset for each channel (row, channel).
    picks : Picks
        Of all channels.
    first_row : int
    """
    axes = out.ndim - 2

    def lined(numbers: NDArray[Any]) -> NDArray[Any]:
        return numbers[:, 0] if axes < 0 else numbers.reshape(numbers.shape + (1,) * axes)

    def samples(rows: NDArray[np.int64]) -> NDArray[Any]:
        rows = rows - first_row
        if not picks.whole:
            rows = np.clip(rows, 0, len(values) - 1)
        found: NDArray[Any] = values[rows, np.arange(rows.shape[1])] if rows.shape[1] > 1 else values[rows[:, 0]]
        return found

    if method == "linear":
        found = _between(picks, samples, lined, working(out.dtype))
    elif method == "mean":
        found = _averaged(picks, samples, lined, np.result_type(out.dtype, np.float64))
    else:
        found = samples(picks.first)
    np.copyto(out, found, casting="unsafe")
    if not picks.whole:
        np.copyto(out, missing(out.dtype), where=lined(~picks.valid))


def missing(dtype: np.dtype[Any]) -> float:
    """Return what stands for no value: NaN, or 0 among integers, where the mask alone says so."""
    return np.nan if dtype.kind == "f" else 0


def _between(
    picks: Picks,
    samples: Callable[[NDArray[np.int64]], NDArray[Any]],
    lined: Callable[[NDArray[Any]], NDArray[Any]],
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    one = samples(picks.first).astype(dtype, copy=False)
    found = samples(picks.last - 1).astype(dtype, copy=False)
    found -= one
    found *= lined(picks.weight).astype(dtype)
    found += one if picks.anchor is None else samples(picks.anchor).astype(dtype, copy=False)
    exact = picks.last - picks.first == 1
    if exact.any():
        np.copyto(found, one, where=lined(exact))
    return found


def _averaged(
    picks: Picks,
    samples: Callable[[NDArray[np.int64]], NDArray[Any]],
    lined: Callable[[NDArray[Any]], NDArray[Any]],
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    n_samples = picks.last - picks.first
    least, most = int(n_samples.min()), int(n_samples.max())
    total = np.zeros_like(samples(picks.first), dtype)
    for k in range(most):
        if k < least:
            total += samples(picks.first + k)
        else:
            total += np.where(lined(n_samples > k), samples(np.minimum(picks.first + k, picks.last - 1)), 0)
    total /= lined(np.maximum(n_samples, 1))
    return total


def row_by_row(method: Method, out: NDArray[Any], values: NDArray[Any], picks: Picks, first_row: int) -> None:
    """Write one output row after another, all channels from the same samples; the parameters are those of `gathered`.

    Nothing is allocated that is longer than a few rows.
    """
    first, last = (picks.first[:, 0] - first_row).tolist(), (picks.last[:, 0] - first_row).tolist()
    between = []
    for i, valid in enumerate(picks.valid[:, 0].tolist()):
        if not valid:
            out[i] = missing(out.dtype)
        elif method == "mean":
            _average_row(out[i], values[first[i] : last[i]])
        elif last[i] == first[i] + 1:
            np.copyto(out[i], values[first[i]], casting="unsafe")
        else:
            between.append(i)
    if between:
        anchor = first if picks.anchor is None else (picks.anchor[:, 0] - first_row).tolist()
        weight = picks.weight.reshape(len(out), *(1,) * (out.ndim - 1))
        _rows_between(out, values, [(i, first[i], anchor[i]) for i in between], weight)


def _rows_between(
    out: NDArray[Any], values: NDArray[Any], which: list[tuple[int, int, int]], weight: NDArray[np.float64]
) -> None:
    """Write outputs, each with its first row and the row that it is counted from; neighbours that share both at once."""
    dtype = working(out.dtype)
    weights, slope = weight.astype(dtype), np.empty(out.shape[1:], dtype)
    whole = np.empty((TOGETHER, *out.shape[1:]), dtype) if out.dtype != dtype else None
    at, start = -1, 0
    for end in range(1, len(which) + 1):
        i, row, anchor = which[start]
        n = end - start
        if end < len(which) and which[end] == (i + n, row, anchor) and n < TOGETHER:
            continue
        if row != at:
            one, other = values[row].astype(dtype, copy=False), values[row + 1].astype(dtype, copy=False)
            np.subtract(other, one, out=slope)
            at = row
        found = out[i : i + n] if whole is None else whole[:n]
        np.multiply(slope, weights[i : i + n], out=found)
        np.add(found, one if anchor == row else other, out=found)
        if whole is not None:
            np.copyto(out[i : i + n], found, casting="same_kind")
        start = end


def _average_row(out: NDArray[Any], samples: NDArray[Any]) -> None:
    total = np.add.reduce(samples, axis=0, dtype=np.result_type(out.dtype, np.float64), initial=0)
    np.copyto(out, total / len(samples), casting="same_kind")


def all_known(values: NDArray[Any], n: int) -> bool:
    """Return whether n outputs surely have no NaN by their samples, where looking at those is less work.

    Examples
    --------
    >>> all_known(np.zeros((3, 100)), 10), all_known(np.full((3, 100), np.nan), 10)
    (True, False)
    """
    if values.dtype.kind != "f":
        return True
    if len(values) >= n or values[:1].size < LONG:
        return False
    return all(math.isfinite(np.vdot(row, row)) for row in values)


def mark_unknown(mask: NDArray[np.bool_], out: NDArray[Any]) -> None:
    """Take from a mask, (output,) bool, the outputs in which any channel is NaN."""
    if out.dtype.kind != "f":
        return
    if out[:1].size < LONG:
        mask &= ~np.isnan(out).any(axis=tuple(range(1, out.ndim)))
        return
    for i in np.flatnonzero(mask).tolist():
        mask[i] = not np.isnan(out[i]).any()
