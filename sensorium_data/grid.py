"""Ticks in time: the one rule by which integers become times, in rational arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["NANOSECOND", "Grid", "as_ns", "as_rate"]

NANOSECOND = 10**9  # ticks a second of a grid of nanoseconds


def as_rate(rate_hz: float | str | Fraction) -> Fraction:
    """Return a rate as the exact fraction that its decimal spelling names.

    Parameters
    ----------
    rate_hz : float, str or Fraction, hertz

    Raises
    ------
    BadArgument
        The rate is not a finite number above zero.

    Examples
    --------
    >>> as_rate(29.97), as_rate("1000/33")
    (Fraction(2997, 100), Fraction(1000, 33))
    """
    try:
        # str() of a float is the shortest decimal that names it: 29.97 means 2997/100, not 8435…/2814….
        rate = rate_hz if isinstance(rate_hz, Fraction) else Fraction(str(rate_hz))
    except (ValueError, ZeroDivisionError):
        raise BadArgument(f"rate {rate_hz!r} is not a number of hertz", code="bad-rate") from None
    if rate <= 0:
        raise BadArgument(f"rate {rate_hz!r} hertz is not above zero", code="bad-rate")
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
    try:
        time = time_s if isinstance(time_s, Fraction) else Fraction(str(time_s))
    except (ValueError, ZeroDivisionError):
        raise BadArgument(f"time {time_s!r} is not a number of seconds", code="bad-time") from None
    return round(time * NANOSECOND)


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
        """Return the first tick that is not before a time in nanoseconds."""
        return ceil((time_ns - self.origin_ns) * self.rate / NANOSECOND)

    def times_s(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the times of ticks in seconds.

        Integers below 2**53 divide to the closest float, so with origin 0 no time is rounded twice.
        """
        offset: NDArray[np.float64] = ticks * self.rate.denominator / self.rate.numerator
        return offset + self.origin_ns / NANOSECOND if self.origin_ns else offset
