"""Whatever people make of a session with xarray is served as the session is: equal numbers, masks and windows."""

from __future__ import annotations

import pickle
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.errors import BadArgument, SlowReadWarning
from sensorium_data.streams import Streams, open_streams
from sensorium_data.testing import make_session
from sensorium_data.windows import legal_windows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

pytest.importorskip("torch", reason="torch is not installed")

NAMES = ("video", "responses", "pupil", "gaze")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    return sd.open_session(make_session(tmp_path_factory.mktemp("views"), n_neurons=4, n_train=3))


def streams_of_views(views: Any, names: Any = None) -> list[Streams]:
    from sensorium_data.loaders.fromviews import streams_of_views

    return streams_of_views(views, names=names)


def served(views: Any, names: Sequence[str] | None = None) -> list[Streams]:
    with pytest.warns(SlowReadWarning):
        return streams_of_views(views, names)


def filled(streams: Streams, name: str, row: int, first: int, n: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    stream = streams[name]
    out, mask = np.empty((n, *stream.shape), stream.dtype), np.empty(n, np.bool_)
    stream.fill(out, mask, row, first)
    return out, mask


def at(streams: Streams, name: str, start_ns: Fraction, n: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    stream = streams[name]
    out, mask = np.empty((n, *stream.shape), stream.dtype), np.empty(n, np.bool_)
    stream.at(out, mask, start_ns)
    return out, mask


@pytest.fixture(scope="module")
def pair(session: sd.Session) -> tuple[Streams, Streams]:
    """The session itself at 24 Hz, and a view of it."""
    (view,) = served([session.resample(24, (0.5, 20))])
    return open_streams(session.handle, rate_hz=24), view


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(NAMES), first=st.integers(0, 480), n=st.integers(1, 90))
def test_a_view_is_the_session(pair: tuple[Streams, Streams], name: str, first: int, n: int) -> None:
    direct, view = pair
    out, mask = filled(view, name, 0, first, n)
    start = view.start_ns(0, first)
    assert start == Fraction(10**9, 2) + first * Fraction(10**9, 24)
    wanted, valid = at(direct, name, start, n)
    inside = max(0, min(n, 468 - first))  # 19.5 s of 24 Hz
    np.testing.assert_array_equal(out[:inside], wanted[:inside])
    np.testing.assert_array_equal(mask, valid & (np.arange(n) < inside))
    assert (out.dtype, view[name].dims) == (wanted.dtype, direct[name].dims)
    if inside < n:
        assert (np.isnan(out[inside:]) if out.dtype.kind == "f" else out[inside:] == 0).all()
    again, also = at(view, name, start, n)
    np.testing.assert_array_equal(again, out)
    np.testing.assert_array_equal(also, mask)


def test_what_is_usable_is_what_is_valid(pair: tuple[Streams, Streams]) -> None:
    _, view = pair
    for name in NAMES:
        mask = filled(view, name, 0, 0, 500)[1]
        np.testing.assert_array_equal(view[name].usable(0, 500, np.array([True])), mask)
        assert not view[name].usable(0, 500, np.array([False])).any()
        assert view[name].whole(np.array([True])) == mask[:468].all()
    assert not view["responses"].whole(np.array([True]))
    assert view["video"].whole(np.array([True]))


def test_windows_lie_where_everything_is_valid(session: sd.Session, pair: tuple[Streams, Streams]) -> None:
    _, view = pair
    windows = legal_windows([view], tier=None, window=12, stride=12)
    starts = [window.start_frame for window in windows]
    mask = np.logical_and.reduce([filled(view, name, 0, 0, 468)[1] for name in view])
    whole = [f for f in range(457) if mask[f : f + 12].all()]
    assert len(starts) > 5
    assert set(starts) <= set(whole)
    assert windows[0].session == session.document.identity.key
    assert windows[0].start_s == 0.5 + starts[0] / 24
    everywhere = legal_windows([view], tier=None, window=12, stride=12, require=())
    assert [window.start_frame for window in everywhere] == list(range(0, 457, 12))
    assert not windows.explain(view.key, 0, 0).legal


# -- operations of one's own


@pytest.mark.parametrize("chunked", [False, True])
def test_operations_are_what_xarray_makes_of_them(session: sd.Session, chunked: bool) -> None:
    view = session.resample(30, (1, 8))
    view = view.chunk({"time": 17}) if chunked else view
    own = view[["responses"]].map(lambda array: np.sqrt(abs(array)))
    own["speed"] = abs(view["running"].astype("float64")).rolling(time=5, center=True).mean()
    own["dark"] = view["video"].mean(("y", "x")) < 100
    own["small"] = view["video"][:, ::2, ::2]
    (streams,) = served(own.transpose(..., "time"), ["mine"])
    values = own.compute()
    assert list(streams) == ["responses", "speed", "dark", "small"]
    assert streams["dark"].dtype == np.float32
    assert streams["small"].dtype == np.uint8
    for name in streams:
        out, mask = filled(streams, name, 0, 40, 160)
        np.testing.assert_array_equal(out, values[name][40:200].transpose("time", ...))
        flat = out.reshape(160, -1)
        known = ~np.isnan(flat.astype(float)).any(axis=1)
        given = values[f"mask_{name}"][40:200].to_numpy() if f"mask_{name}" in values.coords else True
        np.testing.assert_array_equal(mask, known & given)
    # A mean of five at the edge of the view is missing, and there is no coordinate that says so.
    assert filled(streams, "speed", 0, 0, 4)[1].tolist() == [False, False, True, True]


def test_a_mask_outlasts_what_fills_the_holes(session: sd.Session) -> None:
    view = session.resample(30, (0, 20), ["responses"])
    (streams,) = served([view.fillna(0)])
    out, mask = filled(streams, "responses", 0, 0, 600)
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(mask, view["mask_responses"])
    assert not mask.all()


def test_gaps_make_trials(session: sd.Session) -> None:
    view = session.resample(30, (0.1, 20), ["pupil"])
    kept = np.r_[0:50, 90:91, 100:300]
    (streams,) = served([view.isel(time=kept)])
    assert streams.n_frames.tolist() == [50, 1, 200]
    assert [streams.start_ns(row) for row in range(3)] == [
        10**8,
        31 * Fraction(10**8),
        Fraction(10**8) + 100 * Fraction(10**9, 30),
    ]
    values = view["pupil"].to_numpy()
    np.testing.assert_array_equal(filled(streams, "pupil", 2, 10, 30)[0], values[110:140])
    out, mask = filled(streams, "pupil", 0, 45, 10)
    np.testing.assert_array_equal(out[:5], values[45:50])
    assert mask.tolist() == [True] * 5 + [False] * 5
    # Between the runs there is nothing, at whatever time one asks.
    _, there = at(streams, "pupil", streams.start_ns(0), 300)
    assert np.flatnonzero(there).tolist() == kept.tolist()
    assert len(legal_windows([streams], tier=None, window=50, stride=50)) == 5
    with pytest.raises(BadArgument, match="no sample at"):
        at(streams, "pupil", streams.start_ns(0) + 1, 3)


@pytest.mark.parametrize("rate", [30, 29.97, 7.7, "1000/33", "30000/1001", 1000, 0.3])
@pytest.mark.parametrize("start", [0.0, 3.5, 1 / 3, 86400.123])
def test_the_rate_is_told_from_the_times(rate: Any, start: float) -> None:
    exact = Fraction(str(rate))
    time = np.array([float(Fraction(str(start)) + k / exact) for k in range(1000)])
    (streams,) = served([xr.Dataset({"x": ("time", np.arange(1000.0))}, {"time": time})], ["v"])
    assert streams.rate == exact
    assert streams.n_frames.tolist() == [1000]
    assert float(streams.start_ns(0) / 10**9) == pytest.approx(start, abs=1e-9)


def test_every_other_sample_is_half_the_rate(session: sd.Session) -> None:
    view = session.resample(30, (1, 5), ["pupil"])
    (streams,) = served([view.isel(time=slice(None, None, 2))])
    assert streams.rate == 15
    np.testing.assert_array_equal(filled(streams, "pupil", 0, 3, 5)[0], view["pupil"][6:16:2])


def test_without_times_samples_are_counted(session: sd.Session) -> None:
    view = session.resample(24, (1, 5), ["pupil"])
    (streams,) = served([view.drop_vars("time")])
    assert streams.rate == 24
    assert streams.n_frames.tolist() == [96]
    (bare,) = served([xr.Dataset({"x": ("time", [1, 2, 3])})], ["v"])
    assert bare.start_ns(0, 2) == 2 * 10**9
    assert filled(bare, "x", 0, 1, 3)[1].tolist() == [True, True, False]


def test_one_trial_is_a_view(session: sd.Session) -> None:
    number = session.trials["trial_id"][session.trials["tier"] == "train"][0]
    trial = session.trial(number)
    (streams,) = served([trial], names=["one"])
    assert streams.handle.trials["tier"].tolist() == ["train"]
    for name in trial.data_vars:
        np.testing.assert_array_equal(filled(streams, str(name), 0, 0, trial.sizes["time"])[0], trial[name])


def test_streams_of_views_are_sent_to_other_processes(pair: tuple[Streams, Streams]) -> None:
    _, view = pair
    again = pickle.loads(pickle.dumps(view))
    assert again.key == view.key
    assert again.handle.trials["stop"].tolist() == view.handle.trials["stop"].tolist()
    for name in NAMES:
        for one, other in zip(filled(again, name, 0, 3, 70), filled(view, name, 0, 3, 70), strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(
            again[name].usable(0, 99, np.array([True])), view[name].usable(0, 99, np.array([True]))
        )


# -- what is said, and refused


def test_one_warning_says_what_it_costs(session: sd.Session) -> None:
    views = [session.resample(30, (0, 5), ["video"]), session.resample(30, (5, 9), ["responses", "video"])]
    with pytest.warns(SlowReadWarning) as caught:
        streams_of_views(views, names=["a", "b"])
    ((message,),) = [[str(each.message) for each in caught]]
    assert "2 views read through xarray, at 13 to 54 times" in message
    assert "1.9 kB are read once" in message
    with pytest.warns(SlowReadWarning) as plain:
        streams_of_views(views[0])
    assert str(plain[0].message).endswith("of the sessions themselves")


def dataset(**coords: Any) -> xr.Dataset:
    return xr.Dataset({"x": ("time", np.arange(4.0))}, coords, {"session": "v"})


@pytest.mark.parametrize(
    ("views", "code", "said"),
    [
        ([], "no-sessions", "no view"),
        ([3], "bad-view", "not int"),
        (3, "bad-view", "not int"),
        (dataset()["x"], "bad-view", "not DataArray"),
        ([dataset(), dataset()], "key-twice", "several views are called v"),
        (dataset().assign_attrs(session=3), "bad-view", "view 0 has no name"),
        (dataset().rename(time="frame"), "bad-view", "no dim `time`"),
        (dataset().isel(time=[]), "bad-view", "no sample"),
        (dataset()[[]].assign_coords(time=[1.0]), "bad-view", "the view is empty"),
        (dataset().assign(y=("lick", [1.0])), "bad-view", "y is no numbers over `time`"),
        (dataset().assign(y=("time", list("abcd"))), "bad-view", "y is no numbers"),
        (dataset().rename(x="image"), "bad-view", "a film is called `video`"),
        (dataset(time=[0, 0.1, 0.25, 0.3]), "bad-view", "`time` is not regular"),
        (dataset(time=[0, 1, 1, 2]), "bad-view", "`time` is not regular"),
        (dataset(time=[3, 2, 1, 0]), "bad-view", "`time` is not regular"),
        (dataset(time=[0, 1, np.nan, 2]), "bad-view", "expected finite seconds"),
        (dataset(time=list("abcd")), "bad-view", "expected finite seconds"),
    ],
)
def test_what_is_no_view_is_refused(views: Any, code: str, said: str) -> None:
    with pytest.raises(BadArgument) as caught:
        streams_of_views(views)
    assert caught.value.code == code
    assert said in caught.value.message


@pytest.mark.parametrize("names", ["v", ["a", "b"], [""], ["a", "a"]])
def test_names_are_one_a_view(names: Any) -> None:
    views = [dataset(), dataset()] if names == ["a", "a"] else [dataset()]
    with pytest.raises(BadArgument):
        streams_of_views(views, names=names)


def test_no_view_is_looked_at_before_it_is_served(tmp_path: Path) -> None:
    session = sd.open_session(make_session(tmp_path, n_neurons=2, n_train=2))
    view = session.resample(30)
    for part in ("stimuli/frames", "signals/responses/values"):
        (tmp_path / "gone").mkdir(exist_ok=True)
        folder = next(tmp_path.glob("*.zarr")) / part / "c"
        folder.rename(tmp_path / "gone" / part.replace("/", "-"))
    (streams,) = served([view])
    assert next(iter(streams)) == "video"
