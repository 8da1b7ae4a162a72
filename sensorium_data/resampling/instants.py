"""Times as people give them: what is exact stays exact, and a float is the tick that it was meant to be.

1/30 s is no float and no whole number of nanoseconds. Whoever computes ``k / 30`` in floats, or hands back a time that
this library gave out as a float, means the tick; whoever writes ``Fraction(1, 30)`` or ``"0.0333"`` means just that.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.grid import NANOSECOND, exact_ns

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Instant", "instant", "lag", "n_before", "settled"]

SPACINGS = 2  # of floats: how far off the sum of two rounded times can be


@dataclass(frozen=True, slots=True)
class Instant:
    """A time as it was given.

    Attributes
    ----------
    ns : Fraction, nanoseconds
        What its spelling says.
    loose : bool
        It was rounded: it stands for what rounds to it.
    spread_ns : Fraction, nanoseconds
        How far off what it stands for may be, beside rounding to nanoseconds.
    given : float, seconds, optional
        The float that it was given as.
    """

    ns: Fraction
    loose: bool = False
    spread_ns: Fraction = Fraction(0)
    given: float | np.floating | None = None

    def means(self, time_ns: Fraction) -> bool:
        """Return whether it stands for an exact time: one of the same nanosecond, or as close as floats can say."""
        if not self.loose:
            return time_ns == self.ns
        return round(time_ns) == round(self.ns) or abs(time_ns - self.ns) <= self.spread_ns

    def is_closest_to(self, time_ns: Fraction) -> bool:
        """Return whether it was given as the float that is closest to an exact time."""
        return self.given is not None and type(self.given)(float(time_ns / NANOSECOND)) == self.given


def instant(time_s: float | str | Fraction, what: str = "time") -> Instant:
    """Return a time as it was given: floats are rounded, all else is exact.

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
    >>> instant(1 / 30).means(Fraction(10**9, 30)), instant("0.033333333").means(Fraction(10**9, 30))
    (True, False)
    """
    ns = exact_ns(time_s, what)
    if not isinstance(time_s, float | np.floating):
        return Instant(ns)
    spacing = Fraction(abs(float(np.spacing(time_s))))
    return Instant(ns, loose=True, spread_ns=SPACINGS * spacing * NANOSECOND, given=time_s)


def settled(time: Instant, *marks: Iterable[Fraction]) -> Fraction:
    """Return the exact time that one as it was given stands for, in nanoseconds.

    Parameters
    ----------
    time : Instant
    *marks : iterables of Fraction, nanoseconds
        Times that may be meant, the likeliest first. Among those of one iterable, one whose closest float was given
        comes before the others.

    Returns
    -------
    Fraction, nanoseconds
        The time itself if it is exact; if no mark is meant, to the nanosecond.
    """
    if not time.loose:
        return time.ns
    for alike in marks:
        if near := [mark for mark in alike if time.means(mark)]:
            return next((mark for mark in near if time.is_closest_to(mark)), near[0])
    return Fraction(round(time.ns))


def n_before(start_ns: Fraction, rate: Fraction, stop: Instant, spread_ns: Fraction = Fraction(0)) -> int:
    """Return how many of the times ``start + k / rate`` come before a stop; negative where it lies before the start.

    A stop that was rounded, and lies within a nanosecond of one of them or as close as floats can say, is that one.

    Parameters
    ----------
    start_ns : Fraction, nanoseconds
    rate : Fraction, hertz
    stop : Instant
    spread_ns : Fraction, nanoseconds
        How far off the start was that the stop may have been computed from.
    """
    steps = (stop.ns - start_ns) * rate / NANOSECOND
    nearest = round(steps)
    # Both ends may have been rounded to nanoseconds, each by half of one.
    near = max(Fraction(1), spread_ns, stop.spread_ns)
    is_one = stop.loose and abs(start_ns + nearest * NANOSECOND / rate - stop.ns) <= near
    return nearest if is_one else ceil(steps)


def lag(lag_s: float | str | Fraction, *rates: Fraction) -> Fraction:
    """Return the exact lag that one as it was given stands for, in nanoseconds.

    A float is often the difference of two times that were rounded: one that lies within a nanosecond of a whole number
    of samples, or as close as floats can say, is that many.

    Parameters
    ----------
    lag_s : float, str or Fraction, seconds
    *rates : Fraction, hertz
        Of the samples that may be counted, the likeliest first.

    Returns
    -------
    Fraction, nanoseconds
        The lag itself if it is exact; a float that is no number of samples of any rate, to the nanosecond.

    Raises
    ------
    BadArgument
        The lag is not a finite number.

    Examples
    --------
    >>> lag(1 / 30, Fraction(30)), lag("0.033333333", Fraction(30)), lag(0.25, Fraction(30))
    (Fraction(100000000, 3), Fraction(33333333, 1), Fraction(250000000, 1))
    """
    given = instant(lag_s, "lag")
    if not given.loose:
        return given.ns
    near = max(Fraction(1), given.spread_ns)
    for rate in rates:
        counted = round(given.ns * rate / NANOSECOND) * NANOSECOND / rate
        if abs(counted - given.ns) <= near:
            return counted
    return Fraction(round(given.ns))
