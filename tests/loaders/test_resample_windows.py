"""A window of a view is the window of the data set, and samples asked for at their own times are the stored ones."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.intervals import Intervals
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.resample import Method
    from sensorium_data.windows import Window

RATES = (60, 24, 90, 29.967, 7.7, "1000/33")
N = 7
RNG = np.random.default_rng(11)
OWN_RATE: dict[str, float | str] = {"responses": 7.7, "pupil": 30, "face": "1000/33"}


def exact_rate(rate: float | str) -> Fraction:
    return Fraction(str(rate))


def write_own(place: Path, origin_s: int = 0) -> sd.Session:
    """Signals of three rates and one of jittered times; films in trials that begin where no float and no nanosecond is."""
    ends = [origin_s + Fraction(k, 3) for k in (4, 11, 19, 26)]
    jittered = np.sort(RNG.choice(np.arange(1, 12_000), 800, replace=False)) / 1000
    rates = [(name, rate, int(11 * exact_rate(rate))) for name, rate in OWN_RATE.items()]
    sd.write_session(
        place,
        identity="own",
        signals=[
            *(
                sd.SignalData(
                    name, RNG.normal(size=(n, 3)[: 1 + (name == "responses")]), unit="1", rate_hz=rate, start_s=origin_s
                )
                for name, rate, n in rates
            ),
            sd.SignalData("running", RNG.normal(size=800), unit="cm/s", times_s=origin_s + jittered),
        ],
        trials={
            "start_s": [float(end) for end in ends[:-1]],
            "stop_s": [float(end) for end in ends[1:]],
            "stimulus": ["a", "b", "a"],
        },
        stimuli={name: RNG.integers(0, 255, (n, 4, 6), np.uint8) for name, n in (("a", 70), ("b", 80))},
        frame_rate_hz=30,
    )
    return sd.open_session(place)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    folder = tmp_path_factory.mktemp("published")
    source = write_sensorium2023(folder, n_neurons=4, n_train=4, n_repeats=1, frame_shape=(4, 6))
    sd.convert(source, folder / "s.zarr")
    return sd.open_session(folder / "s.zarr")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    return write_own(tmp_path_factory.mktemp("own") / "s.zarr")


@pytest.fixture(scope="module")
def since_1970(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    return write_own(tmp_path_factory.mktemp("since") / "s.zarr", 1_700_000_000)


def exact_start(session: sd.Session, window: Window, rate: Fraction) -> Fraction:
    row = session.handle.trial_row(window.trial_id)
    start = session.handle.grid.ns(int(session.handle.trials["start"][row]))
    return Fraction(start) / 10**9 + window.start_frame / rate


def assert_is_the_data_sets(session: sd.Session, rate: Any, method: Any) -> int:
    loaders = pytest.importorskip("sensorium_data.loaders", reason="torch is not installed")
    exact = exact_rate(rate)
    dataset = loaders.WindowDataset(session, window=N, stride=1, rate_hz=rate, method=method)
    chosen = np.unique(np.linspace(0, len(dataset) - 1, 12).astype(int)).tolist()
    for i in chosen:
        window, item = dataset.windows[i], dataset[i]
        start = exact_start(session, window, exact)
        floats = (window.start_s, window.start_s + N / float(exact))
        for span in (floats, (start, start + N / exact), (str(start), str(start + N / exact))):
            view = session.resample(rate, span, method=method)
            assert view.sizes["time"] == N
            assert view["time"][0] == window.start_s
            for name in view.data_vars:
                assert view[name].to_numpy().tobytes() == item[name].numpy().tobytes(), (window, name, span)
                np.testing.assert_array_equal(view[f"mask_{name}"], item["mask"][name].numpy())
    return len(chosen)


@pytest.mark.parametrize("method", ["linear", "previous", "nearest", "mean"])
@pytest.mark.parametrize("rate", RATES)
def test_a_published_window_is_the_data_sets(published: sd.Session, rate: Any, method: str) -> None:
    if method == "mean" and exact_rate(rate) > 30:
        method = "previous"  # finer bins hold no sample
    assert assert_is_the_data_sets(published, rate, method) >= 6


@pytest.mark.parametrize("method", ["linear", "previous", "nearest"])
@pytest.mark.parametrize("rate", RATES)
def test_an_own_window_is_the_data_sets(own: sd.Session, rate: Any, method: str) -> None:
    assert assert_is_the_data_sets(own, rate, method) >= 6


@pytest.mark.parametrize("rate", RATES)
def test_a_window_of_a_session_since_1970_is_the_data_sets(since_1970: sd.Session, rate: Any) -> None:
    assert assert_is_the_data_sets(since_1970, rate, "previous") >= 6


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(OWN_RATE)),
    st.sampled_from(["linear", "previous", "nearest", "mean"]),
    st.integers(0, 60),
    st.integers(1, 20),
    st.booleans(),
)
def test_samples_asked_for_at_their_own_times_are_the_stored_ones(
    own: sd.Session, since_1970: sd.Session, name: str, method: Any, k: int, m: int, late: bool
) -> None:
    session = since_1970 if late else own
    signal = session[name]
    times, rate = signal["time"].to_numpy(), OWN_RATE[name]
    by_array = (signal["time"][k], signal["time"][k + m])
    by_sum = (float(times[k]), float(times[k]) + m / float(exact_rate(rate)))
    for span in ((times[k], times[k + m]), by_array, by_sum):
        view = session.resample(rate, span, signals=[name], method=method)
        assert view.sizes["time"] == m
        np.testing.assert_array_equal(view[name], signal[k : k + m])
        assert view[f"mask_{name}"].all()


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([60, 24, 90, 120, 29.967]), st.sampled_from(["previous", "nearest"]), st.integers(0, 200))
def test_times_computed_in_floats_are_the_outputs_they_were_meant_to_be(
    published: sd.Session, rate: float, method: Any, a: int
) -> None:
    exact = exact_rate(rate)
    times = [(a + i) / exact * 30 for i in range(9)]
    rows = [int(time) if method == "previous" else -int((Fraction(1, 2) - time) // 1) for time in times]
    stored, film = published["running"].to_numpy(), published.trial(0)["video"].to_numpy()
    for span in ((a / rate, (a + 9) / rate), (a / exact, (a + 9) / exact), (str(a / exact), str((a + 9) / exact))):
        view = published.resample(rate, span, ["running", "video"], method=method)
        assert view.sizes["time"] == 9
        np.testing.assert_array_equal(view["running"], stored[rows])
        shown = [int(time) for time in times if time < len(film)]
        np.testing.assert_array_equal(view["video"][: len(shown)], film[shown])


def test_fractions_are_kept_as_they_are(published: sd.Session) -> None:
    stored, sixtieth = published["running"].to_numpy(), Fraction(1, 60)
    assert published.resample(60, (5 * sixtieth, 7 * sixtieth), "running").sizes["time"] == 2
    view = published.resample(60, (5 * sixtieth, 9 * sixtieth), "running", method="previous")
    np.testing.assert_array_equal(view["running"], stored[[2, 3, 3, 4]])
    # A billionth of a nanosecond before a sample is not on it, and an output that begins so much before the stop is one.
    early = Fraction(1, 30) - Fraction(1, 10**18)
    view = published.resample(30, (early, Fraction(2, 30)), "running", method="previous")
    np.testing.assert_array_equal(view["running"], stored[[0, 1]])


def test_trials_that_are_kept_in_nanoseconds_have_as_many_samples_as_windows_give_them(own: sd.Session) -> None:
    table = own.trials
    for row, n in enumerate((70, 80, 70)):
        ends = (table["start_s"][row], table["stop_s"][row])
        assert own.resample(30, ends).sizes["time"] == n
        grid = own.handle.grid
        ticks = [(int(own.handle.trials["start"][row]), int(own.handle.trials["stop"][row]))]
        assert own.resample(30, Intervals.from_runs(grid, ticks)).sizes["time"] == n


def test_frames_of_30_hz_meet_times_that_were_rounded(tmp_path: Path) -> None:
    times = np.delete(np.arange(60), [7, 8, 31])  # frames were dropped
    signal = sd.SignalData("pupil", times.astype(np.float64), unit="px", times_s=times / 30)
    sd.write_session(tmp_path / "s", identity="m", signals=[signal], trials={"start_s": [0, 1.0], "stop_s": [1.0, 2.0]})
    session = sd.open_session(tmp_path / "s")
    methods: list[Method] = ["linear", "previous", "nearest"]
    for method in methods:
        view = session.resample(30, (0, 2), method=method)
        np.testing.assert_array_equal(view["pupil"][times[:-1]], times[:-1])
