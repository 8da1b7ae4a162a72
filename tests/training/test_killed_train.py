"""A run that is killed for good at random moments, again and again, ends with the curve of one that was left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.zoo.runs import RunFolder
from sensorium_data.zoo.runs.toml import recipe_toml
from sensorium_data.zoo.training.records import MEASURED
from tests.training.killed import RECIPE, dying

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


def columns(folder: Path) -> list[list[str]]:
    """The table as it is written, but for the times of this machine."""
    header, *lines = [line.split(",") for line in (folder / "curves.csv").read_text().splitlines()]
    kept = [n for n, name in enumerate(header) if name not in MEASURED]
    return [[line[n] for n in kept] for line in [header, *lines]]


def test_killed_and_gone_on_with_it_has_the_curve_of_a_whole_run(
    run: Callable[..., tuple[int, str, str]], mice: list[Path], tmp_path: Path, full: bool
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_bytes(recipe_toml(RECIPE) or b"")
    with dying(-1, lambda: None) as moments:
        assert run("train", recipe, *mice, "--run", tmp_path / "whole", "--quiet")[0] == 0
    n, rng = len(moments), np.random.default_rng(7)
    wanted = columns(tmp_path / "whole")
    for number in range(20 if full else 1):
        folder = tmp_path / str(number)
        chosen = ",".join(str(at) for at in rng.integers(n // 8, n, 2))
        words = [sys.executable, ROOT / "tests/training/killedtrain.py", folder, recipe, chosen, *mice]
        done = subprocess.run(
            [str(word) for word in words], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("killed\n")
        assert columns(folder) == wanted, (number, chosen, n)
        assert RunFolder.open(folder).document.state == "finished"
        assert not list(folder.rglob("*.part"))
