"""Streams: what a trial holds comes out of them to the bit, and nothing of a trial that was not chosen."""

from __future__ import annotations

import pickle
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.errors import BadArgument, NoSuchItem
from sensorium_data.handle import SessionHandle
from sensorium_data.resample import resample
from sensorium_data.streams import Stream, Streams, open_streams
from sensorium_data.testing import make_session, write_sensorium2022

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    return sd.open_session(make_session(tmp_path_factory.mktemp("published"), n_neurons=7))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    folder = tmp_path_factory.mktemp("images")
    source = write_sensorium2022(folder, n_neurons=6)
    sd.convert(source, folder / "images.zarr")
    return sd.open_session(folder / "images.zarr")


def write_own(target: Path) -> sd.Session:
    """Responses at 8 Hz with a gap, jittered running, films at 30 Hz in three trials, the middle one of a test tier."""
    rng = np.random.default_rng(0)
    sd.write_session(
        target,
        identity="own",
        signals=[
            sd.SignalData(
                "responses",
                rng.normal(size=(320, 3)).astype(np.float32),
                unit="1",
                rate_hz=8,
                runs=[(0, 160), (25, 160)],
            ),
            sd.SignalData("pupil", rng.normal(size=900), unit="px", rate_hz=20, start_s=0.013),
            sd.SignalData("running", rng.normal(size=500), unit="cm/s", times_s=np.sort(rng.uniform(0, 45, 500))),
        ],
        trials={
            "start_s": [1, 10 / 3, 6],
            "stop_s": [10 / 3, 6, 9],
            "tier": ["train", "live_test_main", "train"],
            "stimulus": ["a", "b", "c"],
        },
        stimuli={name: rng.integers(0, 255, (n, 4, 6), np.uint8) for name, n in (("a", 70), ("b", 60), ("c", 90))},
        frame_rate_hz=30,
    )
    return sd.open_session(target)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    return write_own(tmp_path_factory.mktemp("own") / "own.zarr")


def filled(stream: Stream, row: int, first: int, n: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    out, mask = np.zeros((n, *stream.shape), stream.dtype), np.zeros(n, np.bool_)
    stream.fill(out, mask, row, first)
    return out, mask


def streams_of(session: sd.Session, **options: Any) -> Streams:
    return open_streams(session.handle, **options)


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
        start = streams.start_ns(row) / 10**9
        wanted, there = resample(
            own[name].values, own.handle.clocks[name], rate_hz, start_s=start, n_samples=n, method="linear"
        )
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


def test_what_is_served_through_a_lag_never_comes_from_a_trial_that_was_not_chosen(own: sd.Session) -> None:
    tiers = own.trials["tier"].values
    allowed = tiers == "train"
    plain, late = streams_of(own, rate_hz=30), streams_of(own, rate_hz=30, lag_s=0.5)
    assert plain["pupil"].usable(0, 70, allowed)[3:-3].all()
    usable = late["pupil"].usable(0, 70, allowed)
    assert usable[:50].all()
    assert not usable[55:].any()  # 0.5 s later lies in the test trial
    assert not late["video"].usable(0, 70, allowed)[55:].any()
    assert late["pupil"].usable(2, 40, allowed).all()


def test_interpolation_does_not_reach_into_a_trial_that_was_not_chosen(own: sd.Session) -> None:
    # The trial stops at 10/3 s; responses come every 1/8 s, so its last frames lie between a sample of its own and one of the next.
    streams = streams_of(own, rate_hz=30)
    own_only = streams["responses"].usable(0, 70, np.array([True, False, True]))
    both = streams["responses"].usable(0, 70, np.array([True, True, True]))
    assert both.all()
    assert own_only[:67].all()
    assert not own_only[68:].any()
    np.testing.assert_array_equal(streams["responses"].trusted(0, 70, np.array([True, False, True])), own_only)


def test_whole_agrees_with_usable(published: sd.Session) -> None:
    streams = streams_of(published)
    allowed = published.trials["tier"].values == "train"
    for stream in streams.values():
        whole = stream.whole(allowed)
        assert whole is not None
        for row in np.flatnonzero(allowed).tolist():
            assert whole[row] == stream.usable(row, int(streams.n_frames[row]), allowed).all()
            assert stream.trusted(row, int(streams.n_frames[row]), allowed) is None
        assert not whole[~allowed].any()


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


@pytest.mark.parametrize("rate_hz", [0, -30, float("nan"), float("inf"), "fast"])
def test_a_rate_that_is_none_is_refused(published: sd.Session, rate_hz: Any) -> None:
    with pytest.raises(BadArgument, match="rate"):
        streams_of(published, rate_hz=rate_hz)


def test_signals_without_a_common_rate_need_one(own: sd.Session) -> None:
    with pytest.raises(BadArgument, match=r"share no rate \(responses 8 Hz, running irregular\)") as caught:
        streams_of(own, names=["responses", "running"])
    assert "rate_hz" in caught.value.hint


def test_unknown_streams_are_answered_with_near_misses(own: sd.Session) -> None:
    with pytest.raises(NoSuchItem) as caught:
        streams_of(own, names=["respones"])
    assert "`responses`" in caught.value.hint
    with pytest.raises(NoSuchItem, match="no stream `pupill`"):
        streams_of(own, lag_s={"pupill": 1})
    with pytest.raises(BadArgument, match="verify"):
        streams_of(own, verify="frist")


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


def test_what_is_valid_is_known_without_reading(own: sd.Session) -> None:
    for options in ({}, {"lag_s": 0.3}, {"method": "mean"}, {"method": "previous"}):
        for stream in streams_of(own, rate_hz=7.7, **options).values():
            out, mask = np.empty((350, *stream.shape), stream.dtype), np.empty(350, np.bool_)
            stream.at(out, mask, Fraction(0), 3)
            np.testing.assert_array_equal(stream.validity(Fraction(0), 3, 350), mask)
