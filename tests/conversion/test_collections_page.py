"""Every block of `docs/collections.md` runs as it is written, on recordings in the published format and a real cluster."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sensorium_data.schemas.report import WORST_FIRST
from sensorium_data.testing import write_sensorium2023
from tests.conversion.clusters import running

PAGE = Path(__file__).parents[2] / "docs/collections.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
ADDRESS = "tcp://scheduler:8786"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for key in ("29510-1-1", "29511-1-1"):
        name = f"dynamic{key}-Video-x"
        write_sensorium2023(tmp_path / "in", name=name, n_neurons=4, n_train=2, frame_shape=(8, 12), zipped="stored")
    return tmp_path


def test_blocks_run_in_order(place: Path) -> None:
    blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    assert [language for language, _ in blocks] == ["sh", "python", "sh", "python"]
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with running(place / "cluster", threads=(1,)) as cluster:
        python = ""
        for language, block in blocks:
            here = block.replace(ADDRESS, cluster.address)
            python += here if language == "python" else ""  # as in one session of Python
            command = ["bash", "-euc", here] if language == "sh" else [sys.executable, "-W", "error", "-c", python]
            done = subprocess.run(command, cwd=place, env=environ, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            assert "29510-1-1" in done.stdout
    assert sorted(path.name for path in (place / "stores").iterdir()) == ["29510-1-1.zarr", "29511-1-1.zarr"]


def test_the_page_gives_exit_codes_worst_first() -> None:
    told = re.search(r"worst failure: (.*?)\.\n", PAGE.read_text("utf-8"), flags=re.DOTALL)
    assert told is not None
    assert tuple(map(int, re.findall(r"\d", told[1]))) == WORST_FIRST
