"""Clocks as the documents of a store say them: of a signal, and of the trial table."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.clock import TickClock, TimesClock
from sensorium_data.errors import BadArgument
from sensorium_data.grid import NANOSECOND, Grid
from sensorium_data.schemas import ExplicitClock, RegularClock

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.clock import Clock
    from sensorium_data.schemas import Clock as ClockDocument
    from sensorium_data.schemas import Session

__all__ = ["clock_of", "trial_grid"]


def clock_of(document: ClockDocument, times_ns: NDArray[np.int64] | None = None) -> Clock:
    """Return the clock a document describes.

    Parameters
    ----------
    document : Clock document
    times_ns : (time,) int64, nanoseconds, optional
        The explicit times, for a clock that has them.

    Raises
    ------
    BadArgument
        The clock is explicit and no times were given.
    """
    if isinstance(document, ExplicitClock):
        if times_ns is None:
            raise BadArgument("an explicit clock needs its times", code="clock-times")
        return TimesClock(times_ns)
    rate = Fraction(document.rate.numerator, document.rate.denominator)
    runs = [(0, document.n_samples)] if isinstance(document, RegularClock) else document.segments
    segments = np.array([run for run in runs if run[0] < run[1]], np.int64).reshape(-1, 2)
    return TickClock(rate, segments, document.origin_ns, document.nominal)


def trial_grid(session: Session) -> Grid:
    """Return the ticks that start and stop of a session's trials are counted in.

    Parameters
    ----------
    session : Session document
    """
    if (rate := session.trials.rate) is not None:
        return Grid(Fraction(rate.numerator, rate.denominator), session.trials.origin_ns)
    # Stores from before the trial table said so: published trials, whose signals share one nominal clock.
    for clock in (signal.clock for signal in session.signals):
        if not isinstance(clock, ExplicitClock):
            return Grid(Fraction(clock.rate.numerator, clock.rate.denominator), clock.origin_ns)
    return Grid(Fraction(NANOSECOND))
