"""Streams: what a trial holds comes out of them to the bit."""

from __future__ import annotations

import pickle
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.clock import TickClock
from sensorium_data.errors import BadArgument
from sensorium_data.grid import Grid, as_rate
from sensorium_data.handle import SessionHandle
from sensorium_data.resample import resample
from sensorium_data.streams import open_streams
from sensorium_data.streams.frames import snapped

if TYPE_CHECKING:
    from pathlib import Path

from tests.streams.made import filled, streams_of, write_own


def test_every_trial_of_a_published_session_comes_out_as_it_is(published: sd.Session) -> None:
    streams = streams_of(published)
    assert streams.rate == 30
    n_seen = 0
    for row, trial_id in enumerate(published.trials["trial_id"].values.tolist()):
        trial = published.trial(trial_id)
        n = int(streams.n_frames[row])
        for name, stream in streams.items():
            if name not in trial:
                assert stream.absent[row]
                continue
            out, mask = filled(stream, row, 0, n)
            np.testing.assert_array_equal(out, trial[name].values)
            assert mask.all() or np.isnan(out[~mask]).any()
            n_seen += 1
    assert n_seen > 50


def test_withheld_responses_are_nan_and_masked(published: sd.Session) -> None:
    streams = streams_of(published)
    rows = np.flatnonzero(published.trials["responses_withheld"].values)
    assert len(rows)
    for row in rows.tolist():
        out, mask = filled(streams["responses"], row, 0, int(streams.n_frames[row]))
        assert np.isnan(out).all()
        assert not mask.any()


def test_a_static_session_serves_one_sample_a_trial(images: sd.Session) -> None:
    streams = streams_of(images)
    assert set(streams.n_frames[~images.trials["missing"].values].tolist()) == {1}
    for row, trial_id in enumerate(images.trials["trial_id"].values.tolist()):
        trial = images.trial(trial_id)
        for name, stream in streams.items():
            out, mask = filled(stream, row, 0, 1)
            if name in trial:
                np.testing.assert_array_equal(out[0], trial[name].values)
                assert mask.all()
            else:
                assert not mask.any()


@pytest.mark.parametrize("rate_hz", [30, 60, "1000/33", 7.7])
@pytest.mark.parametrize("name", ["responses", "pupil", "running"])
def test_signals_of_other_rates_are_resampled_from_the_start_of_each_trial(
    own: sd.Session, name: str, rate_hz: float | str
) -> None:
    streams = streams_of(own, rate_hz=rate_hz)
    for row in range(3):
        n = int(streams.n_frames[row])
        out, mask = filled(streams[name], row, 0, n)
        clock = own.handle.clocks[name]
        # Starts are kept to the nanosecond: they stand for the tick that rounds to them.
        ticks = clock.grid if isinstance(clock, TickClock) else Grid(as_rate(rate_hz))
        start = snapped(ticks, streams.start_ns(row)) / 10**9
        wanted, there = resample(own[name].values, clock, rate_hz, start_s=start, n_samples=n, method="linear")
        np.testing.assert_array_equal(out, wanted)
        np.testing.assert_array_equal(mask, there)
        part, part_mask = filled(streams[name], row, 5, n - 9)
        np.testing.assert_array_equal(part, out[5 : n - 4])
        np.testing.assert_array_equal(part_mask, mask[5 : n - 4])


def test_a_trial_that_begins_between_nanoseconds_hits_its_frames_and_samples(own: sd.Session) -> None:
    streams = streams_of(own, rate_hz=30)
    assert streams.n_frames.tolist() == [70, 80, 90]
    trial = own.trial(1)
    film, mask = filled(streams["video"], 1, 0, 80)
    np.testing.assert_array_equal(film[:60], trial["video"].values)
    assert mask.tolist() == [True] * 60 + [False] * 20
    assert not film[60:].any()


@pytest.mark.parametrize(("rate_hz", "each"), [(60, Fraction(1, 2)), (15, Fraction(2)), (24, Fraction(5, 4))])
def test_a_film_shows_the_frame_that_is_on_the_screen(own: sd.Session, rate_hz: int, each: Fraction) -> None:
    streams = streams_of(own, rate_hz=rate_hz)
    n = int(streams.n_frames[2])
    out, mask = filled(streams["video"], 2, 0, n)
    frames = [int(k * each) for k in range(n)]
    np.testing.assert_array_equal(out, own.trial(2)["video"].values[frames])
    assert mask.all()


def test_between_trials_there_is_no_film(own: sd.Session) -> None:
    stream = streams_of(own)["video"]
    out, mask = np.ones((60, 4, 6), np.uint8), np.ones(60, np.bool_)
    stream.at(out, mask, Fraction(0))
    assert mask.tolist() == [False] * 30 + [True] * 30
    assert not out[:30].any()


@settings(deadline=None)
@given(st.integers(0, 2), st.integers(0, 60), st.integers(1, 40))
def test_any_cut_of_a_trial_is_a_cut_of_the_whole(row: int, first: int, n: int) -> None:
    streams = _SHARED.setdefault("own", streams_of(_own_once(), rate_hz=30))
    for stream in streams.values():
        whole, whole_mask = filled(stream, row, 0, 110)
        part, mask = filled(stream, row, first, n)
        np.testing.assert_array_equal(part, whole[first : first + n])
        np.testing.assert_array_equal(mask, whole_mask[first : first + n])


_SHARED: dict[str, Any] = {}


def _own_once() -> sd.Session:
    import tempfile
    from pathlib import Path

    if "session" not in _SHARED:
        _SHARED["folder"] = tempfile.TemporaryDirectory()
        _SHARED["session"] = write_own(Path(_SHARED["folder"].name) / "own.zarr")
    return _SHARED["session"]  # type: ignore[no-any-return]


def test_streams_travel_as_a_recipe(own: sd.Session) -> None:
    streams = streams_of(own, rate_hz=30, lag_s={"pupil": 0.1}, method="previous")
    again = pickle.loads(pickle.dumps(streams))
    for name, stream in streams.items():
        for one, other in zip(filled(stream, 0, 0, 70), filled(again[name], 0, 0, 70), strict=True):
            np.testing.assert_array_equal(one, other)


def test_selected_neurons_alone_are_served_in_their_order(published: sd.Session) -> None:
    rows = np.array([5, 0, 2])
    handle = SessionHandle(published.handle.where, rows)
    out, _ = filled(open_streams(handle)["responses"], 0, 2, 10)
    everything, _ = filled(streams_of(published)["responses"], 0, 2, 10)
    np.testing.assert_array_equal(out, everything[:, rows])


def test_offsets_of_neurons_are_taken_from_the_table_or_as_given(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(80, 3))
    sd.write_session(
        tmp_path / "phases.zarr",
        identity="phases",
        signals=[sd.SignalData("responses", values, unit="1", rate_hz=8)],
        neurons={"offset_s": [0, 0.05, 0.1]},
        trials={"start_s": [1], "stop_s": [3]},
    )
    session = sd.open_session(tmp_path / "phases.zarr")
    stored = session["responses"].values
    from_table, _ = filled(streams_of(session, rate_hz=30)["responses"], 0, 0, 60)
    clock = session.handle.clocks["responses"]
    wanted, _ = resample(stored, clock, 30, start_s=1, n_samples=60, offsets_s=[0, 0.05, 0.1])
    np.testing.assert_array_equal(from_table, wanted)
    given, _ = filled(streams_of(session, rate_hz=30, offsets_s={"responses": [0, 0, 0]})["responses"], 0, 0, 60)
    plain, _ = resample(stored, clock, 30, start_s=1, n_samples=60)
    np.testing.assert_array_equal(given, plain)
    with pytest.raises(BadArgument, match="2 offsets, expected one for each of its 3 channels"):
        streams_of(session, rate_hz=30, offsets_s={"responses": [0, 0]})


def test_a_trial_whose_start_was_rounded_up_is_not_a_frame_late(tmp_path: Path) -> None:
    films = {
        name: np.full((10, 2, 2), at, np.uint8) + np.arange(10, dtype=np.uint8)[:, None, None]
        for name, at in (("a", 1), ("b", 101))
    }
    sd.write_session(
        tmp_path / "thirds.zarr",
        identity="thirds",
        signals=[sd.SignalData("responses", np.arange(180.0).reshape(90, 2), unit="1", rate_hz=30)],
        trials={"start_s": [1 / 3, 2 / 3, 1.0], "stop_s": [2 / 3, 1.0, 4 / 3], "stimulus": ["a", "b", "a"]},
        stimuli=films,
        frame_rate_hz=30,
    )
    session = sd.open_session(tmp_path / "thirds.zarr")
    view = session.resample(30, (0, 1.5), ["video", "responses"])
    shown = np.concatenate([np.zeros(10), np.arange(1, 11), np.arange(101, 111), np.arange(1, 11), np.zeros(5)])
    np.testing.assert_array_equal(view["video"][:, 0, 0], shown)
    np.testing.assert_array_equal(view["mask_video"], shown > 0)
    np.testing.assert_array_equal(view["responses"][:, 0], 2.0 * np.arange(45))
    assert [view["video"][k, 0, 0].item() for k in range(45)] == shown.tolist()
    streams = streams_of(session)
    assert streams.n_frames.tolist() == [10, 10, 10]
    for row in range(3):
        np.testing.assert_array_equal(
            filled(streams["responses"], row, 0, 10)[0][:, 0], 2.0 * np.arange(10 * row + 10, 10 * row + 20)
        )
