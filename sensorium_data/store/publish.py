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

from sensorium_data.errors import STORAGE_WORDS, StorageFailed, TargetBusy
from sensorium_data.store.target import is_store, root_attributes, settle_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
LOCK = "lock"
MAKINGS = 100  # times that another process may remove the folder between our making it and our lock
STORAGE_ERRNOS = STORAGE_WORDS | {
    errno.EFBIG: "the file system takes no file this large",
    errno.ENOTDIR: "a part of the path is a file",
    errno.ENAMETOOLONG: "the name is too long for the file system",
    errno.ENOENT: "it is not there and cannot be made",
}
MAY_PASS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}  # the same target may do once there is room


@contextmanager
def storage_errors(path: Path, *, resumes: bool = True) -> Iterator[None]:
    """Turn what the operating system says about storage into one readable error.

    Parameters
    ----------
    path : Path
        The target of the conversion.
    resumes : bool
        What was done is kept, and the next run goes on from there.

    Raises
    ------
    StorageFailed
        Full, read-only, forbidden or failing storage, or a place where no folder can be made.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageFailed) or not _of_storage(error, path):
            raise
        again = "then run the same command again: it goes on where it stopped" if resumes else "then write again"
        if error.errno in MAY_PASS:
            hint = f"make room or choose another target, {again}"
        else:
            hint = f"choose another target, in a folder that you may write to; or give access to this one, {again}"
        where = error.filename or path
        raise StorageFailed(f"{where}: {STORAGE_ERRNOS[error.errno or 0]}", hint=hint) from None


def _of_storage(error: OSError, target: Path) -> bool:
    if error.errno != errno.ENOENT:
        return error.errno in STORAGE_ERRNOS
    # Anything may be missing, and nearly all of it is for others to say: only the way to our own folder is ours.
    if not isinstance(error.filename, str | os.PathLike):
        return False
    missing, ours = Path(error.filename).absolute(), scratch_path(target).absolute()
    return missing == ours or missing in ours.parents or ours in missing.parents


def scratch_path(target: Path) -> Path:
    """Return where a conversion to the target builds."""
    return target.with_name(f".{target.name}.partial")


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
        # The lock is the last to go: as soon as it is gone, another process may lock the folder and build in it.
        for child in self._children():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child, ignore_errors=True)
            else:
                with suppress(OSError):
                    child.unlink()
        with suppress(OSError):
            (self.root / LOCK).unlink(missing_ok=True)
            self.root.rmdir()  # it fails where another process has begun, whose folder it is now
        for folder in self._made:  # those made for the target, and empty again
            with suppress(OSError):
                folder.rmdir()

    def _children(self) -> list[Path]:
        try:
            return [child for child in self.root.iterdir() if child.name != LOCK]
        except OSError:
            return []


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

    for _ in range(MAKINGS):
        root.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(root / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:
            continue  # the other process removed the folder right after we had made it
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            break
        # The other process may have published and removed the folder between our open and our lock.
        with suppress(OSError):
            if os.fstat(handle).st_ino == (root / LOCK).stat().st_ino:
                return handle
        os.close(handle)
    hint = "wait until it is done; nothing was changed"
    raise TargetBusy(f"another process is converting to {target}", hint=hint)
