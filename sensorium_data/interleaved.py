"""Rows of channels that were not taken at once: at any time some are one sample further than the others.

Which ones follows from their phases alone, so a row is put together from two neighbouring ones by a mask of bits, in
the order that the channels have, without sorting or gathering any number. What is needed again and again is kept small
enough for a core's own cache: at 8,000 channels half of the time went into fetching masks.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sensorium_data.kernels import working

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.phases import Grain, Phases

__all__ = ["held_interleaved", "interleaves", "linear_interleaved"]

NONE = np.zeros(0, np.int64)
MOST = 16  # fractions of a sample whose distances are kept; 8 -> 30 Hz has 15


def interleaves(dtype: np.dtype[Any]) -> bool:
    """Return whether rows of a dtype can be put together by bits.

    Examples
    --------
    >>> interleaves(np.dtype(np.float32)), interleaves(np.dtype("V3"))
    (True, False)
    """
    return dtype.itemsize in {1, 2, 4, 8}


def linear_interleaved(out: NDArray[Any], values: NDArray[Any], grain: Grain, phases: Phases) -> None:
    """Write outputs between samples, all of whose channels have a value, in one segment.

    Parameters
    ----------
    out : (output, channel) float
    values : (row, channel)
    grain : Grain
        Ticks counted from the first of the rows.
    phases : Phases
    """
    dtype = working(out.dtype)
    slopes, ways = _Slopes(_Rows(values, phases, dtype), out.shape[1], dtype), _Ways(grain, phases, dtype)
    found = np.empty(out.shape[1], dtype)
    bits = found.view(_bits(dtype))
    sign = np.array(8 * dtype.itemsize - 1, bits.dtype)
    for i, tick in enumerate(grain.tick.tolist()):
        row, way = slopes.to(tick), ways(i)
        np.right_shift(
            way.bits, sign, out=bits
        )  # all bits where a channel is beyond, and the slope that before the row
        np.bitwise_and(bits, slopes.change, out=bits)
        np.bitwise_xor(bits, slopes.bits, out=bits)
        np.multiply(found, way.distance, out=found)
        np.add(found, row, out=out[i] if out.dtype == dtype else found)
        if out.dtype != dtype:
            np.copyto(out[i], found, casting="same_kind")
        if len(way.exact):
            out[i, way.exact] = row[way.exact]


def held_interleaved(out: NDArray[Any], values: NDArray[Any], grain: Grain, phases: Phases) -> None:
    """Write outputs that are samples: ``tick``, or one before it where a phase is not among the first ``split``.

    Parameters
    ----------
    out : (output, channel)
    values : (row, channel)
    grain : Grain
        Ticks counted from the first of the rows.
    phases : Phases
    """
    rows, dtype = _Rows(values, phases, values.dtype), _bits(values.dtype)
    found = np.empty(out.shape[1], values.dtype)
    bits, change, at = found.view(dtype), np.empty(out.shape[1], dtype), None
    beyond = np.empty(out.shape[1], np.bool_)
    for i, (tick, split) in enumerate(zip(grain.tick.tolist(), grain.split.tolist(), strict=True)):
        if tick != at:
            row, at = rows(tick).view(dtype), tick
            np.bitwise_xor(row, rows(tick - 1).view(dtype), out=change)
        np.greater_equal(phases.rank, split, out=beyond)
        np.negative(beyond.view(np.int8), out=bits, dtype=dtype)  # all bits, or none
        np.bitwise_and(bits, change, out=bits)
        np.bitwise_xor(bits, row, out=bits)
        np.copyto(out[i], found, casting="unsafe")


def _bits(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(f"i{dtype.itemsize}")


class _Rows:
    """Rows as all channels would have them without whole ticks of offset, in one dtype.

    Where some channel has no such row, there is a number that nobody asks for.
    """

    def __init__(self, values: NDArray[Any], phases: Phases, dtype: np.dtype[Any]) -> None:
        self._values, self._by, self._dtype = values, phases.shared, dtype
        self._plain = self._by is not None and values.dtype == dtype
        self._made: OrderedDict[int, NDArray[Any]] = OrderedDict()
        if self._by is None:
            n_channels = values.shape[1]
            self._numbers = values.reshape(-1)
            self._places = np.arange(n_channels) - phases.whole * n_channels

    def __call__(self, tick: int) -> NDArray[Any]:
        if self._plain:
            return self._one(tick)
        if tick not in self._made:
            self._made[tick] = (self._gathered(tick) if self._by is None else self._one(tick)).astype(self._dtype)
            if len(self._made) > 3:
                self._made.popitem(last=False)
        return self._made[tick]

    def _one(self, tick: int) -> NDArray[Any]:
        row: NDArray[Any] = self._values[min(max(tick - (self._by or 0), 0), len(self._values) - 1)]
        return row

    def _gathered(self, tick: int) -> NDArray[Any]:
        row: NDArray[Any] = np.take(self._numbers, self._places + tick * self._values.shape[1], mode="clip")
        return row


class _Slopes:
    """The differences of a row to the next one, ``bits``, and by which bits those to the one before differ."""

    def __init__(self, rows: _Rows, n_channels: int, dtype: np.dtype[Any]) -> None:
        self._rows = rows
        self._at: int | None = None
        self._after, self._before = np.empty(n_channels, dtype), np.empty(n_channels, dtype)
        self._row, self.bits = self._after, self._after.view(_bits(dtype))
        self.change = np.empty_like(self.bits)

    def to(self, tick: int) -> NDArray[Any]:
        """Go to a tick and return its row."""
        if tick == self._at:
            return self._row
        self._row = self._rows(tick)
        if self._at == tick - 1:
            self._after, self._before = self._before, self._after
        else:
            np.subtract(self._row, self._rows(tick - 1), out=self._before)
        np.subtract(self._rows(tick + 1), self._row, out=self._after)
        self.bits = self._after.view(self.bits.dtype)
        np.bitwise_xor(self.bits, self._before.view(self.bits.dtype), out=self.change)
        self._at = tick
        return self._row


class _Way(NamedTuple):
    """How far channels are from a row, the same as bits, and which channels lie on it; negative is before it."""

    distance: NDArray[Any]
    bits: NDArray[Any]
    exact: NDArray[np.int64]


class _Ways:
    """The way of each output; those of one fraction of a tick share theirs."""

    def __init__(self, grain: Grain, phases: Phases, dtype: np.dtype[Any]) -> None:
        self._phases, self._dtype = phases, dtype
        self._keys = list(zip(grain.split.tolist(), grain.rest.tolist(), grain.hit.tolist(), strict=True))
        self._full = np.empty(len(phases.rest))
        self._made: dict[tuple[int, float, bool], _Way] = {}

    def __call__(self, i: int) -> _Way:
        if (way := self._made.get(self._keys[i])) is None:
            way = self._way(*self._keys[i])
            if len(self._made) < MOST:
                self._made[self._keys[i]] = way
        return way

    def _way(self, split: int, rest: float, hit: bool) -> _Way:
        np.subtract(rest, self._phases.rest, out=self._full)
        distance = self._full.astype(self._dtype)
        exact = np.flatnonzero(self._phases.rank == split - 1) if hit else NONE
        known = self._phases.known_rest
        if split < len(known) and known[split] == rest:
            # Closer to the row than floats can say: that they are before it is in the sign of the zero.
            distance[(self._full == 0) & (self._phases.rank >= split)] = -0.0
        return _Way(distance, distance.view(_bits(self._dtype)), exact)
