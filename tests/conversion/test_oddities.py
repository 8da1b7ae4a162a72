"""Recordings that are odd and whole: kept as they are, with a note; and odd ones that cannot be kept, said so."""

from __future__ import annotations

import os
import shutil
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.errors import SourceInvalid
from sensorium_data.testing import describe_sensorium2023, write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT: dict[str, Any] = {"n_train": 3, "n_repeats": 2}
N = 6


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_sensorium2023(tmp_path / "source", n_neurons=N, frame_shape=(8, 12), **LAYOUT)


def number_of(tier: str) -> int:
    return next(trial.trial_id for trial in describe_sensorium2023(**LAYOUT) if trial.tier == tier)


def whole(source: Path, target: Path, **how: Any) -> sd.Session:
    """Convert, and prove it."""
    sd.convert(source, target, **how)
    report = check_store(target, against=source)
    assert [f for f in report.findings if f.severity == "error"] == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr's, that pcodec is an extension
        xr.open_datatree(target, engine="zarr", consolidated=True).close()
    return sd.open_session(target)


def notes(session: sd.Session) -> set[str]:
    return {note.code for note in session.document.provenance.notes}


NEURONS = {
    "layers are numbers": ("layer", np.arange(N), "published_layer"),
    "depths are text": ("depth", np.array([f"Decimal('{i}.5')" for i in range(N)]), "published_depth"),
    "areas are text": ("area", np.array(["V1", "LM"] * 3), "area"),
    "areas are bytes": ("area", np.array([b"V1", b"LM"] * 3), "area"),
    "coordinates are text": ("cell_motor_coordinates", np.full((N, 3), "1.0"), "cell_motor_coordinates"),
    "a coordinate is NaN": ("cell_motor_coordinates", np.array([[np.nan, 2, 3]] * N), "x"),
}


@pytest.mark.parametrize("what", NEURONS)
def test_columns_of_neurons_are_kept(tmp_path: Path, source: Path, what: str) -> None:
    stem, values, name = NEURONS[what]
    np.save(source / f"meta/neurons/{stem}.npy", values)
    kept = whole(source, tmp_path / "x.zarr").neurons[name].to_numpy()
    wanted = values[:, 0] if name == "x" else values.astype("U") if values.dtype.kind == "S" else values
    np.testing.assert_array_equal(kept, wanted)


def test_a_variable_that_is_one_value(tmp_path: Path, source: Path) -> None:
    np.save(source / "meta/trials/target_fps.npy", np.float64(30.0))
    session = whole(source, tmp_path / "x.zarr")
    assert float(session.trials["target_fps"]) == 30.0
    assert "trial-variable-shape" in notes(session)


def test_a_variable_with_a_row_for_each_file_of_numbers_with_holes(tmp_path: Path) -> None:
    source = write_sensorium2023(tmp_path / "s", n_neurons=N, frame_shape=(8, 12), holes=True, **LAYOUT)
    n_files = len(list((source / "data/videos").iterdir()))
    assert n_files < len(np.load(source / "meta/trials/tiers.npy"))
    np.save(source / "meta/trials/luck.npy", np.arange(n_files))
    session = whole(source, tmp_path / "x.zarr")
    np.testing.assert_array_equal(session.trials["luck"], np.arange(n_files))
    assert "trial-variable-shape" in notes(session)


def test_bytes_that_are_no_text_are_a_problem(tmp_path: Path, source: Path) -> None:
    np.save(source / "meta/trials/luck.npy", np.array([b"\xff"] * 99))
    with pytest.raises(SourceInvalid) as caught:
        sd.convert(source, tmp_path / "x.zarr")
    assert [p.code for p in caught.value.problems] == ["npy-text"]


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is double here")
def test_long_doubles_are_refused(tmp_path: Path, source: Path) -> None:
    file = source / "data/responses/2.npy"
    np.save(file, np.load(file).astype(np.longdouble))
    with pytest.raises(SourceInvalid) as caught:
        sd.convert(source, tmp_path / "x.zarr", precision="source")
    assert [p.code for p in caught.value.problems] == ["npy-dtype"]


@pytest.mark.parametrize("n_frames", [1, 7])
def test_statistics_of_unequal_length_open_in_xarray(tmp_path: Path, source: Path, n_frames: int) -> None:
    for measure, n in (("mean", n_frames), ("std", 9), ("min", 9)):
        np.save(source / f"meta/statistics/responses/all/{measure}.npy", np.random.default_rng(0).random((N, n)))
    tree = whole(source, tmp_path / "x.zarr").statistics
    found = tree["source/responses/all"]
    assert {found[m].shape for m in ("mean", "std", "min")} == {(n_frames, N), (9, N)}


@pytest.mark.parametrize("shape", [(1, 8, 12), (1, 8, 12, 5)])
def test_statistics_with_axes_of_one_are_kept(tmp_path: Path, source: Path, shape: tuple[int, ...]) -> None:
    np.save(source / "meta/statistics/videos/all/mean.npy", np.ones(shape))
    session = whole(source, tmp_path / "x.zarr")
    assert session.statistics["source/videos/all/mean"].shape == shape
    assert "statistic-shape" in notes(session)


def test_folders_that_are_links_are_followed_once(tmp_path: Path, source: Path) -> None:
    shutil.move(source / "data/videos", tmp_path / "elsewhere")
    (source / "data/videos").symlink_to(tmp_path / "elsewhere")
    (source / "meta/loop").symlink_to(source)
    whole(source, tmp_path / "x.zarr")


def test_the_folder_one_stands_in(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source)
    report = sd.convert(".", tmp_path / "x.zarr")
    assert report.key in source.name
    assert sd.open_session(tmp_path / "x.zarr").document.provenance.source_name == source.name


def test_a_folder_of_another_name_is_the_same_recording(tmp_path: Path, source: Path) -> None:
    sd.convert(source, tmp_path / "x.zarr")
    renamed = source.rename(source.with_name("mouseF"))
    report = check_store(tmp_path / "x.zarr", against=renamed)
    assert report.ok
    assert [(f.code, f.severity) for f in report.findings] == [("against-source", "warning")]
    assert "recording-unknown" in notes(whole(renamed, tmp_path / "y.zarr"))


def test_another_recording_is_one_finding(tmp_path: Path, source: Path) -> None:
    sd.convert(source, tmp_path / "x.zarr")
    name = "dynamic29513-3-5-Video-8744edeac3b4d1ce16b680916b5267ce"
    other = write_sensorium2023(tmp_path / "other", name=name, n_neurons=N + 1, frame_shape=(8, 12))
    report = check_store(tmp_path / "x.zarr", against=other)
    assert [(f.code, f.severity) for f in report.findings] == [("against-source", "error")]


def test_nan_that_was_let_in_is_noted(tmp_path: Path, source: Path) -> None:
    for stream, at in (("videos", (1, 2, 3)), ("responses", (1, 2))):
        file = source / f"data/{stream}/{number_of('train')}.npy"
        values = np.load(file).astype(np.float64)
        values[at] = np.nan
        np.save(file, values)
    assert notes(whole(source, tmp_path / "x.zarr", allow_nan=True)) >= {"film-not-finite", "responses-not-finite"}


@pytest.mark.parametrize(("value", "code"), [(np.nan, "nan-in-valid"), (np.inf, "infinite")])
@pytest.mark.parametrize("neuron", [0, 399], ids=["early", "late"])
def test_what_is_withheld_is_zeros_alone(tmp_path: Path, value: float, code: str, neuron: int) -> None:
    # 400 neurons of 8 bytes: the last lies beyond the bytes that are read to see that responses are there.
    source = write_sensorium2023(tmp_path / "s", n_neurons=400, frame_shape=(8, 12), **LAYOUT)
    trial = next(trial for trial in describe_sensorium2023(**LAYOUT) if trial.withheld)
    file = source / f"data/responses/{trial.trial_id}.npy"
    values = np.load(file)
    assert not values.any()
    values[neuron, 2:5] = value
    np.save(file, values)
    with pytest.raises(SourceInvalid) as caught:
        sd.convert(source, tmp_path / "x.zarr")
    assert [(p.code, p.where) for p in caught.value.problems] == [(code, f"data/responses/{trial.trial_id}.npy")]


def test_a_stray_file_that_cannot_be_read_is_named(tmp_path: Path, source: Path) -> None:
    (source / "notes.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SourceInvalid) as caught:
        sd.convert(source, tmp_path / "x.zarr")
    assert [(p.code, p.where) for p in caught.value.problems] == [("unreadable", "notes.txt")]


def test_a_session_without_trials_is_empty(tmp_path: Path, source: Path) -> None:
    for folder in (source / "data").iterdir():
        for file in folder.iterdir():
            file.unlink()
    with pytest.raises(SourceInvalid) as caught:
        sd.convert(source, tmp_path / "x.zarr")
    assert "empty-session" in {p.code for p in caught.value.problems}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everywhere")
def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, source: Path) -> None:
    (source / "data/videos").chmod(0)
    try:
        with pytest.raises(SourceInvalid) as caught:
            sd.convert(source, tmp_path / "x.zarr")
    finally:
        (source / "data/videos").chmod(0o755)
    assert [p.code for p in caught.value.problems] == ["unreadable"]
