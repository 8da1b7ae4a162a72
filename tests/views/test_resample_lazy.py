"""Streams on one clock are computed when they are looked at, as far as they are looked at, wherever that is done."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.viewing.resampled import _Samples
from tests.views.test_lazy_indexing import KEYS, fitted, orthogonal
from tests.views.test_resample import made

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    return made(tmp_path_factory.mktemp("lazily"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Stream, first and last of the samples that are computed from here on."""
    found: list[tuple[str, int, int]] = []
    plain = _Samples.into

    def noted(self: _Samples, out: NDArray[Any], first: int) -> None:
        found.append((self.name, first, first + len(out)))
        plain(self, out, first)

    monkeypatch.setattr(_Samples, "into", noted)
    return found


@settings(deadline=None, max_examples=100)
@given(which=st.sampled_from(("video", "responses", "pupil", "gaze")), drawn=st.lists(KEYS, min_size=1, max_size=3))
def test_indexing_is_numpys(session: sd.Session, which: str, drawn: list[Any]) -> None:
    view = session.resample(24, (0.05, 3.7), which)
    values, mask = view[which].to_numpy(), view[f"mask_{which}"].to_numpy()
    index = [fitted(key, n) for key, n in zip(drawn, values.shape, strict=False)]
    fresh = session.resample(24, (0.05, 3.7), which)
    np.testing.assert_array_equal(fresh[which][tuple(index)].to_numpy(), orthogonal(values, index))
    np.testing.assert_array_equal(fresh[f"mask_{which}"][index[0]].to_numpy(), mask[index[0]])


@settings(deadline=None, max_examples=40)
@given(cut=st.integers(1, 40), rate=st.sampled_from((30, 24, 60, "1000/33")))
def test_pieces_are_parts_of_the_whole(session: sd.Session, cut: int, rate: Any) -> None:
    whole = session.resample(rate, (0.3, 3.3)).load()
    fresh = session.resample(rate, (0.3, 3.3))
    pieces = [fresh.isel(time=slice(at, at + cut)).load() for at in range(0, whole.sizes["time"], cut)]
    xr.testing.assert_identical(xr.concat(pieces, "time", data_vars="minimal", coords="minimal"), whole)


@pytest.mark.parametrize("method", ["linear", "previous", "nearest"])
def test_pieces_count_from_where_the_whole_does(tmp_path: Path, method: str) -> None:
    # A third of a second is kept as 333333333 ns, so no tick of this signal is at a whole second.
    signal = sd.SignalData("responses", np.arange(60.0).reshape(30, 2), unit="1", rate_hz=30, start_s="1/3")
    sd.write_session(tmp_path / "s", identity="m", signals=[signal])
    for start in (0, 1 / 3, 0.5):
        view = sd.open_session(tmp_path / "s").resample(30, (start, 2), method=method)  # type: ignore[arg-type]
        values = view["responses"].to_numpy()
        first = {0: 10, 1 / 3: 0, 0.5: -5}[start]
        np.testing.assert_array_equal(
            values[max(first, 0) : first + 30], np.arange(60.0).reshape(30, 2)[max(0, -first) :]
        )
        for at in range(view.sizes["time"]):
            np.testing.assert_array_equal(view["responses"][at], values[at])


def test_only_what_is_looked_at_is_computed(session: sd.Session, computed: list[tuple[str, int, int]]) -> None:
    view = session.resample(30)
    repr(view), view._repr_html_()
    assert computed == []
    view["pupil"][5:9].to_numpy()
    view["gaze"][3, 1].to_numpy()
    view["video"].isel(time=[2, 80, 3]).to_numpy()
    assert computed == [("pupil", 5, 9), ("gaze", 3, 4), ("video", 2, 4), ("video", 80, 81)]
    computed.clear()
    view[["pupil", "gaze"]].isel(time=slice(20, 30))["mask_pupil"].to_numpy()
    assert computed == []  # clocks and trials say where a stream is valid


def test_a_mask_is_known_with_its_values(session: sd.Session, computed: list[tuple[str, int, int]]) -> None:
    session.resample(30, signals=["pupil", "gaze"]).isel(time=slice(4, 40)).load()
    assert computed == [("pupil", 4, 40), ("gaze", 4, 40)]


def test_long_reads_are_made_in_blocks(session: sd.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = session.resample(30, signals="responses")["responses"]
    for n_bytes in (16, 16 * 7, 1):
        monkeypatch.setattr("sensorium_data.viewing.resampled.BLOCK_BYTES", n_bytes)
        fresh = session.resample(30, signals="responses")["responses"]
        np.testing.assert_array_equal(fresh, wanted)
        np.testing.assert_array_equal(fresh[::3, [2, 0]], wanted[::3, [2, 0]])


def test_nothing_else_need_be_there(session: sd.Session, tmp_path: Path) -> None:
    bare = shutil.copytree(session.handle.where, tmp_path / "bare.zarr")
    for gone in ("stimuli/frames/c", "signals/responses/values/c"):
        shutil.rmtree(bare / gone)
    view = sd.open_session(bare).resample(40, signals=["pupil", "gaze"])
    xr.testing.assert_identical(view.load(), session.resample(40, signals=["pupil", "gaze"]).load())
    assert sd.open_session(bare).resample(40).sizes == session.resample(40).sizes


def test_dask_on_request(session: sd.Session) -> None:
    view = session.resample(30)
    assert all(array.chunks is None for array in view.variables.values())
    cut = view.chunk({"time": 25})
    np.testing.assert_array_equal((cut["responses"] * 2).max("time"), (view["responses"] * 2).max("time"))
    xr.testing.assert_identical(cut.compute(), view.load())
    assert view["video"].encoding["preferred_chunks"].keys() == {"time", "y", "x"}


def test_it_is_sent_as_a_recipe(session: sd.Session, tmp_path: Path) -> None:
    view = session.resample(30, signals=["responses", "gaze"])
    before = len(pickle.dumps(view))
    values = view.isel(time=slice(10, 90)).load()
    assert len(pickle.dumps(view)) == before < view["time"].nbytes + 6000
    xr.testing.assert_identical(pickle.loads(pickle.dumps(view)).isel(time=slice(10, 90)).load(), values)
    (tmp_path / "sent").write_bytes(pickle.dumps(view))
    code = (
        "import pickle, sys, pathlib\n"
        "view = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "print(view['gaze'][10:90].to_numpy().tobytes().hex())\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "sent")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == values["gaze"].to_numpy().tobytes().hex()
