"""The page on buckets is true: its commands run as they are written, against a bucket on an S3 server of this machine."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from sensorium_data.cli.app import cli
from tests.contracts.lab import credentials
from tests.servers.fixtures import seaweed

if TYPE_CHECKING:
    from tests.servers.seaweed import Seaweed

__all__ = ["seaweed"]

pytest.importorskip("s3fs", reason="s3fs is not installed")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/buckets.md").read_text("utf-8")
BUCKET = "bucket"


def commands() -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").replace("$ ", "").splitlines()]


HERE = [line for line in commands() if "example.org" not in line and "theirs" not in line]
ELSEWHERE = [line for line in commands() if line not in HERE]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two published mice, and a store of one of them."""
    from sensorium_data import convert
    from sensorium_data.testing import write_sensorium2023

    folder = tmp_path_factory.mktemp("buckets")
    partner = "dynamic29156-11-10-Video-8744edeac3b4d1ce16b680916b5267ce"
    write_sensorium2023(folder / "in", name=partner, n_neurons=4, n_train=2, withhold=False, zipped="stored")
    made = write_sensorium2023(folder / "in", n_neurons=4, n_train=2, zipped="stored")
    shutil.copy(made, folder / "mouse-F.zip")
    convert(made, folder / "mouse-F.zarr")
    return folder


def emptied(seaweed: Seaweed) -> None:
    """Make the bucket, or take the stores of another run out of it."""
    import s3fs

    if seaweed.request("HEAD", BUCKET).status != 200:
        seaweed.create_bucket(BUCKET)
    bucket = s3fs.S3FileSystem(**seaweed.storage_options, skip_instance_cache=True)
    if bucket.exists(f"{BUCKET}/stores"):
        bucket.rm(f"{BUCKET}/stores", recursive=True)


def test_the_blocks_run_in_order(seaweed: Seaweed, workplace: Path) -> None:
    named = credentials(seaweed, workplace) | {"SENSORIUM_DATA_CACHE": str(workplace / "cache")}
    environment = {**os.environ, **named}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    emptied(seaweed)
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert len(HERE) == 5
    for n, line in enumerate(HERE):
        if n == 3:  # the page has the store there already by then, in each of three ways
            emptied(seaweed)
            ran = [sys.executable, "-W", "error", "-c", code]
            done = subprocess.run(ran, cwd=workplace, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            emptied(seaweed)
        done = subprocess.run(
            ["bash", "-euc", line], cwd=workplace, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        if " ls " in line:
            assert "29515-10-12" in done.stdout
    assert not list((workplace / "cache" / "conversions").glob("*"))


def test_commands_for_elsewhere_can_be_read() -> None:
    assert len(ELSEWHERE) == 2
    for line in ELSEWHERE:
        program, verb, *words = shlex.split(line)
        command = cli.get_command(click.Context(cli), verb)
        assert program == "sensorium-data"
        assert command is not None
        with command.make_context(verb, words) as context:
            assert context.params
