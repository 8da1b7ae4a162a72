"""Targets that cannot be had: nothing that is there is changed, and the same command goes on once it can."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.cli import main
from sensorium_data.errors import BadArgument, SourceInvalid, StorageFailed, TargetBusy, TargetExists
from sensorium_data.store.publish import Scratch, scratch_path
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXISTING: tuple[Literal["error", "skip", "resume", "replace"], ...] = ("error", "skip", "resume", "replace")


def write(folder: Path, **how: Any) -> Path:
    return write_sensorium2023(folder, **{"n_neurons": 6, "frame_shape": (8, 12), "n_train": 2, "n_repeats": 1, **how})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "s")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What an undisturbed conversion of the same recording writes."""
    folder = tmp_path_factory.mktemp("made")
    sd.convert(write(folder / "s"), folder / "x.zarr")
    return contents(folder / "x.zarr")


def timeless(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: timeless(value) for name, value in node.items() if name != "converted_at"}
    return [timeless(value) for value in node] if isinstance(node, list) else node


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder; of the root without when it was made."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if path == folder / "zarr.json":
                data = json.dumps(timeless(json.loads(data))).encode()
            found[path.relative_to(folder).as_posix()] = hashlib.sha256(data).hexdigest()
    return found


def no_litter(target: Path) -> bool:
    return not os.path.lexists(scratch_path(target))


def test_a_store_that_is_there(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.zarr"
    sd.convert(source, target)
    before, inode = (target / "zarr.json").read_bytes(), target.stat().st_ino
    with pytest.raises(TargetExists, match="exists already") as caught:
        sd.convert(source, target)
    assert (caught.value.code, caught.value.exit_code) == ("target-exists", 7)
    assert "--existing skip, resume or replace" in caught.value.hint
    assert sd.convert(source, target, existing="skip").status == "skipped"
    assert sd.convert(source, target, existing="resume").status == "up-to-date"
    assert ((target / "zarr.json").read_bytes(), target.stat().st_ino) == (before, inode)
    assert sd.convert(source, target, existing="replace").status == "converted"
    assert target.stat().st_ino != inode
    assert no_litter(target)


def test_resume_refuses_what_was_made_otherwise(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.zarr"
    sd.convert(source, target, preset="fast")
    before = contents(target)
    with pytest.raises(TargetExists, match="with other options") as caught:
        sd.convert(source, target, existing="resume")
    assert caught.value.code == "target-differs"
    other = write(tmp_path / "other", n_neurons=7)
    with pytest.raises(TargetExists, match="from another source"):
        sd.convert(other, target, existing="resume", preset="fast")
    assert contents(target) == before


def test_replacing_by_a_source_that_is_wrong_keeps_the_store(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.zarr"
    sd.convert(source, target)
    before = (target / "zarr.json").read_bytes()
    values = np.load(source / "data/videos/3.npy")
    values[0, 0, 0] = np.nan
    np.save(source / "data/videos/3.npy", values)
    with pytest.raises(SourceInvalid):
        sd.convert(source, target, existing="replace")
    assert (target / "zarr.json").read_bytes() == before
    assert no_litter(target)


@pytest.mark.parametrize("existing", EXISTING)
@pytest.mark.parametrize("kind", ["file", "folder", "empty", "link"])
def test_what_is_no_store_is_never_replaced(source: Path, tmp_path: Path, existing: Any, kind: str) -> None:
    target = tmp_path / "x.zarr"
    if kind == "file":
        target.write_text("mine")
    elif kind == "link":
        target.symlink_to(tmp_path / "nowhere")
    else:
        target.mkdir()
        if kind == "folder":
            (target / "zarr.json").write_text('{"attributes": {}}')
    before = contents(tmp_path)
    with pytest.raises(TargetExists, match="is not a session store") as caught:
        sd.convert(source, target, existing=existing)
    assert (caught.value.code, caught.value.exit_code) == ("not-a-store", 7)
    assert contents(tmp_path) == before
    assert no_litter(target)


@pytest.mark.parametrize("existing", EXISTING)
@pytest.mark.parametrize("where", [".", "x.zarr", "data/x.zarr", "data/../meta/x.zarr"])
def test_a_target_inside_the_source(source: Path, existing: Any, where: str) -> None:
    before = contents(source)
    with pytest.raises(BadArgument, match="sources are never written to") as caught:
        sd.convert(source, source / where, existing=existing)
    assert (caught.value.code, caught.value.exit_code) == ("target-inside-source", 2)
    assert contents(source) == before


def test_a_target_inside_the_source_by_a_link(source: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(source)
    with pytest.raises(BadArgument):
        sd.convert(source, tmp_path / "link" / "x.zarr")
    assert not list(source.rglob("*.zarr"))


def test_a_zip_is_not_its_own_target(tmp_path: Path) -> None:
    packed = write(tmp_path, zipped="stored")
    before = packed.read_bytes()
    with pytest.raises(BadArgument):
        sd.convert(packed, packed, existing="replace")
    assert packed.read_bytes() == before


def test_two_conversions_to_one_target(source: Path, tmp_path: Path, made: dict[str, str]) -> None:
    target = tmp_path / "x.zarr"
    with Scratch(target) as other:
        (other.root / "theirs").write_text("x")
        with pytest.raises(TargetBusy, match="another process is converting") as caught:
            sd.convert(source, target)
        assert (caught.value.code, caught.value.exit_code) == ("target-busy", 7)
        assert (other.root / "theirs").read_text() == "x"
        assert not target.exists()
    sd.convert(source, target)
    assert contents(target) == made
    assert no_litter(target)


def test_a_target_below_a_file(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageFailed, match="a part of the path is a file") as caught:
        sd.convert(source, tmp_path / "file" / "x.zarr")
    assert caught.value.exit_code == 6
    assert (tmp_path / "file").read_text() == "mine"


def test_a_name_too_long_for_the_file_system(source: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageFailed):
        sd.convert(source, tmp_path / ("x" * 250))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s"]


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))


def test_files_that_may_not_grow_and_then_may(source: Path, tmp_path: Path, made: dict[str, str]) -> None:
    target = tmp_path / "x.zarr"
    words = [sys.executable, "-m", "sensorium_data", "convert", str(source), str(target), "--json"]
    failed = subprocess.run(words, capture_output=True, text=True, preexec_fn=limited, check=False)
    assert failed.returncode == 6, failed.stderr
    assert "error[storage-failed]: " in failed.stderr
    assert "takes no file this large" in failed.stderr
    assert "run the same command again" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert json.loads(failed.stdout)["error"]["code"] == "storage-failed"
    assert not target.exists()
    assert sd.convert(source, target).status == "resumed"
    assert contents(target) == made
    assert no_litter(target)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Put a small file system in memory over a folder."""
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs root and the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("size_kib", [4, 64, 160, 260])
def test_a_full_disk_and_then_room(source: Path, tmp_path: Path, made: dict[str, str], size_kib: int) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder, f"size={size_kib}k"):
        target = folder / "x.zarr"
        with pytest.raises(StorageFailed, match="the disk is full") as caught:
            sd.convert(source, target)
        assert caught.value.exit_code == 6
        assert not target.exists()
        subprocess.run(["mount", "-o", "remount,size=8m", str(folder)], check=True)
        assert sd.convert(source, target).status in {"resumed", "converted"}
        assert contents(target) == made
        assert no_litter(target)


def test_a_read_only_disk(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder, "size=8m"):
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        with pytest.raises(StorageFailed, match="read-only") as caught:
            sd.convert(source, folder / "x.zarr")
        assert caught.value.exit_code == 6
        assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(StorageFailed, match="permission was denied"):
        sd.convert(source, folder / "x.zarr")


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "full"), (errno.EACCES, "permission"), (errno.EROFS, "read-only")]
)
def test_what_the_system_says_becomes_words(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number), "somewhere")

    with monkeypatch.context() as patched:
        patched.setattr("sensorium_data.store.publish.os.fsync", fail)
        with pytest.raises(StorageFailed, match=words):
            sd.convert(source, tmp_path / "x.zarr")
    assert sd.convert(source, tmp_path / "x.zarr").status == "resumed"


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("convert", "{s}", "{s}/x.zarr"), "target-inside-source", 2),
        (("convert", "{s}", "{t}/file"), "not-a-store", 7),
        (("convert", "{t}/none", "{t}/x.zarr"), "no-such-source", 4),
        (("convert", "{s}", "{t}/x.zarr", "--reader", "sensorium"), "no-such-reader", 4),
        (("convert", "{t}/file", "{t}/x.zarr"), "zip-damaged", 5),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_line_ends_as_the_design_says(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: str, exit_code: int, as_json: bool
) -> None:  # fmt: skip
    (tmp_path / "file").write_text("mine")
    typed = [word.format(s=source, t=tmp_path) for word in words]
    with pytest.raises(SystemExit) as caught:
        main([*typed, "--json"] if as_json else typed)
    seen = capsys.readouterr()
    assert caught.value.code == exit_code
    assert f"error[{code}]: " in seen.err
    assert "\nhint: " in seen.err
    assert "Traceback" not in seen.err
    assert (json.loads(seen.out)["error"]["code"] == code) if as_json else (seen.out == "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "s"]
