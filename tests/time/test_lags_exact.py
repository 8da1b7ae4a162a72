"""Lags are exact: a rational number of seconds, or the number of samples that a float stands for."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sensorium_data.clock import TickClock, TimesClock
from sensorium_data.errors import BadArgument
from sensorium_data.resample import Method, Resampler, resample
from sensorium_data.resampling.instants import lag
from tests.time.oracle import METHODS, ORIGINS, RATES, Case, assert_is_the_oracles, cases, lags

pytestmark = pytest.mark.once

SECOND = 10**9
THIRTY = TickClock.from_runs(30, [(0, 400)])
NUMBER = np.arange(400.0)


@settings(max_examples=500, deadline=None)
@given(cases(lag_ns=lags()))
def test_values_and_mask_are_the_oracles(case: Case) -> None:
    assert_is_the_oracles(case, *case.result())


@settings(max_examples=200, deadline=None)
@given(cases(lag_ns=lags()))
def test_no_row_beside_those_that_are_named_counts(case: Case) -> None:
    resampler, counted = case.resampler(), [[row for one in channels for row, _ in one] for channels in case.parts()]
    rows, (first, last) = resampler.rows(case.start_ns, case.n), resampler.support(case.start_ns, case.n)
    for i, used in enumerate(counted):
        assert all(rows.start <= row < rows.stop for row in used)
        if first[i] < last[i]:
            assert (first[i], last[i]) == (min(used), max(used) + 1)


@settings(max_examples=200, deadline=None)
@given(cases(lag_ns=lags()))
def test_a_lag_is_the_start_that_much_later(case: Case) -> None:
    later = Case(
        case.clock, case.values, case.rate, case.method, case.start_ns + case.lag_ns, case.n, case.offsets_ns, 0
    )
    for one, other in zip(case.result(), later.result(), strict=True):
        np.testing.assert_array_equal(one, other)


@settings(deadline=None)
@given(
    st.sampled_from(RATES), st.sampled_from(ORIGINS), st.integers(-50, 50), st.sampled_from(METHODS), st.integers(1, 20)
)
def test_whole_samples_at_the_same_rate_are_copied(
    rate: Fraction, origin: int, samples: int, method: Method, n: int
) -> None:
    clock = TickClock.from_runs(rate, [(0, 200)], origin_ns=origin)
    resampler = Resampler(clock, rate, method=method, lag_ns=samples * SECOND / rate)
    assert resampler.copied(clock.grid.ns(60), n) == slice(60 + samples, 60 + samples + n)
    off = Resampler(clock, rate, method=method, lag_ns=samples * SECOND / rate + Fraction(1, 10**9))
    assert off.copied(clock.grid.ns(60), n) is None


@pytest.mark.parametrize("lag_s", ["1/30", Fraction(1, 30), 1 / 30, 0.033333333, 0.066666667 - 0.033333333])
@pytest.mark.parametrize("method", METHODS)
def test_a_lag_of_one_sample_gives_the_next(lag_s: Any, method: Method) -> None:
    for start in (7, "23/3", 7 + 1 / 30):
        plain, _ = resample(NUMBER, THIRTY, 30, start_s=start, n_samples=20, method=method)
        values, mask = resample(NUMBER, THIRTY, 30, start_s=start, n_samples=20, method=method, lag_s=lag_s)
        np.testing.assert_array_equal(values, plain + 1)
        assert mask.all()


@pytest.mark.parametrize(
    ("lag_s", "wanted"),
    [
        ("0.033333333", 210),
        ("33333333334e-12", 211),
        (Fraction(1, 30) - Fraction(1, 10**30), 210),
        (0.0333, 210),
        (0.0334, 211),
    ],
)
def test_what_is_not_one_sample_is_what_it_says(lag_s: Any, wanted: int) -> None:
    values, _ = resample(NUMBER, THIRTY, 30, start_s=7, n_samples=1, method="previous", lag_s=lag_s)
    assert values.tolist() == [wanted]


def test_explicit_times_that_were_rounded_are_met() -> None:
    clock = TimesClock(np.round(np.arange(400) * SECOND / 30).astype(np.int64))
    for lag_s in ("1/30", 1 / 30, "0.0333333332", "0.0333333334"):
        for start in range(5, 9):
            begin = Fraction(start, 30)
            values, _ = resample(NUMBER, clock, 30, start_s=begin, n_samples=9, method="previous", lag_s=lag_s)
            assert values.tolist() == list(range(start + 1, start + 10))


@settings(deadline=None)
@given(st.sampled_from(RATES), st.integers(-(10**6), 10**6), st.integers(0, 10**5))
@example(Fraction(8), 1, 0)
def test_a_float_is_the_number_of_samples_that_it_was_rounded_from(rate: Fraction, samples: int, since: int) -> None:
    exact = samples * SECOND / rate
    rounded = [round((since + k) * SECOND / rate) / SECOND for k in (0, samples)]
    for lag_s in (float(exact / SECOND), round(exact) / SECOND):
        assert lag(lag_s, rate) == exact
    if abs(since + samples) < 10**5:  # up to some hours, the difference of two times is known to the nanosecond
        assert abs(lag(rounded[1] - rounded[0], rate) - exact) <= Fraction(1, 100)
    assert lag(str(round(exact)) + "e-9", rate) == round(exact)


def test_samples_of_the_signal_come_before_outputs_and_nothing_else_is_meant() -> None:
    assert lag(1 / 30, Fraction(8), Fraction(30)) == Fraction(SECOND, 30)
    assert lag(0.125, Fraction(8), Fraction("7.99999999")) == 125_000_000
    assert lag(0.125, Fraction("7.99999999"), Fraction(8)) == SECOND / Fraction("7.99999999") != 125_000_000
    assert lag(0.1234567891234) == 123_456_789
    single: Any = np.float32(1 / 30)
    assert lag(single, Fraction(30)) == Fraction(SECOND, 30)
    assert lag(0, Fraction(30)) == lag(0.0, Fraction(30)) == 0


@pytest.mark.parametrize("lag_ns", [0.5, 1e9, "1", None])
def test_a_resampler_takes_no_rounded_lag(lag_ns: Any) -> None:
    with pytest.raises(BadArgument, match="expected an integer or a Fraction of nanoseconds") as caught:
        Resampler(THIRTY, Fraction(30), lag_ns=lag_ns)
    assert caught.value.code == "bad-lag"


def test_integers_of_numpy_do_not_overflow() -> None:
    small = Resampler(THIRTY, Fraction(30), lag_ns=np.int32(10**9), method="previous")  # type: ignore[arg-type]  # is integral
    assert type(small.lag_ns.numerator) is int
    assert small.rows(Fraction(0), 3) == slice(30, 33)


@pytest.mark.parametrize("lag_s", ["1153000000", "-3459000000/3", 1.2e9])
def test_a_lag_of_decades_is_refused(lag_s: Any) -> None:
    with pytest.raises(BadArgument, match="more than 36 years"):
        resample(NUMBER, THIRTY, 30, lag_s=lag_s)


@pytest.mark.parametrize(
    ("given", "said"),
    [("soon", "lag 'soon' is not a number of seconds"), (1e12, "lag 1e\\+12 s is more than 146 years")],
)
def test_a_lag_that_is_none_is_called_a_lag(given: float | str, said: str) -> None:
    with pytest.raises(BadArgument, match=said) as caught:
        lag(given, Fraction(30))
    assert caught.value.code == "bad-lag"
