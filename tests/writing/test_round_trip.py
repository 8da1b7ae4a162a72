"""Whatever is written is read back: values to the bit or as rounded, times to the nanosecond, trials half-open."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.clock import TickClock
from sensorium_data.conversion import check_store
from sensorium_data.store.layout import quiet_zarr
from sensorium_data.writing.arrays import Rows
from tests.writing.made import NS, RATES, Stream, intervals, recordings, spelled

if TYPE_CHECKING:
    from sensorium_data.schemas import Precision, Preset

pytestmark = pytest.mark.once

OPTIONS = st.tuples(st.sampled_from(("compact", "fast", "portable")), st.sampled_from(("float32", "source", "float16")))


def exact_ns(session: sd.Session, name: str) -> list[Fraction]:
    """Return the times of a stored signal, exactly."""
    clock = session.handle.clocks[name]
    if isinstance(clock, TickClock):
        return [clock.grid.ns(tick) for tick in clock.ticks().tolist()]
    return [Fraction(time) for time in clock.times_ns.tolist()]


def as_recorded(stream: Stream, precision: str) -> Any:
    """Return the values as the options say that they are stored."""
    dtype = stream.values.dtype.newbyteorder("=")
    if dtype.kind != "f" or precision == "source":
        return stream.values.astype(dtype)
    if precision == "float16" and stream.given.of_neurons:
        return stream.values.astype(np.float16)
    return stream.values.astype(np.float16 if dtype.itemsize == 2 else np.float32)


@settings(deadline=None, max_examples=50)
@given(recordings(), OPTIONS)
def test_values_and_times_come_back(found: list[Stream], options: tuple[Preset, Precision]) -> None:
    preset, precision = options
    before = [stream.values.tobytes() for stream in found]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "own.zarr")
        signals = [stream.given for stream in found]
        sd.write_session(target, identity="own", signals=signals, preset=preset, precision=precision)
        session = sd.open_session(target)
        for stream in found:
            lazy, expected = session[stream.given.name], as_recorded(stream, precision)
            assert lazy.dtype == expected.dtype
            assert lazy.to_numpy().tobytes() == expected.tobytes()
            kept = session.document.signals[found.index(stream)].rounding
            assert kept.exact == bool((expected == stream.values).all())
            # A clock's start is kept to the nanosecond, and so is every time where there is one for each sample.
            times = exact_ns(session, stream.given.name)
            assert max(abs(a - b) for a, b in zip(times, stream.times_ns, strict=True)) <= 1
            assert lazy["time"].to_numpy().tolist() == [float(time / NS) for time in times]
            if stream.given.times_s is not None:
                assert times == [round(time) for time in stream.times_ns]
        assert check_store(target).findings == ()
    assert [np.asarray(stream.given.values).tobytes() for stream in found] == before


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_a_trial_holds_the_samples_from_its_start_to_before_its_stop(data: st.DataObject) -> None:
    found = data.draw(recordings())
    laid = data.draw(intervals(found))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "own.zarr")
        trials = {"start_s": np.array([a for a, _ in laid]), "stop_s": np.array([b for _, b in laid])}
        sd.write_session(target, identity="own", signals=[stream.given for stream in found], trials=trials)
        session = sd.open_session(target)
        assert session.trials["start"].to_numpy().tolist() == [round(spelled(a) * NS) for a, _ in laid]
        for number, (start, stop) in enumerate(laid):
            trial = session.trial(number)
            for stream in found:
                name = stream.given.name
                # All that is known of a start is its nanosecond; at which sample that is must not depend on the rate.
                times = [round(time) for time in exact_ns(session, name)]
                inside = [round(spelled(start) * NS) <= time < round(spelled(stop) * NS) for time in times]
                assert (name in trial) == any(inside)
                if name in trial:
                    values = as_recorded(stream, "float32")[np.array(inside)]
                    np.testing.assert_array_equal(trial[name].to_numpy(), values)
                    (dim,) = (dim for dim in trial[name].dims if str(dim).startswith("time"))
                    exact = session[name]["time"].to_numpy()[np.array(inside)]
                    np.testing.assert_array_equal(trial[dim].to_numpy(), exact)
        assert check_store(target).findings == ()


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("start_s", [0.0, -1.0, 0.1, 4321.0625])
def test_trials_laid_end_to_end_on_samples_hold_their_number_of_them(tmp_path: Path, rate: Any, start_s: float) -> None:
    """At 30 Hz a start of 1/30 s is kept as 33333333 ns, before the sample, and 2/30 s as 66666667 ns, after it."""
    n, each = 40, 7
    step = float(1 / spelled(rate))
    starts = [start_s + i * each * step for i in range(n)]
    stops = [start_s + (i + 1) * each * step for i in range(n)]
    signal = sd.SignalData("responses", np.zeros((n * each, 1)), unit="1", rate_hz=rate, start_s=start_s)
    sd.write_session(tmp_path / "s", identity="s", signals=[signal], trials={"start_s": starts, "stop_s": stops})
    session = sd.open_session(tmp_path / "s")
    assert session.trials["n_valid"].to_numpy().tolist() == [each] * n
    assert [session.handle.rows("responses", i) for i in range(n)] == [
        slice(i * each, (i + 1) * each) for i in range(n)
    ]


@pytest.mark.parametrize(("rate", "n_runs"), [(30, 40), (29.97, 40), ("1000/33", 40), (1024, 40)])
def test_runs_whose_pauses_are_whole_samples_stay_on_one_grid(tmp_path: Path, rate: Any, n_runs: int) -> None:
    """Floats of such starts are never exactly on it; the nanosecond next to a tick is that tick."""
    step = float(1 / spelled(rate))
    runs = [(0.5 + i * 13 * step, 9 if i % 3 else 13) for i in range(n_runs)]
    n = sum(length for _, length in runs)
    sd.write_session(
        tmp_path / "s",
        identity="s",
        signals=[sd.SignalData("running", np.arange(n), unit="cm/s", rate_hz=rate, runs=runs)],
    )
    clock = sd.open_session(tmp_path / "s").handle.clocks["running"]
    assert isinstance(clock, TickClock)
    assert clock.origin_ns == NS // 2
    ticks = [tick for i, (_, length) in enumerate(runs) for tick in range(13 * i, 13 * i + length)]
    assert clock.ticks().tolist() == ticks


def test_memmaps_and_other_arrays_are_read_by_slices(tmp_path: Path) -> None:
    import xarray as xr
    import zarr

    values: Any = np.random.default_rng(0).normal(size=(3500, 6)).astype(np.float32)
    np.save(tmp_path / "v.npy", values)
    with quiet_zarr():
        zarr.save_array(tmp_path / "v.zarr", values)
        kinds: dict[str, Any] = {
            "memmap": np.load(tmp_path / "v.npy", mmap_mode="r"),
            "zarr": zarr.open_array(tmp_path / "v.zarr", mode="r"),
            "xarray": xr.DataArray(values, dims=("time", "neuron")),
            "xarray_dask": xr.DataArray(da.from_array(values, chunks=(1001, 4)), dims=("time", "neuron")),
            "one_block": da.from_array(values, chunks=-1),
        }
        signals = [
            sd.SignalData(name, array, unit="1", rate_hz=10, dims=("time", "neuron")) for name, array in kinds.items()
        ]
        sd.write_session(tmp_path / "s.zarr", identity="s", signals=signals)
    session = sd.open_session(tmp_path / "s.zarr")
    for name in kinds:
        np.testing.assert_array_equal(session[name].to_numpy(), values)
    assert check_store(tmp_path / "s.zarr").findings == ()


def test_blocks_that_lie_on_a_cluster(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")

    values = np.random.default_rng(0).random((3500, 4))
    with distributed.Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"):
        lazy = da.from_array(values, chunks=(700, 3))
        signals = [
            sd.SignalData(name, array, unit="1", rate_hz=8, dims=("time", "neuron"))
            for name, array in {"lazy": lazy, "persisted": lazy.persist()}.items()
        ]
        sd.write_session(tmp_path / "s", identity="s", signals=signals, precision="source")
    for name in ("lazy", "persisted"):
        np.testing.assert_array_equal(sd.open_session(tmp_path / "s")[name].to_numpy(), values)


@settings(deadline=None)
@given(st.lists(st.integers(1, 1500), min_size=1, max_size=8), st.integers(0, 2999), st.integers(1, 3000))
def test_pieces_are_all_rows_once_and_end_with_blocks(blocks: list[int], begin: int, length: int) -> None:
    rows = Rows(da.zeros((sum(blocks) + 6000, 1), chunks=((*blocks, 6000), 1)))
    pieces = list(rows.pieces(begin, begin + length))
    assert [row for piece in pieces for row in range(*piece)] == list(range(begin, begin + length))
    assert all(stop in np.cumsum(blocks) for _, stop in pieces[:-1])
    assert all(stop - start <= max(300, *blocks) + 300 for start, stop in pieces[:-1])


def test_many_channels_of_a_long_recording_are_cut_as_neurons_are(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(-(2**15), 2**15, (66_000, 130), np.int16)
    names = [f"site{i}" for i in range(130)]
    signals = [sd.SignalData("field", values, unit="uV", rate_hz=500, channels=names)]
    trials = {"start_s": [0, 100], "stop_s": [90, 110]}
    sd.write_session(tmp_path / "s", identity="s", signals=signals, trials=trials)
    session = sd.open_session(tmp_path / "s")
    assert session["field"].encoding["chunks"] == (20, 130)
    np.testing.assert_array_equal(session.trial(1)["field"].to_numpy(), values[50_000:55_000])
    np.testing.assert_allclose(
        session.statistics["train/field/mean"].to_numpy(), np.r_[values[:45_000], values[50_000:55_000]].mean(axis=0)
    )
    assert check_store(tmp_path / "s").findings == ()


@pytest.mark.parametrize("name", ["responses", "running"])
def test_nan_is_kept_where_it_may_be(tmp_path: Path, name: str) -> None:
    values = np.arange(60.0).reshape(30, 2)
    values[3, 1] = np.nan
    values = values if name == "responses" else values[:, 1]
    signals = [sd.SignalData(name, values, unit="1", rate_hz=10)]
    sd.write_session(tmp_path / "s", identity="s", signals=signals, allow_nan=name == "responses")
    np.testing.assert_array_equal(sd.open_session(tmp_path / "s")[name].to_numpy(), values.astype(np.float32))
    found = check_store(tmp_path / "s")
    assert found.ok
    notes = [note.code for note in sd.open_session(tmp_path / "s").document.provenance.notes]
    assert notes == (["responses-not-finite"] if name == "responses" else [])


def test_plain_xarray_opens_what_was_written(tmp_path: Path) -> None:
    import xarray as xr

    signals = [
        sd.SignalData("responses", np.ones((4, 2)), unit="1", times_s=[0.1, 0.2, 0.5, 0.7]),
        sd.SignalData("running", np.arange(5), unit="cm/s", rate_hz=2),
    ]
    sd.write_session(tmp_path / "s.zarr", identity="s", signals=signals)
    with quiet_zarr(), xr.open_datatree(tmp_path / "s.zarr", engine="zarr") as tree:
        assert tree["signals/responses/time"].to_numpy().tolist() == [10**8, 2 * 10**8, 5 * 10**8, 7 * 10**8]
        assert tree["signals/running/values"].attrs["units"] == "cm/s"
