"""Every block of the README runs as it is written, on a recording made in the published format."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.contracts.lab import lab_environment
from tests.servers.process import HOST
from tests.servers.running import obtain
from tests.servers.seaweed import Seaweed
from tests.servers.server import Unavailable
from tests.servers.upstream import objects

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
NAME = "dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20"
PARTNER = "dynamic29156-11-10-Video-8744edeac3b4d1ce16b680916b5267ce"
N_BLOCKS = 19
# Blocks that install are run by `.ci/run`, in environments of their own.
INSTALLS = re.compile(r"pip install")
NEEDS_TORCH = re.compile(r"loaders|zoo|sensorium-data (train|evaluate|submit)")


def _blocks() -> list[tuple[str, str]]:
    text = (ROOT / "README.md").read_text("utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sensorium_data.testing import write_sensorium2022, write_sensorium2023

    folder = tmp_path_factory.mktemp("readme")
    made = write_sensorium2023(folder, name=NAME, n_neurons=12, lengths={"NaturalVideo": 300}, zipped="deflated")
    assert made.name == f"{NAME}.zip"
    write_sensorium2023(folder, name=PARTNER, n_neurons=12, holes=True, withhold=False, zipped="stored")
    write_sensorium2022(folder, n_neurons=12, frame_shape=(36, 64), zipped="stored")  # the others that `*.zip` finds
    return folder


@pytest.fixture(scope="module")
def mirror(workplace: Path) -> Iterator[str]:
    """The published file on a server of this machine instead of in the folder: it is to be downloaded from there."""
    with objects() as server:
        data = (workplace / f"{NAME}.zip").read_bytes()
        server.objects[f"/pollytur/sensorium_2023_dataset/raw/master/{NAME}.zip"] = data
        (workplace / f"{NAME}.zip").unlink()
        yield f"https://gin.g-node.org/=http://{HOST}:{server.server_port}/"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The bucket of the page, where an S3 server can be had."""
    if find_spec("s3fs") is None or find_spec("torch") is None:
        return {}
    try:
        return lab_environment(obtain(Seaweed), tmp_path_factory.mktemp("lab"))
    except Unavailable:
        return {}


def test_blocks_run_in_order(workplace: Path, mirror: str, bucket: dict[str, str]) -> None:
    scripts = Path(sys.executable).parent
    environment = {**os.environ, **bucket, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"SENSORIUM_DATA_MIRRORS": mirror, "SENSORIUM_DATA_CACHE": str(workplace / "cache")}
    ran = 0
    for language, block in _blocks():
        if INSTALLS.search(block) or (NEEDS_TORCH.search(block) and find_spec("torch") is None):
            continue
        if "s3://" in block and not bucket:
            continue
        command = ["bash", "-euc", block] if language == "sh" else [sys.executable, "-W", "error", "-c", block]
        done = subprocess.run(command, cwd=workplace, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        ran += 1
    n_torch = sum(bool(NEEDS_TORCH.search(block)) for _, block in _blocks())
    n_s3 = sum("s3://" in block and not NEEDS_TORCH.search(block) for _, block in _blocks())
    no_torch = find_spec("torch") is None
    s3_and_torch = sum("s3://" in block and bool(NEEDS_TORCH.search(block)) for _, block in _blocks())
    assert ran == N_BLOCKS - n_torch * no_torch - (n_s3 + s3_and_torch * (not no_torch)) * (not bucket)


def test_chosen_trials_keep_the_types_of_their_columns() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert "drop=True" not in text  # `where(..., drop=True)` makes floats of numbers and truths
    assert "pcodec" in text
    assert "--preset portable" in text


def test_blocks_are_of_languages_that_run() -> None:
    assert {language for language, _ in _blocks()} == {"sh", "python"}


def test_ci_runs_both_install_commands() -> None:
    script = (ROOT / ".ci/run").read_text("utf-8")
    commands = [block.strip() for language, block in _blocks() if language == "sh" and INSTALLS.search(block)]
    patterns = re.findall(r"grep -m 1 -x '(.*)' README\.md", script)
    assert len(commands) == len(patterns) == 2
    assert all(re.fullmatch(pattern, command) for pattern, command in zip(patterns, commands, strict=True))
