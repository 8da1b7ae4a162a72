"""Where a store may go, and what is said where it may not."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import sensorium_data as sd
from sensorium_data.errors import BadArgument, StorageFailed
from sensorium_data.store.publish import scratch_path, storage_errors
from sensorium_data.testing import write_sensorium2023


def everything(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("existing", ["error", "skip", "resume", "replace"])
@pytest.mark.parametrize("zipped", [None, "stored"])
@pytest.mark.parametrize("deep", ["", "a/b"])
def test_a_source_inside_the_target_is_not_deleted(
    sound: Path, tmp_path: Path, existing: Any, zipped: Any, deep: str
) -> None:
    target = Path(shutil.copytree(sound, tmp_path / "s.zarr"))
    how: Any = {"zipped": zipped} if zipped else {}
    source = write_sensorium2023(target / deep, n_neurons=2, n_train=1, n_repeats=1, frame_shape=(8, 12), **how)
    before = everything(tmp_path)
    with pytest.raises(BadArgument, match="is inside the target") as caught:
        sd.convert(source, target, existing=existing)
    assert caught.value.code == "source-inside-target"
    assert everything(tmp_path) == before


@pytest.mark.parametrize("where", ["x.zarr", "signals/x.zarr", "neurons/../trials/new/x.zarr"])
@pytest.mark.parametrize("linked", [False, True])
def test_a_target_inside_a_store_is_refused(sound: Path, tmp_path: Path, where: str, linked: bool) -> None:
    store = Path(shutil.copytree(sound, tmp_path / "s.zarr"))
    source = write_sensorium2023(tmp_path, n_neurons=2, n_train=1, n_repeats=1, frame_shape=(8, 12))
    (tmp_path / "link").symlink_to(store)
    before = everything(tmp_path)
    with pytest.raises(BadArgument, match="is inside the session store") as caught:
        sd.convert(source, (tmp_path / "link" if linked else store) / where)
    assert caught.value.code == "target-inside-store"
    assert str(tmp_path / "x.zarr") in caught.value.hint
    assert everything(tmp_path) == before


def test_a_link_inside_the_source_that_leads_out_of_it_is_inside(tmp_path: Path) -> None:
    source = write_sensorium2023(tmp_path, n_neurons=2, n_train=1, n_repeats=1, frame_shape=(8, 12))
    (source / "x.zarr").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadArgument, match="sources are never written to"):
        sd.convert(source, source / "x.zarr", existing="replace")


ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG}
PLACE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ENOENT}


@pytest.mark.parametrize("number", sorted(ROOM | PLACE))
def test_room_is_asked_for_only_where_room_is_lacking(tmp_path: Path, number: int) -> None:
    target = tmp_path / "s.zarr"
    with pytest.raises(StorageFailed) as caught, storage_errors(target):
        raise OSError(number, os.strerror(number), str(scratch_path(target)))
    assert ("make room" in caught.value.hint) is (number in ROOM)
    assert "another target" in caught.value.hint


@pytest.mark.parametrize("missing", ["source/data/videos/0.npy", "s.zarr", ".s.zarr.partial2", None, 7])
def test_what_is_missing_elsewhere_is_not_taken_for_storage(tmp_path: Path, missing: Any) -> None:
    name = str(tmp_path / missing) if isinstance(missing, str) else missing
    with pytest.raises(FileNotFoundError) as caught, storage_errors(tmp_path / "s.zarr"):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", name)
    assert not isinstance(caught.value, StorageFailed)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
@pytest.mark.parametrize("target", ["/proc/x.zarr", "/proc/a/b/x.zarr"])
def test_a_place_where_no_folder_can_be_made(tmp_path: Path, target: str) -> None:
    source = write_sensorium2023(tmp_path, n_neurons=2, n_train=1, n_repeats=1, frame_shape=(8, 12))
    with pytest.raises(StorageFailed, match="cannot be made") as caught:
        sd.convert(source, target)
    assert "choose another target" in caught.value.hint
