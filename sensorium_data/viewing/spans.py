"""Windows as people give them, in seconds, become exact times of a session."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sensorium_data.clock import TickClock
from sensorium_data.errors import BadArgument
from sensorium_data.grid import NANOSECOND, as_ns, shown
from sensorium_data.intervals import Intervals
from sensorium_data.streams.films import film_rate
from sensorium_data.streams.frames import snapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from xarray import DataArray

    from sensorium_data.handle import SessionHandle

__all__ = ["Number", "Span", "ends_of", "extent_of"]

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


def ends_of(window: Span, handle: SessionHandle) -> Ends:
    """Return the ends of a window, [start, stop) in nanoseconds, exact.

    A time that rounds to the same nanosecond as a tick of the trials is that tick exactly, as `start_s` and `stop_s` of
    `session.trials` are: 1/3 s is no whole number of nanoseconds, and no float.

    Parameters
    ----------
    window : (start, stop) in seconds, or Intervals with one interval
    handle : SessionHandle

    Raises
    ------
    BadArgument
        The window is none, empty, reversed, or nothing of the session lies in it.
    """
    key = handle.document.identity.key
    start, stop = _two(window, handle)
    said = f"window [{_seconds(start)}, {_seconds(stop)}) s"
    if start >= stop:
        what = f"{key}: {said} is {'empty' if start == stop else 'reversed'}"
        raise BadArgument(what, hint="give (start, stop) in seconds, the stop after the start", code="bad-window")
    first, end = extent_of(handle, [*handle.clocks, *(["video"] if handle.document.stimuli.frame_shape else [])])
    if stop <= first or start >= end:
        what = f"{key}: {said} lies outside the session, which goes from {_seconds(first)} to {_seconds(end)} s"
        raise BadArgument(what, hint="`session.trials.start_s` says when trials are", code="window-outside")
    return start, stop


def _two(window: Any, handle: SessionHandle) -> Ends:  # noqa: ANN401  # whatever was given
    key = handle.document.identity.key
    if isinstance(window, Intervals):
        if len(window) != 1:
            what = f"{key}: window has {len(window):,} intervals, expected one"
            raise BadArgument(what, hint="resample each by itself", code="bad-window")
        start, stop = (snapped(handle.grid, Fraction(window.grid.ns(tick))) for tick in next(iter(window)))
        return start, stop
    try:
        start, stop = () if isinstance(window, str) else tuple(window)
    except (TypeError, ValueError):
        what = f"{key}: window is {shown(window)}, expected (start, stop) in seconds"
        raise BadArgument(what, code="bad-window") from None
    return _instant(handle, start), _instant(handle, stop)


def _instant(handle: SessionHandle, time_s: Any) -> Fraction:  # noqa: ANN401  # whatever was given
    # One element of an xarray table is as good as a number; its own dtype says which decimal it stands for.
    one: Any = np.asarray(time_s)[()] if getattr(time_s, "ndim", None) == 0 else time_s
    return snapped(handle.grid, Fraction(as_ns(one)))


def _seconds(time_ns: Fraction) -> str:
    return f"{float(time_ns / NANOSECOND):.9f}".rstrip("0").rstrip(".")
