"""A state is there whole or as it was before, and training goes on from it to the same numbers, to the bit."""

from __future__ import annotations

import errno
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from sensorium_data.catalogs.disk import write_whole
from sensorium_data.errors import BadArgument, DataInvalid, StorageFailed
from sensorium_data.zoo.training import state
from sensorium_data.zoo.training.engine import train
from sensorium_data.zoo.training.state import load_state, save_state
from tests.training.killed import RECIPE, Killed, dying
from tests.training.small import Folder, small

if TYPE_CHECKING:
    from sensorium_data.zoo.training.engine import TrainingResult

ROOT = Path(__file__).parents[2]
STATE = "training.safetensors"


@pytest.fixture(scope="module")
def whole(mice: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingResult, int]:
    """What training makes that nobody kills, and how many moments it has to die at."""
    with dying(-1, lambda: None) as moments:
        result = train(RECIPE, mice, run=Folder(tmp_path_factory.mktemp("whole")))
    return result, len(moments)


def same(one: TrainingResult, other: TrainingResult) -> bool:
    rows = [[row.numbers() for row in result.history] for result in (one, other)]
    weights = [result.model.state_dict() for result in (one, other)]
    return rows[0] == rows[1] and all(torch.equal(weights[1][name], tensor) for name, tensor in weights[0].items())


def kill() -> None:
    raise Killed


def test_killed_anywhere_it_ends_where_it_would_have(
    mice: list[Path], whole: tuple[TrainingResult, int], tmp_path: Path, full: bool
) -> None:
    wanted, n = whole
    rng = np.random.default_rng(0)
    for number in range(60 if full else 6):
        run = Folder(tmp_path / str(number))
        # Killed twice: what was resumed can be killed as well.
        for at in rng.integers(1, n, 2):
            try:
                with dying(int(at), kill):
                    train(RECIPE, mice, run=run, resume=True)
            except Killed:
                pass
        result = train(RECIPE, mice, run=run, resume=True)
        assert same(result, wanted), (number, n)
        assert [row.numbers() for row in run.rows] == [row.numbers() for row in wanted.history]
        assert not list(run.path.glob("**/*.part"))


def test_killed_for_good_it_ends_where_it_would_have(
    mice: list[Path], whole: tuple[TrainingResult, int], tmp_path: Path, full: bool
) -> None:
    wanted, n = whole
    rng = np.random.default_rng(1)
    for number in range(10 if full else 1):
        at = int(rng.integers(n // 3, n) if number == 0 else rng.integers(1, n))
        words = [sys.executable, ROOT / "tests/training/killed.py", tmp_path / str(number), at, *mice]
        child = subprocess.run(
            [str(word) for word in words], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert child.returncode == -9, child.stderr.decode()
        run = Folder(tmp_path / str(number))
        assert number or (run.state / STATE).exists()  # some die before there is any
        assert same(train(RECIPE, mice, run=run, resume=True), wanted), at


def test_a_full_disk_leaves_the_state_before(mice: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, recipe = Folder(tmp_path), small(schedule={"max_epochs": 3})
    n_written = iter(range(100))

    def full(path: Path, content: bytes, *, beside: str) -> None:
        if next(n_written) == 2:
            path.with_name(beside).write_bytes(content[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_whole(path, content, beside=beside)

    monkeypatch.setattr(state, "write_whole", full)
    with pytest.raises(StorageFailed, match="the disk is full"):
        train(recipe, mice, run=run)
    assert [path.name for path in run.state.iterdir()] == [STATE]
    assert load_state(run.state / STATE)[1]["schedule"]["epoch"] == 1
    assert same(train(recipe, mice, run=run, resume=True), train(recipe, mice))


def test_a_run_that_has_ended_is_not_trained_again(mice: list[Path], tmp_path: Path) -> None:
    run = Folder(tmp_path)
    one = train(small(), mice, run=run)
    stamp = (run.state / STATE).stat().st_mtime_ns
    other = train(small(), mice, run=run, resume=True)
    assert same(one, other)
    assert (run.state / STATE).stat().st_mtime_ns == stamp


def test_the_state_is_of_its_recipe_and_its_recordings(mice: list[Path], tmp_path: Path) -> None:
    run = Folder(tmp_path)
    train(small(schedule={"max_epochs": 1}), mice, run=run)
    with pytest.raises(BadArgument, match="another recipe") as refused:
        train(small(schedule={"max_epochs": 1}, optimiser={"learning_rate": 0.5}, seed=2), mice, run=run, resume=True)
    assert [problem.where for problem in refused.value.problems] == ["seed", "optimiser.learning_rate"]
    with pytest.raises(BadArgument, match="does not fit this loader"):
        train(small(schedule={"max_epochs": 1}), mice[0], run=run, resume=True)


@pytest.mark.parametrize("fault", ["cut", "empty", "pickle", "text", "version"])
def test_a_state_that_is_none_is_refused(mice: list[Path], tmp_path: Path, fault: str) -> None:
    run = Folder(tmp_path)
    train(small(schedule={"max_epochs": 1}), mice, run=run)
    path = run.state / STATE
    parts, plain = load_state(path)
    content: dict[str, bytes] = {
        "cut": path.read_bytes()[:-1],
        "empty": b"",
        "pickle": pickle.dumps({"a": 1}, protocol=2),
        "text": json.dumps(plain).encode(),
    }
    if fault == "version":
        save_state(path, parts, plain | {"version": 99})
    else:
        path.write_bytes(content[fault])
    with pytest.raises(DataInvalid):
        train(small(schedule={"max_epochs": 1}), mice, run=run, resume=True)


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    parts: dict[str, Any] = {
        "a": {"x:y/z": torch.arange(3), "ä": torch.tensor(1.5)},
        "b": {"half": torch.zeros(2, dtype=torch.bfloat16)},
    }
    plain = {"numbers": [0.1 + 0.2, None, True, "é"], "deep": {"n": 3}}
    save_state(tmp_path / "state", parts, plain)
    found, told = load_state(tmp_path / "state")
    assert told == plain
    assert {(part, name) for part, held in found.items() for name in held} == {
        ("a", "x:y/z"),
        ("a", "ä"),
        ("b", "half"),
    }
    for part, held in parts.items():
        for name, tensor in held.items():
            assert torch.equal(found[part][name], tensor)
            assert found[part][name].dtype == tensor.dtype
