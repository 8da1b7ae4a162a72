"""`train` in several processes: the first one talks and writes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from sensorium_data.zoo.runs import RunFolder
from tests.gloo import ended_well

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    Cli = Callable[..., tuple[int, str, str]]


def test_other_ranks_than_the_first_fail_in_silence(
    run: Cli, mice: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run("train", "demo-ln3", mice[0], "--run", tmp_path / "run") == (4, "", "")


def test_of_two_processes_the_first_one_talks_and_writes(recipe: Path, mice: list[Path], tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    words = [
        sys.executable,
        "-m",
        "sensorium_data",
        "train",
        str(recipe),
        *map(str, mice),
        "--run",
        str(tmp_path / "run"),
    ]
    ranks = [
        subprocess.Popen(
            words, env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [rank.communicate(timeout=300) for rank in ranks]
    assert all(ended_well(rank.returncode, told[1].decode()) for rank, told in zip(ranks, said, strict=True)), said
    assert b"epochs  at most 2 epochs of 6 batches in 6 steps" in said[0][1] or b"in 3 steps" in said[0][1]
    assert b"next: sensorium-data evaluate" in said[0][0]
    assert said[1][0] == b""
    assert b"epoch" not in said[1][1]
    assert [row.epoch for row in RunFolder.open(tmp_path / "run").rows()] == [0, 1, 2]
