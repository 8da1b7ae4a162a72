"""Recordings as they are handed out: a folder, or one zip with that folder in it and the litter that macOS adds."""

from __future__ import annotations

import shutil
import stat
import zipfile
from typing import TYPE_CHECKING, Literal

from sensorium_data.errors import TargetExists

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Zipped", "new_recording", "pack"]

Zipped = Literal["", "stored", "deflated"]

THE_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can name
UNIX = 3
METHODS = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}


def new_recording(folder: Path, name: str, streams: Iterable[str]) -> Path:
    """Make a session's folder with the empty folders of its streams.

    Parameters
    ----------
    folder : Path
        Where it is put; made if it is not there.
    name : str
        Of the session.
    streams : iterable of str
        Folders below `data`.

    Returns
    -------
    Path
        `<folder>/<name>`.

    Raises
    ------
    TargetExists
        That folder, or its zip, is there already.
    """
    session = folder / name
    for there in (session, folder / f"{name}.zip"):
        if there.exists():
            raise TargetExists(f"{there} is there already", hint="remove it, or write into another folder")
    for stream in streams:
        (session / "data" / stream).mkdir(parents=True)
    return session


def _info(name: str, method: int) -> zipfile.ZipInfo:
    """Return an entry that says the same on every machine and at every time."""
    info = zipfile.ZipInfo(name, THE_DATE)
    info.create_system = UNIX
    mode = stat.S_IFDIR | 0o755 if name.endswith("/") else stat.S_IFREG | 0o644
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_STORED if name.endswith("/") else method
    return info


def pack(folder: Path, method: Literal["stored", "deflated"], *, stream: str = "videos") -> Path:
    """Put a session's folder into a zip beside it, and remove the folder.

    Parameters
    ----------
    folder : Path
    method : {"stored", "deflated"}
    stream : str
        In whose folder macOS has left something too.

    Returns
    -------
    Path
        `<folder>.zip`, holding `<name>/…` and `__MACOSX/…`.
    """
    target = folder.with_name(folder.name + ".zip")
    how = METHODS[method]
    with zipfile.ZipFile(target, "w") as archive:
        for path in [folder, *sorted(folder.rglob("*"))]:
            name = path.relative_to(folder.parent).as_posix()
            if path.is_dir():
                archive.writestr(_info(name + "/", how), b"")
            else:
                # Level 1: published pixels and traces gain little from more, and a test should not wait.
                archive.writestr(_info(name, how), path.read_bytes(), compresslevel=1)
        for name in (f"._{folder.name}", f"{folder.name}/._data", f"{folder.name}/data/{stream}/._0.npy"):
            archive.writestr(_info(f"__MACOSX/{name}", how), b"\0\5\x16\7" + bytes(28))
    shutil.rmtree(folder)
    return target
