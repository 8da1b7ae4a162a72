"""Checksums of chunks against the sidecar, each made once in a process, always, or never."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args
from weakref import WeakValueDictionary

import google_crc32c

from sensorium_data.errors import BadArgument, near_miss

if TYPE_CHECKING:
    from collections.abc import Hashable

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Checks", "Verify", "check_verify"]

Verify: TypeAlias = Literal["first", "always", "never"]


def check_verify(verify: str) -> Verify:
    """Return the way of checking that was named.

    Raises
    ------
    BadArgument
        There is none of that name.
    """
    for known in get_args(Verify):
        if verify == known:
            return known  # type: ignore[no-any-return]  # get_args knows no types
    raise BadArgument(f"verify is {verify!r}", hint=near_miss(str(verify), get_args(Verify)), code="bad-verify")


class _Seen:
    """Which chunks of an array this process has found sound: a byte for each, as two threads may set neighbours at once."""

    __slots__ = ("__weakref__", "chunks")

    def __init__(self, n_chunks: int) -> None:
        self.chunks = bytearray(n_chunks)


# Readers of the same files share what they have seen; it goes with the last of them.
_SEEN: WeakValueDictionary[Hashable, _Seen] = WeakValueDictionary()


class Checks:
    """The checksums of one array.

    Parameters
    ----------
    verify : {"first", "always", "never"}
    crc : (chunk,) uint32
        CRC-32C of each encoded chunk as it was written.
    identity : hashable
        Of the files that the chunks are in.

    Examples
    --------
    >>> import numpy as np
    >>> data = np.arange(10, dtype="uint8")
    >>> checks = Checks("first", np.array([google_crc32c.value(data)], "uint32"), "this one")
    >>> checks.due(0, 1), checks.fault(0, data), checks.due(0, 1)
    (True, '', False)
    >>> checks.fault(0, data[::-1].copy())
    'has CRC-32C ..., written as ...'
    """

    def __init__(self, verify: Verify, crc: NDArray[np.uint32], identity: Hashable) -> None:
        self.verify, self._crc, self._identity = verify, crc, identity
        self._seen, self._pid = self._of_process()

    def _of_process(self) -> tuple[_Seen, int]:
        pid = os.getpid()
        return _SEEN.setdefault((pid, self._identity), _Seen(len(self._crc))), pid

    def due(self, first: int, stop: int) -> bool:
        """True where a chunk of [first, stop) is to be checked before its values are given away."""
        if self.verify != "first":
            return self.verify == "always"
        if self._pid != os.getpid():  # a fork begins anew
            self._seen, self._pid = self._of_process()  # in this order: another thread may look in between
        return self._seen.chunks.find(0, first, stop) >= 0

    def fault(self, chunk: int, data: NDArray[Any]) -> str:
        """Return what is wrong with the bytes of a chunk, or "" and remember that it is sound.

        The checksum holds the interpreter's lock: 6 µs for 175 kB, where decoding takes 200.
        """
        seen, written = google_crc32c.value(data), int(self._crc[chunk])
        if seen != written:
            return f"has CRC-32C {seen:08x}, written as {written:08x}"
        self._seen.chunks[chunk] = 1
        return ""
