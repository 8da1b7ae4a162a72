"""Members of a published zip at a URL: its directory in two requests, a member in one, and small neighbours together.

Nothing of the zip is put on a disk. Every request names the very object that the directory was read from, and every
member is held against the directory's CRC-32, so that an object which is replaced half way is an error.
"""

from __future__ import annotations

import io
from threading import Lock
from typing import TYPE_CHECKING

from sensorium_data.errors import StorageFailed
from sensorium_data.remote import open_objects
from sensorium_data.remote.faults import changed
from sensorium_data.remote.lookalikes import HEAD
from sensorium_data.remote.requests import in_order
from sensorium_data.settings import settings
from sensorium_data.sources.members import Content, MemberError, Memory
from sensorium_data.sources.readahead import ReadAhead
from sensorium_data.sources.zips import LOCAL_HEADER, Archive, directory

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable, Iterable, Sequence

    from sensorium_data.remote import Location, ObjectInfo

__all__ = ["RemoteZipMembers"]

TAIL = (64 << 10) + 22 + 76  # the longest comment, and the records of the end of a zip with 64-bit sizes
DIRECTORY = 256 << 20  # bytes that a directory may have; 24,000 members need 3 MB
PART = 32 << 20  # bytes of a request; one of a gigabyte would hardly come within its deadline
SMALL = 1 << 20  # bytes of a member whose neighbours may be read along
EXTRA = 512  # bytes by which a local header may be longer than it needs to be
# A member that is read wrong may have come wrong, and comes right when it is read again.
AGAIN = {"truncated", "zip-size", "zip-crc", "zip-damaged", "zip-bomb"}


class RemoteZipMembers(Archive):
    """The members of the one session that a zip at a URL holds; safe to read from several threads.

    Parameters
    ----------
    path : Location
    info : ObjectInfo
        What the server says of it.

    Raises
    ------
    SourceInvalid, ArchiveUnsafe
        As for a zip on this machine.
    StorageFailed
        The server cannot be reached, lets nobody in, sends no parts of the object, or has another one there now.
    """

    path: Location

    def __init__(self, path: Location, info: ObjectInfo) -> None:
        self._objects, self._info, self._size = open_objects(path), info, info.size
        # A weak tag is that of equal contents, not of equal bytes: no server answers ranges on that condition.
        self._etag = "" if info.etag.startswith("W/") else info.etag
        self.path = path
        file = _TailFile(self._fetch, info.size)
        listed = directory(path, file, lambda: self._fetch(0, min(HEAD, info.size)))
        super().__init__(path, listed)
        infos = sorted((i for i in listed if not i.is_dir()), key=lambda i: i.header_offset)
        self._spans = spans_of(infos, info.size)
        numbers = {id(info): number for number, info in enumerate(infos)}
        self._number = {name: numbers[id(info)] for name, info in self._infos.items()}
        self._ahead = ReadAhead(self._spans, self._fetch, largest=SMALL)
        self._heads: dict[str, bytes] = {}
        self._lock = Lock()

    def prepare(self, names: Iterable[str], n_bytes: int) -> None:
        """Read the first bytes of many members, several at once; those of small ones come along with their bytes."""
        large = [name for name in names if not self._is_small(name) and len(self._heads.get(name, b"")) < n_bytes]
        works = (lambda name=name: self._look(name, n_bytes) for name in large)
        for _ in in_order(works, settings().n_requests):
            pass

    def head(self, name: str, n_bytes: int) -> bytes:
        """Return the first bytes of a member; of a small one all are read, and checked."""
        if self._is_small(name):
            return bytes(self.read(name).data[:n_bytes])
        kept = self._heads.get(name, b"")
        if len(kept) < min(n_bytes, self.sizes[name]):
            self._look(name, n_bytes)
            kept = self._heads[name]
        return kept[:n_bytes]

    def read(self, name: str, memory: Memory | None = None) -> Content:
        """Return all bytes of a member, read and checked once more where they are not what the zip says.

        Raises
        ------
        MemberError
            They are wrong again, or their beginning was another one when it was looked at.
        StorageFailed
            There is another object now.
        """
        try:
            content = super().read(name, memory)
        except MemberError as error:
            if error.problem_code not in AGAIN:
                raise
            self._ahead.forget(self._number[name])
            self._require_same()
            content = super().read(name, memory)
        kept = self._heads.get(name, b"")
        if content.data[: len(kept)] != kept:
            del self._heads[name]
            raise MemberError("unreadable", "begins with other bytes than when it was looked at; read it again")
        return content

    def _look(self, name: str, n_bytes: int) -> None:
        """Keep the first bytes of a large member; there is no checksum of them, and reading it all proves them right."""
        try:
            head = super().head(name, n_bytes)
        except MemberError:
            self._require_same()
            head = super().head(name, n_bytes)
        with self._lock:
            self._heads[name] = head

    def _is_small(self, name: str) -> bool:
        start, stop = self._spans[self._number[name]]
        return stop - start <= SMALL and self.sizes[name] <= 16 * SMALL

    def _packed(self, name: str, n_bytes: int, memory: Memory) -> memoryview:
        info, number = self._infos[name], self._number[name]
        begin, end = self._spans[number]
        small = self._is_small(name)
        if not small:
            end = min(end, begin + LOCAL_HEADER.size + _n_name(info) + EXTRA + n_bytes)
        held = self._ahead.take(number) if small else memoryview(self._fetch(begin, end))
        start = _start_of(info, held)
        stop = start + n_bytes
        if stop > len(held):  # a header longer than any that was seen, or an archive that ends too early
            held = memoryview(self._fetch(begin, min(begin + stop, self._size)))
        data = held[start:stop]
        if not small:
            return data
        # Copied, as it would keep the whole run in memory.
        view = memory.take(len(data))
        view[:] = data
        return view

    def _fetch(self, start: int, stop: int) -> bytes:
        parts = [self._part(at, min(at + PART, stop)) for at in range(start, stop, PART)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _part(self, start: int, stop: int) -> bytes:
        try:
            return self._objects.read("", start, stop, etag=self._etag)
        except StorageFailed as error:
            # No condition can be sent to a bucket through its client: a shorter object shows as a short answer.
            if error.code == "unreachable" and self.path.scheme not in ("http", "https"):
                self._require_same()
            raise

    def _require_same(self) -> None:
        """Raise StorageFailed where another object has taken the place of this one."""
        if self._objects.head() != self._info:
            raise changed(self.path)

    def _when(self) -> str:
        return f"{self._info.etag or self._info.modified}\n{self._size}"


def spans_of(infos: Sequence[zipfile.ZipInfo], size: int) -> list[tuple[int, int]]:
    """Return for each member the bytes that hold its local header and its data, as far as the directory can tell.

    Parameters
    ----------
    infos : sequence of ZipInfo
        In the order of the archive.
    size : int, bytes
        Of the archive.
    """
    spans = []
    for i, info in enumerate(infos):
        start = info.header_offset
        least = start + LOCAL_HEADER.size + _n_name(info) + info.compress_size
        # A member ends where the next begins at the latest; only an archive made to deceive has them overlap.
        end = infos[i + 1].header_offset if i + 1 < len(infos) else least + EXTRA
        spans.append((min(start, size), min(end if least <= end <= least + (EXTRA << 7) else least + EXTRA, size)))
    return spans


def _n_name(info: zipfile.ZipInfo) -> int:
    return len(_name(info))


def _name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437", "replace")


def _start_of(info: zipfile.ZipInfo, held: memoryview) -> int:
    """Return where the data begins behind the local header, which must name the same member as the directory.

    Raises
    ------
    MemberError
        There is no such header.
    """
    if len(held) < LOCAL_HEADER.size or bytes(held[:4]) != b"PK\x03\x04":
        raise MemberError("zip-damaged", "has no local header where the directory points")
    *_, n_name, n_extra = LOCAL_HEADER.unpack(held[: LOCAL_HEADER.size])
    if bytes(held[LOCAL_HEADER.size : LOCAL_HEADER.size + n_name]) != _name(info):
        raise MemberError("zip-damaged", "has another name in its own header than in the directory")
    return LOCAL_HEADER.size + int(n_name) + int(n_extra)


class _TailFile(io.RawIOBase):
    """An object as a file for reading its end: the last bytes at once, and whatever else is asked for in one request."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self._fetch, self._size, self._at = fetch, size, 0
        self._begin = max(0, size - TAIL)
        self._tail = fetch(self._begin, size) if size else b""

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if at < 0:
            raise OSError("before the beginning")  # as the system says it; zipfile takes it for an answer
        self._at = at
        return at

    def read(self, size: int | None = -1) -> bytes:
        stop = self._size if size is None or size < 0 else min(self._at + size, self._size)
        start, self._at = self._at, max(self._at, stop)
        if start >= stop:
            return b""
        if start >= self._begin:
            return self._tail[start - self._begin : stop - self._begin]
        if stop - start > DIRECTORY:
            raise ValueError(f"its directory says it has {stop - start:,} bytes, more than any has")
        return self._fetch(start, stop)
