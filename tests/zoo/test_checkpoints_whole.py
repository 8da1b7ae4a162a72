"""A folder of a checkpoint is whole, or as it was: disks fill up, processes are killed, and nothing else is replaced."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sensorium_data.errors import BadArgument, StorageFailed, TargetBusy, TargetExists
from sensorium_data.store.publish import Scratch
from sensorium_data.zoo import cards, checkpoints
from sensorium_data.zoo.checkpoints import save_pretrained
from tests.zoo.tiny import made, opened, same

if TYPE_CHECKING:
    from sensorium_data.schemas.card import ModelCard


def test_a_checkpoint_is_replaced_only_when_asked(tmp_path: Path) -> None:
    one, two = made(1), made(2)
    save_pretrained(one, tmp_path / "mine")
    with pytest.raises(TargetExists, match="already"):
        save_pretrained(two, tmp_path / "mine")
    assert same(opened(tmp_path / "mine"), one)
    save_pretrained(two, tmp_path / "mine", existing="replace")
    assert same(opened(tmp_path / "mine"), two)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_link_is_replaced_where_it_leads(tmp_path: Path) -> None:
    save_pretrained(made(1), tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    save_pretrained(made(2), tmp_path / "link", existing="replace")
    assert (tmp_path / "link").is_symlink()
    assert same(opened(tmp_path / "real"), made(2))


def test_nothing_but_checkpoints_is_replaced(tmp_path: Path) -> None:
    save_pretrained(made(), tmp_path / "mine")
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text('{"model_type": "bert"}')
    for name, seen in (("mine", "notes.txt"), ("file", "is a file"), ("foreign", "config.json")):
        with pytest.raises(TargetExists, match=seen) as raised:
            save_pretrained(made(), tmp_path / name, existing="replace")
        assert raised.value.code == "not-a-checkpoint"
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    save_pretrained(made(), tmp_path / "empty")
    assert same(opened(tmp_path / "empty"), made())
    with pytest.raises(BadArgument, match="existing is 'replaced'"):
        save_pretrained(made(), tmp_path / "empty", existing="replaced")  # type: ignore[arg-type]


@pytest.mark.parametrize("nth", range(3))
def test_a_full_disk_leaves_the_old_one(nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_pretrained(made(1), tmp_path / "mine")
    n_written, write_bytes = 0, Path.write_bytes

    def failing(self: Path, data: bytes) -> int:
        nonlocal n_written
        n_written += 1
        if n_written == nth + 1:
            write_bytes(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return write_bytes(self, data)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", failing)
        with pytest.raises(StorageFailed, match="the disk is full"):
            save_pretrained(made(2), tmp_path / "mine", existing="replace")
    assert n_written == nth + 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]  # what was written is gone, for there is no room
    assert same(opened(tmp_path / "mine"), made(1))


def test_a_file_that_the_system_cuts_off_leaves_the_old_one(tmp_path: Path) -> None:
    save_pretrained(made(1), tmp_path / "mine")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(StorageFailed, match="no file this large"):
            save_pretrained(made(2), tmp_path / "mine", existing="replace")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert same(opened(tmp_path / "mine"), made(1))


KILLED = """
import os, sys
from pathlib import Path
from sensorium_data.zoo import cards, checkpoints
from sensorium_data.zoo.checkpoints import save_pretrained
from tests.zoo.tiny import made

target, n_steps = Path(sys.argv[1]), 0
old, new = made(1), made(2)

def counted(step, last):
    def run(*given, **named):
        global n_steps
        n_steps += 1
        if n_steps == last:
            os._exit(9)
        return step(*given, **named)
    return run

for last in range(1, 40):
    save_pretrained(old, target, existing="replace")
    child = os.fork()
    if not child:
        for owner, name in ((Path, "write_bytes"), (Path, "replace"), (Path, "mkdir"), (Path, "unlink"), (os, "fsync"), (os, "rmdir")):
            setattr(owner, name, counted(getattr(owner, name), last))
        save_pretrained(new, target, existing="replace")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    with open(sys.argv[2], "a") as log:
        log.write(f"{last} {os.waitstatus_to_exitcode(status)}\\n")
    os.system(f"cp -a {target.parent} {sys.argv[3]}/{last}")
    if os.waitstatus_to_exitcode(status) == 0:
        break
"""


def test_killed_at_any_step_one_of_the_two_is_there_whole(tmp_path: Path) -> None:
    log, copies = tmp_path / "log", tmp_path / "copies"
    copies.mkdir()
    (tmp_path / "models").mkdir()
    words = [sys.executable, "-c", KILLED, str(tmp_path / "models" / "mine"), str(log), str(copies)]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        words, cwd=root, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    ends = dict(line.split() for line in log.read_text().splitlines())
    assert len(ends) > 8
    assert set(list(ends.values())[:-1]) == {"9"}
    old, new = made(1), made(2)
    seen = []
    for step in ends:
        target = copies / step / "mine"
        found = opened(target)  # while the new one is put in its place the old one lies beside, and is read there
        assert same(found, old) or same(found, new)
        seen.append(same(found, new))
        save_pretrained(old, target, existing="replace")  # the next one goes on as if nothing had been
        assert same(opened(target), old)
        assert [path.name for path in target.parent.iterdir()] == ["mine"]
    assert seen == sorted(seen)
    assert seen[-1]
    assert not seen[0]


def test_two_do_not_write_at_once(tmp_path: Path) -> None:
    save_pretrained(made(1), tmp_path / "mine")
    with Scratch(tmp_path / "mine"), pytest.raises(TargetBusy, match="saving"):
        save_pretrained(made(2), tmp_path / "mine", existing="replace")
    assert same(opened(tmp_path / "mine"), made(1))


@pytest.mark.parametrize("n_times", [1, 3, 100])
def test_one_that_is_replaced_while_it_is_read_is_read_again(
    n_times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_pretrained(made(1), tmp_path / "mine")
    left, read_card = n_times, cards.read_card

    def interrupted(folder: Path) -> ModelCard:
        nonlocal left
        card = read_card(folder)
        if left:
            left -= 1
            save_pretrained(made(left + 2), tmp_path / "mine", existing="replace")
        return card

    monkeypatch.setattr(checkpoints, "read_card", interrupted)
    if n_times < checkpoints.TRIES:
        assert same(opened(tmp_path / "mine"), made(2))
        return
    with pytest.raises(StorageFailed, match="again and again"):
        opened(tmp_path / "mine")
