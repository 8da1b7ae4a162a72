"""What `explain` says of a window: everything that is wrong with it, in words, with the numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sensorium_data.errors import BadArgument, NoSuchItem
from sensorium_data.windows import Explanation, legal_windows
from tests.windows.made import MadeTrial, made

TRIALS = [
    MadeTrial(20),
    MadeTrial(20, tier="oracle"),
    MadeTrial(20),
    MadeTrial(20),
    MadeTrial(20, tier="test", withheld=True, gap=3),
    MadeTrial(5, tier="none", missing=True),
    MadeTrial(12, label="gabor"),
]
HOLES = {"pupil": [44, 45], "responses": [46]}


def told(trial_id: int, start: int, *, lags: dict[str, Fraction] | None = None, **how: Any) -> Explanation:
    windows = legal_windows([made(TRIALS, HOLES, lags=lags)], **{"window": 8, **how})
    return windows.explain("m1", trial_id, start)


def test_a_legal_one() -> None:
    one = told(10, 3, stride=1)
    assert (one.legal, one.reasons, one.notes) == (True, (), ())
    assert str(one) == "m1, trial 10, frames 3 to 11: legal"


def test_random_starts() -> None:
    assert told(10, 12).notes == ("starts are drawn anew in each epoch, this one as likely as any other of its run",)


@pytest.mark.parametrize(
    ("start", "notes"), [(0, ()), (8, ()), (9, ("not among the windows: with a stride of 8 they start at 0, 8",))]
)
def test_off_the_stride(start: int, notes: tuple[str, ...]) -> None:
    one = told(10, start, stride=8)
    assert one.legal
    assert one.notes == notes


def test_no_window_of_the_stride_begins_in_the_trial() -> None:
    one = told(22, 1, stride=50, within="segment", tier=None, require="video")
    assert one.notes == ("not among the windows: with a stride of 50 they start at 0",)
    one = told(14, 1, stride=50, within="segment", require="video")
    assert one.legal
    last = told(16, 1, stride=50, within="segment", require="video")
    assert last.notes == ("not among the windows: with a stride of 50 they start in other trials of the run",)


@pytest.mark.parametrize(
    ("trial_id", "start", "how", "reasons"),
    [
        (12, 0, {}, ["the trial is not chosen: its tier is `oracle`, wanted `train`"]),
        (
            12, 0, {"tier": [{"label": "gabor", "tier": "train"}, {"trial_id": slice(13, None)}]},
            [("the trial is not chosen: its label is `natural`, wanted `gabor` and its tier is `oracle`, wanted `train`;"
              " or its trial_id is 12, wanted from 13 on")],
        ),
        (20, 0, {}, ["the trial is missing: it has no samples"]),
        (10, -2, {}, ["frame -2 is before the trial's start"]),
        (10, 20, {}, ["frame 20 is past the trial, which has 20 frames"]),
        (10, 15, {}, ["8 samples from frame 15 on go 3 past the end of the trial, which has 20 frames"]),
        (10, 3, {"burn_in": 4}, ["frame 3 is within the burn-in of 4 samples"]),
        (
            14, 0, {},
            ["`responses` at frame 6 has no value (NaN, or not recorded)",
             "`pupil` at frame 4 has no value (NaN, or not recorded), the first of 2 frames that are not usable"],
        ),
        (
            22, 6, {"burn_in": 7, "tier": {"label": "natural"}},
            ["the trial is not chosen: its label is `gabor`, wanted `natural`",
             "frame 6 is within the burn-in of 7 samples",
             "8 samples from frame 6 on go 2 past the end of the trial, which has 12 frames"],
        ),
        (18, 0, {"tier": None, "require": ("responses", "video")}, ["`responses` is withheld in the trial"]),
        (
            14, 35, {"within": "segment"},
            ["frame 35 is past the trial, which has 20 frames"],
        ),
        (
            16, 15, {"within": "segment"},
            ["8 samples from frame 15 on go 3 past the end of its run of 2 contiguous trials, which is after frame 20"],
        ),
        (10, 1, {"window": "trial"}, ["whole trials are served from frame 0 on"]),
        (10, 0, {"window": "trial", "burn_in": 2}, ["whole trials are served from frame 2 on"]),
    ],
)  # fmt: skip
def test_what_is_wrong(trial_id: int, start: int, how: dict[str, Any], reasons: list[str]) -> None:
    one = told(trial_id, start, **how)
    assert not one.legal
    assert list(one.reasons) == reasons
    assert str(one).splitlines()[1:] == [f"  {reason}" for reason in (*reasons, *one.notes)]


def test_a_lag_that_leaves_the_tier() -> None:
    one = told(10, 12, lags={"pupil": Fraction(3)}, require="pupil")
    (reason,) = one.reasons
    outside = "rests on samples outside the chosen trials of the tier, through its lag or resampling"
    assert reason == f"`pupil` at frame 17 {outside}, the first of 3 frames that are not usable"
    # The oracle trial would be explained with itself among those that it may rest on.
    assert len(told(12, 9, lags={"pupil": Fraction(3)}, require="pupil").reasons) == 1


def test_a_mask_that_leaves_it_out() -> None:
    mask = np.arange(7) > 0
    assert told(10, 0, trials={"m1": mask}).reasons == (
        "the trial is not chosen: the mask given as `trials` leaves it out",
    )


def test_a_column_that_the_session_lacks() -> None:
    other = made([MadeTrial(9)], key="m2", own={"depth": np.array([1])})
    windows = legal_windows([made(TRIALS), other], tier={"depth": 1}, window=8)
    assert windows.explain("m1", 10, 0).reasons == ("the trial is not chosen: the session has no column depth",)


def test_what_is_withheld_is_said() -> None:
    one = told(18, 0, tier="test")
    assert one.legal
    assert one.notes == ("`responses`: withheld or absent in the trial, served as NaN with mask False",)


def test_a_whole_trial_without_a_single_value() -> None:
    windows = legal_windows([made(TRIALS, {"pupil": range(20)})], window="trial")
    one = windows.explain("m1", 10, 0)
    assert one.reasons == (
        "`pupil` at frame 0 has no value (NaN, or not recorded), the first of 20 frames that are not usable",
    )


@pytest.mark.parametrize(
    ("session", "trial_id", "start", "kind", "message", "hint"),
    [
        ("m2", 10, 0, NoSuchItem, "no session `m2`", "known: `m1`"),
        ("m1", 11, 0, NoSuchItem, "no trial 11", "trials are numbered 10 to 22, with holes"),
        ("m1", "10", 0, BadArgument, "a trial is named by the integer", ""),
        ("m1", 10, 0.0, BadArgument, "start is 0.0, expected a number of samples", ""),
        ("m1", 10, True, BadArgument, "start is True", ""),
    ],
)
def test_what_is_not_there(
    session: Any, trial_id: Any, start: Any, kind: type[BadArgument], message: str, hint: str
) -> None:
    windows = legal_windows([made(TRIALS, HOLES)], window=8)
    with pytest.raises(kind, match=message) as caught:
        windows.explain(session, trial_id, start)
    assert hint in caught.value.hint


def test_numpy_integers_will_do() -> None:
    windows = legal_windows([made(TRIALS)], window=8)
    trial_id: Any = np.int64(10)
    start: Any = np.int32(2)
    assert windows.explain("m1", trial_id, start).legal
