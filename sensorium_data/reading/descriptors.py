"""Open files of a process, the same few for all readers: those used last stay open, none is closed under a reader.

A hundred sessions have thousands of shards, and a process may open a thousand files. No file is shared over a fork: each
process keeps its own.
"""

from __future__ import annotations

import mmap
import os
from collections import OrderedDict, deque
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

__all__ = ["Descriptors", "File", "Key", "Stamp", "descriptors", "stamp_of"]

Stamp: TypeAlias = tuple[int, int, int]  # inode, size in bytes, time of change in ns
Key: TypeAlias = tuple[str, Stamp]  # a path, and which file it was: one that was put in its place is another
MOST = 192  # two descriptors each where they are mapped; a process may usually have 1,024
MAPPED_FROM = 3  # reads


def stamp_of(seen: os.stat_result) -> Stamp:
    """Return what tells a file from one that took its place, and from itself after a write."""
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


class File:
    """An open file, how many read from it now, and its pages as memory once it is read often."""

    __slots__ = ("_mapped", "_n_asked", "dropped", "fd", "users")

    def __init__(self, fd: int) -> None:
        self.fd, self.users, self.dropped = fd, 1, False
        self._n_asked = 0
        self._mapped: NDArray[np.uint8] | None = None

    def mapped(self) -> NDArray[np.uint8] | None:
        """Return the file as memory, (byte,) uint8, not to be written; None for one that is not read often enough.

        Mapping takes as long as is gained by two reads: a file that is opened for one window is not worth it.
        """
        if self._mapped is None:
            self._n_asked += 1
            if self._n_asked > MAPPED_FROM:
                self._mapped = _as_memory(self.fd)
        return self._mapped


def _as_memory(fd: int) -> NDArray[np.uint8] | None:
    try:
        return np.frombuffer(mmap.mmap(fd, 0, prot=mmap.PROT_READ), np.uint8)
    except (OSError, ValueError):  # a file system that maps nothing, or an empty file
        return None


class Descriptors:
    """Open files, the least recently used of which are closed.

    Parameters
    ----------
    most : int
        Files that stay open while nobody reads from them; those being read from come on top.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._files: OrderedDict[Key, File] = OrderedDict()
        self._retired: deque[Key] = deque()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._files)

    def borrow(self, key: Key, opened: Callable[[], int]) -> File:
        """Return an open file, which stays so until it is given back.

        Parameters
        ----------
        key : Key
        opened : callable
            Opens the file where it is not open yet, and returns the descriptor; runs outside the lock.
        """
        with self._lock:
            file = self._files.get(key)
            if file is not None:
                file.users += 1
                self._files.move_to_end(key)
                return file
        return self._add(key, opened())

    def _add(self, key: Key, fd: int) -> File:
        with self._lock:
            if (file := self._files.get(key)) is not None:  # another thread was faster
                os.close(fd)
                file.users += 1
                return file
            file = self._files[key] = File(fd)
            self._sweep()
            while len(self._files) > self.most:
                self._drop(next(iter(self._files)))
        return file

    def give(self, file: File) -> None:
        """Give a file back."""
        with self._lock:
            file.users -= 1
            if file.dropped and not file.users:
                os.close(file.fd)

    def retire(self, keys: Iterable[Key]) -> None:
        """Close files that nobody will ask for again, at once or with the next that is opened.

        Called when a reader is collected, which may be in the middle of anything, this class's own locked parts too.
        """
        self._retired.extend(keys)
        if self._lock.acquire(blocking=False):
            try:
                self._sweep()
            finally:
                self._lock.release()

    def close(self) -> None:
        """Close every file, those in use when they are given back."""
        with self._lock:
            for key in list(self._files):
                self._drop(key)

    def _sweep(self) -> None:
        while self._retired:
            self._drop(self._retired.popleft())

    def _drop(self, key: Key) -> None:
        file = self._files.pop(key, None)
        if file is None:
            return
        file.dropped = True
        if not file.users:
            os.close(file.fd)


_OF_PROCESS: dict[int, Descriptors] = {}


def descriptors() -> Descriptors:
    """Return the open files of this process.

    Examples
    --------
    >>> descriptors() is descriptors()
    True
    """
    found = _OF_PROCESS.get(os.getpid())
    return found if found is not None else _OF_PROCESS.setdefault(os.getpid(), Descriptors())


def _forget() -> None:
    """Close what a fork handed down, before anything else runs in the child.

    The lock is not asked: the thread that held it may have stayed in the parent.
    """
    for inherited in _OF_PROCESS.values():
        for file in inherited._files.values():  # this module's own
            os.close(file.fd)
    _OF_PROCESS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
