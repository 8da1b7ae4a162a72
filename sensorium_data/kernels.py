"""How samples become values: in the dtype of the signal, one output row after another where rows are long.

A value between two samples is ``x[k] + w * (x[k + 1] - x[k])``, from the sample ``k`` that its position is counted
from. Every way of computing it does the same operations in the same order, so that a channel has the same bits whatever
is read along with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike, NDArray

    from sensorium_data.positions import Method, Picks

__all__ = ["LONG", "gathered", "mark_unknown", "missing", "output_dtype", "row_by_row", "working"]

LONG = 64  # numbers in a sample: below, a loop over rows costs more than the numbers


def output_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the dtype that resampled values have: floats keep theirs, integers become the float that holds them.

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
    (dtype('float32'), dtype('float16'), dtype('float32'))
    """
    known = np.dtype(dtype)
    if known.kind not in "fiub":
        raise BadArgument(f"values are {known}, expected real numbers", code="bad-dtype")
    return np.result_type(known, np.float16)


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

    Nothing is allocated that is longer than a row.
    """
    first, last = (picks.first[:, 0] - first_row).tolist(), (picks.last[:, 0] - first_row).tolist()
    valid = picks.valid[:, 0]
    for i in np.flatnonzero(~valid).tolist():
        out[i] = missing(out.dtype)
    which = np.flatnonzero(valid).tolist()
    if method == "linear":
        anchor = first if picks.anchor is None else (picks.anchor[:, 0] - first_row).tolist()
        _rows_between(out, values, which, (first, last, anchor), picks.weight[:, 0])
    elif method == "mean":
        _rows_averaged(out, values, which, first, last)
    else:
        for i in which:
            np.copyto(out[i], values[first[i]], casting="unsafe")


def _rows_between(
    out: NDArray[Any],
    values: NDArray[Any],
    which: list[int],
    rows: tuple[list[int], list[int], list[int]],
    weight: NDArray[np.float64],
) -> None:
    first, last, anchor = rows
    dtype = working(out.dtype)
    plain, same = values.dtype == dtype, out.dtype == dtype
    slope, found, at = np.empty(out.shape[1:], dtype), np.empty(out.shape[1:], dtype), -1
    weights = weight.tolist()
    for i in which:
        k = first[i]
        if last[i] == k + 1:
            np.copyto(out[i], values[k], casting="unsafe")
            continue
        if k != at:
            one, other = (values[k], values[k + 1]) if plain else values[k : k + 2].astype(dtype)
            np.subtract(other, one, out=slope)
            at = k
        np.multiply(slope, weights[i], out=found)
        np.add(found, one if anchor[i] == k else other, out=out[i] if same else found)
        if not same:
            np.copyto(out[i], found, casting="same_kind")


def _rows_averaged(
    out: NDArray[Any], values: NDArray[Any], which: list[int], first: list[int], last: list[int]
) -> None:
    total = np.empty(out.shape[1:], np.result_type(out.dtype, np.float64))
    for i in which:
        np.add.reduce(values[first[i] : last[i]], axis=0, dtype=total.dtype, out=total, initial=0)
        np.divide(total, last[i] - first[i], out=total)
        np.copyto(out[i], total, casting="same_kind")


def mark_unknown(mask: NDArray[np.bool_], out: NDArray[Any], values: NDArray[Any]) -> None:
    """Take from a mask the outputs in which any channel is NaN.

    Parameters
    ----------
    mask : (output,) bool
    out : (output, …)
    values : (row, …)
        The rows that the outputs rest on: where they are fewer, and there is no NaN among them, the outputs need no look.
    """
    if out.dtype.kind != "f" or not mask.any():
        return
    size = out[0].size
    if size < LONG:
        mask &= ~np.isnan(out).any(axis=tuple(range(1, out.ndim)))
        return
    if len(values) < len(out) and all(np.isfinite(np.vdot(row, row)) for row in values):
        return
    for i in np.flatnonzero(mask):
        mask[i] = not np.isnan(out[i]).any()
