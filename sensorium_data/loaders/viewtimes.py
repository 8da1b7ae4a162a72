"""The clock of a view, read from its times: one rate, and runs of samples without a gap."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.clock import TickClock
from sensorium_data.errors import BadArgument
from sensorium_data.grid import as_ns, as_rate

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["clock_of_view"]

OFF = 1e-3  # of a sample: further from its place a time is not regular; floats of seconds are a millionth off at most
LOW_TERMS = 1001  # 30000/1001 Hz has the largest denominator of the rates that people use


def clock_of_view(view: xr.Dataset, key: str) -> TickClock:
    """Return when the samples of a view are; without times they are counted from 0 at its attribute `rate`, or 1 Hz.

    Parameters
    ----------
    view : xarray.Dataset
        Over `time`, in seconds.
    key : str
        What errors call it.

    Raises
    ------
    BadArgument
        It has no sample, or its times go back or are not regular.
    """
    n = view.sizes["time"]
    if not n:
        raise BadArgument(f"{key}: the view has no sample", code="bad-view")
    said = as_rate(str(view.attrs.get("rate", 1)))
    if "time" not in view.coords:
        return TickClock(said, np.array([[0, n]], np.int64))
    times = view["time"].to_numpy()
    if times.dtype.kind not in "fiu" or not np.isfinite(times).all():
        raise BadArgument(f"{key}: `time` is {times.dtype}, expected finite seconds", code="bad-view")
    rate = _rate(times.astype(np.float64), key) if n > 1 else said
    steps = np.concatenate([[0], np.cumsum(np.rint(np.diff(times) * float(rate)).astype(np.int64))])
    if (np.diff(steps) < 1).any():
        raise _irregular(key)
    clock = _from_first(float(times[0]), rate, steps)
    if np.abs(clock.times_s() - times).max() * float(rate) > OFF:
        raise _irregular(key)
    return clock


def _rate(times: NDArray[np.float64], key: str) -> Fraction:
    """Return the rate that the longest run without a gap has."""
    steps = np.diff(times)
    if (steps <= 0).any():
        raise _irregular(key)
    usual = float(np.median(steps))
    whole = np.concatenate([[False], np.abs(steps / usual - 1) < 0.5, [False]])
    edges = np.flatnonzero(whole[1:] != whole[:-1]).reshape(-1, 2)  # steps [first, last) without a gap
    if not len(edges):
        raise _irregular(key)
    first, last = edges[np.argmax(edges[:, 1] - edges[:, 0])].tolist()
    seen = (last - first) / (times[last] - times[first])
    low = Fraction(seen).limit_denominator(LOW_TERMS)
    exact = abs(float(low) / seen - 1) * (last - first) < OFF
    return low if exact and low > 0 else as_rate(float(seen))


def _from_first(first_s: float, rate: Fraction, steps: NDArray[np.int64]) -> TickClock:
    """Return a clock whose ticks are counted from time 0 where the first sample is one of them."""
    ends = np.flatnonzero(np.diff(steps) != 1)
    starts, stops = steps[np.append(0, ends + 1)], steps[np.append(ends, len(steps) - 1)] + 1
    tick = round(first_s * rate)
    from_zero = float(tick / rate) == first_s
    shift, origin_ns = (tick, 0) if from_zero else (0, as_ns(first_s))
    return TickClock(rate, np.stack([starts, stops], axis=1) + shift, origin_ns)


def _irregular(key: str) -> BadArgument:
    what = f"{key}: `time` is not regular"
    return BadArgument(what, hint="`session.resample` makes regular times; gaps are no harm", code="bad-view")
