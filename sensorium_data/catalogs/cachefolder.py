"""What the cache holds, and making room in it: only what this package has put there is ever removed."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn

from sensorium_data.catalogs.disk import disk_errors
from sensorium_data.catalogs.locks import is_locked, lock_of_file, locked
from sensorium_data.catalogs.partial import Partial
from sensorium_data.catalogs.pinned import LOCK_FILE, read_pins
from sensorium_data.catalogs.resolve import is_pattern
from sensorium_data.catalogs.wanted import downloads_folder
from sensorium_data.errors import NoSuchItem, Problem, TargetBusy, near_miss
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Cached", "cached", "chosen", "clear"]

PART = ".part"
KINDS = {"download": "downloads", "stream": "streams", "conversion": "conversions", "copy": "copies"}


@dataclass(frozen=True, slots=True)
class Cached:
    """One file of the downloads, one streamed store, a conversion to a URL that is not done, or the note of a copy.

    Attributes
    ----------
    kind : {"download", "stream", "conversion", "copy"}
    name : str
        Below the folder of its kind.
    path : Path
    n_bytes : int, bytes
        Of a file that is not whole, those that are here.
    whole : bool
    busy : bool
        A process is at work on it.
    """

    kind: Literal["download", "stream", "conversion", "copy"]
    name: str
    path: Path
    n_bytes: int
    whole: bool = True
    busy: bool = False


def cached() -> list[Cached]:
    """Return what the cache holds, downloads first, sorted by name.

    Raises
    ------
    DataInvalid
        A lock file is damaged.

    Examples
    --------
    >>> all(each.n_bytes >= 0 for each in cached())
    True
    """
    kinds = (_downloads(downloads_folder()), _streams(), _conversions(), _copies())
    return [each for found in kinds for each in sorted(found, key=_by_name)]


def _by_name(each: Cached) -> str:
    return each.name


def _downloads(root: Path) -> Iterator[Cached]:
    for folder, _, files in os.walk(root):
        below = root / os.path.relpath(folder, root) if folder != str(root) else root
        targets = {below / name.removesuffix(PART) for name in files if name.endswith(PART)}
        if LOCK_FILE in files:
            targets |= {below / name for name in read_pins(below)}
        for target in targets:
            yield from _states(target, str(target.relative_to(root)))


def _states(target: Path, name: str) -> Iterator[Cached]:
    """Yield a file, and what there is of it while it is not whole."""
    busy, n_part = is_locked(lock_of_file(target)), Partial(target).size
    if target.is_file():
        yield Cached("download", name, target, target.stat().st_size, busy=busy)
    elif n_part:
        yield Cached("download", name, target, n_part, whole=False, busy=busy)


def _streams() -> Iterator[Cached]:
    root = settings().cache_folder / "streams"
    for folder in root.iterdir() if root.is_dir() else ():
        if folder.is_dir() and not folder.is_symlink() and folder.name != "urls":
            yield Cached("stream", folder.name, folder, _on_disk(folder))


def _conversions() -> Iterator[Cached]:
    root = settings().cache_folder / "conversions"
    for folder in root.iterdir() if root.is_dir() else ():
        if folder.is_dir() and not folder.is_symlink():
            busy = any(is_locked(lock) for lock in folder.rglob("lock"))
            yield Cached("conversion", folder.name, folder, _on_disk(folder), whole=False, busy=busy)


def _copies() -> Iterator[Cached]:
    root = settings().cache_folder / "copies"
    for note in root.glob("*.jsonl"):
        yield Cached("copy", note.name, note, note.stat().st_size, busy=is_locked(note))


def _on_disk(folder: Path) -> int:
    """Return the bytes that files take on the disk: they may have holes."""
    return sum(file.lstat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def chosen(names: Sequence[str], found: Sequence[Cached]) -> list[Cached]:
    """Return what some names mean of what is cached: a file, a folder of downloads, a kind, a pattern.

    Kinds are ``downloads``, ``streams``, ``conversions`` and ``copies``.

    Raises
    ------
    NoSuchItem
        Nothing has such a name.

    Examples
    --------
    >>> chosen([], [])
    []
    """
    from fnmatch import fnmatchcase

    if not names:
        return list(found)
    kept: dict[Path, Cached] = {}
    for name in names:
        plain = name.rstrip("/")
        meant = [
            each
            for each in found
            if plain in (each.name, each.path.name, KINDS[each.kind])
            or each.name.startswith(f"{plain}/")
            or (is_pattern(plain) and fnmatchcase(each.name, plain))
        ]
        if not meant:
            hint = near_miss(name, [each.name for each in found]) if found else "the cache is empty"
            raise NoSuchItem(f"`{name}` is not in the cache", hint=hint)
        kept |= {each.path: each for each in meant}
    return list(kept.values())


def clear(what: Sequence[Cached]) -> int:
    """Remove some of what is cached, and return the bytes that it had.

    What is pinned of the files stays: should they be fetched again, they must be the same.

    Parameters
    ----------
    what : sequence of Cached

    Raises
    ------
    TargetBusy
        A process is fetching one of them; nothing is removed.
    StorageFailed
        The disk does not let it go.
    """
    if busy := [each for each in what if each.busy]:
        _refuse(busy)
    for each in what:
        with disk_errors(each.path):
            if each.kind == "copy":
                each.path.unlink(missing_ok=True)
                continue
            if each.kind != "download":
                shutil.rmtree(each.path, ignore_errors=False)
                if each.kind == "stream":  # what is held is counted anew
                    (each.path.parent / "used").unlink(missing_ok=True)
                continue

            def taken(each: Cached = each) -> None:
                _refuse([each])

            with locked(lock_of_file(each.path), taken):
                each.path.unlink(missing_ok=True)
                Partial(each.path).discard()
    return sum(each.n_bytes for each in what)


def _refuse(busy: Sequence[Cached]) -> NoReturn:
    problems = [Problem("target-busy", each.name, "is being worked on") for each in busy]
    raise TargetBusy(
        "a download, a conversion or a copy is under way", hint="wait until it is done, or stop it", problems=problems
    )
