"""One rule for every normalisation: (value - shift) * gain, in float64, with numbers for each frame or for all."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from threading import Lock, local
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch  # noqa: TID253  # the loaders are torch's face

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from sensorium_data.loaders.transforms.base import Item

__all__ = ["FLOOR", "Lazy", "Scale", "as_numpy", "precision", "scaled_into", "vectors", "vectors_into", "width"]

# Elements that numpy casts to float64 at once. They stay in the innermost cache: with numpy's own 8,192 the same numbers
# take more than twice as long.
CAST_AT_ONCE = 512
SHIFTED_AT_ONCE = 1 << 17  # differences: 1 MB, and so what each thread keeps
FLOOR = 0.01  # of the mean standard deviation: what divides neurons that vary less
T = TypeVar("T")


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


def scaled_into(out: NDArray[Any], item: Item, name: str, scale: Scale, first: int) -> NDArray[np.bool_]:
    """Write a scaled stream of an item, and return where it has values.

    Frames of integers that the item masks become NaN: in floating point, that is what is missing.

    Parameters
    ----------
    out : (time, …) float
        The channels of a sample may have been given an axis.
    item : dict
    name : str
        Of the stream.
    scale : Scale
    first : int
        The first frame's number in its trial.

    Returns
    -------
    (time,) bool
    """
    values, mask = as_numpy(item[name]), as_numpy(item["mask"][name])
    good = scale.into(out, values.reshape(out.shape), first)
    if values.dtype.kind != "f" and not mask.all():
        out[~mask] = np.nan
    return mask & good


def vectors(
    item: Item, scales: Mapping[str, Scale], names: Sequence[str], first: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the scaled channels of some signals together, and where all of them have values.

    Parameters
    ----------
    item : dict
    scales : mapping of str to Scale
    names : sequence of str
        Of signals of a channel or a few, (time,) or (time, channel).
    first : int
        The first frame's number in its trial.

    Returns
    -------
    (channel, time) float32, (time,) bool
    """
    shapes = [tuple(item[name].shape) for name in names]
    out = np.empty((width(shapes), shapes[0][0]), np.float32)
    return out, vectors_into(out, item, scales, names, first)


def vectors_into(
    out: NDArray[np.float32], item: Item, scales: Mapping[str, Scale], names: Sequence[str], first: int
) -> NDArray[np.bool_]:
    """Write what `vectors` returns, (channel, time), and return where all of them have values, (time,)."""
    masks, row = [], 0
    for name in names:
        rows = slice(row, row := row + width([tuple(item[name].shape)]))
        masks.append(scaled_into(out[rows].T, item, name, scales[name], first))
    known: NDArray[np.bool_] = np.logical_and.reduce(masks)
    return known


def width(shapes: Iterable[Sequence[int]]) -> int:
    """Return how many channels signals of these shapes have together, (time,) or (time, channel)."""
    return sum(1 if len(shape) == 1 else shape[1] for shape in shapes)


def as_numpy(tensor: torch.Tensor) -> NDArray[Any]:
    """Return a tensor as numpy, without a copy where numpy has its dtype."""
    array: NDArray[Any] = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array


class Lazy(Generic[T]):
    """A value that is made when it is first asked for, once, whichever thread asks; called, it returns the value.

    Examples
    --------
    >>> made = Lazy(list)
    >>> made() is made()
    True
    """

    __slots__ = ("_lock", "_made", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = Lock()
        self._made: list[T] = []

    def __call__(self) -> T:
        """Return the value."""
        if not self._made:
            with self._lock:
                if not self._made:
                    self._made.append(self._make())
        return self._made[0]
