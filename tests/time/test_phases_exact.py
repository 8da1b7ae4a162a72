"""Fractions of a sample are exact, and their floats the closest, whatever the numbers are made of."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.resampling.phases import Phases, regular_steps
from tests.time.oracle import RATES

BELOW = st.integers(1, 40) | st.integers(1, 2**63) | st.integers(1, 2**200)
STEPS = st.sampled_from(RATES) | st.fractions(min_value=Fraction(1, 10**30), max_value=10**20)


@settings(deadline=None)
@given(BELOW, st.data(), STEPS.filter(bool), st.integers(0, 40))
def test_steps_are_exact(below: int, data: st.DataObject, step: Fraction, n: int) -> None:
    rest = data.draw(st.integers(0, below - 1))
    steps = regular_steps(rest, below, step, n)
    exact = [Fraction(rest, below) + i * step for i in range(n)]
    assert steps.tick.tolist() == [floor(time) for time in exact]
    assert [Fraction(one, steps.below) for one in steps.rest.tolist()] == [time % 1 for time in exact]
    assert steps.part.tolist() == [float(time % 1) for time in exact]
    assert steps.hit.tolist() == [time.denominator == 1 for time in exact]
    assert not steps.part.flags.writeable


@settings(deadline=None)
@given(
    st.lists(st.integers(-(2**60), 2**60) | st.integers(-9, 9), min_size=1, max_size=12),
    st.sampled_from(RATES) | st.fractions(min_value=Fraction(1, 2**63), max_value=10**8).filter(bool),
    st.lists(st.fractions(min_value=0, max_value=1).filter(lambda rest: rest < 1), max_size=8),
)
def test_phases_are_exact(offsets: list[int], rate: Fraction, rests: list[Fraction]) -> None:
    phases = Phases.of(np.array(offsets), rate)
    exact = [offset * rate / 10**9 for offset in offsets]
    assert phases.whole.tolist() == [floor(ticks) for ticks in exact]
    assert phases.rest.tolist() == [float(ticks % 1) for ticks in exact]
    assert phases.shared == (floor(exact[0]) if len({floor(ticks) for ticks in exact}) == 1 else None)
    known = sorted({ticks % 1 for ticks in exact})
    assert [known[rank] for rank in phases.rank.tolist()] == [ticks % 1 for ticks in exact]
    rests += known[:3]  # hits
    for rest in rests:
        split, hit = phases.split(np.array([rest.numerator], object), rest.denominator)
        assert split.tolist() == [sum(one <= rest for one in known)]
        assert hit.tolist() == [rest in known]
