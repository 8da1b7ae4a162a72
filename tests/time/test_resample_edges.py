"""Edges one at a time: ties, gaps, bins without a sample, the last sample, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sensorium_data.clock import Clock, TickClock, TimesClock
from sensorium_data.errors import BadArgument
from sensorium_data.resample import Method, Resampler, output_dtype, resample

TICK = 125_000_000  # 8 Hz
EIGHT = TickClock.from_runs(Fraction(8), [(0, 40)])
CLOCKS = [EIGHT, TimesClock(np.arange(40) * TICK)]


@pytest.mark.parametrize("clock", CLOCKS, ids=["ticks", "times"])
@pytest.mark.parametrize("n_channels", [3, 90])
def test_a_bin_may_be_empty_between_channels_whose_bins_are_not(clock: Clock, n_channels: int) -> None:
    offsets = np.array([0, 60_000_000, TICK] + [0] * (n_channels - 3))
    resampler = Resampler(clock, Fraction(30), method="mean", offsets_ns=offsets)
    start = Fraction(10 * TICK)
    first, last = resampler.support(start, 1)
    assert first == last
    assert resampler.rows(start, 1) == slice(9, 11)
    out, mask = np.empty((1, n_channels)), np.empty(1, np.bool_)
    resampler.into(out, mask, np.arange(40.0)[:, None] + np.zeros(n_channels), 0, start)
    np.testing.assert_array_equal(out[0, :4], [10, np.nan, 9, 10][: min(n_channels, 4)])
    assert not mask[0]


@pytest.mark.parametrize("clock", CLOCKS, ids=["ticks", "times"])
def test_rows_of_bins_are_those_that_hold_a_sample(clock: Clock) -> None:
    offsets = np.array([-75_000_000, 62_500_000])
    resampler = Resampler(clock, Fraction(60), method="mean", offsets_ns=offsets)
    assert resampler.rows(Fraction(1_287_500_000), 1) == slice(11, 12)


@pytest.mark.parametrize("n_channels", [2, 90])
def test_ties_are_the_earlier_sample_of_each_channel(n_channels: int) -> None:
    offsets = np.array([0, -5_000_000, 5_000_000] * 30)[:n_channels]
    resampler = Resampler(EIGHT, Fraction(8), method="nearest", offsets_ns=offsets)
    out, mask = np.empty((4, n_channels)), np.empty(4, np.bool_)
    resampler.into(out, mask, np.arange(40.0)[:, None] + np.zeros(n_channels), 0, Fraction(7 * TICK, 2))
    np.testing.assert_array_equal(out, np.arange(3.0, 7)[:, None] + (offsets < 0))


def test_ties_between_explicit_times() -> None:
    clock = TimesClock(np.array([0, 3, 7]))
    resampler = Resampler(clock, Fraction(10**8), method="nearest")
    rows = {
        time: resampler.support(Fraction(time), 1)[0][0] for time in ("0", "1", "4/3", "8/5", "2", "5", "28/5", "7")
    }
    assert rows == {"0": 0, "1": 0, "4/3": 0, "8/5": 1, "2": 1, "5": 1, "28/5": 2, "7": 2}


@pytest.mark.parametrize(
    ("method", "ticks", "times"),
    [
        ("previous", [0, 0, 1, 1, 2, 2, None], [0, 0, 1, 1, 2, None, None]),
        ("nearest", [0, 0, 1, 1, 2, 2, None], [0, 0, 1, 1, 2, None, None]),
        ("linear", [0, 0.5, 1, 1.5, 2, None, None], [0, 0.5, 1, 1.5, 2, None, None]),
        ("mean", [0, None, 1, None, 2, None, None], [0, None, 1, None, None, None, None]),
    ],
)
def test_where_each_method_has_values(method: Method, ticks: list[Any], times: list[Any]) -> None:
    for clock, wanted in (
        (TickClock.from_runs(Fraction(8), [(0, 3)]), ticks),
        (TimesClock(np.arange(3) * TICK), times),
    ):
        out, mask = resample(np.arange(3.0), clock, 16, n_samples=7, method=method)
        np.testing.assert_array_equal(out, np.array(wanted, np.float64))
        np.testing.assert_array_equal(mask, [value is not None for value in wanted])
        before, _ = resample(np.arange(3.0), clock, 16, start_s=-0.0625, n_samples=1, method=method)
        assert np.isnan(before[0])


def test_nothing_reaches_over_a_gap() -> None:
    clock = TickClock.from_runs(Fraction(8), [(0, 2), (3, 5)])
    wanted = {
        "linear": [0, 0.5, 1, None, None, None, 2, 2.5, 3, None],
        "previous": [0, 0, 1, 1, None, None, 2, 2, 3, 3],
        "nearest": [0, 0, 1, 1, None, None, 2, 2, 3, 3],
    }
    for method, values in wanted.items():
        out, _ = resample(np.arange(4.0), clock, 16, method=method)  # type: ignore[call-overload]  # one of the methods
        np.testing.assert_array_equal(out, np.array(values, np.float64))
    means, _ = resample(np.arange(4.0), clock, 4, method="mean")
    np.testing.assert_array_equal(means, [0.5, np.nan, np.nan])  # the second bin begins in the gap, the third runs out


def test_a_lag_looks_later_and_an_offset_says_that_samples_are_later() -> None:
    values = np.arange(40.0)[:, None] + np.zeros(2)
    plain, _ = resample(values, EIGHT, 30, start_s=1, n_samples=5)
    lagged, _ = resample(values, EIGHT, 30, start_s=1, n_samples=5, lag_s=0.25)
    np.testing.assert_allclose(lagged, plain + 2)
    late, _ = resample(values, EIGHT, 30, start_s=1, n_samples=5, offsets_s=[0.125, 0])
    np.testing.assert_allclose(late, plain - [1, 0])


def test_outputs_are_those_of_the_clock_unless_said() -> None:
    clock = TickClock.from_runs(Fraction(30), [(3, 7), (9, 12)], origin_ns=13_000_000)
    out, mask = resample(np.arange(7.0), clock, 30)
    np.testing.assert_array_equal(out, [0, 1, 2, 3, np.nan, np.nan, 4, 5, 6])
    assert mask.sum() == 7
    assert len(resample(np.arange(7.0), clock, 30, stop_s=0.213)[0]) == 3
    assert len(resample(np.arange(7.0), clock, 30, start_s=Fraction(113, 1000), stop_s="0.2131")[0]) == 4
    assert len(resample(np.arange(7.0), clock, 30, start_s=5)[0]) == 0
    assert len(resample(np.arange(7.0), clock, 30, start_s=5, n_samples=4)[0]) == 4
    explicit = TimesClock(np.array([0, 10, 500]) * 10**6)
    np.testing.assert_allclose(resample(np.array([0.0, 1, 50]), explicit, 4)[0], [0, 25, 50], atol=1.0)
    assert len(resample(np.zeros(0), TimesClock(np.zeros(0, np.int64)), 30)[0]) == 0
    assert len(resample(np.zeros(0), TickClock.from_runs(Fraction(30), []), 30)[0]) == 0


def test_what_dtype_outputs_have() -> None:
    wanted = {"float16": "float16", "float32": "float32", "int32": "float64", "uint32": "float64", "int64": "float64"}
    wanted |= dict.fromkeys(("bool", "uint8", "int8", "int16", "uint16", ">i2"), "float32")
    for dtype, output in wanted.items():
        assert output_dtype(dtype) == output
        assert resample(np.ones(3, dtype), TickClock.from_runs(Fraction(8), [(0, 3)]), 30)[0].dtype == output
    for none in ("U3", "complex64", "datetime64[s]", "object"):
        with pytest.raises(BadArgument, match="expected real numbers") as caught:
            output_dtype(none)
        assert caught.value.code == "bad-dtype"


@pytest.mark.parametrize(
    ("given", "code", "what"),
    [
        ({"rate_hz": 0}, "bad-rate", "not above zero"),
        ({"rate_hz": -30.0}, "bad-rate", "not above zero"),
        ({"rate_hz": float("nan")}, "bad-rate", "not a number"),
        ({"rate_hz": float("inf")}, "bad-rate", "not a number"),
        ({"method": "liner"}, "no-such-method", "`liner` is unknown|'liner' is unknown"),
        ({"offsets_s": [0.0]}, "bad-offsets", r"1 offsets for samples of shape \(2,\)"),
        ({"offsets_s": [0.0, float("nan")]}, "bad-offsets", "the offset of channel 1 is nan"),
        ({"offsets_s": [0.0, float("inf")]}, "bad-offsets", "the offset of channel 1 is inf"),
        ({"offsets_s": [0.0, 2e9]}, "bad-offsets", "channel 1 is more than 36 years"),
        ({"offsets_s": [[0.0, 1.0]]}, "bad-offsets", "one for each channel"),
        ({"lag_s": float("nan")}, "bad-lag", "not a number"),
        ({"lag_s": -2e9}, "bad-lag", "more than 36 years"),
        ({"start_s": "soon"}, "bad-time", "not a number"),
        ({"n_samples": -1}, "bad-length", "expected 0 or more"),
        ({"n_samples": 3, "stop_s": 2}, "bad-stop", "both given"),
        ({"values": np.zeros((39, 2))}, "bad-shape", r"\(39, 2\) for 40 samples"),
        ({"values": np.float64(3)}, "bad-shape", r"\(\) for 40 samples"),
        ({"values": np.ma.masked_less(np.zeros((40, 2)), 1)}, "masked-array", "masked array"),
        ({"values": np.full((40, 2), "a")}, "bad-dtype", "real numbers"),
    ],
)
def test_what_is_refused(given: dict[str, Any], code: str, what: str) -> None:
    call: Any = resample
    with pytest.raises(BadArgument, match=what) as caught:
        call(**{"values": np.zeros((40, 2)), "clock": EIGHT, "rate_hz": 30} | given)
    assert caught.value.code == code


def test_an_unknown_method_is_answered_with_a_near_miss() -> None:
    with pytest.raises(BadArgument) as caught:
        Resampler(EIGHT, Fraction(30), method="neares")  # type: ignore[arg-type]  # that is what is refused
    assert caught.value.hint.startswith("did you mean `nearest`")


def test_arrays_that_do_not_fit_are_refused() -> None:
    resampler = Resampler(EIGHT, Fraction(30))
    out, mask, values = np.zeros((3, 2), np.float32), np.zeros(3, np.bool_), np.zeros((40, 2), np.float32)
    for wrong, wrong_mask in ((out[:, :1], mask), (out, mask[:2]), (out[:, 0], mask)):
        with pytest.raises(BadArgument, match="must have one shape") as caught:
            resampler.into(wrong, wrong_mask, values, 0, Fraction(0))
        assert caught.value.code == "bad-shape"
    with pytest.raises(BadArgument, match="outputs are float64, float32 is resampled to float32"):
        resampler.into(out.astype(np.float64), mask, values, 0, Fraction(0))
    with pytest.raises(BadArgument, match="expected whole nanoseconds"):
        Resampler(EIGHT, Fraction(30), offsets_ns=np.zeros(2))  # type: ignore[arg-type]  # that is what is refused
    with pytest.raises(BadArgument, match="channel 1 is more than 36 years"):
        Resampler(EIGHT, Fraction(30), offsets_ns=np.array([0, -(2**61)]))
    assert not Resampler(EIGHT, Fraction(30), offsets_ns=np.arange(3)).offsets_ns.flags.writeable  # type: ignore[union-attr]
