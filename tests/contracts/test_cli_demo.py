"""The demo goes the whole way: convert, check, open, and load batches."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

from click.testing import CliRunner

from sensorium_data.cli import cli, demo_loading

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_demo_loads_batches(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["demo", "--json", "--neurons", "8", "--keep", str(tmp_path)])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["sound"]
    assert {path.suffix for path in tmp_path.iterdir()} == {".zarr", ".zip"}  # nothing else is left behind
    if find_spec("torch") is None:
        assert told["loading"] is None
        return
    assert told["loading"]["batch"]["responses"] == [8, 80, 8]
    assert told["loading"]["loader"] > 0
    assert any("windows/s" in line for line in demo_loading.said(told["loading"]))


def test_without_torch_the_demo_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_loading, "find_spec", lambda _: None)
    assert demo_loading.loading(tmp_path) is None
    assert demo_loading.said(None) == ["6. batches need torch, which is not here: pip install 'sensorium-data[torch]'"]
