"""The part of a remote object that is on this disk: a file as long as the object, with holes where nothing was fetched."""

from __future__ import annotations

import mmap
import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from sensorium_data.cached import cached_property

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from sensorium_data.remote.quota import Quota

__all__ = ["HEADER", "SparseObject", "held_bytes"]

HEADER = struct.Struct(
    "<4s4xQ"
)  # "SDM1", bytes of the disk that are held; then a byte for each piece: 1 where it is there
MAGIC = b"SDM1"
BLOCK = 4096  # bytes: what a disk gives away at least, also of a file with holes


def held_bytes(path: Path) -> int:
    """Return how many bytes of the disk an object holds, as its map says; 0 where there is no sound one."""
    try:
        with path.open("rb") as file:
            magic, held = HEADER.unpack(file.read(HEADER.size))
    except (OSError, struct.error):
        return 0
    return int(held) if magic == MAGIC else 0


class SparseObject:
    """Pieces of one object; any number of threads and processes may read and add.

    What is read back may be hollow after a power cut: whoever reads holds it against a checksum, and drops it.

    Parameters
    ----------
    stem : Path
        Where it is, without the endings of its two files.
    size : int, bytes
        Of the object.
    n_pieces : int
    quota : Quota
        Grants the room.
    """

    def __init__(self, stem: Path, size: int, n_pieces: int, quota: Quota) -> None:
        self._data, self._map = stem.with_name(f"{stem.name}.data"), stem.with_name(f"{stem.name}.map")
        self._size, self._n_pieces, self._quota = size, n_pieces, quota
        self._inode = -1  # of the map that is open

    @cached_property
    def _state(self) -> mmap.mmap | None:
        """The map as memory that all processes share, or None where there is nothing yet."""
        try:
            handle = os.open(self._map, os.O_RDWR)
        except OSError:
            return None
        try:
            if os.fstat(handle).st_size != HEADER.size + self._n_pieces:
                return None
            os.utime(handle)  # when it was used last
            state, self._inode = mmap.mmap(handle, 0), os.fstat(handle).st_ino
            return state if state[:4] == MAGIC else None
        except (OSError, ValueError):
            return None
        finally:
            os.close(handle)

    def has(self, first: int, stop: int) -> bool:
        """Return whether pieces [first, stop) are all there."""
        state = self._state
        if state is None:
            self.__dict__.pop("_state", None)  # another process may make it
            return False
        return _all_there(state, first, stop)

    def read(self, offset: int, into: NDArray[np.uint8], first: int, stop: int) -> bool:
        """Fill memory with the bytes of pieces [first, stop) from an offset on; False where they are not there any more."""
        state = self._state
        try:
            handle = os.open(self._data, os.O_RDONLY)
        except OSError:
            return False
        try:
            whole = os.preadv(handle, (into.data,), offset) == len(into)
            # Asked afterwards, of the same map: an object that was given up meanwhile has holes when it is made anew.
            return whole and state is not None and _all_there(state, first, stop)
        except OSError:
            return False
        finally:
            os.close(handle)

    def add(self, offset: int, data: bytes, first: int, stop: int) -> None:
        """Keep the bytes of pieces [first, stop), where there is room; what cannot be kept is fetched again one day."""
        taken = -(-(offset + len(data)) // BLOCK) * BLOCK - offset // BLOCK * BLOCK
        with suppress(OSError), self._quota.granted(taken, self._map) as granted:
            if not granted or self.has(first, stop):
                return
            state = self._made()
            if state is None:
                return
            handle = os.open(self._data, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if os.fstat(handle).st_size != self._size:
                    os.ftruncate(handle, self._size)
                done = 0
                while done < len(data):
                    done += os.pwrite(handle, memoryview(data)[done:], offset + done)
            finally:
                os.close(handle)
            state[: HEADER.size] = HEADER.pack(MAGIC, HEADER.unpack(state[: HEADER.size])[1] + taken)
            state[HEADER.size + first : HEADER.size + stop] = b"\1" * (stop - first)
            self._quota.took(taken)

    def drop(self, first: int, stop: int) -> None:
        """Forget pieces [first, stop): what is there is not what it should be."""
        if (state := self._state) is not None:
            state[HEADER.size + first : HEADER.size + stop] = bytes(stop - first)

    def _made(self) -> mmap.mmap | None:
        """Return the map, made where there is none, or where another process has given it up to make room."""
        if self._state is None or self._inode_there() != self._inode:
            self.__dict__.pop("_state", None)
            if self._state is None:
                self.__dict__.pop("_state", None)
                self._data.unlink(missing_ok=True)
                self._map.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                part = self._map.with_name(f"{self._map.name}.{os.getpid()}")
                part.write_bytes(HEADER.pack(MAGIC, 0) + bytes(self._n_pieces))
                part.replace(self._map)
        return self._state

    def _inode_there(self) -> int:
        try:
            return self._map.stat().st_ino
        except OSError:
            return -1


def _all_there(state: mmap.mmap, first: int, stop: int) -> bool:
    return state[HEADER.size + first : HEADER.size + stop].count(1) == stop - first
