"""Windows are a value: a sequence that can be looked at, compared, and sent to another process."""

from __future__ import annotations

import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sensorium_data.windows import Window, Windows, legal_windows
from tests.windows.made import MadeTrial, made

TRIALS = [MadeTrial(20), MadeTrial(9, tier="oracle"), MadeTrial(20, gap=4)]


def windows(**how: Any) -> Windows:
    return legal_windows([made(TRIALS, key="m2"), made(TRIALS)], **{"window": 8, "stride": 6, **how})


def test_each_is_named() -> None:
    found = windows()
    assert len(found) == 12
    assert found[1] == Window("m2", 10, 6, 6 / 30, 8)
    assert found[4] == ("m2", 14, 6, (20 + 9 + 4 + 6) / 30, 8)
    assert found[-1] == found[11] == Window("m1", 14, 12, 45 / 30, 8)
    assert found[np.int64(1)] == found[1]
    assert found[10:] == list(found)[10:] == [found[10], found[11]]
    assert found[::-5] == [found[11], found[6], found[1]]
    assert found.index(found[7]) == 7
    assert found[3] in found
    assert [type(value) for value in found[3]] == [str, int, int, float, int]


@pytest.mark.parametrize("index", [12, -13])
def test_beyond_the_last(index: int) -> None:
    with pytest.raises(IndexError, match=f"window {index} of 12"):
        windows()[index]


def test_columns() -> None:
    found = windows()
    assert found.trial_id.tolist() == [each.trial_id for each in found]
    assert [found.keys[i] for i in found.session.tolist()] == [each.session for each in found]
    assert all(part.dtype == np.int32 for part in (found.session, found.trial_row, found.start_frame, *found.runs))
    assert found.runs.first.tolist() == [0] * 4
    assert found.runs.stop.tolist() == [13] * 4
    assert found.runs.trial_row.tolist() == [0, 2, 0, 2]
    with pytest.raises(ValueError, match="read-only"):
        found.start_frame[0] = 3


def test_seconds_are_those_of_the_session() -> None:
    found = legal_windows([made(TRIALS, rate=Fraction(1000, 33))], window=8, stride=6)
    start = Fraction(33, 30) + 6 * Fraction(33, 1000)
    assert found[4] == Window("m1", 14, 6, float(start), 8)


def test_equal_windows_are_equal() -> None:
    assert windows() == windows()
    assert pickle.loads(pickle.dumps(windows())) == windows()
    assert list(pickle.loads(pickle.dumps(windows()))) == list(windows())
    others = [
        windows(window=7),
        windows(stride=5),
        windows(tier="oracle"),
        windows(stride="random"),
        windows(burn_in=1),
    ]
    assert all(other != windows() for other in others)
    assert windows(stride="random") == windows(stride="random")
    assert windows(stride="random", seed=1) != windows(stride="random")
    # Of one legal start each, drawn from two seeds: equal today, not tomorrow.
    assert windows(window=20, stride="random", seed=1) != windows(window=20, stride="random", seed=2)
    assert legal_windows([made(TRIALS)], window=8) != "windows"
    with pytest.raises(TypeError, match="unhashable"):
        hash(windows())


def test_explained_after_a_journey() -> None:
    told = pickle.loads(pickle.dumps(windows())).explain("m2", 10, 13)
    assert told.reasons == ("8 samples from frame 13 on go 1 past the end of the trial, which has 20 frames",)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({}, "Windows: 12 of 8 samples, every 6, in 2 sessions"),
        ({"stride": None}, "Windows: 4 of 8 samples, random starts, in 2 sessions"),
        ({"window": "trial", "stride": None}, "Windows: 4 of whole trials, in 2 sessions"),
        ({"window": 1, "stride": 1, "tier": "oracle"}, "Windows: 18 of 1 sample, every 1, in 2 sessions"),
    ],
)
def test_it_says_what_it_is(how: dict[str, Any], said: str) -> None:
    assert repr(windows(**how)) == said
