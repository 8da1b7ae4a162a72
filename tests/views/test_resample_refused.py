"""What no clock could make right is refused, with what would be right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.errors import BadArgument, NoSuchItem, SensoriumError
from sensorium_data.testing import write_sensorium2022
from tests.views.test_resample import made, made_own

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    return made(tmp_path_factory.mktemp("refused"))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    return made_own(tmp_path_factory.mktemp("own") / "s.zarr")


def refused(session: sd.Session, *args: Any, **how: Any) -> SensoriumError:
    with pytest.raises(SensoriumError) as caught:
        session.resample(*args, **how)
    return caught.value


@pytest.mark.parametrize("rate", [0, -30, np.nan, np.inf, "fast", 1e12])
def test_a_rate_is_finite_and_above_zero(session: sd.Session, rate: Any) -> None:
    assert refused(session, rate).code == "bad-rate"


@pytest.mark.parametrize(
    ("window", "code", "said"),
    [
        ((1, 1), "bad-window", "window [1, 1) s is empty"),
        ((2, 1), "bad-window", "window [2, 1) s is reversed"),
        ((-3, 0), "window-outside", "lies outside the session, which goes from 0 to 14.966666667 s"),
        ((1e6, 2e6), "window-outside", "lies outside the session"),
        ((0, np.nan), "bad-time", "not a number of seconds"),
        (("a", 3), "bad-time", "not a number of seconds"),
        (5, "bad-window", "expected (start, stop) in seconds"),
        ("ab", "bad-window", "expected (start, stop)"),
        ((1, 2, 3), "bad-window", "expected (start, stop)"),
    ],
)
def test_a_window_is_a_stretch_of_the_session(session: sd.Session, window: Any, code: str, said: str) -> None:
    error = refused(session, 30, window)
    assert (error.code, type(error)) == (code, BadArgument)
    assert said in error.message


def test_a_window_may_hold_no_sample_of_a_stream_that_is_withheld(session: sd.Session) -> None:
    view = session.resample(30, (0, 1), "responses")
    assert not view["mask_responses"].any()
    assert np.isnan(view["responses"]).all()


@pytest.mark.parametrize(("signals", "near"), [("respones", "`responses`"), (["pupil", "vidoe"], "`video`")])
def test_an_unknown_signal_is_answered_with_near_ones(session: sd.Session, signals: Any, near: str) -> None:
    error = refused(session, 30, signals=signals)
    assert isinstance(error, NoSuchItem)
    assert near in error.hint


def test_no_signal_is_no_view(session: sd.Session) -> None:
    assert refused(session, signals=[]).code == "no-signals"
    assert refused(session, signals=5).code == "bad-selection"


def test_signals_without_a_common_rate_need_one(own: sd.Session) -> None:
    assert refused(own, None).code == "rate-missing"
    assert own.resample(None, signals=["responses"]).attrs["rate"] == "8"


def test_images_have_no_rate(tmp_path: Path) -> None:
    source = write_sensorium2022(tmp_path, n_neurons=3, frame_shape=(9, 16), n_train=3)
    sd.convert(source, tmp_path / "s.zarr")
    session = sd.open_session(tmp_path / "s.zarr")
    for rate in (30, None, 1):
        error = refused(session, rate)
        assert error.code == "rate-static"
        assert "`session.trial(k)`" in error.hint
