"""What a caller's callback raises is the caller's; exit codes of failures nobody listed; journals of other code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import sensorium_data as sd
from sensorium_data.schemas import CollectionReport
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.progress import Progress


class _Enough(Exception):
    pass


def _cancel(progress: Progress) -> None:
    if progress.stage == "write":
        raise _Enough


def test_a_callback_ends_a_collection(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_sensorium2023(tmp_path / "in", name=name, n_neurons=3, n_train=2, frame_shape=(4, 6))
    with pytest.raises(_Enough):
        sd.convert_all(f"{tmp_path}/in/*", tmp_path / "out", report=_cancel)
    assert not list((tmp_path / "out").glob("*.zarr"))
    assert sd.convert_all(f"{tmp_path}/in/*", tmp_path / "out").ok


def test_a_failure_of_any_code_is_a_failure_of_the_command() -> None:
    error = {"code": "elsewhere", "message": "another package said so"}
    failures = [{"source": "a", "exit_code": 77, "error": error}]
    report = CollectionReport.model_validate_json(json.dumps({"folder": "out", "failures": failures}))
    assert (report.ok, report.exit_code) == (False, 77)


@pytest.mark.parametrize("field", ["journal", "reader_version", "version"])
def test_work_of_other_code_is_not_gone_on_with(tmp_path: Path, field: str) -> None:
    source = write_sensorium2023(tmp_path, n_neurons=3, n_train=2, frame_shape=(4, 6))
    target = tmp_path / "s.zarr"
    with pytest.raises(_Enough):
        sd.convert(source, target, report=_cancel)
    recipe = tmp_path / ".s.zarr.partial" / "recipe.json"
    document = json.loads(recipe.read_text("utf-8"))
    assert document.pop(field)
    recipe.write_text(json.dumps(document, sort_keys=True, indent=1), "utf-8")
    assert sd.convert(source, target).status == "converted"


def test_work_of_the_same_code_is(tmp_path: Path) -> None:
    source = write_sensorium2023(tmp_path, n_neurons=3, n_train=2, frame_shape=(4, 6))
    with pytest.raises(_Enough):
        sd.convert(source, tmp_path / "s.zarr", report=_cancel)
    assert sd.convert(source, tmp_path / "s.zarr").status == "resumed"
