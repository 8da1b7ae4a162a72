"""Presets: windows to the frame, where they differ and where not, and means over neurons or mice."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument, NoSuchItem
from sensorium_data.evaluation.presets import PRESETS, Preset, preset
from sensorium_data.evaluation.weighting import mean_score

SERVER = PRESETS["s23-server"]


def differences(name: str) -> dict[str, Any]:
    """Return what a preset has otherwise than the server's."""
    told = {field.name for field in fields(Preset)} - {"name", "description"}
    return {at: getattr(PRESETS[name], at) for at in told if getattr(PRESETS[name], at) != getattr(SERVER, at)}


@pytest.mark.parametrize(
    ("name", "n_valid", "window"),
    [
        # Formats page, "2023 score and the exact frame window": frames 50 to 298 of 300, and of all that is longer.
        ("s23-server", 300, (50, 299)),
        ("s23-server", 315, (50, 299)),
        ("s23-server", 414, (50, 299)),
        ("s23-server", 240, (50, 239)),
        ("s23-server", 299, (50, 298)),
        ("s23-server", 52, (50, 51)),
        ("s23-server", 51, (50, 50)),
        ("s23-server", 10, (50, 50)),
        ("s23-server", 0, (50, 50)),
        ("s23-head", 300, (50, 300)),
        ("s23-head", 315, (50, 300)),
        ("s23-head", 240, (50, 240)),
        ("s23-head", 51, (50, 51)),
        ("s23-head", 50, (50, 50)),
        ("mouse-mean", 300, (50, 299)),
        ("per-trial", 324, (50, 299)),
        ("s22", 1, (0, 1)),
        ("s22", 0, (0, 0)),
    ],
)
def test_windows(name: str, n_valid: int, window: tuple[int, int]) -> None:
    assert preset(name).window(n_valid) == window


def test_a_clip_of_300_frames_is_scored_on_249_by_the_server_and_on_250_by_its_code_today() -> None:
    lengths = {name: stop - start for name in PRESETS for start, stop in [PRESETS[name].window(300)]}
    assert lengths == {"s22": 300, "s23-server": 249, "s23-head": 250, "mouse-mean": 249, "per-trial": 249}
    dots = [PRESETS[name].window(240) for name in ("s23-server", "s23-head")]
    assert [stop - start for start, stop in dots] == [189, 190]


def test_presets_differ_where_they_say_and_nowhere_else() -> None:
    assert differences("s23-head") == {"drop_last": 0}
    assert differences("mouse-mean") == {"weighting": "mouse"}
    assert differences("per-trial") == {"per_trial": True}
    assert differences("s22") == {"skip": 0, "limit": None, "drop_last": 0, "nan": "keep"}
    assert (SERVER.skip, SERVER.limit, SERVER.drop_last) == (50, 300, 1)
    assert (SERVER.scaling, SERVER.weighting, SERVER.nan, SERVER.eps) == ("official", "neuron", "zero", 1e-8)


def test_every_preset_says_what_it_is_and_where_it_is_from() -> None:
    assert list(PRESETS) == [one.name for one in PRESETS.values()]
    assert all("Source: " in one.description for one in PRESETS.values())
    assert len({one.description for one in PRESETS.values()}) == len(PRESETS)


@settings(deadline=None)
@given(
    st.integers(0, 400),
    st.integers(0, 100),
    st.none() | st.integers(0, 400),
    st.integers(0, 5),
)
def test_a_window_is_the_frames_that_are_left(n_valid: int, skip: int, limit: int | None, drop_last: int) -> None:
    mine = Preset(name="mine", description="", skip=skip, limit=limit, drop_last=drop_last)
    start, stop = mine.window(n_valid)
    frames = list(range(n_valid))[:limit]
    frames = frames[skip : len(frames) - drop_last] if drop_last < len(frames) else []
    assert list(range(start, stop)) == frames


def test_a_preset_cannot_be_changed_but_another_made_of_it() -> None:
    with pytest.raises(FrozenInstanceError):
        SERVER.skip = 0  # type: ignore[misc]
    with pytest.raises(TypeError):
        PRESETS["s23-server"] = SERVER  # type: ignore[index]
    assert replace(SERVER, name="mine", skip=10).window(300) == (10, 299)
    assert SERVER.window(300) == (50, 299)
    with pytest.raises(BadArgument, match="-1 frames"):
        SERVER.window(-1)


def test_what_is_no_rule_is_refused_all_at_once() -> None:
    wrong: Any = {"skip": -1, "eps": math.nan, "scaling": "z-score", "weighting": "neurons", "nan": "drop"}
    with pytest.raises(BadArgument) as raised:
        Preset(name="mine", description="", **wrong)
    assert {problem.where for problem in raised.value.problems} == set(wrong)
    assert "did you mean `neuron`?" in str(raised.value)


def test_near_misses_are_named() -> None:
    with pytest.raises(NoSuchItem) as raised:
        preset("s23_server")
    assert "`s23-server`" in raised.value.hint


SCORES = {"A": np.array([0.1, 0.3, np.nan]), "B": np.array([0.5], np.float32)}


@pytest.mark.parametrize(
    ("weighting", "nan", "value", "note"),
    [
        ("neuron", "zero", 0.9 / 4, "1 neuron of 4 without a score counts as 0"),
        ("neuron", "omit", 0.9 / 3, "1 neuron of 4 without a score is left out"),
        ("neuron", "keep", math.nan, "1 neuron of 4 without a score makes the mean NaN"),
        ("mouse", "zero", (0.4 / 3 + 0.5) / 2, "1 neuron of 4 without a score counts as 0"),
        ("mouse", "omit", (0.2 + 0.5) / 2, "1 neuron of 4 without a score is left out"),
        ("mouse", "keep", math.nan, "1 neuron of 4 without a score makes the mean NaN"),
    ],
)
def test_means_by_neuron_or_mouse(weighting: Any, nan: Any, value: float, note: str) -> None:
    made = mean_score(SCORES, weighting=weighting, nan=nan)
    assert made.value == pytest.approx(value, rel=1e-12, nan_ok=True)
    assert (made.n_neurons, made.n_nan, made.note) == (4, 1, note)


def test_without_nan_there_is_no_note() -> None:
    made = mean_score({"A": [0.1, 0.3]}, nan="raise")
    assert made == (0.2, 2, 0, "")
    assert mean_score({"A": [0.1, np.nan, np.nan]}).note == "2 neurons of 3 without a score count as 0"


def test_presets_average_by_their_own_rules() -> None:
    scores = {"A": [0.1, 0.3, math.nan], "B": [0.5]}
    assert SERVER.mean(scores).value == pytest.approx(0.225)
    assert PRESETS["mouse-mean"].mean(scores).value == pytest.approx((0.4 / 3 + 0.5) / 2)
    assert math.isnan(PRESETS["s22"].mean(scores).value)


def test_a_mouse_without_any_score_is_left_out_or_nothing_is_left() -> None:
    scores = {"A": [math.nan, math.nan], "B": [0.5]}
    assert mean_score(scores, weighting="mouse", nan="omit").value == 0.5
    assert mean_score(scores, weighting="mouse", nan="zero").value == 0.25
    assert math.isnan(mean_score({"A": [math.nan]}, nan="omit").value)


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-1, 1), min_size=1, max_size=5), min_size=1, max_size=4))
def test_means_are_those_of_numpy_and_equal_for_mice_of_equal_size(values: list[list[float]]) -> None:
    scores = {str(place): part for place, part in enumerate(values)}
    assert mean_score(scores).value == pytest.approx(np.mean(np.concatenate(values)), abs=1e-12)
    mice = mean_score(scores, weighting="mouse").value
    assert mice == pytest.approx(np.mean([np.mean(part) for part in values]), abs=1e-12)
    if len({len(part) for part in values}) == 1:
        assert mice == pytest.approx(mean_score(scores).value, abs=1e-12)


def test_scores_that_have_no_mean() -> None:
    with pytest.raises(BadArgument, match="no session"):
        mean_score({})
    bad: Any = {"A": [[0.1]], "B": [], "C": ["x"], "D": [math.inf], "E": [0.1]}
    with pytest.raises(BadArgument) as raised:
        mean_score(bad)
    assert [problem.where for problem in raised.value.problems] == ["A", "B", "C", "D"]
    with pytest.raises(BadArgument) as raised:
        mean_score({"A": [math.nan, 1.0], "B": [1.0]}, nan="raise")
    assert [problem.where for problem in raised.value.problems] == ["A"]
    wrong: Any = "mice"
    with pytest.raises(BadArgument, match="weighting is 'mice'"):
        mean_score({"A": [1.0]}, weighting=wrong)
