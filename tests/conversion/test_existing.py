"""What becomes of a store that is there, whatever happened before and meanwhile."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.conversion import plan_only
from sensorium_data.errors import TargetExists
from sensorium_data.store.publish import Scratch, scratch_path
from sensorium_data.testing import describe_sensorium2023, write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT: dict[str, Any] = {"n_train": 3, "n_repeats": 2}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_sensorium2023(tmp_path / "source", n_neurons=6, frame_shape=(8, 12), **LAYOUT)


def released(source: Path) -> None:
    """Release withheld responses, as happened to the old mice: same names, same sizes."""
    trial = next(trial for trial in describe_sensorium2023(**LAYOUT) if trial.withheld)
    file = source / f"data/responses/{trial.trial_id}.npy"
    values = np.load(file)
    values[:, : trial.n_valid] = 1.5
    values[:, trial.n_valid :] = np.nan
    np.save(file, values)


def bytes_of(store: Path) -> dict[str, bytes]:
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def test_resume_leaves_what_is_whole(tmp_path: Path, source: Path) -> None:
    sd.convert(source, tmp_path / "x.zarr")
    before = bytes_of(tmp_path / "x.zarr")
    assert sd.convert(source, tmp_path / "x.zarr", existing="resume").status == "up-to-date"
    assert plan_only(source, tmp_path / "x.zarr", existing="resume").status == "up-to-date"
    assert bytes_of(tmp_path / "x.zarr") == before


def test_resume_sees_a_source_that_changed_in_place(tmp_path: Path, source: Path) -> None:
    sd.convert(source, tmp_path / "x.zarr")
    before = bytes_of(tmp_path / "x.zarr")
    released(source)
    with pytest.raises(TargetExists) as caught:
        sd.convert(source, tmp_path / "x.zarr", existing="resume")
    assert caught.value.code == "target-differs"
    assert bytes_of(tmp_path / "x.zarr") == before


@pytest.mark.parametrize("lost", ["signals/responses/values/c", "trials", "stimuli/frames/c"])
def test_resume_sees_a_store_that_lost_parts(tmp_path: Path, source: Path, lost: str) -> None:
    sd.convert(source, tmp_path / "x.zarr")
    shutil.rmtree(tmp_path / "x.zarr" / lost)
    with pytest.raises(TargetExists) as caught:
        sd.convert(source, tmp_path / "x.zarr", existing="resume")
    assert (caught.value.code, bool(caught.value.problems)) == ("target-damaged", True)


def test_skip_says_when_it_leaves_another_recording(tmp_path: Path, source: Path) -> None:
    name = "dynamic29513-3-5-Video-8744edeac3b4d1ce16b680916b5267ce"
    other = write_sensorium2023(tmp_path / "other", name=name, n_neurons=6, frame_shape=(8, 12), **LAYOUT)
    sd.convert(other, tmp_path / "x.zarr")
    report = sd.convert(source, tmp_path / "x.zarr", existing="skip")
    assert (report.status, report.key, report.notes[0].code) == ("skipped", "29513-3-5", "another-recording")
    assert sd.convert(other, tmp_path / "x.zarr", existing="skip").notes[:1] != report.notes[:1]


@pytest.fixture
def interrupted(tmp_path: Path, source: Path) -> Path:
    """A store whose replacement was killed between the two renames: it lies aside, and nothing is in its place."""
    target = tmp_path / "out" / "x.zarr"
    sd.convert(source, target, preset="fast")
    scratch_path(target).mkdir()
    target.rename(scratch_path(target) / "replaced")
    return target


def test_skip_puts_back_what_a_killed_replacement_set_aside(interrupted: Path, source: Path) -> None:
    assert sd.convert(source, interrupted, existing="skip").status == "skipped"
    assert sd.open_session(interrupted).document.provenance.options.preset == "fast"
    assert [path.name for path in interrupted.parent.iterdir()] == ["x.zarr"]


def test_resume_puts_back_and_refuses_other_options(interrupted: Path, source: Path) -> None:
    with pytest.raises(TargetExists) as caught:
        sd.convert(source, interrupted, existing="resume")
    assert caught.value.code == "target-differs"
    assert sd.open_session(interrupted).document.provenance.options.preset == "fast"


@pytest.mark.parametrize(("existing", "status"), [("skip", "skipped"), ("resume", "up-to-date")])
def test_a_store_that_another_process_published_meanwhile_is_left(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, existing: Any, status: str
) -> None:
    target = tmp_path / "out" / "x.zarr"
    enter = Scratch.__enter__

    def late(self: Scratch) -> Scratch:
        monkeypatch.setattr(Scratch, "__enter__", enter)
        sd.convert(source, target)
        return enter(self)

    monkeypatch.setattr(Scratch, "__enter__", late)
    assert sd.convert(source, target, existing=existing).status == status
    assert [path.name for path in target.parent.iterdir()] == ["x.zarr"]
