"""Bytes of the shards of one array, from the disk of this machine straight into memory that the caller owns.

A store that was written to, replaced or removed under the reader is found at the next read, and named: bytes of two
recordings are never mixed. A file that is cut off in place (`cp` over it) while its pages are copied, within a millisecond
after it was asked for, ends the process: stores are replaced by renaming, as every command here does.
"""

from __future__ import annotations

import errno
import os
import weakref
from contextlib import suppress
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sensorium_data.errors import StorageFailed, StoreInvalid
from sensorium_data.reading.descriptors import File, Key, Stamp, descriptors, stamp_of
from sensorium_data.reading.faults import file_lost, other_size, store_changed, unreadable
from sensorium_data.store.layout import Paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Counters", "LocalShards", "Range"]

# A shard, an offset in it in bytes, and memory for the bytes from there on.
Range: TypeAlias = "tuple[int, int, NDArray[Any]]"

# Bytes from which a copy of pages in memory is worth more than what it takes to find out that they are there: copied by
# the processor they cost 0.4 to 0.7 of what the system takes for them.
LARGE = 32 << 10
GONE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}


class Counters:
    """What a reader has done in this process, summed over its threads.

    Examples
    --------
    >>> counters = Counters()
    >>> counters.read(100), counters.checked()
    (None, None)
    >>> counters.n_bytes_read, counters.n_requests, counters.n_checks, counters.n_bytes_kept
    (100, 1, 1, 0)
    """

    def __init__(self) -> None:
        self._by_thread: dict[int, list[int]] = {}

    def _mine(self) -> list[int]:
        # A list for each thread, as += of two threads on one number loses counts, and a lock would cost more than all.
        mine = self._by_thread.get(get_ident())
        return mine if mine is not None else self._by_thread.setdefault(get_ident(), [0, 0, 0, 0])

    def read(self, n_bytes: int) -> None:
        """Count a request."""
        mine = self._mine()
        mine[0] += n_bytes
        mine[1] += 1

    def checked(self) -> None:
        """Count a chunk whose checksum was made."""
        self._mine()[2] += 1

    def kept(self, n_bytes: int) -> None:
        """Count bytes of a remote store that came from this disk."""
        self._mine()[3] += n_bytes

    def _sum(self, which: int) -> int:
        return sum(counts[which] for counts in list(self._by_thread.values()))

    @property
    def n_bytes_read(self) -> int:
        """Bytes that came from files."""
        return self._sum(0)

    @property
    def n_requests(self) -> int:
        """Ranges that were asked for."""
        return self._sum(1)

    @property
    def n_checks(self) -> int:
        """Chunks whose checksum was made."""
        return self._sum(2)

    @property
    def n_bytes_kept(self) -> int:
        """Bytes of a remote store that came from this disk."""
        return self._sum(3)

    def __repr__(self) -> str:
        return f"Counters(n_bytes_read={self.n_bytes_read}, n_requests={self.n_requests}, n_checks={self.n_checks})"


def _resident(fd: int, offset: int, n: int) -> bool:
    """Return whether a range is in memory, as far as its ends tell: else one read of it all is many times as fast."""
    try:
        byte, nowait = (bytearray(1),), os.RWF_NOWAIT
        return bool(os.preadv(fd, byte, offset, nowait) and os.preadv(fd, byte, offset + n - 1, nowait))
    except (OSError, AttributeError):  # it would have to wait, or the system cannot tell
        return False


def _stamp(path: str) -> Stamp | None:
    try:
        return stamp_of(os.stat(path))  # noqa: PTH116  # half the time of Path.stat
    except OSError:
        return None


class LocalShards:
    """The shard files of one array.

    Parameters
    ----------
    store : Path
    path : str
        Of the array in it.
    keys : sequence of str
        The file of each shard, below the store.
    counters : Counters
    sizes : sequence of int, bytes
        What each file was written with; one of another size is not read.

    Attributes
    ----------
    stamps : tuple of Stamp or None
        Which file each shard was when this was made, None where there was none.
    lasting : bool
        What was announced once need not be announced again: the system keeps what it can.
    """

    lasting = True

    def __init__(self, store: Path, path: str, keys: Sequence[str], counters: Counters, sizes: Sequence[int]) -> None:
        self.store, self.path, self.keys, self.counters = store, path, tuple(keys), counters
        self._sizes = tuple(sizes)
        where = store.absolute()  # a process may go to another folder between two reads
        self._root = f"{where}/{Paths.root}"
        self._root_stamp = _stamp(self._root)
        files = [f"{where}/{key}" for key in keys]
        self.stamps = tuple(map(_stamp, files))
        self._files: tuple[Key | None, ...] = tuple(
            None if stamp is None else (file, stamp) for file, stamp in zip(files, self.stamps, strict=True)
        )
        there = [key for key in self._files if key is not None]
        weakref.finalize(self, _retire, there).atexit = False

    def read(self, shard: int, offset: int, into: NDArray[Any]) -> None:
        """Fill a buffer with the bytes from an offset on; see `read_each`."""
        self.read_each(((shard, offset, into),))

    def read_each(self, ranges: Iterable[Range]) -> None:
        """Fill buffers, each with the bytes from an offset on.

        Parameters
        ----------
        ranges : iterable of (shard, offset, into)
            Number of the shard; bytes; (byte,) uint8, contiguous.

        Raises
        ------
        StoreInvalid
            A file is gone, is not what it was, or not of the size that it was written with. What the buffers hold
            then is not to be used.
        StorageFailed
            The system does not let it be read.
        """
        files: dict[int, File] = {}
        for shard, offset, into in ranges:
            if (file := files.get(shard)) is None:
                file = files[shard] = self._file(shard)
                # Before as well: copying a page that was cut off ends the process, as no error can be made of it.
                self._still(file, shard)
            if self._fill(file, shard, offset, into) < len(into):
                end = offset + len(into)
                raise store_changed(self.store, self.keys[shard], f"has become shorter than {end:,} bytes")
            self.counters.read(len(into))
        for shard, file in files.items():  # after the bytes have come, so that it speaks for them
            self._still(file, shard)

    def unchanged(self, shard: int) -> None:
        """Make sure that a file is the one it was, and raise what `read_each` raises where it is not."""
        self._still(self._file(shard), shard)

    def announce_each(self, ranges: Iterable[tuple[int, int, int]]) -> None:
        """Ask the system to bring ranges, each (shard, offset, length), into memory."""
        for shard, offset, length in ranges:
            self.announce(shard, offset, length)

    def begin_each(self, ranges: Sequence[tuple[int, int, int]]) -> None:
        """Do nothing: ranges that are read now come from the system at once."""

    def announce(self, shard: int, offset: int, length: int) -> None:
        """Ask the system to bring a range into memory; where that cannot be, reading it will say why."""
        if hasattr(os, "posix_fadvise"):
            with suppress(StoreInvalid, StorageFailed, OSError):
                os.posix_fadvise(self._file(shard).fd, offset, length, os.POSIX_FADV_WILLNEED)

    def _file(self, shard: int) -> File:
        key = self._files[shard]
        if key is None:
            raise file_lost(self.store, self.path, self.keys[shard])
        if (size := key[1][1]) != self._sizes[shard]:
            raise other_size(self.store, self.path, self.keys[shard], size, self._sizes[shard])
        return descriptors().file(key, lambda: self._open(shard, key))

    def _fill(self, file: File, shard: int, offset: int, into: NDArray[Any]) -> int:
        if len(into) >= LARGE and (memory := file.mapped()) is not None and _resident(file.fd, offset, len(into)):
            np.copyto(into, memory[offset : offset + len(into)])
            return len(into)
        try:
            done = n = os.preadv(file.fd, (into.data,), offset)
            while n and done < len(into):  # a signal or the system's limit of 2 GiB has cut it short
                n = os.preadv(file.fd, (into[done:].data,), offset + done)
                done += n
        except OSError as error:
            raise self._failed(shard, error) from None
        return done

    def _still(self, file: File, shard: int) -> None:
        """Make sure that the file is the one it was."""
        stamp = self.stamps[shard]
        try:
            seen = os.fstat(file.fd)
        except OSError as error:
            raise self._failed(shard, error) from None
        if not seen.st_nlink:
            raise store_changed(self.store, self.keys[shard], "was removed or replaced")
        if stamp is None or seen.st_mtime_ns != stamp[2] or seen.st_size != stamp[1]:
            raise store_changed(self.store, self.keys[shard], "was written to")

    def _open(self, shard: int, key: Key) -> int:
        # The root goes last wherever a store is written: while it is the same, so are the metadata read from it.
        if _stamp(self._root) != self._root_stamp:
            raise store_changed(self.store, Paths.root, "was replaced or removed")
        try:
            fd = os.open(key[0], os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise self._failed(shard, error) from None
        if stamp_of(os.fstat(fd)) != key[1]:
            os.close(fd)
            raise store_changed(self.store, self.keys[shard], "was replaced or written to")
        return fd

    def _failed(self, shard: int, error: OSError) -> Exception:
        if error.errno in GONE:
            return store_changed(self.store, self.keys[shard], "was removed")
        return unreadable(self.store, self.keys[shard], error)


def _retire(keys: list[Key]) -> None:
    descriptors().retire(keys)
