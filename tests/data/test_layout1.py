"""Layout 1 opens forever: stores that were committed once give the numbers they were made from."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import sensorium_data as sd
from sensorium_data.conversion import check_store
from tests.data.make_layout1 import digest

PACKED = Path(__file__).parent / "layout1.zip"
with zipfile.ZipFile(PACKED) as packed:
    EXPECTED: dict[str, dict[str, dict[str, Any]]] = json.loads(packed.read("expected.json"))
TRIALS = [(name, trial) for name, trials in EXPECTED.items() for trial in trials]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layout1")
    with zipfile.ZipFile(PACKED) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("name", EXPECTED)
def test_it_is_of_layout_1_and_sound(stores: Path, name: str) -> None:
    store = stores / f"{name}.zarr"
    root = json.loads((store / "zarr.json").read_bytes())
    assert root["attributes"]["sensorium_data"]["layout"] == 1
    errors = [finding for finding in check_store(store).findings if finding.severity == "error"]
    assert errors == []


@pytest.mark.parametrize(("name", "number"), TRIALS)
def test_every_trial_gives_what_it_was_made_from(stores: Path, name: str, number: str) -> None:
    expected = dict(EXPECTED[name][number])
    trial = sd.open_session(stores / f"{name}.zarr").trial(int(number))
    assert trial.attrs["tier"] == expected.pop("tier")
    seen = {"film": trial["image" if name == "static" else "video"]} | {
        key: trial[key] for key in expected if key in trial
    }
    assert {key: digest(seen[key].to_numpy()) if key in seen else None for key in expected} == expected


def test_all_of_it_is_small() -> None:
    assert PACKED.stat().st_size < 400_000
