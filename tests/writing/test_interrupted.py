"""A write that fails leaves nothing behind, locks nothing, and never touches what was there before it is whole."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.errors import TargetBusy, TargetExists
from sensorium_data.store.publish import Scratch

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.progress import Progress


def write(target: Path, values: Any = None, **given: Any) -> Any:
    array = np.full((4000, 2), 1.0) if values is None else values
    return sd.write_session(
        target, identity="m", signals=[sd.SignalData("responses", array, unit="1", rate_hz=8)], **given
    )


def mean(target: Path) -> float:
    return float(sd.open_session(target)["responses"].mean())


def _failing(block: Any) -> Any:
    raise ZeroDivisionError("in a block")


FAILS = da.from_array(np.ones((4000, 2)), chunks=(1500, 2)).map_blocks(_failing, dtype="f8", meta=np.ones((0, 0)))


@pytest.mark.parametrize("there", [False, True])
def test_an_exception_in_a_block(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "deep" / "own.zarr"
    if there:
        write(target)
    with pytest.raises(ZeroDivisionError, match="in a block"):
        write(target, FAILS, existing="replace")
    assert [path.name for path in tmp_path.iterdir()] == (["deep"] if there else [])
    if there:
        assert [path.name for path in target.parent.iterdir()] == ["own.zarr"]
        assert mean(target) == 1.0
    write(target, np.full((4000, 2), 2.0), existing="replace")
    assert mean(target) == 2.0
    assert check_store(target).findings == ()


@pytest.mark.parametrize("stage", ["write", "check"])
def test_an_interrupt_while_progress_is_shown(tmp_path: Path, stage: str) -> None:
    seen: list[str] = []

    def report(progress: Progress) -> None:
        seen.append(progress.stage)
        if progress.stage == stage and progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "own.zarr", report=report)
    assert seen[-1] == stage
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "own.zarr")
    assert mean(tmp_path / "own.zarr") == 1.0


KILLED = """
import os, signal, sys
import numpy as np
import sensorium_data as sd

def report(progress):
    if progress.stage == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

signals = [sd.SignalData("responses", np.full((4000, 2), 1.0), unit="1", rate_hz=8)]
sd.write_session(sys.argv[1], identity="m", signals=signals, report=report, existing="replace")
"""


@pytest.mark.parametrize("stage", ["write", "check"])
@pytest.mark.parametrize("there", [False, True])
def test_a_process_that_is_killed_leaves_what_the_next_write_removes(tmp_path: Path, stage: str, there: bool) -> None:
    target = tmp_path / "own.zarr"
    if there:
        write(target, np.full((4000, 2), 3.0))
    words = [sys.executable, "-c", KILLED, str(target), stage]
    assert subprocess.run(words, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.iterdir()) == [".own.zarr.partial", *["own.zarr"][:there]]
    if there:
        assert mean(target) == 3.0
    write(target, np.full((4000, 2), 2.0), existing="replace")
    assert [path.name for path in tmp_path.iterdir()] == ["own.zarr"]
    assert mean(target) == 2.0
    assert check_store(target).findings == ()


def test_existing_says_what_becomes_of_a_store(tmp_path: Path) -> None:
    target = tmp_path / "own.zarr"
    assert write(target).status == "converted"
    twos = np.full((4000, 2), 2.0)
    with pytest.raises(TargetExists):
        write(target, twos)
    assert write(target, twos, existing="skip").status == "skipped"
    assert mean(target) == 1.0
    assert write(target, twos, existing="replace").status == "converted"
    assert mean(target) == 2.0
    assert [path.name for path in tmp_path.iterdir()] == ["own.zarr"]


def test_what_is_no_store_is_never_replaced(tmp_path: Path) -> None:
    target = tmp_path / "thesis"
    target.mkdir()
    (target / "chapter1.txt").write_text("dear to me")
    with pytest.raises(TargetExists) as caught:
        write(target, existing="replace")
    assert caught.value.code == "not-a-store"
    assert (target / "chapter1.txt").read_text() == "dear to me"


def test_two_writers_of_one_target(tmp_path: Path) -> None:
    target = tmp_path / "own.zarr"
    with Scratch(target), pytest.raises(TargetBusy):
        write(target)
    write(target)
    assert mean(target) == 1.0


def test_a_store_that_came_while_this_one_waited_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target was free when it was looked at first, and another process finished before the lock was ours."""
    target, lock = tmp_path / "own.zarr", Scratch.__enter__

    def late(scratch: Scratch) -> Scratch:
        monkeypatch.setattr(Scratch, "__enter__", lock)
        write(target)
        return lock(scratch)

    monkeypatch.setattr(Scratch, "__enter__", late)
    with pytest.raises(TargetExists):
        write(target, np.full((4000, 2), 2.0))
    assert mean(target) == 1.0


def test_writers_of_two_targets_do_not_meet(tmp_path: Path) -> None:
    """Distinct recordings may be written by threads of one process, into one folder."""
    threads = [
        threading.Thread(target=write, args=(tmp_path / f"{i}.zarr", np.full((3100, 3), float(i)))) for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [mean(tmp_path / f"{i}.zarr") for i in range(4)] == [0.0, 1.0, 2.0, 3.0]


def test_progress_tells_of_every_step(tmp_path: Path) -> None:
    seen: list[Progress] = []
    write(tmp_path / "own.zarr", report=seen.append)
    assert list(dict.fromkeys(one.stage for one in seen)) == ["write", "check", "publish"]
    assert all(0 <= one.done <= (one.total or one.done) for one in seen)
