"""Nothing half-written is ever visible: build beside the target, under a lock, and rename when all is done.

Beside `NAME` lies `.NAME.partial` while a conversion runs or waits to be resumed: the store so far, the journal of
finished tasks, a recipe that says what it is a part of, and the lock.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sensorium_data.errors import BadArgument, StorageFailed, TargetBusy, TargetExists
from sensorium_data.store.layout import ATTRIBUTE, Paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sensorium_data.schemas import Existing

__all__ = [
    "Scratch",
    "flush_folders",
    "is_store",
    "keep_only",
    "root_attributes",
    "scratch_path",
    "settle_target",
    "storage_errors",
    "sweep_scratch",
]

FLUSHERS = 4  # threads that wait for the disk
STORAGE_ERRNOS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file system takes no file this large",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission was denied",
    errno.EPERM: "permission was denied",
    errno.ENOTDIR: "a part of the path is a file",
    errno.ENAMETOOLONG: "the name is too long for the file system",
    errno.EIO: "the device failed",
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says about storage into one readable error.

    Raises
    ------
    StorageFailed
        Full, read-only, forbidden or failing storage.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageFailed) or error.errno not in STORAGE_ERRNOS:
            raise
        hint = "make room or choose another target, then run the same command again: it goes on where it stopped"
        where = error.filename or path
        raise StorageFailed(f"{where}: {STORAGE_ERRNOS[error.errno]}", hint=hint) from None


def root_attributes(path: Path) -> dict[str, Any] | None:
    """Return what the root of a store says about its session, or None where there is no store."""
    try:
        root = json.loads((path / Paths.root).read_bytes())
        attributes = root["attributes"][ATTRIBUTE]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return attributes if isinstance(attributes, dict) else None


def is_store(path: Path) -> bool:
    """True when a folder is a session store of any layout."""
    return root_attributes(path) is not None


def scratch_path(target: Path) -> Path:
    """Return where a conversion to the target builds."""
    return target.with_name(f".{target.name}.partial")


def settle_target(target: Path, source: Path, existing: Existing) -> bool:
    """Decide what becomes of a target before anything is read; True when there is nothing to do.

    Raises
    ------
    BadArgument
        The target lies inside the source, or is the source.
    TargetExists
        Something is there that must not, or must not yet, be replaced.
    """
    here, there = target.resolve(), source.resolve()
    if here == there or there in here.parents:
        raise BadArgument(
            f"{target} is inside the source {source}; sources are never written to",
            hint="choose a target outside it",
            code="target-inside-source",
        )
    if not os.path.lexists(target):
        return False
    if not is_store(target):
        hint = "choose another target; --existing replace replaces session stores only"
        raise TargetExists(f"{target} exists and is not a session store", hint=hint, code="not-a-store")
    if existing == "error":
        hint = "--existing skip, resume or replace says what to do with it"
        raise TargetExists(f"{target} exists already", hint=hint)
    return existing == "skip"


class Scratch:
    """The folder a conversion builds in, locked for as long as it is open.

    Parameters
    ----------
    target : Path
        Where the finished store goes.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.root = scratch_path(target)
        self.store = self.root / "store"
        self.journal = self.root / "journal"
        self.spool = self.root / "spool"
        self._old = self.root / "replaced"
        self._lock: int | None = None
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        """Create and lock the folder; a store that an interrupted replacement set aside is put back."""
        self._made = [parent for parent in self.root.parents if not parent.exists()]
        self._lock = _locked(self.root, self.target)
        if self._old.exists() and not self.target.exists():
            self._old.replace(self.target)
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock; what was built stays for the next run, unless it was published or discarded."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def begin(self, recipe: Mapping[str, Any]) -> bool:
        """Make the folders for a recipe; True when work of the same recipe is there to go on with."""
        note = self.root / "recipe.json"
        text = json.dumps(recipe, sort_keys=True, indent=1)
        try:
            same = note.read_text("utf-8") == text
        except OSError:
            same = False
        same = same and self.store.is_dir()
        if not same:
            # The note goes first: killed from here on, the next run must not take what is left for its own.
            note.unlink(missing_ok=True)
            for folder in (self.store, self.journal, self.spool):
                shutil.rmtree(folder, ignore_errors=True)
        for folder in (self.store, self.journal, self.spool):
            folder.mkdir(exist_ok=True)
        if not same:
            part = note.with_suffix(".part")
            part.write_text(text, "utf-8")
            part.replace(note)
        return same

    def forget(self) -> None:
        """Make the next `begin` start from nothing."""
        (self.root / "recipe.json").unlink(missing_ok=True)

    def publish(self) -> None:
        """Put the finished store in its place in one step and remove the rest."""
        flush_folders(self.store)
        if self.target.exists():
            shutil.rmtree(self._old, ignore_errors=True)
            self.target.replace(self._old)
        self.store.replace(self.target)
        self.discard()

    def discard(self) -> None:
        """Remove the folder and all it holds, the recipe first: a part of it must never be gone on with."""
        self.forget()
        shutil.rmtree(self.root, ignore_errors=True)
        for folder in self._made:  # those made for the target, and empty again
            with suppress(OSError):
                folder.rmdir()


def keep_only(root: Path, keys: set[str]) -> None:
    """Remove every file of a store under construction but those with the given keys."""
    for path in [path for path in root.rglob("*") if path.is_file()]:
        if path.relative_to(root).as_posix() not in keys:
            path.unlink()


def sweep_scratch(target: Path) -> None:
    """Remove what a conversion left that was killed after its store was published; leave one that is running."""
    if not scratch_path(target).exists():
        return
    with suppress(TargetBusy), Scratch(target) as scratch:
        scratch.discard()


def flush_folders(root: Path) -> None:
    """Put every file, and the folders that name them, on the disk itself: a power cut must leave no hollow store."""
    for_disk = [Path(folder, name) for folder, _, files in os.walk(root) for name in (*files, "")]
    with ThreadPoolExecutor(FLUSHERS) as pool:
        list(pool.map(_flush_path, for_disk))


def _flush_path(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot flush folders. That a disk is full some say here first.
        if not (path.is_dir() and error.errno in (errno.EINVAL, errno.ENOTSUP)):
            raise
    finally:
        os.close(handle)


def _locked(root: Path, target: Path) -> int:
    import fcntl

    while True:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            hint = "wait until it is done; nothing was changed"
            raise TargetBusy(f"another process is converting to {target}", hint=hint) from None
        # The other process may have published and removed the folder between our open and our lock.
        with suppress(OSError):
            if os.fstat(handle).st_ino == (root / "lock").stat().st_ino:
                return handle
        os.close(handle)
