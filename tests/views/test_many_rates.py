"""A recording of several rates: each stream of a trial at its own times, under names that do not change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(3)
EYE_S = np.sort(RNG.uniform(0, 4, 90))
TRIALS = {"start_s": [0.0, 1.0, 3.5, 9.0], "stop_s": [1.0, 2.5, 4.0, 10.0]}


def write(folder: Path, *signals: sd.SignalData, **given: Any) -> sd.Session:
    sd.write_session(folder / "s", identity="m", signals=list(signals), trials=TRIALS, **given)
    return sd.open_session(folder / "s")


@pytest.fixture
def session(tmp_path: Path) -> sd.Session:
    return write(
        tmp_path,
        sd.SignalData("responses", RNG.random((28, 3)), unit="1", rate_hz=8),
        sd.SignalData("pupil", RNG.random((90, 2)), unit="px", times_s=EYE_S, channels=("dilation", "change")),
        sd.SignalData("running", RNG.random(100), unit="cm/s", rate_hz=100, start_s=9),
    )


def test_each_stream_is_at_its_own_times(session: sd.Session) -> None:
    trial = session.trial(1)
    assert {name: trial[name].dims for name in trial} == {
        "responses": ("time_responses", "neuron"), "pupil": ("time_pupil", "channel"),
    }  # fmt: skip
    assert trial["time_responses"].to_numpy().tolist() == [1 + k / 8 for k in range(12)]
    inside = (EYE_S >= 1) & (EYE_S < 2.5)
    np.testing.assert_allclose(trial["time_pupil"].to_numpy(), EYE_S[inside], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(trial["pupil"].to_numpy(), session["pupil"].to_numpy()[inside])
    assert trial["time_pupil"].attrs["units"] == "s"


@pytest.mark.parametrize(("trial", "names"), [(2, ["pupil"]), (3, ["running"])])
def test_a_dim_is_called_the_same_where_it_is_alone(session: sd.Session, trial: int, names: list[str]) -> None:
    found = session.trial(trial)
    assert list(found) == names
    assert found[names[0]].dims[0] == f"time_{names[0]}"


def test_a_stream_with_a_gap_has_a_time_of_its_own_in_every_trial(tmp_path: Path) -> None:
    session = write(
        tmp_path,
        sd.SignalData("responses", RNG.random((80, 3)), unit="1", rate_hz=8),
        sd.SignalData("running", RNG.random(78), unit="cm/s", rate_hz="8", runs=[(0, 8), (1.25, 70)]),
    )
    # In the second trial running has a gap; the first, where it has none, is named as that one is.
    for number, n_running in ((0, 8), (1, 10)):
        trial = session.trial(number)
        assert trial["running"].dims == ("time_running",)
        assert trial["responses"].dims[0] == "time_responses"
        assert trial.sizes["time_running"] == n_running


def test_a_film_among_signals_of_true_clocks_has_a_time_of_its_own(tmp_path: Path) -> None:
    done = sd.write_session(
        tmp_path / "film.zarr",
        identity="film",
        signals=[sd.SignalData("responses", RNG.random((90, 2)), unit="1", rate_hz=30)],
        trials={"start_s": [0, 1 / 3, 2], "stop_s": [1 / 3, 1, 3], "stimulus": ["a", "a", ""]},
        stimuli={"a": RNG.integers(0, 256, (10, 4, 4), dtype=np.uint8)},
        frame_rate_hz=30,
    )
    session = sd.open_session(done.target)
    assert [set(session.trial(number).dims) - {"neuron", "y", "x"} for number in range(3)] == [
        {"time", "time_video"}, {"time", "time_video"}, {"time"},
    ]  # fmt: skip


def test_streams_with_the_same_times_share_them(tmp_path: Path) -> None:
    signals = [sd.SignalData(name, np.arange(90), unit="1", times_s=EYE_S) for name in ("pupil", "gaze_speed")]
    assert set(write(tmp_path, *signals).trial(1).dims) == {"time"}


def test_streams_of_one_rate_that_begin_apart_do_not(tmp_path: Path) -> None:
    signals = [sd.SignalData(f"s{i}", np.arange(32), unit="1", rate_hz=8, start_s=i / 80) for i in range(2)]
    assert set(write(tmp_path, *signals).trial(0).dims) == {"time_s0", "time_s1"}


def test_channels_of_differing_names_do_not_meet(tmp_path: Path) -> None:
    two = {"unit": "1", "rate_hz": 8}
    session = write(
        tmp_path,
        sd.SignalData("pupil", RNG.random((32, 2)), channels=("dilation", "change"), **two),  # type: ignore[arg-type]
        sd.SignalData("face", RNG.random((32, 3)), channels=("a", "b", "c"), **two),  # type: ignore[arg-type]
        sd.SignalData("gaze", RNG.random((32, 2)), dims=("time", "axis"), channels=("x", "y"), **two),  # type: ignore[arg-type]
    )
    trial = session.trial(0)
    assert {name: trial[name].dims[1] for name in trial} == {
        "pupil": "pupil_channel", "face": "face_channel", "gaze": "axis",
    }  # fmt: skip
    assert trial["face_channel"].to_numpy().tolist() == ["a", "b", "c"]
    assert session["face"].dims == ("time", "channel")


def test_a_trial_becomes_a_file_as_any_dataset_does(session: sd.Session, tmp_path: Path) -> None:
    import xarray as xr

    from sensorium_data.store.layout import quiet_zarr

    with quiet_zarr():
        session.trial(1).to_zarr(tmp_path / "trial.zarr")
        xr.testing.assert_equal(xr.open_zarr(tmp_path / "trial.zarr").load(), session.trial(1))
