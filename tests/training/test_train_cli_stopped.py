"""`train` as it is stopped: by a signal, a loss that is no number, a full disk; and gone on with to the same curve."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from sensorium_data.zoo.loading import load
from sensorium_data.zoo.runs import RunFolder
from sensorium_data.zoo.training.precision import Precision
from tests.training.small import numbers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Callable[..., tuple[int, str, str]]


def on_step(monkeypatch: pytest.MonkeyPatch, action: Callable[[int], None]) -> None:
    """Do something before every step of the optimiser."""
    made: list[int] = []
    step = Precision.step

    def stepped(*given: Any, **named: Any) -> Any:
        made.append(1)
        action(len(made))
        return step(*given, **named)

    monkeypatch.setattr(Precision, "step", stepped)


@pytest.mark.parametrize("seen", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [1, 3, 5])
def test_interrupted_after_any_step_it_goes_on_to_the_same_curve(
    run: Cli, recipe: Path, mice: list[Path], tmp_path: Path, whole: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch,
    at: int, seen: signal.Signals,
) -> None:  # fmt: skip
    folder, before = tmp_path / "run", signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        on_step(patch, lambda n: os.kill(os.getpid(), seen) if n == at else None)
        code, _, talk = run("train", recipe, *mice, "--run", folder)
    assert code == 130
    assert "stopping after this step" in talk
    assert "interrupted: stopped in epoch" in talk
    assert "`--resume` goes on" in talk
    assert RunFolder.open(folder).document.state == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before
    assert run("train", recipe, *mice, "--run", folder, "--resume", "--quiet")[0] == 0
    assert numbers(folder) == whole


def test_interrupted_twice_it_stops_at_once_and_still_goes_on(
    run: Cli,
    recipe: Path,
    mice: list[Path],
    tmp_path: Path,
    whole: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def twice(n: int) -> None:
        if n == 4:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        on_step(patch, twice)
        code, _, talk = run("train", recipe, *mice, "--run", tmp_path / "run")
    assert (code, "interrupted: stopped at once" in talk) == (130, True)
    assert run("train", recipe, *mice, "--run", tmp_path / "run", "--resume", "--quiet")[0] == 0
    assert numbers(tmp_path / "run") == whole


def test_a_loss_that_is_no_number_ends_training_and_says_what_is_kept(
    run: Cli, recipe: Path, mice: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    code, told, talk = run("train", recipe, *mice, "--run", folder, "--set", "optimiser.learning_rate=1e30")
    assert (code, told) == (5, "")
    assert "error[loss-not-finite]" in talk
    assert "epoch 1, step 2, session 29515-10-12" in talk
    assert f"{folder}/model, correlation" in talk
    made = RunFolder.open(folder)
    assert made.document.error is not None
    assert (made.document.state, made.document.error.code) == ("failed", "loss-not-finite")
    assert all(bool(each.isfinite().all()) for each in load(folder).parameters())


@pytest.mark.parametrize("at", [2, 9, 14, 25])
def test_a_full_disk_ends_training_and_loses_nothing(
    run: Cli, recipe: Path, mice: list[Path], tmp_path: Path, whole: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch,
    at: int,
) -> None:  # fmt: skip
    folder, fsync, made = tmp_path / "run", os.fsync, []

    def full(handle: int) -> None:
        made.append(1)
        if len(made) >= at:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        code, told, talk = run("train", recipe, *mice, "--run", folder)
    assert (code, told) == (6, "")
    assert "the disk is full" in talk
    assert numbers(folder) == whole[: len(numbers(folder))]
    assert not list(folder.rglob("*.part"))
    assert run("train", recipe, *mice, "--run", folder, "--resume", "--quiet")[0] == 0
    assert numbers(folder) == whole
