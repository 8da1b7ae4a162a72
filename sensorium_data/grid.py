"""Ticks in time: the one rule by which integers become times, in rational arithmetic."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, lcm
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import BadArgument
from sensorium_data.masked import MASKED, is_masked
from sensorium_data.spelling import shown

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["NANOSECOND", "Grid", "as_ns", "as_rate", "exact_ns", "whole_nanoseconds"]

NANOSECOND = 10**9  # ticks a second of a grid of nanoseconds
FURTHEST_NS = 2**62  # 146 years: differences of two such times fit 64 bits as well
FASTEST_HZ = 10**8  # neighbouring samples must be several nanoseconds apart
EXACT = 2**53  # integers up to it are floats
SPELLED = 400  # characters of a number, and the largest power of ten in it: beyond, it takes minutes to read
FAR_S = 2.0**19  # the spelling of floats from here on is found in 64 bits


def _exact(number: float | str | Fraction) -> Fraction:
    """Return the number that a spelling names.

    Raises
    ------
    ValueError, ZeroDivisionError
        It is none, or too long to be read.
    """
    if isinstance(number, Fraction):
        return number
    # str() of a float is the shortest decimal that names it: 29.97 means 2997/100, not 8435…/2814….
    text = str(number)
    power = re.search(r"[eE]([-+]?[0-9_]+)", text)
    if len(text) > SPELLED or (power and abs(int(power[1])) > SPELLED):
        raise ValueError
    return Fraction(text)


def as_rate(rate_hz: float | str | Fraction) -> Fraction:
    """Return a rate as the exact fraction that its decimal spelling names.

    Parameters
    ----------
    rate_hz : float, str or Fraction, hertz

    Raises
    ------
    BadArgument
        The rate is not a finite number above zero, or beyond what can be kept exactly.

    Examples
    --------
    >>> as_rate(29.97), as_rate("1000/33")
    (Fraction(2997, 100), Fraction(1000, 33))
    """
    try:
        rate = _exact(rate_hz)
    except (ValueError, ZeroDivisionError):
        raise BadArgument(f"rate {shown(rate_hz)} is not a number of hertz", code="bad-rate") from None
    if rate <= 0:
        raise BadArgument(f"rate {shown(rate_hz)} hertz is not above zero", code="bad-rate")
    if rate > FASTEST_HZ or max(rate.numerator, rate.denominator) >= 2**63:
        what = "times are kept to the nanosecond" if rate > FASTEST_HZ else "it is no fraction of 64-bit integers"
        raise BadArgument(f"rate {shown(rate_hz)} hertz cannot be kept: {what}", code="bad-rate")
    return rate


def as_ns(time_s: float | str | Fraction) -> int:
    """Return a time as whole nanoseconds, the closest to what its decimal spelling names.

    Parameters
    ----------
    time_s : float, str or Fraction, seconds

    Raises
    ------
    BadArgument
        The time is not a finite number.

    Examples
    --------
    >>> as_ns(0.1), as_ns("1/3")
    (100000000, 333333333)
    """
    return round(exact_ns(time_s))


def exact_ns(time_s: float | str | Fraction, what: str = "time") -> Fraction:
    """Return a time in nanoseconds, exactly what its decimal spelling names.

    Parameters
    ----------
    time_s : float, str or Fraction, seconds
    what : str
        It is, for messages.

    Raises
    ------
    BadArgument
        The time is not a finite number.

    Examples
    --------
    >>> exact_ns("1/3"), exact_ns(0.1)
    (Fraction(1000000000, 3), Fraction(100000000, 1))
    """
    try:
        time = _exact(time_s)
    except (ValueError, ZeroDivisionError):
        raise BadArgument(f"{what} {shown(time_s)} is not a number of seconds", code=f"bad-{what}") from None
    if abs(round(time * NANOSECOND)) > FURTHEST_NS:
        said = f"{float(time):g}" if abs(time) < 10**300 else shown(time_s)
        raise BadArgument(f"{what} {said} s is more than 146 years from 0; are these seconds?", code=f"bad-{what}")
    return time * NANOSECOND


def whole_nanoseconds(times_s: ArrayLike) -> NDArray[np.int64]:
    """Return times as whole nanoseconds, each as `as_ns` does.

    Parameters
    ----------
    times_s : array-like of int or float, seconds

    Raises
    ------
    BadArgument
        They are no numbers, masked, not finite, or too far from 0.

    Examples
    --------
    >>> whole_nanoseconds([0.1, 1700000000.1])
    array([          100000000, 1700000000100000000])
    """
    times = _numbers(times_s)
    if len(wrong := np.flatnonzero(~np.isfinite(times))):
        raise BadArgument(f"{len(wrong)} times are no numbers, the first in row {wrong[0]}", code="bad-time")
    if len(wrong := np.flatnonzero(np.abs(times.astype(np.float64)) > FURTHEST_NS / NANOSECOND)):
        what = f"row {wrong[0]} is {times.flat[wrong[0]]:g} s, more than 146 years from 0; are these seconds?"
        raise BadArgument(what, code="bad-time")
    if times.dtype.kind != "f":
        return times.astype(np.int64) * NANOSECOND
    if times.dtype.itemsize < 8:  # 0.1 of 32 bits means 0.1 as well
        times = times.astype(np.str_).astype(np.float64)
    if times.dtype.itemsize > 8:
        return np.array([as_ns(time) for time in times.flat], np.int64).reshape(times.shape)
    return _nearest(np.ravel(times)).reshape(times.shape)


def _numbers(times_s: ArrayLike) -> NDArray[Any]:
    if is_masked(times_s):
        raise BadArgument(f"times are {MASKED}", code="masked-array")
    try:
        times = np.asarray(times_s)
    except (ValueError, TypeError):
        raise BadArgument("times are rows of differing length, expected one list", code="bad-time") from None
    if times.dtype.kind not in "fiu":
        raise BadArgument(f"times are {times.dtype}, expected seconds as numbers", code="bad-time")
    return times


def _nearest(times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the whole nanoseconds closest to what the shortest decimals of floats say, halves to even.

    A float of a time since 1970 stands for 238 ns, so its decimal decides. That is within half a unit in the last place
    of the float: where no half nanosecond is as near, the float says the same.
    """
    size = np.abs(times)
    whole = np.floor(size)
    rest = (size - whole) * NANOSECOND  # the difference is exact, the product within a millionth
    near = np.rint(rest)
    found: NDArray[np.int64] = whole.astype(np.int64) * NANOSECOND + near.astype(np.int64)
    unsure = np.abs(rest - near) >= 0.5 - 1e-6 - np.spacing(size) * (NANOSECOND / 2)
    far = np.flatnonzero(unsure & (size >= FAR_S))
    spelled, fits = _short_decimals(size[far])
    found[far[fits]] = spelled[fits]
    unsure[far[fits]] = False
    found[times < 0] *= -1
    found[unsure] = [as_ns(time) for time in times[unsure].tolist()]
    return found


def _short_decimals(size: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return floats of 2**19 or more as nanoseconds, and which of them are spelled with at most nine decimals.

    The spelling is the closest of the decimals with the fewest digits that no other float is closer to. In 64 bits: a
    float is ``whole + part / 2**bits``, a decimal ``whole + tried / 10**n``, and they are held against each other as
    ``tried * 2**bits`` and ``part * 10**n``, which is below 2**33 * 10**9.
    """
    whole = np.floor(size)
    bits = 53 - np.frexp(size)[1].astype(np.int64)
    part = np.ldexp(size - whole, bits.astype(np.int32)).astype(np.int64)
    even = np.ldexp(size, bits.astype(np.int32)).astype(np.int64) % 2 == 0
    found, fits = np.zeros(len(size), np.int64), np.zeros(len(size), np.bool_)
    for n in range(10):
        left = np.flatnonzero(~fits)
        scaled, b = part[left] * 10**n, bits[left]
        tried, beyond = scaled >> b, scaled & ((1 << b) - 1)
        half = np.int64(1) << (b - 1)
        tried += (beyond > half) | ((beyond == half) & (tried % 2 == 1))
        off = 2 * np.abs((tried << b) - scaled)
        good = (off < 10**n) | ((off == 10**n) & even[left])  # halfway between floats, the even one is read
        found[left[good]] = tried[good] * 10 ** (9 - n)
        fits[left[good]] = True
    return whole.astype(np.int64) * NANOSECOND + found, fits


@dataclass(frozen=True, slots=True)
class Grid:
    """Ticks in time: tick k is at ``origin_ns / 1e9 + k / rate`` seconds, exactly.

    Attributes
    ----------
    rate : Fraction, hertz
    origin_ns : int, nanoseconds
        Time of tick 0.

    Examples
    --------
    >>> Grid(Fraction(30)).ns(1)
    Fraction(100000000, 3)
    """

    rate: Fraction
    origin_ns: int = 0

    def ns(self, tick: int) -> Fraction:
        """Return the time of a tick in nanoseconds, exact."""
        return self.origin_ns + tick * NANOSECOND / self.rate

    def tick_from(self, time_ns: Fraction | int) -> int:
        """Return the first tick that is not before a time in nanoseconds, exact."""
        return ceil((time_ns - self.origin_ns) * self.rate / NANOSECOND)

    def around(self, time_ns: Fraction) -> tuple[Fraction, Fraction]:
        """Return the times of the ticks before and after a time, in nanoseconds, the nearer one first."""
        tick = floor((time_ns - self.origin_ns) * self.rate / NANOSECOND)
        before, after = Fraction(self.ns(tick)), Fraction(self.ns(tick + 1))
        return (before, after) if time_ns - before <= after - time_ns else (after, before)

    def tick_from_rounded(self, time_ns: int) -> int:
        """Return the first tick whose time, rounded to the nanosecond, is not before one that was rounded likewise.

        1/30 s is kept as 33333333 ns and 2/30 s as 66666667 ns: either is the tick that it was before rounding.
        """
        edge = time_ns - Fraction(1, 2)
        tick = self.tick_from(edge)
        # Halves are rounded to even: at the edge itself a tick belongs to the even one of its neighbours.
        return tick + 1 if time_ns % 2 and self.ns(tick) == edge else tick

    def times_s(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the times of ticks in seconds, each the float closest to the exact value."""
        origin, step = Fraction(self.origin_ns, NANOSECOND), 1 / self.rate
        below = lcm(origin.denominator, step.denominator)
        first, each = int(origin * below), int(step * below)
        counted = _wide(ticks, below, abs(first) + each * (int(np.abs(ticks).max(initial=0)) + 1))
        times: NDArray[np.float64] = (first + counted * each) / below
        return times.astype(np.float64)

    def whole_ns(self, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the times of ticks, rounded to whole nanoseconds, halves to even."""
        step = NANOSECOND / self.rate
        below, first, each = step.denominator, self.origin_ns * step.denominator, step.numerator
        counted = _wide(ticks, 2 * below, 2 * (abs(first) + each * (int(np.abs(ticks).max(initial=0)) + 1)))
        exact = first + counted * each
        down, rest = exact // below, 2 * (exact % below)
        up = (rest > below) | ((rest == below) & (down % 2 == 1))
        times: NDArray[np.int64] = (down + up).astype(np.int64)
        return times


def _wide(ticks: NDArray[np.int64], *largest: int) -> NDArray[Any]:
    """Return ticks as they are where what is computed of them is exact in 64 bits, else as integers of any size."""
    return ticks if max(largest) < EXACT else ticks.astype(object)
