"""Stores written under one Python and zarr are read, to the bit, under another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

OTHER = os.environ.get("SENSORIUM_DATA_OTHER_PYTHON", "")
PRESETS = ("compact", "fast", "portable")

WRITE = "import sys, sensorium_data as sd; sd.convert(sys.argv[1], sys.argv[2], preset=sys.argv[3])"
READ = """
import json, sys, zarr
import sensorium_data as sd
from sensorium_data.conversion import check_store
report = check_store(sys.argv[1], against=sys.argv[2])
values = sd.open_session(sys.argv[1]).trial(0)["responses"].values
print(json.dumps({"ok": report.ok, "zarr": zarr.__version__, "values": values.tobytes().hex()}))
"""


def _run(python: str, code: str, *words: str) -> str:
    done = subprocess.run([python, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sensorium_data.testing import write_sensorium2023

    return write_sensorium2023(tmp_path_factory.mktemp("interop"), frame_shape=(8, 12))


@pytest.mark.skipif(not OTHER, reason="SENSORIUM_DATA_OTHER_PYTHON names no second Python; .ci/run sets it")
@pytest.mark.parametrize("preset", PRESETS)
def test_each_reads_what_the_other_wrote(source: Path, tmp_path: Path, preset: str) -> None:
    seen: dict[str, dict[str, Any]] = {}
    for writer, reader in ((sys.executable, OTHER), (OTHER, sys.executable)):
        store = str(tmp_path / f"{len(seen)}.zarr")
        _run(writer, WRITE, str(source), store, preset)
        seen[reader] = json.loads(_run(reader, READ, store, str(source)))
        assert seen[reader]["ok"]
    here, there = seen[sys.executable], seen[OTHER]
    assert here["values"] == there["values"]
    assert here["zarr"] != there["zarr"]
