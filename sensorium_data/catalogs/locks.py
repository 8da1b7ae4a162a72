"""One process at a time: a lock that the system drops with its holder, so that none is ever left behind."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["is_locked", "lock_of_file", "locked"]

FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
BUSY = (errno.EAGAIN, errno.EACCES)


def lock_of_file(path: Path) -> Path:
    """Return where the lock of a file lies: beside it."""
    return path.with_name(f"{path.name}.lock")


@contextmanager
def locked(path: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """Hold a lock, alone among all processes and threads.

    Parameters
    ----------
    path : Path
        Of the lock, in a folder that is there; removed with the lock.
    waiting : callable
        Called again and again while another holds it: it sleeps for a moment, tells somebody, or raises to give up.
    """
    handle = _taken(path, waiting)
    try:
        yield
    finally:
        with suppress(OSError):  # who waits for it finds that the name has gone, and makes a new one
            path.unlink()
        os.close(handle)


def is_locked(path: Path) -> bool:
    """True while somebody holds a lock."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try(handle)
    finally:
        os.close(handle)


def _taken(path: Path, waiting: Callable[[], object]) -> int:
    while True:
        handle = os.open(path, FLAGS, 0o666)
        try:
            busy = not _try(handle)
            if not busy and _is_at(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if busy:
            waiting()


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in BUSY:
            return False
        raise
    return True


def _is_at(handle: int, path: Path) -> bool:
    """True where the name still is that of the file that was locked, and not of a later one."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    mine = os.fstat(handle)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
