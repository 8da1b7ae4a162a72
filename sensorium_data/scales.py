"""One rule for every normalisation: (value - shift) * gain, in float64, with numbers for each frame or for all."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from threading import local
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FLOOR", "Scale", "precision"]

# Elements that numpy casts to float64 at once. They stay in the innermost cache: with numpy's own 8,192 the same numbers
# take more than twice as long.
CAST_AT_ONCE = 512
SHIFTED_AT_ONCE = 1 << 17  # differences: 1 MB, and so what each thread keeps
FLOOR = 0.01  # of the mean standard deviation: what divides neurons that vary less


@dataclass(frozen=True, slots=True)
class Scale:
    """Shift and gain of a stream.

    Attributes
    ----------
    shift : (frame, …) float64 or None
        Subtracted first; one row where all frames share it.
    gain : (frame, …) float64
    good : (frame,) bool
        Where every channel has a finite shift and gain: elsewhere nothing can be made of a value.
    """

    shift: NDArray[np.float64] | None
    gain: NDArray[np.float64]
    good: NDArray[np.bool_]

    @classmethod
    def of(cls, shift: NDArray[np.floating] | None, gain: NDArray[np.float64]) -> Scale:
        """Return a scale, (frame, …) both."""
        known = [np.isfinite(part).reshape(len(part), -1).all(axis=1) for part in (shift, gain) if part is not None]
        return cls(
            None if shift is None else shift.astype(np.float64),
            gain,
            np.logical_and.reduce(np.broadcast_arrays(*known)),
        )

    @classmethod
    def z_score(cls, mean: NDArray[np.floating], std: NDArray[np.floating]) -> Scale:
        """Return (value - mean) / std."""
        return cls.of(mean, _inverse(std))

    @classmethod
    def by_std(cls, std: NDArray[np.floating]) -> Scale:
        """Return value / std, without a guard against zero: the official loaders have none."""
        return cls.of(None, _inverse(std))

    def __getitem__(self, channels: Any) -> Scale:  # noqa: ANN401  # whatever indexes an axis
        """Return the scale of some channels, (frame, *channels)."""
        shift = None if self.shift is None else self.shift[:, channels]
        return Scale.of(shift, self.gain[:, channels])

    def into(self, out: NDArray[Any], values: NDArray[Any], first: int) -> NDArray[np.bool_]:
        """Write scaled values, and return where they can be used.

        Parameters
        ----------
        out : (time, …) float
        values : (time, …) float or uint8
            Frames [first, first + time) of a trial.
        first : int

        Returns
        -------
        (time,) bool
            False where a statistic is missing; there `out` is what IEEE arithmetic makes of it, mostly NaN.
        """
        n = len(values)
        gain = _rows(self.gain, first, n)
        with np.errstate(invalid="ignore", over="ignore"):  # 0 / 0 where nothing ever varied: NaN, and masked
            np.setbufsize(CAST_AT_ONCE)  # of this thread, and only in here: errstate puts it back
            if self.shift is None:
                np.multiply(values, gain, out=out, casting="same_kind", dtype=np.float64)
            else:
                _shifted_into(out, values, _rows(self.shift, first, n), gain)
        return _each(_rows(self.good, first, n), n)


def _shifted_into(out: NDArray[Any], values: NDArray[Any], shift: NDArray[Any], gain: NDArray[Any]) -> None:
    """Write (value - shift) * gain, so many frames at once that the differences stay in the cache."""
    n, step = len(values), max(1, SHIFTED_AT_ONCE // max(1, prod(values.shape[1:])))
    shift, gain = _each(shift, n), _each(gain, n)
    for first in range(0, n, step):
        frames = slice(first, first + step)
        differences = _differences.like(values[frames])
        np.subtract(values[frames], shift[frames], out=differences)
        np.multiply(differences, gain[frames], out=out[frames], casting="same_kind")


class _Differences(local):
    """Memory of each thread, used again with every call."""

    def __init__(self) -> None:
        self._held = np.empty(0)

    def like(self, values: NDArray[Any]) -> NDArray[np.float64]:
        if values.size > self._held.size:
            self._held = np.empty(values.size)
        return self._held[: values.size].reshape(values.shape)


_differences = _Differences()


def _inverse(std: NDArray[np.floating]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return 1 / std.astype(np.float64)


def _rows(table: NDArray[Any], first: int, n: int) -> NDArray[Any]:
    """Return rows [first, first + n) of a table, NaN or False past its end; its only row where it has one."""
    if len(table) == 1:
        return table
    rows = table[first : first + n]
    if len(rows) == n:
        return rows
    nothing = np.full((n - len(rows), *table.shape[1:]), np.nan if table.dtype.kind == "f" else False, table.dtype)
    return np.concatenate([rows, nothing])


def _each(rows: NDArray[Any], n: int) -> NDArray[Any]:
    """Return n rows, where all frames share one the same n times."""
    return rows if len(rows) == n else np.broadcast_to(rows, (n, *rows.shape[1:]))


def precision(std: NDArray[np.floating]) -> Scale:
    """Return what the official loaders multiply responses by: 1 / std, of neurons that hardly vary 1 / threshold.

    The threshold is a hundredth of the mean of all standard deviations. A neuron without one is taken to hardly vary;
    a frame in which no neuron has one has no precision.

    Parameters
    ----------
    std : (frame, neuron) float
        Of all neurons of the session: the threshold is theirs together.

    Examples
    --------
    >>> precision(np.array([[2.0, 0.0, np.nan], [np.nan, np.nan, np.nan]])).gain
    array([[  0.5, 100. , 100. ],
           [  nan,   nan,   nan]])
    """
    known = ~np.isnan(std)
    threshold = FLOOR * std[known].mean(dtype=np.float64) if known.any() else np.float64(np.nan)
    # NaN is not greater than anything, so a neuron without a number gets the threshold, as published.
    gain = _inverse(np.where(std > threshold, std, threshold))
    gain[~known.any(axis=1)] = np.nan
    return Scale.of(None, gain)
