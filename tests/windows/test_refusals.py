"""What cannot be served is refused in one error, with everything that is wrong and what to do."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sensorium_data.errors import BadArgument, NoSuchItem
from sensorium_data.windows import legal_windows
from tests.windows.made import MadeTrial, made

TRIALS = [MadeTrial(20), MadeTrial(24), MadeTrial(9, tier="oracle"), MadeTrial(20, tier="test", withheld=True)]


def refused(streams: Any = None, **how: Any) -> BadArgument:
    with pytest.raises(BadArgument) as caught:
        legal_windows([made(TRIALS)] if streams is None else streams, **{"window": 8, **how})
    return caught.value


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ({"window": 0}, "bad-window", 'window: is 0, expected an integer of 1 or more, or "trial"'),
        ({"window": -3}, "bad-window", "window: is -3"),
        ({"window": 80.0}, "bad-window", "window: is 80.0"),
        ({"window": True}, "bad-window", "window: is True"),
        ({"window": None}, "bad-window", "window: is None"),
        ({"window": np.float32(8)}, "bad-window", "window: is "),
        ({"window": np.array([8, 8])}, "bad-window", "window: is array"),
        ({"window": 2**31}, "bad-window", "expected an integer of at most 2,147,483,647"),
        ({"stride": 0}, "bad-stride", 'stride: is 0, expected an integer of 1 or more, or "random"'),
        ({"stride": 2.5}, "bad-stride", "stride: is 2.5"),
        ({"burn_in": -1}, "bad-burn-in", "burn_in: is -1, expected an integer of 0 or more"),
        ({"burn_in": None}, "bad-burn-in", "burn_in: is None"),
        ({"seed": -1}, "bad-seed", "seed: is -1"),
        ({"within": "tier"}, "bad-within", "within: is 'tier'"),
        ({"window": "trial", "stride": 4}, "bad-stride", "stride: is 4, but whole trials are served once each"),
        ({"window": "trial", "stride": "random"}, "bad-stride", "stride: is 'random'"),
        ({"window": "trial", "within": "segment"}, "bad-within", "whole trials do not go on into others"),
        ({"require": 5}, "bad-require", "require: is 5, expected names of streams"),
        ({"require": ["video", None]}, "bad-require", "expected names of streams"),
    ],
)
def test_arguments_that_are_none(how: dict[str, Any], code: str, message: str) -> None:
    error = refused(**how)
    assert error.code == code
    assert message in error.message


@pytest.mark.parametrize(
    ("how", "word"),
    [({"window": "trail"}, "trial"), ({"stride": "randon"}, "random"), ({"within": "segmnt"}, "segment")],
)
def test_words_have_near_misses(how: dict[str, Any], word: str) -> None:
    assert refused(**how).hint == f"did you mean `{word}`?"


def test_numpy_integers_will_do() -> None:
    how: Any = {"window": np.int64(8), "stride": np.uint8(4), "burn_in": np.int16(1), "seed": np.int64(2)}
    assert legal_windows([made(TRIALS)], **how) == legal_windows([made(TRIALS)], window=8, stride=4, burn_in=1)


def test_everything_at_once() -> None:
    error = refused(window=0, stride=-1, tier="trian", require="pupli", trials={"m2": []}, seed="a")
    assert [problem.code for problem in error.problems] == [
        "bad-window", "bad-stride", "bad-seed", "no-such-stream", "no-such-tier", "no-such-session",
    ]  # fmt: skip
    assert error.message == "the windows asked for have 6 problems"
    assert "require: no stream `pupli`; did you mean `pupil`? [no-such-stream]" in str(error)


def test_unknown_names_alone_are_no_such_items() -> None:
    with pytest.raises(NoSuchItem, match="2 problems"):
        legal_windows([made(TRIALS)], tier="trian", require="pupli")


# -- sessions


def test_no_sessions() -> None:
    assert refused([]).code == "no-sessions"


def test_one_session_twice() -> None:
    assert refused([made(TRIALS), made(TRIALS)]).message == "sessions: /made/m1.zarr is given twice"


def test_two_stores_with_one_key() -> None:
    other = made(TRIALS)
    other.handle.where = "/made/copy.zarr"
    error = refused([made(TRIALS), other])
    assert error.message == "sessions: /made/m1.zarr and /made/copy.zarr both hold session `m1`"


# -- required streams


def test_a_stream_that_no_session_has() -> None:
    with pytest.raises(NoSuchItem, match="require: no stream `pupli`") as caught:
        legal_windows([made(TRIALS)], require=["video", "pupli"])
    assert caught.value.hint == "did you mean `pupil`?"


def test_a_stream_that_one_session_lacks() -> None:
    lacking = made(TRIALS, key="m2")
    lacking._streams.pop("pupil")
    error = refused([made(TRIALS), lacking], require="pupil")
    assert (error.code, error.message) == ("stream-missing", "require: stream `pupil` is not in m2")
    # By default it is required where it is there.
    assert set(legal_windows([made(TRIALS), lacking], window=8).session.tolist()) == {0, 1}


def test_withheld_responses_alone_are_no_error() -> None:
    assert len(legal_windows([made(TRIALS)], tier="test", window=8)) == 2
    error = refused(tier="test", require=["video", "responses"])
    assert (error.code, error.message) == (
        "stream-absent",
        "require: stream `responses` is withheld in every chosen trial",
    )
    assert "leave `require` out" in error.hint


# -- nothing to serve


def test_a_window_longer_than_any_trial() -> None:
    error = refused(window=30)
    assert error.code == "window-too-long"
    assert (
        error.message
        == "tier `train`: a window of 30 samples is longer than any trial; the longest has 24 (m1, trial 12)"
    )
    assert error.hint == 'ask for at most 24 samples, or for whole trials: window="trial"'


def test_with_a_burn_in() -> None:
    error = refused(window=20, burn_in=5)
    assert "a window of 20 samples after a burn-in of 5 is longer than any trial; the longest has 24" in error.message
    assert error.hint.startswith("ask for at most 19 samples")
    assert refused(window="trial", burn_in=30).message == (
        "tier `train`: a trial with a sample after a burn-in of 30 is longer than any trial; the longest has 24 (m1, trial 12)"
    )


def test_across_contiguous_trials() -> None:
    assert len(legal_windows([made(TRIALS)], window=44, within="segment", stride=44)) == 1
    error = refused(window=45, within="segment")
    assert "is longer than any run of contiguous trials; the longest has 44 (m1, trial 10)" in error.message


def test_reasons_are_counted() -> None:
    trials = [MadeTrial(20), MadeTrial(20), MadeTrial(5), MadeTrial(20), MadeTrial(20)]
    holes = {"pupil": [5, 12, 50, 58, 73], "responses": [25, 33], "video": [78]}
    error = refused([made(trials, holes)], window=9)
    assert error.code == "no-windows"
    assert error.message == (
        "tier `train`: none of 5 trials has a window of 9 samples: in 2 trials `pupil` has no 9 usable samples in a row,"
        " in 1 trial `responses` has no 9 usable samples in a row, 1 trial too short (the longest has 20 (m1, trial 10)),"
        " in 1 trial the required streams are never valid together"
    )
    assert "`require`" in error.hint


def test_reasons_of_a_run() -> None:
    holes = {"pupil": [5, 12, 20, 28, 36, 41]}
    error = refused([made(TRIALS, holes)], window=9, within="segment")
    assert error.message == (
        "tier `train`: none of 2 trials has a window of 9 samples: in 2 trials `pupil` has no 9 usable samples in a row"
    )


def test_whole_trials_without_a_value() -> None:
    error = refused([made(TRIALS, {"pupil": range(44)})], window="trial")
    assert "none of 2 trials has a trial with a sample: in 2 trials `pupil` has no usable sample" in error.message


def test_a_lag_that_leaves_nothing() -> None:
    error = refused([made(TRIALS, lags={"pupil": Fraction(60)})])
    assert "in 2 trials `pupil` has no 8 usable samples in a row" in error.message


def test_one_tier_of_several() -> None:
    error = refused(tier=["train", "test"], require="responses")
    assert (
        error.message
        == "tier `test`: none of 1 trial has a window of 8 samples: in 1 trial `responses` is withheld or absent"
    )
    error = refused(tier=["train", "oracle"], window=12)
    assert error.message.startswith("tier `oracle`: a window of 12 samples is longer than any trial")
    # Of all trials, those that are too short are simply not served.
    assert set(legal_windows([made(TRIALS)], tier=None, window=12).trial_id.tolist()) == {10, 12, 16}


def test_a_session_without_a_window_among_others() -> None:
    short = made([MadeTrial(4)], key="m2")
    windows = legal_windows([short, made(TRIALS)], window=8)
    assert windows.keys == ("m2", "m1")
    assert set(windows.session.tolist()) == {1}
