"""What lies in a folder of this machine: looked at once, links followed, each folder once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_data.errors import Problem, SourceInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["ANCHORS", "one_session", "statuses", "walk"]

ANCHORS = ("data", "meta")  # the two folders every published session has


def statuses(folder: str, files: Iterable[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Yield files with their status, from within the folder: half the time of looking each path up from the root."""
    here = os.open(folder, os.O_RDONLY)
    try:
        for file in files:
            try:
                yield file, os.stat(file, dir_fd=here)
            except OSError:
                yield file, os.lstat(file, dir_fd=here)  # a link that leads nowhere; reading it says so
    finally:
        os.close(here)


def walk(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield folders and their files, links to folders followed, each folder once.

    Raises
    ------
    SourceInvalid
        A folder cannot be read.
    """
    problems: list[Problem] = []

    def unreadable(error: OSError) -> None:
        problems.append(Problem("unreadable", str(error.filename), f"cannot be read: {error.strerror}"))

    seen = {os.path.realpath(root)}
    for folder, inside, files in os.walk(root, followlinks=True, onerror=unreadable):
        new = {name: os.path.realpath(Path(folder, name)) for name in inside}
        inside[:] = [name for name, real in new.items() if real not in seen]
        seen |= set(new.values())
        yield folder, files
    if problems:
        raise SourceInvalid(f"{root}: {len(problems)} folders cannot be read", problems=problems, code="unreadable")


def _is_session(path: Path) -> bool:
    return any((path / anchor).is_dir() for anchor in ANCHORS)


def one_session(path: Path) -> Path:
    """Return the session's own folder: the one that is given, or the only one inside it.

    Raises
    ------
    SourceInvalid
        There are several.
    """
    if _is_session(path):
        return path
    inside = sorted(child for child in path.iterdir() if child.is_dir() and _is_session(child))
    if len(inside) > 1:
        names = ", ".join(child.name for child in inside[:5])
        hint = f"`sensorium-data convert '{path}/*' FOLDER` converts all of them"
        raise SourceInvalid(
            f"{path} holds {len(inside)} sessions, expected one: {names}", hint=hint, code="several-sessions"
        )
    return inside[0] if inside else path
