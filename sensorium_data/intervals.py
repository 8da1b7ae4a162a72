"""Stretches of time as values: half-open intervals of ticks, and what union, intersection and difference make of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import BadArgument, NoSuchItem, counted, near_miss
from sensorium_data.grid import NANOSECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from sensorium_data.grid import Grid

__all__ = ["Intervals"]

EVER = np.iinfo(np.int64)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Intervals:
    """Half-open intervals [start, stop) of ticks of one grid, in any order; they may overlap, touch or be empty.

    Two are equal where they hold the same intervals in the same order, with equal attributes on one grid. Those that
    cover the same ticks have equal `merged` intervals.

    Attributes
    ----------
    grid : Grid
    starts, stops : (interval,) int64, ticks
    attributes : mapping of str to (interval,) array
        What is known of each interval.

    Raises
    ------
    BadArgument
        An interval stops before it starts, or arrays differ in length.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from sensorium_data.grid import Grid
    >>> tier = np.array(["train", "oracle"])
    >>> trials = Intervals(Grid(Fraction(30)), np.array([0, 300]), np.array([300, 450]), {"tier": tier})
    >>> list(trials.where({"tier": "oracle"})), trials.seconds
    ([(300, 450)], 15.0)
    >>> list(trials & Intervals.from_runs(trials.grid, [(290, 310)]))
    [(290, 300), (300, 310)]
    """

    grid: Grid
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        starts, stops = _ticks(self.starts), _ticks(self.stops)
        columns = {str(name): _kept(np.array(column)) for name, column in self.attributes.items()}
        lengths = {"starts": len(starts), "stops": len(stops)}
        lengths |= {f"`{name}`": len(column) if column.ndim == 1 else -1 for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            held = ", ".join(
                f"{name} {length if length >= 0 else 'of other shape'}" for name, length in lengths.items()
            )
            raise BadArgument(f"intervals differ in length: {held}", code="bad-intervals")
        if len(wrong := np.flatnonzero(stops < starts)):
            what = f"interval {wrong[0]} starts at tick {starts[wrong[0]]} and stops at {stops[wrong[0]]}, before that"
            raise BadArgument(what, code="bad-intervals")
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "stops", stops)
        object.__setattr__(self, "attributes", MappingProxyType(columns))

    @classmethod
    def from_runs(cls, grid: Grid, runs: Iterable[tuple[int, int]]) -> Intervals:
        """Return the intervals of pairs of start and stop, in ticks of a grid."""
        pairs = np.array(list(runs), np.int64).reshape(-1, 2)
        return cls(grid, pairs[:, 0], pairs[:, 1])

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self.starts.tolist(), self.stops.tolist(), strict=True))

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Intervals):
            return NotImplemented
        return (
            self.grid == other.grid
            and np.array_equal(self.starts, other.starts)
            and np.array_equal(self.stops, other.stops)
            and self.attributes.keys() == other.attributes.keys()
            and all(_same(column, other.attributes[name]) for name, column in self.attributes.items())
        )

    def __repr__(self) -> str:
        names = f" with {', '.join(self.attributes)}" if self.attributes else ""
        return f"<Intervals: {len(self)}, {self.seconds:g} s in all{names}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the trip between processes; a read-only mapping does not."""
        return Intervals, (self.grid, self.starts, self.stops, dict(self.attributes))

    def __or__(self, other: Intervals) -> Intervals:
        """Return what either covers, merged and without attributes."""
        if not isinstance(other, Intervals):
            return NotImplemented
        other = other.on(self.grid)
        starts, stops = np.concatenate([self.starts, other.starts]), np.concatenate([self.stops, other.stops])
        return Intervals(self.grid, *_merged(starts, stops))

    def __and__(self, other: Intervals) -> Intervals:
        """Return each interval as far as the other covers it, in pieces that keep its attributes."""
        if not isinstance(other, Intervals):
            return NotImplemented
        other = other.on(self.grid)
        return self._cut(*_merged(other.starts, other.stops))

    def __sub__(self, other: Intervals) -> Intervals:
        """Return each interval as far as the other does not cover it, in pieces that keep its attributes."""
        if not isinstance(other, Intervals):
            return NotImplemented
        other = other.on(self.grid)
        starts, stops = _merged(other.starts, other.stops)
        return self._cut(np.append(EVER.min, stops), np.append(starts, EVER.max))

    def _cut(self, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> Intervals:
        """Return the pieces of each interval that lie in merged ones."""
        first = np.searchsorted(stops, self.starts, side="right")
        last = np.searchsorted(starts, self.stops, side="left")
        n_pieces = np.where(self.starts < self.stops, np.maximum(last - first, 0), 0)
        whole = np.repeat(np.arange(len(self)), n_pieces)
        piece = np.arange(len(whole)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces) + first[whole]
        columns = {name: column[whole] for name, column in self.attributes.items()}
        begin, end = np.maximum(self.starts[whole], starts[piece]), np.minimum(self.stops[whole], stops[piece])
        return Intervals(self.grid, begin, end, columns)

    def complement(self, within: Intervals | tuple[int, int]) -> Intervals:
        """Return what these do not cover of other intervals, or from one tick to another, merged.

        Examples
        --------
        >>> from fractions import Fraction
        >>> from sensorium_data.grid import Grid
        >>> list(Intervals.from_runs(Grid(Fraction(30)), [(3, 5)]).complement((0, 10)))
        [(0, 3), (5, 10)]
        """
        around = within if isinstance(within, Intervals) else Intervals.from_runs(self.grid, [within])
        return around.on(self.grid).merged() - self

    def merged(self) -> Intervals:
        """Return ascending intervals that neither overlap nor touch and cover the same ticks, without attributes."""
        return Intervals(self.grid, *_merged(self.starts, self.stops))

    def where(self, condition: Mapping[str, object]) -> Intervals:
        """Return the intervals whose attributes are all as a condition says.

        Parameters
        ----------
        condition : mapping of str to value, or to a collection or range of values
            One of a collection is enough.

        Raises
        ------
        NoSuchItem
            There is no such attribute; the hint names near misses.
        """
        kept = np.ones(len(self), np.bool_)
        for name, wanted in condition.items():
            if name not in self.attributes:
                hint = near_miss(str(name), list(self.attributes)) if self.attributes else "they have none"
                raise NoSuchItem(f"intervals have no attribute `{name}`", hint=hint, code="no-such-attribute")
            kept &= _among(self.attributes[name], wanted)
        columns = {name: column[kept] for name, column in self.attributes.items()}
        return Intervals(self.grid, self.starts[kept], self.stops[kept], columns)

    def covers(self, ticks: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which ticks lie in any of the intervals, of the shape of the ticks."""
        starts, stops = _merged(self.starts, self.stops)
        if not len(starts):
            return np.zeros(np.shape(ticks), np.bool_)
        at = np.searchsorted(starts, ticks, side="right") - 1
        return np.asarray((at >= 0) & (np.asarray(ticks) < stops[at]))

    @property
    def total(self) -> int:
        """How many ticks are covered, each counted once."""
        starts, stops = _merged(self.starts, self.stops)
        return int(sum(stops.tolist()) - sum(starts.tolist()))

    @property
    def seconds(self) -> float:
        """How long is covered, in seconds: the float closest to the exact value."""
        return float(self.total / self.grid.rate)

    def shifted(self, ticks: int) -> Intervals:
        """Return the same intervals that many ticks later.

        Raises
        ------
        BadArgument
            They would be where 64-bit integers end.
        """
        ends = (min(self.starts.tolist(), default=0) + ticks, max(self.stops.tolist(), default=0) + ticks)
        if ends[0] < EVER.min or ends[1] > EVER.max:
            raise BadArgument(f"intervals cannot be shifted by {ticks} ticks", code="bad-intervals")
        return Intervals(self.grid, self.starts + ticks, self.stops + ticks, self.attributes)

    def on(self, grid: Grid) -> Intervals:
        """Return the same intervals in ticks of another grid.

        Raises
        ------
        BadArgument
            Some start or stop is at no tick of it.
        """
        if grid == self.grid:
            return self
        first = (self.grid.origin_ns - grid.origin_ns) * grid.rate / NANOSECOND
        step = grid.rate / self.grid.rate
        sides = []
        for side in (self.starts, self.stops):
            ticks = [first + tick * step for tick in side.tolist()]
            wrong = [i for i, tick in enumerate(ticks) if tick.denominator > 1 or not EVER.min <= tick <= EVER.max]
            if wrong:
                what = f"{counted(len(wrong), 'end')} of intervals at no tick of a grid of {grid.rate} Hz"
                raise BadArgument(f"{what}, the first in interval {wrong[0]}", code="other-grid")
            sides.append(np.array([int(tick) for tick in ticks], np.int64))
        return Intervals(grid, sides[0], sides[1], self.attributes)


def _kept(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


def _ticks(side: NDArray[np.int64]) -> NDArray[np.int64]:
    ticks = np.array(side)
    if ticks.ndim != 1 or (ticks.size and ticks.dtype.kind not in "iu"):
        what = f"ticks of shape {ticks.shape} and dtype {ticks.dtype}"
        raise BadArgument(f"{what}, expected (interval,) integers", code="bad-intervals")
    return _kept(ticks.astype(np.int64))


def _merged(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.argsort(starts, kind="stable")
    order = order[stops[order] > starts[order]]
    starts, until = starts[order], np.maximum.accumulate(stops[order])
    new = np.ones(len(order) + 1, np.bool_)
    new[1:-1] = starts[1:] > until[:-1]
    return starts[new[:-1]], until[new[1:]]


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind == other.dtype.kind == "f")


def _among(column: NDArray[Any], wanted: object) -> NDArray[np.bool_]:
    """Return where a column holds a value, or one of several."""
    if isinstance(wanted, np.ndarray):
        wanted = wanted.tolist()
    # As Python compares: numpy would take the number 1 for the text "1".
    several = wanted if isinstance(wanted, Collection) and not isinstance(wanted, str | bytes) else [wanted]
    return np.array([value in several for value in column.tolist()], np.bool_)
