"""The page on streaming is true: its blocks run as they are written, against a bucket on an S3 server of this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.contracts.lab import lab_environment
from tests.servers.fixtures import seaweed

if TYPE_CHECKING:
    from tests.servers.seaweed import Seaweed

__all__ = ["seaweed"]

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("s3fs", reason="s3fs is not installed")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/streaming.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def environment(seaweed: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("streaming")
    named = lab_environment(seaweed, folder) | {"SENSORIUM_DATA_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    scripts = Path(sys.executable).parent
    return {**os.environ, **named, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}


def run(environment: dict[str, str], language: str, block: str) -> str:
    command = ["bash", "-euc", block] if language == "sh" else [sys.executable, "-W", "error", "-c", block]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_blocks_run_in_order(environment: dict[str, str]) -> None:
    assert [language for language, _ in BLOCKS] == ["python", "sh", "python"]
    for language, block in BLOCKS:
        run(environment, language, block)


def test_two_lines_lead_from_a_url_to_a_batch(environment: dict[str, str]) -> None:
    _, block = BLOCKS[0]
    assert len(block.strip().splitlines()) - block.count("\n\n") == 2
    assert block in README
    shape = run(environment, "python", f"{block}\nprint(tuple(batch['responses'].shape))")
    assert shape.strip() == "(8, 80, 12)"


def test_offline_without_a_cache_is_refused_by_name(environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sensorium_data", "info", "s3://lab/stores/mouse-F.zarr"]
    without = environment | {"SENSORIUM_DATA_OFFLINE": "1", "SENSORIUM_DATA_CACHE": str(tmp_path)}
    done = subprocess.run(command, env=without, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 6
    assert "error[offline]" in done.stderr
