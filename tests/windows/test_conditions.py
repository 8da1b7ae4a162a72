"""Trials by tier or by any column: and, or, values, ranges; what nothing has is answered with near misses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument, NoSuchItem
from sensorium_data.windows import legal_windows
from tests.windows.made import MadeTrial, made

TRIALS = [
    MadeTrial(9),
    MadeTrial(9, label="gabor"),
    MadeTrial(9, tier="oracle"),
    MadeTrial(9, tier="oracle", label="noise"),
    MadeTrial(9, tier="none", missing=True),
    MadeTrial(9, tier="test", withheld=True, label="gabor"),
]
OWN: dict[str, Any] = {
    "reward": np.array([0.5, 1.0, np.nan, 1.0, 0.0, 2.0]),
    "block": np.array([0, 1, 0, 1, 0, 1], np.int8),
    "right": np.array([True, False, False, True, False, False]),
    "mood": np.array(["calm", "", "calm", "angry", "", "calm"]),
    "place": np.zeros((6, 2)),
}
STREAMS = made(TRIALS, own=OWN)


def rows(tier: Any, streams: Any = None, **how: Any) -> list[int]:
    found: list[int] = legal_windows([streams or STREAMS], tier=tier, window=9, **how).trial_row.tolist()
    return found


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        ("train", [0, 1]),
        (["train", "test"], [0, 1, 5]),
        (None, [0, 1, 2, 3, 5]),
        ({}, [0, 1, 2, 3, 5]),
        ({"tier": "oracle"}, [2, 3]),
        ({"tier": ["oracle", "test"], "label": "noise"}, [3]),
        ([{"label": "noise"}, {"label": "gabor", "tier": "train"}], [1, 3]),
        (["train", {"label": "noise"}], [0, 1, 3]),
        ({"role": ("train", "validation")}, [0, 1, 2, 3]),
        ({"trial_id": 14}, [2]),
        ({"trial_id": np.int32(14)}, [2]),
        ({"trial_id": np.array([10, 20])}, [0, 5]),
        ({"trial_id": xr.DataArray([10, 20], dims="trial")}, [0, 5]),
        ({"trial_id": xr.DataArray(14)}, [2]),
        ({"trial_id": {10, 14}}, [0, 2]),
        ({"trial_id": frozenset([20])}, [5]),
        ({"trial_id": list(range(10, 18))}, [0, 1, 2, 3]),
        ({"trial_id": range(10, 14)}, [0, 1]),
        ({"trial_id": range(20, 9, -10)}, [0, 5]),
        ({"trial_id": slice(12, 16)}, [1, 2]),
        ({"trial_id": slice(14, None)}, [2, 3, 5]),
        ({"trial_id": slice(None, 14)}, [0, 1]),
        ({"trial_id": slice(None)}, [0, 1, 2, 3, 5]),
        ({"start_s": slice(0.3, 0.9)}, [1, 2]),
        ({"stop_s": slice(None, 0.6 + 1e-9)}, [0, 1]),
        ({"reward": 1}, [1, 3]),
        ({"reward": range(1, 3)}, [1, 3, 5]),
        ({"reward": slice(0.5, 1)}, [0]),
        ({"block": range(-1000, 1)}, [0, 2]),
        ({"block": [1, 300]}, [1, 3, 5]),
        ({"block": 1, "right": True}, [3]),
        ({"right": np.False_}, [1, 2, 5]),
        ({"responses_withheld": True}, [5]),
        ({"mood": ["calm", "angry"]}, [0, 2, 3, 5]),
        ({"mood": ""}, [1]),
        ({"mood": np.array(["angry", "", "calm", "calm", "", "", "angry"])}, [0, 1, 2, 3, 5]),
        ({"mood": np.str_("angry")}, [3]),
    ],
)
def test_trials_that_are_chosen(tier: Any, expected: list[int]) -> None:
    assert rows(tier) == expected


VALUE = st.one_of(
    st.integers(-2, 24),
    st.lists(st.integers(-2, 24), min_size=1, max_size=9),
    st.builds(range, st.integers(-2, 24), st.integers(-2, 24), st.sampled_from([-3, -1, 1, 2])),
    st.builds(slice, st.none() | st.integers(-2, 24), st.none() | st.integers(-2, 24)),
)


def _holds(value: Any, number: int) -> bool:
    if isinstance(value, slice):
        return (value.start is None or value.start <= number) and (value.stop is None or number < value.stop)
    return number in value if isinstance(value, (list, range)) else bool(number == value)


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["trial_id", "start", "block"]), VALUE, max_size=3), min_size=1))
def test_and_within_or_between(tier: list[dict[str, Any]]) -> None:
    table = STREAMS.handle.trials
    each = [
        [row for row in (0, 1, 2, 3, 5) if all(_holds(value, int(table[name][row])) for name, value in one.items())]
        for one in tier
    ]
    if not all(each):
        with pytest.raises(BadArgument, match=r"there is no such trial|none of which is there|problems"):
            rows(tier)
    else:
        assert rows(tier) == sorted({row for found in each for row in found})


@pytest.mark.parametrize(
    ("tier", "code", "message", "hint"),
    [
        ("trian", "no-such-tier", "no trial has tier `trian`", "did you mean `train`"),
        ({"lable": "noise"}, "no-such-column", "no trial table has a column `lable`", "did you mean `label`"),
        ({"label": "noize"}, "no-such-label", "no trial has label `noize`", "did you mean `noise`"),
        ({"mood": "clam"}, "no-such-mood", "no trial has mood `clam`", "did you mean `calm`"),
    ],
)
def test_names_that_nothing_has(tier: Any, code: str, message: str, hint: str) -> None:
    with pytest.raises(NoSuchItem) as caught:
        rows(tier)
    assert (caught.value.code, caught.value.message) == (code, f"tier: {message}")
    assert caught.value.hint.startswith(hint)


def test_tiers_that_are_known_are_listed_in_order() -> None:
    with pytest.raises(NoSuchItem) as caught:
        rows("x")
    assert caught.value.hint == "known: `train`, `oracle`, `test`, `none`"


@pytest.mark.parametrize(
    ("tier", "message"),
    [
        (7, "7 is no name of a tier and no condition"),
        ([], "is empty, so it chooses no trial"),
        ([None], "None is no name of a tier and no condition"),
        ([["train"]], r"\['train'\] is no name of a tier and no condition"),
        ({3: "train"}, "column `3`: is no name of a column"),
        ({"tier": None}, "column `tier`: None is nothing to compare it with"),
        ({"tier": {"train": 1}}, "is nothing to compare it with"),
        ({"tier": b"train"}, "is nothing to compare it with"),
        ({"tier": ["train", 1]}, "is nothing to compare it with"),
        ({"trial_id": "10"}, "column `trial_id`: holds numbers, and cannot be `10`"),
        ({"tier": 10}, "column `tier`: holds text, and cannot be 10"),
        ({"tier": slice(1, 2)}, "column `tier`: holds text, and cannot be from 1 on, below 2"),
        ({"trial_id": slice(1, 9, 2)}, r"slice\(1, 9, 2\) is no half-open run of numbers"),
        ({"trial_id": slice("a", None)}, "is no half-open run of numbers"),
        ({"place": 1}, "column `place`: has several values a trial"),
    ],
)
def test_what_is_no_condition(tier: Any, message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        rows(tier)


@pytest.mark.parametrize(
    ("tier", "code", "message"),
    [
        ("none", "no-trials", "tier `none`: 1 trial, none of which is there"),
        ({"tier": "oracle", "label": "gabor"}, "no-trials", "trials with tier `oracle` and label `gabor`: there is no such trial"),
        ({"trial_id": []}, "no-trials", "trials with trial_id one of none: there is no such trial"),
    ],
)  # fmt: skip
def test_conditions_that_nothing_meets(tier: Any, code: str, message: str) -> None:
    with pytest.raises(BadArgument) as caught:
        rows(tier)
    assert (caught.value.code, caught.value.message) == (code, message)


def test_what_one_session_has_and_the_other_lacks() -> None:
    other = made([MadeTrial(9), MadeTrial(9, tier="test")], key="m2", own={"depth": np.array([1, 2])})
    windows = legal_windows([STREAMS, other], tier=["oracle", "test", {"depth": 1}], window=9)
    found = list(zip(windows.session.tolist(), windows.trial_row.tolist(), strict=True))
    assert found == [(0, 2), (0, 3), (0, 5), (1, 0), (1, 1)]
    with pytest.raises(NoSuchItem, match="no trial has tier `oracel`"):
        legal_windows([STREAMS, other], tier="oracel", window=9)


def test_a_column_of_text_here_and_of_numbers_there() -> None:
    other = made([MadeTrial(9), MadeTrial(9)], key="m2", own={"mood": np.array([1, 2])})
    windows = legal_windows([STREAMS, other], tier={"mood": "angry"}, window=9)
    assert windows.trial_id.tolist() == [16]
    assert legal_windows([STREAMS, other], tier={"mood": 2}, window=9).trial_id.tolist() == [12]


def test_a_table_s_own_label_comes_first() -> None:
    streams = made([MadeTrial(9, label="noise"), MadeTrial(9)], own={"label": np.array(["mine", "noise"])})
    assert rows({"label": "noise"}, streams) == [1]


def test_a_session_without_films_has_empty_labels() -> None:
    streams = made([MadeTrial(9)])
    streams.handle.stimuli["label"] = np.zeros(0, np.str_)
    streams.handle.trials["variant"] = np.array([-1])
    assert rows({"label": ""}, streams) == [0]


# -- masks


def test_masks_take_trials_out() -> None:
    mask = np.array([True, False, True, True, True, False])
    assert rows(None, trials={"m1": mask}) == [0, 2, 3]
    assert rows(None, trials={"m1": mask.tolist(), "another": [True]}) == [0, 2, 3]
    assert rows("train", trials={"m1": mask}) == [0]


@pytest.mark.parametrize(
    ("trials", "kind", "message"),
    [
        ({"m2": [True] * 6}, NoSuchItem, "trials: has no mask for session `m1`"),
        ({}, NoSuchItem, "trials: has no mask for session `m1`"),
        ({"m1": [True] * 5}, BadArgument, r"trials\['m1'\]: is bool of shape \(5,\), expected bool of shape \(6,\)"),
        ({"m1": [0, 1, 1, 1, 0, 1]}, BadArgument, "is int64 of shape"),
        ({"m1": [[True] * 6]}, BadArgument, r"of shape \(1, 6\)"),
        (np.ones(6, np.bool_), BadArgument, "trials: is ndarray, expected masks by session key"),
        ({"m1": [False] * 6}, BadArgument, r"the masks leave no trial of what was asked for \(tier `train`\)"),
    ],
)
def test_masks_that_do_not_fit(trials: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        rows("train", trials=trials)


def test_masks_may_empty_one_condition_of_several() -> None:
    mask = np.array([True, True, False, False, False, False])
    assert rows(["train", "oracle"], trials={"m1": mask}) == [0, 1]
