"""The page on looking at sessions is true: its blocks run as they are written, and give what it says they give."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.errors import SlowReadWarning
from sensorium_data.testing import write_sensorium2023

PAGE = (Path(__file__).parents[2] / "docs" / "views.md").read_text("utf-8")
MICE = {"A": "dynamic29156-11-10-Video-x", "F": "dynamic29515-10-12-Video-x"}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    for letter, name in MICE.items():
        source = write_sensorium2023(folder, name=name, n_neurons=12, n_train=4, frame_shape=(8, 12))
        sd.convert(source, folder / "stores" / f"mouse-{letter}.zarr")
    return folder


def test_blocks_run_in_order(stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.chdir(stores)
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert {language for language, _ in blocks} == {"python"}
    names: dict[str, Any] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _, block in blocks:
            exec(block, names)
    assert {warning.category for warning in caught} == {SlowReadWarning}

    some, same, session = names["some"], names["same"], names["session"]
    assert some.neurons.unit_id.to_numpy().tolist() == same.neurons.unit_id.to_numpy().tolist()
    z = names["deep"].neurons.z.to_numpy()
    assert ((z >= 200) & (z < 400)).all()
    said = re.search(r"# (\d+) samples from 2 s on", PAGE)
    assert said is not None
    assert names["view"].sizes["time"] == int(said[1])
    row = names["row"]
    np.testing.assert_array_equal(names["trial"].video, session.trial(row.trial_id).video)
    assert set(names["views"]) == set(names["sessions"].keys)
    assert [len(one.neurons.unit_id) for one in names["few"]] == [12, 2]
    assert tuple(names["dataset"][0]["responses"].shape) == (30, 12)
