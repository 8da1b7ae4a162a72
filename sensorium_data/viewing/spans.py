"""Windows as people give them, in seconds, become exact times of a session."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from sensorium_data.clock import TickClock
from sensorium_data.errors import BadArgument
from sensorium_data.grid import NANOSECOND, Grid
from sensorium_data.intervals import Intervals
from sensorium_data.resampling.instants import Instant, instant, n_before, settled
from sensorium_data.spelling import shown
from sensorium_data.streams.films import film_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from xarray import DataArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.streams import Streams

__all__ = ["Number", "Outputs", "Span", "extent_of", "outputs_of"]

Number: TypeAlias = "float | str | Fraction"
Span: TypeAlias = "tuple[Number | DataArray, Number | DataArray] | Intervals"
Ends: TypeAlias = tuple[Fraction, Fraction]


def extent_of(handle: SessionHandle, names: Iterable[str]) -> Ends:
    """Return from when to when streams are, [start, stop) in nanoseconds.

    From the first sample of any to the end of the last: one period after its last sample or frame, or the last of
    explicit times, which is inside.

    Raises
    ------
    BadArgument
        None of them has a sample.
    """
    chosen = list(names)
    found = [ends for name in chosen for ends in _extents(handle, name)]
    if not found:
        what = f"{handle.document.identity.key}: there is no sample of {', '.join(chosen)}"
        raise BadArgument(what, hint="choose other signals", code="no-samples")
    return min(start for start, _ in found), max(stop for _, stop in found)


def _extents(handle: SessionHandle, name: str) -> Iterator[Ends]:
    if name not in handle.clocks:
        yield from _shown(handle)
        return
    clock = handle.clocks[name]
    if not clock.n_samples:
        return
    if isinstance(clock, TickClock):
        first, last = (clock.grid.ns(int(tick)) for tick in (clock.segments[0, 0], clock.segments[-1, 1]))
        yield Fraction(first), Fraction(last)
    else:  # times are whole nanoseconds: the next one is the first that lies behind
        yield Fraction(int(clock.times_ns[0])), Fraction(int(clock.times_ns[-1]) + 1)


def _shown(handle: SessionHandle) -> Iterator[Ends]:
    """Yield from when to when each trial shows its film."""
    grid, each = handle.grid, NANOSECOND / film_rate(handle)
    for row in range(len(handle.trials["start"])):
        if (frames := handle.frames(row)) is not None:
            start, stop = (Fraction(grid.ns(int(handle.trials[end][row]))) for end in ("start", "stop"))
            yield start, min(stop, start + (frames.stop - frames.start) * each)


class Outputs(NamedTuple):
    """Regular output times of streams: sample k is at ``anchor + (first + k) / rate``.

    Attributes
    ----------
    anchor_ns : Fraction, nanoseconds
        Start of a trial where the first output is a frame of its clock: streams know those, as windows begin with them.
    first : int
    n : int
    """

    anchor_ns: Fraction
    first: int
    n: int

    def start_ns(self, rate: Fraction) -> Fraction:
        """Return the time of the first output in nanoseconds, exact."""
        return self.anchor_ns + self.first * NANOSECOND / rate


def outputs_of(window: Span | None, streams: Streams) -> Outputs:
    """Return the output times in a window, [start, stop); of all that streams have without one.

    Fractions, strings and integers are exact. A start that is a float is the tick that it was meant to be: of the
    trials, a frame of a trial's clock, a sample of a stream, or else an output counted from where a stream begins or from
    0. A stop that is a float and lies within a nanosecond of an output is that output.

    Parameters
    ----------
    window : (start, stop) in seconds, or Intervals with one interval, optional
    streams : Streams
        That are shown, at the output rate.

    Raises
    ------
    BadArgument
        The window is none, empty, reversed, or nothing of the session lies in it; or no stream has a sample.
    """
    if window is None:
        start, stop = extent_of(streams.handle, streams)
        return Outputs(*_anchored(streams, start), _n_rounded(start, stop, streams.rate))
    given, until = _two(window, streams.key)
    clocks = [clock for name, clock in streams.handle.clocks.items() if name in streams]
    grids = [Grid(streams.rate, origin_ns) for origin_ns in (*(clock.origin_ns for clock in clocks), 0)]
    ticks = [*_own(given, streams), *(mark for clock in clocks for mark in clock.around(given.ns))]
    start = settled(given, ticks, *(grid.around(given.ns) for grid in grids))
    n = n_before(start, streams.rate, until, given.spread_ns)
    _refuse(start, until.ns, n, streams)
    return Outputs(*_anchored(streams, start), n)


def _refuse(start: Fraction, stop: Fraction, n: int, streams: Streams) -> None:
    said = f"window [{_seconds(start)}, {_seconds(stop)}) s"
    if n <= 0:
        what = f"{streams.key}: {said} is {'reversed' if n < 0 else 'empty'}"
        raise BadArgument(what, hint="give (start, stop) in seconds, the stop after the start", code="bad-window")
    handle = streams.handle
    first, end = extent_of(handle, [*handle.clocks, *(["video"] if handle.document.stimuli.frame_shape else [])])
    if stop <= first or start >= end:
        what = f"{streams.key}: {said} lies outside the session, which goes from {_seconds(first)} to {_seconds(end)} s"
        raise BadArgument(what, hint="`session.trials.start_s` says when trials are", code="window-outside")


def _n_rounded(start_ns: Fraction, stop_ns: Fraction, rate: Fraction) -> int:
    """Return how many samples come before a stop: what rounds to the same nanosecond as the stop is the stop."""
    stop = round(stop_ns)
    n = ceil((stop - Fraction(1, 2) - start_ns) * rate / NANOSECOND)
    return n + (round(start_ns + n * NANOSECOND / rate) < stop)  # halves are rounded to even


def _two(window: Any, key: str) -> tuple[Instant, Instant]:  # noqa: ANN401  # whatever was given
    if isinstance(window, Intervals):
        if len(window) != 1:
            what = f"{key}: window has {len(window):,} intervals, expected one"
            raise BadArgument(what, hint="resample each by itself", code="bad-window")
        rounded = window.grid.rate == NANOSECOND
        start, stop = (Instant(Fraction(window.grid.ns(tick)), loose=rounded) for tick in next(iter(window)))
        return start, stop
    try:
        start_s, stop_s = () if isinstance(window, str) else tuple(window)
    except (TypeError, ValueError):
        what = f"{key}: window is {shown(window)}, expected (start, stop) in seconds"
        raise BadArgument(what, code="bad-window") from None
    return _instant(start_s), _instant(stop_s)


def _instant(time_s: Any) -> Instant:  # noqa: ANN401  # whatever was given
    # One element of an xarray table is as good as a number; its own dtype says which decimal it stands for.
    one: Any = np.asarray(time_s)[()] if getattr(time_s, "ndim", None) == 0 else time_s
    return instant(one)


# -- the ticks that a time may be


def _own(time: Instant, streams: Streams) -> Iterator[Fraction]:
    """Yield the ticks of trials, and the frames of their clocks, that may be meant by a time, in nanoseconds."""
    if not streams.frames.rounded:
        yield from streams.frames.grid.around(time.ns)
    for start, n_frames in _trials_at(streams, time.ns, time.spread_ns + 1):
        frame = floor((time.ns - start) * streams.rate / NANOSECOND)
        yield from (start + k * NANOSECOND / streams.rate for k in (frame, frame + 1) if 0 <= k < n_frames)


def _anchored(streams: Streams, start_ns: Fraction) -> tuple[Fraction, int]:
    """Return the start of the trial of whose clock a time is a frame, and the frame; else the time itself, and 0."""
    for start, n_frames in _trials_at(streams, start_ns):
        frame = (start_ns - start) * streams.rate / NANOSECOND
        if frame.denominator == 1 and 0 <= frame < n_frames:
            return start, int(frame)
    return start_ns, 0


def _trials_at(streams: Streams, time_ns: Fraction, off_ns: Fraction = Fraction(0)) -> Iterator[tuple[Fraction, int]]:
    """Yield when the trials start that a time lies in, in nanoseconds, and how many frames each has."""
    frames = streams.frames
    low, high = frames.grid.tick_from(time_ns - off_ns), frames.grid.tick_from(time_ns + off_ns)
    for row in np.flatnonzero(frames.there & (frames.starts <= high) & (frames.stops >= low)).tolist():
        yield frames.start_ns(row), int(frames.n_frames[row])


def _seconds(time_ns: Fraction) -> str:
    return f"{float(time_ns / NANOSECOND):.9f}".rstrip("0").rstrip(".")
