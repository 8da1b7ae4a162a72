"""Fractions of a sample, exactly: those of regular outputs, and those of channels that were not all taken at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import lcm
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sensorium_data.grid import NANOSECOND

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

__all__ = ["Grain", "Phases", "Steps", "regular_steps"]

EXACT = 2**53  # integers up to it are floats, so that their quotient is the float closest to the exact one
REMEMBERED = 1024  # outputs whose fractions are kept for the next window of the same phase


class Grain(NamedTuple):
    """Positions of outputs in ticks, before any offset: whole ticks, and how the rest compares with the phases.

    Attributes
    ----------
    tick : (output,) int64
    split : (output,) int64
        How many of the known phases are not beyond the rest.
    hit : (output,) bool
        The last of those is the rest itself.
    rest : (output,) float64
        Closest to the exact fraction of a tick, from 0 to 1.
    """

    tick: NDArray[np.int64]
    split: NDArray[np.int64]
    hit: NDArray[np.bool_]
    rest: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Phases:
    """Acquisition offsets of channels in ticks of a signal: whole ticks and a rest below one, exactly.

    Attributes
    ----------
    whole : (channel,) int64, ticks
    rest : (channel,) float64, ticks
        From 0 to 1.
    rank : (channel,) int32
        Place of the rest among ``known``.
    known : (phase,) int, ascending
        All rests that occur, in units of ``1 / below``.
    below : int
    shared : int, optional
        The whole ticks, where all channels have the same.
    known_rest : (phase,) float64, ticks
        ``known / below``, each the closest float.
    """

    whole: NDArray[np.int64]
    rest: NDArray[np.float64]
    rank: NDArray[np.int32]
    known: NDArray[Any]
    below: int
    shared: int | None
    known_rest: NDArray[np.float64]

    @classmethod
    def of(cls, offsets_ns: NDArray[np.int64], rate: Fraction) -> Phases:
        """Return the phases of (channel,) int64 nanoseconds at a rate in hertz."""
        largest_unit = int(np.gcd.reduce(offsets_ns)) or 1
        unit = largest_unit * rate / NANOSECOND
        counted = offsets_ns // largest_unit
        largest = max(int(np.abs(counted).max()) * unit.numerator, unit.denominator)
        ticks = (counted if largest < 2**63 else counted.astype(object)) * unit.numerator
        whole, rests = ticks // unit.denominator, ticks % unit.denominator
        known, rank = np.unique(rests, return_inverse=True)
        part = _quotient(known, unit.denominator)
        shared = int(whole[0]) if (whole == whole[0]).all() else None
        ticks = whole.astype(np.int64)
        return cls(ticks, part[rank], rank.astype(np.int32), known, unit.denominator, shared, part)

    def split(self, rest: NDArray[Any], below: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return how many phases are not beyond each of some fractions ``rest / below``, and where the last is it."""
        if below * self.below >= 2**63:
            rest = rest.astype(object)
        scaled = rest * self.below
        cut = scaled // below
        if cut.dtype == object and self.known.dtype != object:
            cut = cut.astype(np.int64)
        split = np.searchsorted(self.known, cut, side="right")
        hit = (scaled % below == 0) & (split > 0) & (self.known[split - 1] == cut)
        return split, hit.astype(np.bool_)


class Steps(NamedTuple):
    """Positions of regular outputs, counted from the tick that the first is in.

    Attributes
    ----------
    tick : (output,) int
    rest : (output,) int
        Fractions of a tick, in units of ``1 / below``.
    below : int
    part : (output,) float64
        The same fractions, each the closest float.
    hit : (output,) bool
        The fraction is 0.
    one : (output,) int64
        Ones.
    """

    tick: NDArray[Any]
    rest: NDArray[Any]
    below: int
    part: NDArray[np.float64]
    hit: NDArray[np.bool_]
    one: NDArray[np.int64]


def _steps(rest: int, below: int, over: int, under: int, n: int) -> Steps:
    shared = lcm(below, under)
    first, each = rest * (shared // below), over * (shared // under)
    fits = max(first + max(n, 1) * each, shared) < EXACT
    counted = first + np.arange(n, dtype=np.int64 if fits else object) * each
    ticks, rests = counted // shared, counted % shared
    hit = (rests == 0).astype(np.bool_)
    steps = Steps(ticks, rests, shared, _quotient(rests, shared), hit, np.ones(n, np.int64))
    for array in (ticks, rests, steps.part, hit, steps.one):
        array.flags.writeable = False
    return steps


_remembered_steps = lru_cache(maxsize=256)(_steps)


def regular_steps(rest: int, below: int, step: Fraction, n: int) -> Steps:
    """Return n positions from the fraction ``rest / below`` on, ``step`` apart."""
    find = _remembered_steps if n <= REMEMBERED else _steps
    return find(rest, below, step.numerator, step.denominator, n)


def _quotient(numbers: NDArray[Any], below: int) -> NDArray[np.float64]:
    """Return ``numbers / below`` for numbers up to ``below``, each the closest float."""
    wide = numbers if below <= EXACT else numbers.astype(object)
    quotient: NDArray[np.float64] = (wide / below).astype(np.float64)
    return quotient
