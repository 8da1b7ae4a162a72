"""Publishing: one process at a time, one rename, and nothing lost wherever it stops."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sensorium_data.errors import TargetBusy
from sensorium_data.store.publish import Scratch, scratch_path


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


def fill(scratch: Scratch, text: str) -> None:
    (scratch.store / "zarr.json").write_text(text, "utf-8")
    (scratch.journal / "task.npz").write_text("done", "utf-8")


def published(target: Path, text: str, recipe: str = "a") -> None:
    with Scratch(target) as scratch:
        scratch.begin({"recipe": recipe})
        fill(scratch, text)
        scratch.publish()


def held(target: Path) -> str:
    return (target / "zarr.json").read_text("utf-8")


def dies(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: int = 0) -> None:
    """Let a function work some times, and end the process at the next call."""
    calls, function = [0], getattr(owner, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] > after:
            raise Killed
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, dying)


def test_what_is_published_appears_and_the_rest_goes(tmp_path: Path) -> None:
    published(tmp_path / "s.zarr", "new")
    assert held(tmp_path / "s.zarr") == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


def test_same_recipe_goes_on_and_another_starts_anew(tmp_path: Path) -> None:
    for recipe, same in (("a", False), ("a", True), ("b", False), ("a", False)):
        with Scratch(tmp_path / "s.zarr") as scratch:
            assert scratch.begin({"recipe": recipe}) is same
            assert any(scratch.journal.iterdir()) is same
            assert any(scratch.store.iterdir()) is same
            fill(scratch, recipe)


def test_the_order_of_a_recipes_keys_is_no_difference(tmp_path: Path) -> None:
    with Scratch(tmp_path / "s.zarr") as scratch:
        scratch.begin({"one": 1, "two": 2})
        assert scratch.begin({"two": 2, "one": 1})


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_damaged_recipe_starts_anew(tmp_path: Path, text: str) -> None:
    with Scratch(tmp_path / "s.zarr") as scratch:
        scratch.begin({})
        fill(scratch, "old")
        (scratch.root / "recipe.json").write_text(text, "utf-8")
        assert not scratch.begin({})
        assert not any(scratch.journal.iterdir())


def test_a_second_process_is_told_to_wait(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom sensorium_data.errors import TargetBusy\n"
        "from sensorium_data.store.publish import Scratch\n"
        "try:\n    Scratch(Path(sys.argv[1])).__enter__()\n"
        "except TargetBusy as error:\n    print(error.code, error.hint)\n"
    )
    target = tmp_path / "s.zarr"
    with Scratch(target) as scratch:
        scratch.begin({})
        fill(scratch, "kept")
        run = subprocess.run([sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=True)
        assert run.stdout.startswith("target-busy ")
        assert scratch.begin({})
        with pytest.raises(TargetBusy):
            Scratch(target).__enter__()
    run = subprocess.run([sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=True)
    assert run.stdout == ""


def test_a_replacement_keeps_the_old_until_the_new_is_in_place(tmp_path: Path) -> None:
    target = tmp_path / "s.zarr"
    published(target, "old")
    with Scratch(target) as scratch:
        scratch.begin({"recipe": "b"})
        fill(scratch, "new")
        assert held(target) == "old"
        scratch.publish()
    assert held(target) == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


def test_a_replacement_that_stops_between_the_renames_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "s.zarr"
    published(target, "old")
    with monkeypatch.context() as patched, Scratch(target) as scratch:
        scratch.begin({"recipe": "b"})
        fill(scratch, "new")
        dies(patched, Path, "replace", after=1)
        with pytest.raises(Killed):
            scratch.publish()
    assert not target.exists()
    with Scratch(target) as scratch:
        assert held(target) == "old"
        assert scratch.begin({"recipe": "b"})
        assert (scratch.store / "zarr.json").read_text("utf-8") == "new"
        scratch.publish()
    assert held(target) == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


def test_what_was_published_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "s.zarr"
    with monkeypatch.context() as patched, Scratch(target) as scratch:
        scratch.begin({})
        fill(scratch, "new")
        dies(patched, shutil, "rmtree")
        with pytest.raises(Killed):
            scratch.publish()
    assert held(target) == "new"
    with Scratch(target) as scratch:
        # The journal speaks of a store that was moved away: believing it would leave holes.
        assert not scratch.begin({})
        assert not any(scratch.journal.iterdir())


def test_a_discard_that_stops_halfway_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched, Scratch(tmp_path / "s.zarr") as scratch:
        scratch.begin({})
        fill(scratch, "gone")
        store = scratch.store

        def dying(path: Path, *args: Any, **kwargs: Any) -> None:
            (store / "zarr.json").unlink()
            raise Killed

        patched.setattr(shutil, "rmtree", dying)
        with pytest.raises(Killed):
            scratch.discard()
    with Scratch(tmp_path / "s.zarr") as scratch:
        assert not scratch.begin({})


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_change_of_recipe_that_stops_halfway_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    target = tmp_path / "s.zarr"
    with Scratch(target) as scratch:
        scratch.begin({"recipe": "a"})
        fill(scratch, "a")
    with monkeypatch.context() as patched, Scratch(target) as scratch:
        dies(patched, shutil, "rmtree", after=after)
        with pytest.raises(Killed):
            scratch.begin({"recipe": "b"})
    with Scratch(target) as scratch:
        if scratch.begin({"recipe": "a"}):
            # Nothing of it was removed, so all of it must be there.
            assert (scratch.store / "zarr.json").read_text("utf-8") == "a"
            assert any(scratch.journal.iterdir())


def test_the_lock_is_free_when_its_process_is_gone(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom sensorium_data.store.publish import Scratch\n"
        "scratch = Scratch(Path(sys.argv[1])).__enter__()\nscratch.begin({})\nos.kill(os.getpid(), 9)\n"
    )
    target = tmp_path / "s.zarr"
    run = subprocess.run([sys.executable, "-c", code, str(target)], capture_output=True, check=False)
    assert run.returncode == -9
    with Scratch(target) as scratch:
        assert scratch.begin({})
        assert json.loads((scratch.root / "recipe.json").read_text("utf-8")) == {}
    assert os.listdir(tmp_path) == [scratch_path(target).name]  # noqa: PTH208  # names alone


def test_another_process_may_begin_while_a_folder_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "s.zarr"
    theirs: list[Scratch] = []
    unlink, rmtree = Path.unlink, shutil.rmtree

    def watched(path: Path, *args: Any, **kwargs: Any) -> None:
        # The lock must be there for as long as anything else is.
        assert (scratch_path(target) / "lock").exists()
        rmtree(path, *args, **kwargs)

    def then_they_come(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok=missing_ok)
        if path.name == "lock" and not theirs:
            theirs.append(Scratch(target).__enter__())
            theirs[0].begin({"recipe": "theirs"})
            fill(theirs[0], "theirs")

    with Scratch(target) as scratch:
        scratch.begin({})
        fill(scratch, "ours")
        monkeypatch.setattr(shutil, "rmtree", watched)
        monkeypatch.setattr(Path, "unlink", then_they_come)
        scratch.discard()
    assert (theirs[0].store / "zarr.json").read_text("utf-8") == "theirs"
    theirs[0].publish()
    theirs[0].__exit__()
    assert held(target) == "theirs"


def test_a_folder_that_is_removed_before_its_lock_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, opens, left = tmp_path / "s.zarr", os.open, [2]

    def removed_first(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path).endswith("lock") and left[0]:
            left[0] -= 1
            scratch_path(target).rmdir()
        return opens(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", removed_first)
    with Scratch(target) as scratch:
        assert not scratch.begin({})
    assert left == [0]
