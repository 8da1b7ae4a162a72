"""Streams on one clock are what the clock says at each time."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.errors import BadArgument
from sensorium_data.grid import Grid
from sensorium_data.intervals import Intervals
from sensorium_data.sessionset import open_sessions
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path


RNG = np.random.default_rng(3)
SIGNALS = ("responses", "pupil", "running", "gaze")
# Nothing begins or ends on a grid of another.
EYE_S = np.sort(np.round(RNG.uniform(0.2, 3.8, 90), 6))


def made(folder: Path) -> sd.Session:
    """Four neurons, a few short films, holes and NaN where real recordings have them."""
    source = write_sensorium2023(
        folder, n_neurons=4, n_train=3, n_repeats=1, frame_shape=(8, 12), holes=True, behavior_nan=True, dtype="float32"
    )
    sd.convert(source, folder / "s.zarr")
    return sd.open_session(folder / "s.zarr")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    return made(tmp_path_factory.mktemp("resample"))


def made_own(place: Path) -> sd.Session:
    """Responses of 8 Hz for 3.5 s, a pupil at times of its own, running of 100 Hz in the tenth second."""
    signals = [
        sd.SignalData("responses", RNG.random((28, 3)), unit="1", rate_hz=8),
        sd.SignalData("pupil", RNG.random((90, 2)), unit="px", times_s=EYE_S, channels=("dilation", "change")),
        sd.SignalData("face", RNG.random((100, 3)), rate_hz=100, unit="1", start_s=9, channels=("a", "b", "c")),
    ]
    trials = {"start_s": [0.0, 1.0, 3.5, 9.0], "stop_s": [1.0, 2.5, 4.0, 10.0]}
    sd.write_session(place, identity="own", signals=signals, trials=trials)
    return sd.open_session(place)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    return made_own(tmp_path_factory.mktemp("own") / "s.zarr")


# -- what it holds


def test_at_its_own_rate_a_trial_is_what_was_published(session: sd.Session) -> None:
    table = session.trials
    for row in range(table.sizes["trial"]):
        if table["missing"][row]:
            continue
        trial = session.trial(table["trial_id"][row])
        view = session.resample(30, (table["start_s"][row], table["stop_s"][row]))
        np.testing.assert_array_equal(view["time"], trial["time"])
        for name in view.data_vars:
            if name not in trial:
                assert name == "responses"
                assert np.isnan(view[name]).all()
                assert not view[f"mask_{name}"].any()
                continue
            np.testing.assert_array_equal(view[name], trial[name])
            assert view[name].dtype == trial[name].dtype
            flat = trial[name].to_numpy().reshape(trial.sizes["time"], -1)
            np.testing.assert_array_equal(view[f"mask_{name}"], ~np.isnan(flat.astype(float)).any(axis=1))


def test_methods_are_what_they_are_called(session: sd.Session) -> None:
    first = session["responses"]["time"][0]
    assert first == 1
    v = session["responses"][:20].to_numpy()
    halves = np.repeat(v, 2, axis=0)
    between = halves.copy()
    between[1:-1:2] = v[:-1] + np.float32(0.5) * (v[1:] - v[:-1])
    wanted = {"previous": halves[:39], "nearest": halves[:39], "linear": between[:39]}
    for method, values in wanted.items():
        view = session.resample(60, (first, 1 + Fraction(39, 60)), "responses", method=method)  # type: ignore[arg-type]
        np.testing.assert_array_equal(view["responses"], values)
        assert view["responses"].attrs["method"] == method
    means = session.resample(15, (1, "5/3"), ["responses"], method={"responses": "mean"})["responses"]
    np.testing.assert_allclose(means, (v[::2].astype(float) + v[1::2]) / 2, rtol=1e-6)


def test_a_lag_looks_ahead(session: sd.Session) -> None:
    lagged = session.resample(30, (0, 1), "pupil", lag_s=0.1)["pupil"]
    np.testing.assert_array_equal(lagged, session["pupil"][3:33])
    one = session.resample(30, (0, 1), ["pupil", "running"], lag_s={"running": "1/30"})
    np.testing.assert_array_equal(one["pupil"], session["pupil"][:30])
    np.testing.assert_array_equal(one["running"], session["running"][1:31])


def test_channels_may_be_sampled_each_at_its_own_time(session: sd.Session) -> None:
    offsets = np.array([0, 1, 2, 3]) / 125
    shifted = session.resample(125, (1, 1.6), "responses", method="previous", offsets_s={"responses": offsets})
    still = session.resample(125, (1, 1.6), "responses", method="previous")["responses"].to_numpy()
    for neuron in range(4):
        np.testing.assert_array_equal(shifted["responses"][neuron:, neuron], still[: len(still) - neuron, neuron])
    assert shifted["mask_responses"].to_numpy().tolist() == [False] * 3 + [True] * 72


def test_names_units_and_clock_are_said(session: sd.Session, own: sd.Session) -> None:
    view = session.resample(None)
    assert list(view.data_vars) == ["video", *SIGNALS]
    assert view.attrs == {"session": "29515-10-12", "rate_hz": 30.0, "rate": "30"}
    assert view["video"].dims == ("time", "y", "x")
    assert view["video"].attrs == {"units": "grey levels", "method": "previous", "rate_hz": 30.0}
    assert view["running"].attrs["units"] == "cm/s"
    assert view["axis"].to_numpy().tolist() == ["x", "y"]
    np.testing.assert_array_equal(view["unit_id"], session.neurons["unit_id"])
    assert view["time"].attrs == {"units": "s"}
    odd = own.resample("1000/33")
    assert odd.attrs["rate"] == "1000/33"
    # Channels of two signals are called differently: each has a dim of its own, as in a trial.
    assert {name: odd[name].dims for name in odd.data_vars} == {
        "responses": ("time", "neuron"), "pupil": ("time", "pupil_channel"), "face": ("time", "face_channel"),
    }  # fmt: skip
    assert odd["face_channel"].to_numpy().tolist() == ["a", "b", "c"]


def test_it_sees_a_selection(session: sd.Session) -> None:
    some = session.select([3, 1]).resample(50, (0.1, 2))
    xr.testing.assert_identical(some.load(), session.resample(50, (0.1, 2)).isel(neuron=[3, 1]).load())


# -- when


@settings(deadline=None, max_examples=60)
@given(
    rate=st.sampled_from((30, 29.97, 7.7, "1000/33", 60, 24, 1)),
    start=st.integers(-10, 60).map(lambda k: k / 20),
    length=st.integers(1, 700).map(lambda k: Fraction(k, 300)),
)
@example(rate=30, start=0.1, length=Fraction(1, 10))
@example(rate=60, start=0.0, length=Fraction(13, 60))
def test_times_are_those_of_the_window(session: sd.Session, rate: Any, start: float, length: Fraction) -> None:
    exact, first = Fraction(str(rate)), Fraction(str(start))
    stop = first + length
    if stop <= 0:
        return
    view = session.resample(rate, (start, stop), "pupil")
    n = view.sizes["time"]
    assert session.resample(rate, (start, float(stop)), "pupil").sizes["time"] == n
    # Ends are kept to the nanosecond, and so are then the times that are held against them.
    before, after = (round((first + k / exact) * 10**9) for k in (n - 1, n))
    assert before < round(stop * 10**9) <= after
    assert view["time"].to_numpy().tolist() == [float(first + k / exact) for k in range(n)]


def test_an_interval_is_a_window(session: sd.Session) -> None:
    table = session.trials
    trials = Intervals(
        session.handle.grid, table["start"].to_numpy(), table["stop"].to_numpy(), {"id": table["trial_id"].to_numpy()}
    )
    view = session.resample(30, trials.where({"id": int(table["trial_id"][1])}))
    xr.testing.assert_identical(view, session.resample(30, (table["start_s"][1], table["stop_s"][1])))
    # In whole nanoseconds a third of a second stands for the tick of the trials.
    third = Intervals.from_runs(Grid(Fraction(10**9)), [(333333333, 10**9)])
    xr.testing.assert_identical(session.resample(30, third, "pupil"), session.resample(30, ("1/3", 1), "pupil"))
    for several in (trials, trials.where({"id": -1})):
        with pytest.raises(BadArgument, match="expected one"):
            session.resample(30, several)


@pytest.mark.parametrize(
    ("signals", "first", "last", "n"),
    [
        (["responses"], 0.0, 3.48, 88),  # 3.5 s of 25 Hz
        (["face"], 9.0, 9.96, 25),
        (["responses", "face"], 0.0, 9.96, 250),
        (["pupil"], EYE_S[0], None, None),
        (None, 0.0, 9.96, 250),
    ],
)
def test_without_a_window_it_goes_from_the_first_sample_to_the_end_of_the_last(
    own: sd.Session, signals: list[str] | None, first: float, last: float | None, n: int | None
) -> None:
    time = own.resample(25, signals=signals)["time"].to_numpy()
    assert time[0] == first
    if last is None:
        assert time[-1] <= EYE_S[-1] < time[-1] + 1 / 25
    else:
        assert (time[-1], len(time)) == (last, n)


def test_the_last_of_explicit_times_is_inside(tmp_path: Path) -> None:
    signal = sd.SignalData("pupil", np.arange(3), unit="px", times_s=[0.5, 0.9, 1.5])
    sd.write_session(tmp_path / "s", identity="m", signals=[signal])
    view = sd.open_session(tmp_path / "s").resample(2)
    assert view["time"].to_numpy().tolist() == [0.5, 1.0, 1.5]
    assert view["pupil"].to_numpy()[[0, 2]].tolist() == [0, 2]
    assert view["mask_pupil"].all()


def test_a_film_ends_with_its_last_frame(tmp_path: Path) -> None:
    done = sd.write_session(
        tmp_path / "film.zarr",
        identity="film",
        signals=[sd.SignalData("responses", RNG.random((90, 2)), unit="1", rate_hz=30)],
        trials={"start_s": [0.5, 1.5], "stop_s": [1.5, 3], "stimulus": ["a", "a"]},
        stimuli={"a": np.arange(160, dtype=np.uint8).reshape(10, 4, 4)},
        frame_rate_hz=10,
    )
    view = sd.open_session(done.target).resample(None, signals="video")
    assert view.attrs["rate"] == "10"
    assert view["time"].to_numpy().tolist() == [0.5 + k / 10 for k in range(20)]
    assert (np.diff(view["video"][:10, 0, 0]) == 16).all()
    assert view["mask_video"].all()
    both = sd.open_session(done.target).resample(20, (0, 3), ["video", "responses"])
    assert both["mask_video"].to_numpy().tolist() == [False] * 10 + [True] * 40 + [False] * 10
    assert not both["video"][:10].any()


def test_what_is_missing_is_nan_and_masked(own: sd.Session) -> None:
    view = own.resample(16, (-1, 12))
    time = view["time"].to_numpy()
    there = (time >= 0) & (time <= 27 / 8)
    np.testing.assert_array_equal(view["mask_responses"], there)
    np.testing.assert_array_equal(np.isnan(view["responses"].to_numpy()).all(axis=1), ~there)
    np.testing.assert_array_equal(view["responses"][there][::2], own["responses"])
    np.testing.assert_array_equal(view["mask_pupil"], (time >= EYE_S[0]) & (time <= EYE_S[-1]))


def test_a_set_is_resampled_session_by_session(session: sd.Session, own: sd.Session) -> None:
    both = open_sessions([session, own])
    views = both.resample(20, signals="responses")
    assert list(views) == ["29515-10-12", "own"]
    for key, view in views.items():
        xr.testing.assert_identical(view.load(), both[key].resample(20, signals="responses").load())
    cut = both.resample(20, {"own": (1, 2)}, ["pupil"], method="previous", lag_s=0.1)
    assert cut["own"].sizes["time"] == 20
    xr.testing.assert_identical(
        cut["own"].load(), own.resample(20, (1, 2), "pupil", method="previous", lag_s=0.1).load()
    )
    assert cut["29515-10-12"].sizes == session.resample(20, signals="pupil").sizes
