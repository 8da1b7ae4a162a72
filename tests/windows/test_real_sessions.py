"""Windows of real stores: published recordings with all their quirks, own recordings with clocks of their own."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.errors import BadArgument, NoSuchItem
from sensorium_data.handle import SessionHandle
from sensorium_data.streams import Streams, open_streams
from sensorium_data.testing import make_session, write_sensorium2022, write_sensorium2023
from sensorium_data.windows import Windows, legal_windows
from tests.windows.test_legal import starts_of

if TYPE_CHECKING:
    from pathlib import Path

KEY = "29515-10-12"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with missing trials, and NaN in pupil, running and gaze; not to be changed."""
    folder = tmp_path_factory.mktemp("published")
    source = write_sensorium2023(folder, n_neurons=3, n_train=12, holes=True, behavior_nan=True)
    sd.convert(source, folder / "mouse.zarr")
    return folder / "mouse.zarr"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten trials in three segments, the fifth and sixth of another tier; not to be changed."""
    return write_own(tmp_path_factory.mktemp("own"), ["train"] * 4 + ["oracle"] * 2 + ["train"] * 4)


@pytest.fixture(scope="module")
def one_tier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, all of one tier; not to be changed."""
    return write_own(tmp_path_factory.mktemp("own"), ["train"] * 10)


def write_own(folder: Path, tiers: list[str]) -> Path:
    """Three streams with clocks of their own, one of them with dropped samples and NaN."""
    rng = np.random.default_rng(4)
    eye_s = np.delete(np.arange(560) / 20 + 0.013, [17, 18, 240])
    pupil = rng.normal(size=len(eye_s))
    pupil[[90, 300]] = np.nan
    start_s = np.array([1, 2.5, 4, 5.3, 8, 9.4, 12, 16, 18.1, 20])
    stop_s = np.array([2.5, 4, 5.3, 7.7, 9.4, 12, 15, 18.1, 20, 25.03])
    sd.write_session(
        folder / "own.zarr",
        identity="own",
        signals=[
            sd.SignalData("responses", rng.normal(size=(231, 4)), unit="a.u.", rate_hz=7.7),
            sd.SignalData("pupil", pupil, unit="px", times_s=eye_s),
            sd.SignalData("running", rng.normal(size=2600), unit="cm/s", rate_hz=100),
        ],
        trials={"start_s": start_s, "stop_s": stop_s, "tier": tiers},
    )
    return folder / "own.zarr"


def valid(streams: Streams, row: int, first: int, n: int, names: list[str]) -> bool:
    """Whether every sample of a window is there, as it is read."""
    for name in names:
        stream = streams[name]
        out, mask = np.empty((n, *stream.shape), stream.dtype), np.empty(n, np.bool_)
        stream.fill(out, mask, row, first)
        if not mask.all():
            return False
    return True


def test_windows_of_a_published_session(published: Path) -> None:
    session = sd.open_session(published)
    streams = open_streams(SessionHandle(published))
    windows = legal_windows([streams], tier=None, window=12, stride=1)
    wanted = []
    for row, number in enumerate(session.trials["trial_id"].to_numpy().tolist()):
        trial = session.trial(number)
        if "video" not in trial:
            continue
        good = np.ones(trial.sizes["time"], np.bool_)
        for name in trial:
            good &= np.isfinite(trial[name].to_numpy()).reshape(len(good), -1).all(axis=1)
        wanted += [(row, f) for f in range(len(good) - 11) if good[f : f + 12].all()]
    assert starts_of(windows) == wanted
    assert 0 < len(wanted) < int(np.maximum(streams.n_frames - 11, 0).sum())  # NaN took some away
    assert [each.start_s for each in windows] == [
        (session.trials["start"].to_numpy()[row] + frame) / 30 for row, frame in wanted
    ]


def test_every_window_is_valid_as_it_is_read(published: Path) -> None:
    streams = open_streams(SessionHandle(published))
    everything = legal_windows([streams], tier="train", window=12, within="segment", require=list(streams))
    for epoch in range(20):
        windows = everything.of_epoch(epoch)
        for row, first in zip(windows.trial_row.tolist(), windows.start_frame.tolist(), strict=True):
            assert valid(streams, row, first, 12, list(streams))


@pytest.mark.parametrize("rate_hz", [20, 30, "1000/33", 7.7])
@pytest.mark.parametrize("method", ["linear", "previous", "mean"])
def test_windows_on_a_clock_of_their_own(one_tier: Path, rate_hz: Any, method: Any) -> None:
    # The slow streams have no sample in some bins of a mean; then nothing is legal.
    streams = open_streams(SessionHandle(one_tier), rate_hz=rate_hz, method=method)
    for names in (["running"], ["running", "pupil"], ["responses"]):
        legal, error = [], None
        try:
            legal = starts_of(legal_windows([streams], tier=None, window=9, require=names))
        except BadArgument as refused:
            error = refused
        wanted = [
            (row, first)
            for row, n in enumerate(streams.n_frames.tolist())
            for first in range(n - 8)
            if valid(streams, row, first, 9, names)
        ]
        assert legal == wanted
        assert bool(error) is not bool(wanted)


def test_across_contiguous_trials_of_no_whole_number_of_frames(own: Path) -> None:
    streams = open_streams(SessionHandle(own), rate_hz=7.7)
    windows = legal_windows([streams], window=25, within="segment", stride=1, require="responses")
    # 25 samples at 7.7 Hz last 3.12 s from first to last: as far as the segment's train trials go.
    stops = {0: 7.7, 1: 7.7, 2: 7.7, 3: 7.7, 6: 15.0, 7: 25.03, 8: 25.03, 9: 25.03}
    table = streams.handle.grid.times_s(streams.handle.trials["start"])
    wanted = [
        (row, frame)
        for row, stop in stops.items()
        for frame in range(int(streams.n_frames[row]))
        if table[row] + (frame + 24) / 7.7 < stop - 1e-6
    ]
    assert starts_of(windows) == wanted
    for row, frame in wanted:
        assert valid(streams, row, frame, 25, ["responses"])


def test_trials_that_end_on_a_rounded_nanosecond(tmp_path: Path) -> None:
    sd.write_session(
        tmp_path / "thirds.zarr",
        identity="thirds",
        signals=[sd.SignalData("running", np.arange(120.0), unit="cm/s", rate_hz=30)],
        trials={"start_s": [0, 1 / 3, 2 / 3], "stop_s": [1 / 3, 2 / 3, 1]},
    )
    streams = open_streams(SessionHandle(tmp_path / "thirds.zarr"))
    assert streams.n_frames.tolist() == [10, 10, 10]
    windows = legal_windows([streams], window=20, within="segment", stride=1)
    assert starts_of(windows) == [*((0, frame) for frame in range(10)), (1, 0)]


@pytest.mark.parametrize("lag_s", [0.5, -0.5])
def test_a_lag_never_leaves_the_tier(published: Path, lag_s: float) -> None:
    streams = open_streams(SessionHandle(published), lag_s={"responses": lag_s})
    table, grid = streams.handle.trials, streams.handle.grid
    windows = legal_windows([streams], window=8, stride=1, require=["video", "responses"])
    train = table["tier"] == "train"
    starts, stops = grid.times_s(table["start"])[train], grid.times_s(table["stop"])[train]
    assert len(windows) < len(
        legal_windows([open_streams(streams.handle)], window=8, stride=1, require=["video", "responses"])
    )
    for window in windows:
        times = window.start_s + lag_s + np.arange(8) / 30
        # A hair inside, for times are rounded here.
        assert all(((starts <= t + 1e-6) & (t < stops - 1e-6)).any() for t in times)


def test_withheld_responses_load(published: Path) -> None:
    streams = open_streams(SessionHandle(published))
    windows = legal_windows([streams], tier=["live_test_main", "final_test_bonus"], window="trial")
    row = int(windows.trial_row[0])
    assert not valid(streams, row, 0, int(windows.n_samples[0]), ["responses"])
    assert valid(streams, row, 0, int(windows.n_samples[0]), ["video"])
    said = windows.explain(KEY, windows[0].trial_id, 0)
    assert said.legal
    assert "`responses`: withheld" in str(said)
    with pytest.raises(BadArgument, match="is withheld in every chosen trial"):
        legal_windows([streams], tier="live_test_main", window=8, require="responses")


def test_refusals_speak_of_the_recording(published: Path) -> None:
    streams = open_streams(SessionHandle(published))
    with pytest.raises(BadArgument, match=r"a window of 80 samples is longer than any trial; the longest has \d+"):
        legal_windows([streams])
    with pytest.raises(NoSuchItem) as caught:
        legal_windows([streams], tier="live_test")
    assert "`live_test_main`" in caught.value.hint
    with pytest.raises(BadArgument, match=r"tier `none`: \d+ trials?, none of which is there"):
        legal_windows([streams], tier="none", window=8)


def test_a_journey_between_processes(published: Path) -> None:
    windows = legal_windows([open_streams(SessionHandle(published))], window=12, seed=5)
    there: Windows = pickle.loads(pickle.dumps(windows))
    assert there == windows
    assert there.of_epoch(3) == windows.of_epoch(3)
    assert list(there) == list(windows)


def test_images_are_windows_of_one_frame(tmp_path: Path) -> None:
    source = write_sensorium2022(tmp_path, n_neurons=3)
    sd.convert(source, tmp_path / "static.zarr")
    streams = open_streams(SessionHandle(tmp_path / "static.zarr"))
    windows = legal_windows([streams], tier=None, window=1, within="segment")
    assert len(windows) == int((~streams.handle.trials["missing"]).sum())
    assert set(windows.n_samples.tolist()) == {1}
    assert set(windows.start_frame.tolist()) == {0}


def test_masks_of_a_split_keep_films_apart(tmp_path: Path) -> None:
    names = {"A": "dynamic29156-11-10-Video-x", "F": "dynamic29515-10-12-Video-x"}
    stores = []
    for letter, name in names.items():
        source = write_sensorium2023(tmp_path, name=name, n_neurons=2, n_train=3, frame_shape=(8, 12), seed=5)
        sd.convert(source, tmp_path / f"mouse-{letter}.zarr")
        stores.append(tmp_path / f"mouse-{letter}.zarr")
    groups = sd.stimulus_groups(stores, train=())
    masks = groups.masks({"fit": 0.6, "held": 0.4}, seed=1)
    streams = [open_streams(SessionHandle(store)) for store in stores]
    films: dict[str, set[int]] = {}
    for side, trials in masks.items():
        windows = legal_windows(streams, tier=None, trials=trials, window="trial")
        films[side] = {
            int(groups[windows.keys[session]][row])
            for session, row in zip(windows.session.tolist(), windows.trial_row.tolist(), strict=True)
        }
    assert films["fit"]
    assert films["held"]
    assert not films["fit"] & films["held"]
    assert len(films["fit"] | films["held"]) == groups.n_groups
    # One session alone takes its own mask out of those of all.
    alone = legal_windows(streams[:1], tier=None, trials=masks["fit"], window="trial")
    assert set(alone.keys) == {groups.keys[0]}


def test_the_demo_of_the_page(tmp_path: Path) -> None:
    store = make_session(tmp_path, n_neurons=2)
    assert len(legal_windows([open_streams(SessionHandle(store))], window=20)) == 6
