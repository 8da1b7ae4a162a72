"""The page about readers is true: its reader, its test and its entry point are run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sensorium_data.sources.registry import GROUP
from sensorium_data.testing import SourceContract

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/readers.md").read_text("utf-8")
N_PROMISES = sum(name.startswith("test_") for name in dir(SourceContract))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def run(folder: Path, reader: str, test: str) -> subprocess.CompletedProcess[str]:
    """Run a reader's test as a third party would, in a project of its own."""
    (folder / "mylab.py").write_text(reader)
    (folder / "test_mylab.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    where = os.pathsep.join((str(folder), str(ROOT)))
    how = {**os.environ, "PYTHONPATH": where}
    return subprocess.run(command, cwd=folder, env=how, capture_output=True, text=True, check=False)


def test_the_reader_keeps_the_contract(tmp_path: Path) -> None:
    reader, test = blocks("python")
    done = run(tmp_path, reader, test)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{N_PROMISES} passed" in done.stdout


@pytest.mark.parametrize(
    ("sound", "broken", "failed"),
    [
        ("loaded.array[:n_valid]", "loaded.array[:n_valid].T", "test_samples_are_as_announced"),
        ('tree.fault("missing-member", name, "is not there")', "pass", "test_a_member_that_is_missing_is_named"),
    ],
)
def test_the_contract_sees_a_mistake_in_it(tmp_path: Path, sound: str, broken: str, failed: str) -> None:
    reader, test = blocks("python")
    assert sound in reader
    done = run(tmp_path, reader.replace(sound, broken), test)
    assert done.returncode == 1
    assert f"FAILED test_mylab.py::TestMyLab::{failed}" in done.stdout


def test_its_test_is_short() -> None:
    body = blocks("python")[1].partition("class ")[2]
    assert len(body.strip().splitlines()) <= 14


def test_the_entry_point_is_where_readers_are_looked_for() -> None:
    (block,) = blocks("toml")
    assert tomllib.loads(block)["project"]["entry-points"] == {GROUP: {"mylab": "mylab:MyLab"}}
