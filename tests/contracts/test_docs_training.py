"""The page on training is true: its blocks run as they are written, on two small mice."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed")
from tests.gloo import ABORTED

ROOT = Path(__file__).parents[2]
TRIES = 4  # torchrun makes a failure of an abort at the very end: see `tests.gloo`
PAGE = (ROOT / "docs/training.md").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sensorium_data import convert
    from sensorium_data.testing import write_sensorium2023

    folder = tmp_path_factory.mktemp("training")
    names = {
        "mouse-F": "dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20",
        "mouse-A": "dynamic29156-11-10-Video-8744edeac3b4d1ce16b680916b5267ce",
    }
    for n_neurons, (mouse, name) in enumerate(names.items(), start=12):
        convert(
            write_sensorium2023(folder / mouse, name=name, n_neurons=n_neurons, n_train=12), folder / f"{mouse}.zarr"
        )
    return folder


def run(workplace: Path, *command: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for _ in range(TRIES):
        done = subprocess.run(
            command, cwd=workplace, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        if ABORTED not in done.stderr:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_blocks_run_one_after_another(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    names: dict[str, Any] = {}
    found = blocks("python")
    assert len(found) == 5
    for block in found:
        exec(block, names)
    assert set(names["mixed"].dataset.keys) == set(names["batch"]["responses"])
    assert names["loss"].isfinite()


def test_two_ranks_train_together(workplace: Path) -> None:
    (script,) = blocks("python ddp")
    (workplace / "ddp.py").write_text(script)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
    run(workplace, *launch, "--nproc-per-node", "2", "ddp.py")
    import torch

    saved = torch.load(workplace / "checkpoint.pt", weights_only=True)
    assert saved["loader"]["epoch"] == 1
    assert saved["loader"]["n_consumed"] == 0


@pytest.mark.parametrize("framework", ["lightning", "accelerate"])
def test_frameworks(workplace: Path, framework: str) -> None:
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    (script,) = blocks(f"python {framework}")
    (workplace / f"{framework}_example.py").write_text(script)
    run(workplace, sys.executable, f"{framework}_example.py")
