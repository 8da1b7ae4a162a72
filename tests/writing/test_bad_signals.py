"""Signals that a lab may get wrong: each is refused by code and in words, and nothing is written."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.schemas import Channel
from tests.writing.spoilt import TEN, pupil, refused

if TYPE_CHECKING:
    from pathlib import Path

SIGNALS: list[tuple[dict[str, Any], str, str]] = [
    ({"times_s": np.arange(9.0)}, "clock-length", "has 10 samples and 9 times"),
    ({"times_s": np.ones((10, 1))}, "clock-length", "times of shape (10, 1)"),
    ({"runs": [(0, 4), (9, 5)]}, "clock-length", "has 10 samples, its runs add up to 9"),
    ({"runs": []}, "clock-length", "its runs add up to 0"),
    ({"times_s": [0, 1, 2, 3, 5, 4, 6, 7, 8, 9]}, "times-go-back", "sample 5 is at 4 s, sample 4 at 5 s (1 such places)"),
    ({"times_s": [1.7e9, *(1.7e9 + np.arange(9))]}, "times-go-back", "sample 1 is at 1700000000 s"),
    ({"times_s": TEN * 1e-11}, "times-go-back", "9 such places"),
    ({"runs": [(0, 5), (0.5, 5)]}, "times-go-back", "run 0 of 5 samples from 0 s on lasts to 0.625 s, run 1 starts at 0.5 s"),
    ({"runs": [(3, 5), (0, 5)]}, "times-go-back", "run 1 starts at 0 s"),
    ({"runs": [(0, 12), (5, -2)]}, "bad-run", "a run of -2 samples"),
    ({"runs": [(0, 10), (5, 0)]}, "bad-run", "a run of 0 samples"),
    ({"runs": [(0, 9.5), (5, 0.5)]}, "bad-run", "a run of 9.5 samples"),
    ({"runs": [(0, 10, 1)]}, "bad-run", "expected (start_s, n_samples)"),
    ({"runs": [10]}, "bad-run", "expected (start_s, n_samples)"),
    ({"runs": [("soon", 10)]}, "bad-time", "'soon' is not a number of seconds"),
    ({"runs": [(0, 10**400)]}, "bad-time", "more than 146 years from 0"),
    ({"runs": [(0, 10**5000)]}, "bad-time", "more than 146 years from 0"),
    ({"runs": [(0, float("inf"))]}, "bad-run", "has a run (0, inf), expected (start_s, n_samples)"),
    ({"runs": [([0, 1], 10)]}, "bad-time", "time [0, 1] is not a number of seconds"),
    ({"runs": 5}, "bad-run", "has runs 5, expected a list of (start_s, n_samples)"),
    ({"runs": "0:10"}, "bad-run", "has runs '0:10', expected a list"),
    ({"rate_hz": None}, "clock-missing", "has no clock: give rate_hz (with start_s or runs), or times_s"),
    ({"rate_hz": 0}, "bad-rate", "0 hertz is not above zero"),
    ({"rate_hz": -8}, "bad-rate", "-8 hertz is not above zero"),
    ({"rate_hz": "fast"}, "bad-rate", "'fast' is not a number of hertz"),
    ({"rate_hz": float("nan")}, "bad-rate", "nan is not a number of hertz"),
    ({"rate_hz": 3e9}, "bad-rate", "kept to the nanosecond"),
    ({"rate_hz": Fraction(10**40, 10**39 + 1)}, "bad-rate", "no fraction of 64-bit integers"),
    ({"rate_hz": "1e-12"}, "bad-time", "more than 146 years"),
    ({"rate_hz": np.array([8, 9])}, "bad-rate", "is not a number of hertz"),
    ({"rate_hz": "1e400"}, "bad-rate", "'1e400' hertz cannot be kept"),
    ({"rate_hz": 10**5000}, "bad-rate", "rate of type int is not a number of hertz"),
    ({"start_s": "1e400"}, "bad-time", "'1e400' s is more than 146 years from 0"),
    ({"start_s": "1e999999999999"}, "bad-time", "'1e999999999999' is not a number of seconds"),
    ({"start_s": 10**5000}, "bad-time", "time of type int is not a number of seconds"),
    ({"start_s": np.array([0, 1])}, "bad-time", "time array([0, 1]) is not a number of seconds"),
    ({"start_s": None}, "bad-time", "time None is not a number of seconds"),
    ({"times_s": [[0], [1, 2]]}, "bad-time", "rows of differing length"),
    ({"times_s": np.ma.masked_less(TEN, 3)}, "masked-array", "times are a masked array, whose mask would be lost"),
    ({"times_s": da.ma.masked_less(da.from_array(TEN), 3)}, "masked-array", "whose mask would be lost"),
    ({"times_s": TEN, "start_s": "soon"}, "bad-time", "'soon' is not a number of seconds"),
    ({"start_s": "nan"}, "bad-time", "'nan' is not a number of seconds"),
    ({"start_s": 1.7e18}, "bad-time", "1.7e+18 s is more than 146 years from 0; are these seconds?"),
    ({"times_s": TEN * 1e12}, "bad-time", "row 1 is 1e+12 s, more than 146 years"),
    ({"times_s": [0, 1, 2, np.nan, *range(4, 10)]}, "bad-time", "1 times are no numbers, the first in row 3"),
    ({"times_s": [0, 1, 2, np.inf, *range(4, 10)]}, "bad-time", "1 times are no numbers, the first in row 3"),
    ({"times_s": TEN.astype("M8[s]")}, "bad-time", "times are datetime64[s], expected seconds as numbers"),
    ({"times_s": [str(t) for t in range(10)]}, "bad-time", "expected seconds as numbers"),
    ({"times_s": TEN, "start_s": 3}, "clock-twice", "has start_s=3 beside times_s"),
    ({"runs": [(0, 10)], "start_s": 3}, "clock-twice", "has start_s=3 beside runs"),
    ({"times_s": TEN, "runs": [(0, 10)]}, "clock-twice", "runs need rate_hz"),
    ({"unit": None}, "unit-missing", 'say unit="1" for pure numbers'),
    ({"unit": ""}, "unit-missing", "has no unit"),
    ({"unit": 1}, "bad-unit", "has unit 1, expected text"),
    ({"description": 3}, "bad-description", "expected text"),
    ({"name": "Pupil"}, "signal-name", "lower-case letters"),
    ({"name": "../pupil"}, "signal-name", "lower-case letters"),
    ({"name": ""}, "signal-name", "lower-case letters"),
    ({"name": 7}, "signal-name", "lower-case letters"),
    ({"name": "a" * 101}, "signal-name", "at most 100"),
    ({"name": "video"}, "signal-name", "trials use for something else"),
    ({"name": "x"}, "signal-name", "`eye_x` would do"),
    ({"name": "time_pupil"}, "signal-name", "trials use for something else"),
    ({"values": [1.0] * 10}, "not-an-array", "values of type list, expected an array"),
    ({"values": 3.0}, "not-an-array", "type float"),
    ({"values": np.array([None] * 10)}, "object-dtype", "holds Python objects, expected numbers"),
    ({"values": np.ones(10, complex)}, "dtype", "holds complex128, expected real numbers"),
    ({"values": np.ones(10, np.longdouble)}, "dtype", "at most 64 bits"),
    ({"values": np.array(["a"] * 10)}, "dtype", "holds <U1"),
    ({"values": np.ma.masked_less(TEN, 3)}, "masked-array", "filled(numpy.nan)"),
    ({"values": da.ma.masked_less(da.from_array(TEN), 3)}, "masked-array", "whose mask would be lost"),
    ({"values": da.from_array(TEN)[da.from_array(TEN) > 3]}, "unknown-shape", "compute_chunk_sizes()"),
    ({"values": np.float64(3)}, "dims", "expected (time,) or (time, one other)"),
    ({"values": np.ones((10, 2, 2))}, "dims", "has shape (10, 2, 2)"),
    ({"values": np.ones((2, 10)), "dims": ("eye", "time")}, "dims", "time first"),
    ({"values": np.ones((10, 2)), "dims": ("time", "time")}, "dims", "has shape (10, 2) and dims"),
    ({"values": np.ones((10, 2)), "dims": ("time", 3)}, "dims", "(time, one other)"),
    ({"values": np.ones((10, 2)), "dims": 5}, "dims", "has dims 5, expected (time,) or (time, one other)"),
    ({"values": np.ones((10, 2)), "dims": "time"}, "dims", "has dims 'time', expected"),
    ({"values": np.ones((10, 2)), "dims": ("time", ["eye"])}, "dims", "(time, one other)"),
    *[({"values": np.ones((10, 2)), "dims": ("time", dim), "channels": ["a", "b"]}, "dims", "not frame, image, time, trial")
      for dim in ("unit_id", "frame", "image", "video", "trial", "time_responses", "time_x")],
    ({"name": "responses"}, "dims", "expected (time, neuron)"),
    ({"name": "responses", "values": np.ones((10, 2)), "dims": ("time", "cell")}, "dims", "expected (time, neuron)"),
    ({"values": np.ones((10, 2))}, "channel-names", "has 2 columns and 0 names for them in `channels`"),
    ({"values": np.ones((10, 2)), "channels": ["a"]}, "channel-names", "has 2 columns and 1 names"),
    ({"values": np.ones((10, 2)), "channels": ["a", "a"]}, "channel-names", "expected texts that differ"),
    ({"values": np.ones((10, 2)), "channels": [0, 1]}, "channel-names", "expected texts that differ"),
    ({"values": np.ones((10, 2)), "channels": ["a", ""]}, "channel-names", "expected texts that differ"),
    ({"values": np.ones((10, 2)), "channels": ["a", "b" * 256]}, "channel-names", "expected texts that differ"),
    ({"values": np.ones((10, 2)), "channels": "ab"}, "channel-names", "expected a list of names"),
    ({"values": np.ones((10, 2)), "channels": None}, "channel-names", "has channels None, expected a list of names"),
    ({"values": np.ones((10, 2)), "channels": 5}, "channel-names", "has channels 5, expected a list of names"),
    ({"values": np.ones((10, 2)), "channels": np.array("a")}, "channel-names", "expected a list of names"),
    ({"values": np.ones((10, 2)), "channels": [[1], [2]]}, "channel-names", "expected texts that differ"),
    ({"values": np.ones((10, 2)), "channels": ["\ud800", "b"]}, "text", "text that is no Unicode"),
    ({"values": np.ones((10, 1)), "channels": [Channel(name="b", unit="\udfff")]}, "text", "text that is no Unicode"),
    ({"values": np.ones((10, 1)), "channels": [Channel(name="b", description="\udfff")]}, "text", "no Unicode"),
    ({"values": np.ones((10, 1)), "channels": ["b"], "dims": ("time", "\udfff")}, "text", "no Unicode"),
    ({"unit": "\ud800"}, "text", "in its unit, description, dims or channels"),
    ({"description": "\ud800"}, "text", "in its unit, description, dims or channels"),
    ({"channels": ["a"]}, "channel-names", "has no columns that are channels and 1 names"),
    ({"values": np.ones((10, 3)), "dims": ("time", "neuron"), "channels": ["a"]}, "channel-names", "no columns that are"),
    ({"values": np.ones(0)}, "empty-signal", "no samples, or no columns"),
    ({"values": np.ones((10, 0))}, "empty-signal", "leave it out"),
    ({"name": "spikes", "values": np.ones((10, 0)), "dims": ("time", "neuron")}, "empty-signal", "leave it out"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "code", "said"), SIGNALS, ids=[f"{code}-{i}" for i, (_, code, _) in enumerate(SIGNALS)]
)
def test_a_signal_is_refused(tmp_path: Path, given: dict[str, Any], code: str, said: str) -> None:
    found = refused(tmp_path, signals=[pupil(**given)])
    assert list(found) == [f"{code} @ signal `{given.get('name', 'pupil')}`"]
    assert said in found[next(iter(found))]


class Torchlike:
    """An array whose dtype numpy has never heard of."""

    shape, dtype = (10,), "torch.float33"

    def __getitem__(self, key: object) -> object:
        return key


def test_an_array_of_another_library_is_refused_by_name(tmp_path: Path) -> None:
    found = refused(tmp_path, signals=[pupil(Torchlike())])
    assert found == {
        "not-an-array @ signal `pupil`": "has values of type Torchlike, expected an array (numpy, dask, memmap)"
    }


def test_channels_may_bring_their_own_units(tmp_path: Path) -> None:
    channels = [Channel(name="dilation", unit="px"), Channel(name="speed", unit="px/s")]
    sd.write_session(tmp_path / "s", identity="m", signals=[pupil(np.ones((10, 2)), unit=None, channels=channels)])
    assert sd.open_session(tmp_path / "s").document.signals[0].channels == tuple(channels)


@pytest.mark.parametrize("start_s", [0, 0.0, "0", Fraction(0), -0.0])
def test_a_start_of_nothing_says_nothing_beside_times(start_s: Any) -> None:
    assert pupil(times_s=TEN, start_s=start_s).problems() == []
    assert pupil(runs=[(0, 10)], start_s=start_s).problems() == []


def test_a_clock_is_built_once(tmp_path: Path) -> None:
    """Of many times it takes a while; and what can be read once only, as a generator, is enough."""

    class Times:
        n_read = 0

        def __array__(self, dtype: object = None, copy: object = None) -> Any:
            del dtype, copy
            self.n_read += 1
            return TEN

    times = Times()
    signals = [pupil(times_s=times), pupil(name="eye", runs=((start, 5) for start in (0, 8)))]
    sd.write_session(tmp_path / "s", identity="m", signals=signals)
    assert times.n_read == 1
    np.testing.assert_array_equal(sd.open_session(tmp_path / "s")["eye"]["time"][[0, 5]], [0, 8])


@pytest.mark.parametrize(
    ("first", "second", "where"),
    [
        (("eye", "channel"), ("gaze", "eye_channel"), "gaze"),  # in a trial that of `eye` may be called so
        (("eye", "channel"), ("eye_channel", ""), "eye_channel"),
        (("eye", "axis"), ("gaze", "eye"), "gaze"),
    ],
)
def test_names_that_would_meet_in_a_trial(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str], where: str
) -> None:
    def signal(name: str, dim: str) -> sd.SignalData:
        if not dim:
            return pupil(name=name)
        return pupil(np.ones((10, 1)), name=name, dims=("time", dim), channels=["a"])

    found = refused(tmp_path, signals=[signal(*first), signal(*second)])
    assert list(found) == [f"dims @ signal `{where}`"]
