"""Open files of a process, the same few for all readers: those used last stay open, none is closed under a reader.

A hundred sessions have thousands of shards, and a process may open a thousand files. No file is shared over a fork: each
process keeps its own.
"""

from __future__ import annotations

import mmap
import os
from collections import OrderedDict, deque
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

__all__ = ["Descriptors", "File", "Key", "Stamp", "descriptors", "stamp_of"]

Stamp: TypeAlias = tuple[int, int, int]  # inode, size in bytes, time of change in ns
Key: TypeAlias = tuple[str, Stamp]  # a path, and which file it was: one that was put in its place is another
MAPPED_FROM = 3  # reads
RESERVED = 256  # descriptors that are left to the rest of the program, of the 1,024 that a process usually may have
FEWEST, MOST = 64, 2048  # files, whatever the system allows


def stamp_of(seen: os.stat_result) -> Stamp:
    """Return what tells a file from one that took its place, and from itself after a write."""
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


class File:
    """An open file, and its pages as memory once it is read often; closed when nobody holds it any more."""

    __slots__ = ("_mapped", "_n_asked", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._n_asked = 0
        self._mapped: NDArray[np.uint8] | None = None

    def __del__(self) -> None:
        """Close it: whoever still reads holds it."""
        self.close()

    def close(self, _close: Callable[[int], None] = os.close) -> None:  # bound here: the module goes first at exit
        """Close it now, whoever holds it."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            _close(fd)

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


def _most() -> int:
    """Return how many files may stay open: two descriptors each, as a mapping has one of its own."""
    try:
        import resource

        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    except (ImportError, OSError):
        return FEWEST
    return MOST if allowed < 0 else min(MOST, max(FEWEST, (allowed - RESERVED) // 2))


class Descriptors:
    """Open files, the least recently used of which are let go: closed as soon as nobody reads from them.

    Parameters
    ----------
    most : int, optional
        Files that stay open while nobody reads from them; by default what the system allows, with room for others.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = _most() if most is None else most
        self._files: OrderedDict[Key, File] = OrderedDict()
        self._retired: deque[Key] = deque()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._files)

    def file(self, key: Key, opened: Callable[[], int]) -> File:
        """Return an open file, which stays so for as long as the caller holds it.

        Parameters
        ----------
        key : Key
        opened : callable
            Opens the file where it is not open yet, and returns the descriptor; runs outside the lock.
        """
        file = self._files.get(key)
        if file is None:
            return self._add(key, opened())
        with suppress(KeyError):  # another thread has let go of it since
            self._files.move_to_end(key)
        return file

    def _add(self, key: Key, fd: int) -> File:
        added = File(fd)
        with self._lock:
            file = self._files.setdefault(key, added)  # another thread may have been faster; then `added` closes
            self._sweep()
            while len(self._files) > self.most:
                self._files.popitem(last=False)
        return file

    def retire(self, keys: Iterable[Key]) -> None:
        """Let go of the files of a reader that is gone, at once or with the next that is opened.

        Another reader of them, if there is one, opens them anew.

        Called when a reader is collected, which may be in the middle of anything, this class's own locked parts too.
        """
        self._retired.extend(keys)
        if self._lock.acquire(blocking=False):
            try:
                self._sweep()
            finally:
                self._lock.release()

    def close(self) -> None:
        """Let go of every file."""
        with self._lock:
            self._files.clear()

    def _sweep(self) -> None:
        while self._retired:
            self._files.pop(self._retired.popleft(), None)


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
            file.close()
    _OF_PROCESS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
