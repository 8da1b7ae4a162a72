"""The pages on models, evaluation and submissions are true: their blocks run as they are written, one page after another."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

for needed in ("torch", "safetensors", "pyarrow"):
    pytest.importorskip(needed, reason=f"{needed} is not installed")

ROOT = Path(__file__).parents[2]
PAGES = ("models", "evaluation", "submissions")
N_BLOCKS = 10


def blocks() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for page in PAGES:
        text = (ROOT / f"docs/{page}.md").read_text("utf-8")
        found += re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return found


def test_the_blocks_run_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sensorium_data import convert
    from sensorium_data.testing import write_sensorium2023

    source = write_sensorium2023(tmp_path / "made", n_neurons=12, n_train=12, lengths={"NaturalVideo": 300})
    convert(source, tmp_path / "demo.zarr")
    monkeypatch.chdir(tmp_path)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    names: dict[str, Any] = {}
    found = blocks()
    assert len(found) == N_BLOCKS
    for language, block in found:
        if language == "python":
            exec(block, names)
            continue
        done = subprocess.run(["bash", "-euc", block], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    assert names["report"].ok
    assert names["rates"].shape == (1, 300 - 18, 12)
