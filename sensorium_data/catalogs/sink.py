"""Where bytes go as they come: onto the disk, and in a thread of its own through the digests, which take as long."""

from __future__ import annotations

import hashlib
import os
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sensorium_data.catalogs.partial import Note, Partial

__all__ = ["Hasher", "Sink", "hashed"]

PIECE = 1 << 20
STRETCH = 1 << 25  # bytes after which the disk may begin: else all of them wait for the end, and the end for them
WAITING = 32  # pieces that have been written and are not hashed yet


class Hasher:
    """Digests of what it is fed, made in a thread.

    Parameters
    ----------
    kinds : iterable of str
        ``sha256`` and the like.

    Examples
    --------
    >>> hasher = Hasher(["md5"])
    >>> hasher.feed(b"a")
    >>> hasher.end()
    {'md5': '0cc175b9c0f1b6a831c399e269772661'}
    """

    def __init__(self, kinds: Iterable[str]) -> None:
        # The publisher's md5 tells apart what was published, not who has made it.
        self._made = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
        self._waiting: Queue[bytes | None] = Queue(WAITING)
        self._thread = Thread(target=self._run, daemon=True, name="sensorium-hash")
        self._thread.start()

    def feed(self, piece: bytes) -> None:
        """Take the next bytes; waits where hashing is behind."""
        self._waiting.put(piece)

    def end(self) -> dict[str, str]:
        """Return the digests of everything."""
        self._waiting.put(None)
        self._thread.join()
        return {kind: made.hexdigest() for kind, made in self._made.items()}

    def drop(self) -> None:
        """End without a digest; what waits is passed over."""
        self._made = {}
        self._waiting.put(None)

    def _run(self) -> None:
        while (piece := self._waiting.get()) is not None:
            for made in tuple(self._made.values()):
                made.update(piece)


class Sink:
    """A part that grows: what is on the disk is hashed first, then what comes.

    Parameters
    ----------
    partial : Partial
    kinds : tuple of str
        Digests to make.
    check : callable
        Called often; may raise to stop.
    """

    def __init__(self, partial: Partial, kinds: tuple[str, ...], check: Callable[[], object]) -> None:
        self.partial, self._kinds, self._check = partial, kinds, check
        self.note = partial.note()
        self._handle = partial.opened()
        self._hasher = Hasher(kinds)
        self.size = self._begun = 0
        self.n_resumed = 0

    def __enter__(self) -> Self:
        """Hash what is there of it, if anybody knows what it is."""
        try:
            if self.note is None:
                os.ftruncate(self._handle, 0)
            while piece := os.read(self._handle, PIECE):
                self._check()
                self._hasher.feed(piece)
                self.size += len(piece)
            self.n_resumed = self._begun = self.size
        except BaseException:
            self._hasher.drop()
            os.close(self._handle)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._hasher.drop()
        os.close(self._handle)
        if kind is not None and not self.size:
            self.partial.discard()  # nothing came: nothing to go on with

    def begin(self, note: Note) -> None:
        """Throw away what is there, and be a part of something else."""
        self._hasher.drop()
        self._hasher = Hasher(self._kinds)
        os.ftruncate(self._handle, 0)
        os.lseek(self._handle, 0, os.SEEK_SET)
        self.size = self.n_resumed = self._begun = 0
        self.describe(note)  # after it is empty: never a new note beside old bytes

    def describe(self, note: Note) -> None:
        """Say what it is a part of."""
        self.partial.describe(note)
        self.note = note

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._hasher.feed(piece)
        view = memoryview(piece)
        while view:
            n = os.write(self._handle, view)
            view = view[n:]
            self.size += n
        if self.size - self._begun >= STRETCH:
            self._begin_writing()

    def _begin_writing(self) -> None:
        """Have the disk write what it has not yet, without waiting for it (Linux does so when it is told to forget)."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._handle, self._begun, self.size - self._begun, os.POSIX_FADV_DONTNEED)
        self._begun = self.size

    def end(self) -> dict[str, str]:
        """Wait until everything is on the disk, and return the digests."""
        os.fsync(self._handle)
        return self._hasher.end()


def hashed(handle: int, kinds: tuple[str, ...], tell: Callable[[int], object]) -> dict[str, str]:
    """Return the digests of an open file.

    Parameters
    ----------
    handle : int
    kinds : tuple of str
    tell : callable
        Gets the bytes that were read so far; may raise to stop.
    """
    hasher, n = Hasher(kinds), 0
    try:
        while piece := os.read(handle, PIECE):
            hasher.feed(piece)
            n += len(piece)
            tell(n)
        return hasher.end()
    finally:
        hasher.drop()
