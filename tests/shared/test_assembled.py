"""Sessions assembled from real recorded parts convert, equal their source, and are grouped as their truth table says."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.conversion import check_store

SHARED = Path(__file__).parents[3] / "shared"
ASSEMBLE = SHARED / "fixtures" / "assemble_session.py"
KEYS = ("29156-11-10", "29513-3-5", "29515-10-12")

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not ASSEMBLE.is_file(), reason="the real recorded parts are not beside this checkout"),
]


def _assemble(folder: Path, key: str, *extra: str, full: bool) -> Path:
    sizes = ("--neurons", "200", "--trials", "120") if full else ("--neurons", "12", "--trials", "48")
    command = [sys.executable, str(ASSEMBLE), key, str(folder), *sizes, *extra]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip().splitlines()[-1])


def _truth(source: Path) -> list[dict[str, str]]:
    name = source.name.removesuffix(".zip")
    with (source.parent / f"{name}.truth" / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("packing", ["folder", "zip"])
@pytest.mark.parametrize("key", KEYS)
def test_assembled_session(tmp_path: Path, key: str, packing: str, full: bool) -> None:
    if not full and (key, packing) in {("29156-11-10", "zip"), ("29513-3-5", "folder")}:
        pytest.skip("with --full only: the other packing of this session is tested")
    source = _assemble(tmp_path, key, *(["--zip"] if packing == "zip" else []), full=full)
    target = tmp_path / "store.zarr"
    sd.convert(source, target)
    assert check_store(target, against=source).findings == ()

    trials = sd.open_session(target).handle.trials
    stimuli = sd.open_session(target).handle.stimuli
    row = {int(number): i for i, number in enumerate(trials["trial_id"])}
    group_of: dict[str, int] = {}
    for trial in _truth(source):
        i = row[int(trial["file_number"])]
        assert str(trials["tier"][i]) == trial["tier"]
        assert int(trials["n_valid"][i]) == int(trial["valid_frames"])
        assert int(trials["stimulus"][i]) == group_of.setdefault(trial["video_id"], int(trials["stimulus"][i]))
        label = str(stimuli["label"][trials["variant"][i]])
        assert label == trial["label"], f"trial {trial['file_number']} of {trial['valid_frames']} frames"
    assert len(set(group_of.values())) == len(group_of)
    withheld = {int(n) for n, w in zip(trials["trial_id"], trials["responses_withheld"], strict=True) if w}
    hidden = {"live_test_main", "live_test_bonus", "final_test_main", "final_test_bonus"}
    expected = {int(t["file_number"]) for t in _truth(source) if t["tier"] in hidden and key == "29515-10-12"}
    assert withheld == expected


def test_fractional_film(tmp_path: Path, full: bool) -> None:
    source = _assemble(tmp_path, "29156-11-10", "--fractional", full=full)
    target = tmp_path / "store.zarr"
    report = sd.convert(source, target)
    assert "film-not-integral" in {note.code for note in report.notes}
    assert check_store(target, against=source).findings == ()
    assert sd.open_session(target).frames.dtype == np.float32
