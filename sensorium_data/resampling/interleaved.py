"""Rows of channels that were not taken at once: at any time some are one sample further than the others.

Which ones follows from their phases alone, so a row is put together from two neighbouring ones by a mask of bits, in
the order that the channels have, without sorting or gathering any number. What is needed again and again is kept small
enough for a core's own cache: at 8,000 channels half of the time went into fetching masks.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.resampling.kernels import TOGETHER, working

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sensorium_data.resampling.phases import Grain, Phases

__all__ = ["held_interleaved", "interleaves", "linear_interleaved"]

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
    whole = np.empty((TOGETHER, out.shape[1]), dtype) if out.dtype != dtype else None
    sign, hits = np.array(8 * dtype.itemsize - 1, _bits(dtype)), grain.hit.tolist()
    for i, j in ways.runs():
        row, distance = slopes.to(ways.ticks[i]), ways.distance(i, j)
        found = out[i:j] if whole is None else whole[: j - i]
        bits = found.view(sign.dtype)
        # All bits where a channel is before the row, so that of the two slopes it takes the one before.
        np.right_shift(distance.view(sign.dtype), sign, out=bits)
        np.bitwise_and(bits, slopes.change, out=bits)
        np.bitwise_xor(bits, slopes.bits, out=bits)
        np.multiply(found, distance, out=found)
        np.add(found, row, out=found)
        if whole is not None:
            np.copyto(out[i:j], found, casting="same_kind")
        for k in range(i, j):
            if hits[k]:
                exact = np.flatnonzero(phases.rank == grain.split[k] - 1)
                out[k, exact] = row[exact]


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
    whole = np.empty((TOGETHER, out.shape[1]), values.dtype) if out.dtype != values.dtype else None
    beyond, at = np.empty((TOGETHER, out.shape[1]), np.bool_), None
    change = np.empty(out.shape[1], dtype)
    ticks = grain.tick.tolist()
    for i, j in _runs(ticks, list(range(len(ticks)))):
        if ticks[i] != at:
            row, at = rows(ticks[i]).view(dtype), ticks[i]
            np.bitwise_xor(row, rows(at - 1).view(dtype), out=change)
        found = out[i:j] if whole is None else whole[: j - i]
        bits, before = found.view(dtype), beyond[: j - i]
        np.greater_equal(phases.rank, grain.split[i:j, None], out=before)
        np.negative(before.view(np.int8), out=bits, dtype=dtype)  # all bits, or none
        np.bitwise_and(bits, change, out=bits)
        np.bitwise_xor(bits, row, out=bits)
        if whole is not None:
            np.copyto(out[i:j], found, casting="unsafe")


def _runs(ticks: list[int], places: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the end of neighbouring outputs that are in one tick and whose places follow one another."""
    start = 0
    for i in range(1, len(ticks) + 1):
        go_on = i < len(ticks) and ticks[i] == ticks[start] and places[i] == places[i - 1] + 1
        if not go_on or i - start == TOGETHER:
            yield start, i
            start = i


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
        self.bits, self._bits_before = self._after.view(_bits(dtype)), self._before.view(_bits(dtype))
        self.change = np.empty_like(self.bits)
        self._row: NDArray[Any] = self._after
        self._next: NDArray[Any] = self._after

    def to(self, tick: int) -> NDArray[Any]:
        """Go to a tick and return its row."""
        if tick == self._at:
            return self._row
        if self._at == tick - 1:
            self._row = self._next
            self._after, self._before = self._before, self._after
            self.bits, self._bits_before = self._bits_before, self.bits
        else:
            self._row = self._rows(tick)
            np.subtract(self._row, self._rows(tick - 1), out=self._before)
        self._next, self._at = self._rows(tick + 1), tick
        np.subtract(self._next, self._row, out=self._after)
        np.bitwise_xor(self.bits, self._bits_before, out=self.change)
        return self._row


class _Ways:
    """How far channels are from the row of an output, in samples, negative before it; those of one fraction are shared.

    Attributes
    ----------
    ticks : list of int
    """

    def __init__(self, grain: Grain, phases: Phases, dtype: np.dtype[Any]) -> None:
        self.ticks, self._phases = grain.tick.tolist(), phases
        self._keys = list(zip(grain.split.tolist(), grain.rest.tolist(), strict=True))
        places = {key: place for place, key in enumerate(dict.fromkeys(self._keys))}
        self._shared = len(places) <= MOST
        self._places = [places[key] for key in self._keys] if self._shared else list(range(len(self._keys)))
        self._full = np.empty(len(phases.rest))
        self._table = np.empty((len(places) if self._shared else TOGETHER, len(phases.rest)), dtype)
        self._n_made = 0

    def runs(self) -> Iterator[tuple[int, int]]:
        """Yield the first and the end of outputs that can be written together."""
        return _runs(self.ticks, self._places)

    def distance(self, start: int, stop: int) -> NDArray[Any]:
        """Return the distances of outputs of one run, (output, channel), until the next are asked for."""
        first = self._places[start] if self._shared else 0
        for place, key in enumerate(self._keys[start:stop], first):
            if place >= self._n_made or not self._shared:
                self._make(place, *key)
                self._n_made = place + 1
        return self._table[first : first + stop - start]

    def _make(self, place: int, split: int, rest: float) -> None:
        np.subtract(rest, self._phases.rest, out=self._full)
        self._table[place] = self._full
        known = self._phases.known_rest
        if split < len(known) and known[split] == rest:
            # Closer to the row than floats can say: that they are before it is in the sign of the zero.
            self._table[place, (self._full == 0) & (self._phases.rank >= split)] = -0.0
