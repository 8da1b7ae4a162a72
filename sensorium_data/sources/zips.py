"""Members of a published zip, read in place: stored or deflated, checked, never unpacked.

The archive is not trusted: every name is checked before any member is read, inflating stops at the size the directory
promises, and every member's CRC-32 is compared. Where the bytes come from is for others to say.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sensorium_data.errors import ArchiveUnsafe, Problem, SourceInvalid
from sensorium_data.remote.lookalikes import HEAD, lookalike
from sensorium_data.sources.folders import ANCHORS
from sensorium_data.sources.members import Content, MemberError, Memory, is_litter, limited

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Sequence
    from typing import IO

    from sensorium_data.remote import Location

__all__ = ["LOCAL_HEADER", "Archive", "ZipMembers", "directory", "root_of"]

LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # APPNOTE.TXT 4.3.7
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
SLACK = 1024  # deflate may need a little more input than it gives output; a stored block header is 5 bytes
POINTER = "get the file itself (`git annex get`, `git lfs pull`, or the host's download link) and give that"


def _fault(info: zipfile.ZipInfo) -> Problem | None:
    name = info.filename
    if not name:
        return Problem("zip-damaged", "a member", "has no name")
    if info.flag_bits & 0x1:
        return Problem("zip-encrypted", name, "is encrypted, expected an open archive")
    if stat.S_ISLNK(info.external_attr >> 16):
        return Problem("zip-symlink", name, "is a symbolic link, expected plain files")
    if name.startswith("/") or "\\" in name or ":" in name.split("/")[0] or ".." in PurePosixPath(name).parts:
        return Problem("zip-escape", name, "leads out of the archive's folder")
    if not info.is_dir() and info.compress_type not in (STORED, DEFLATED):
        return Problem("zip-method", name, f"uses compression method {info.compress_type}, expected stored or deflated")
    return None


def root_of(names: Sequence[str], path: Path | Location) -> str:
    """Return what the names of the one session begin with, up to its own folder and with a slash; empty where it has none.

    Raises
    ------
    SourceInvalid
        There are several sessions.
    """
    pattern = re.compile(rf"(.*?/)?(?:{'|'.join(ANCHORS)})/")
    roots = sorted({match[1] or "" for name in names if (match := pattern.match(name))})
    if len(roots) > 1:
        what = f"{path} holds {len(roots)} sessions, expected one: {', '.join(roots[:5])}"
        raise SourceInvalid(what, code="several-sessions")
    return roots[0] if roots else ""


def directory(
    path: Path | Location, file: IO[bytes] | io.RawIOBase, head: Callable[[], bytes]
) -> list[zipfile.ZipInfo]:
    """Return the directory of a zip.

    Parameters
    ----------
    path : Path or Location
        For the message.
    file : file object
    head : callable
        Returns the first bytes, and is called where it is no sound zip.

    Raises
    ------
    SourceInvalid
        It is cut short or damaged, or something else altogether.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.infolist()
    except zipfile.BadZipFile as error:
        seen = head()
        if other := lookalike(seen):
            hint = POINTER if "pointer" in other.code else "is it the link to the file itself? some need a login first"
            raise SourceInvalid(f"{path} is {other.what}, not a zip", hint=hint, code="not-a-zip") from None
        what = f"a zip that is cut short or damaged ({error})" if seen[:2] == b"PK" else "neither a folder nor a zip"
        hint = "download it again" if seen[:2] == b"PK" else "give the session's folder or its published zip"
        raise SourceInvalid(f"{path} is {what}", hint=hint, code="zip-damaged") from None
    except (NotImplementedError, ValueError, IndexError, struct.error) as error:
        raise SourceInvalid(f"{path} cannot be read: {error}", code="zip-damaged") from None


class Archive(ABC):
    """The members of the one session a zip holds, wherever its bytes come from.

    Parameters
    ----------
    path : Path or Location
        The zip.
    listed : list of ZipInfo
        Its directory.

    Raises
    ------
    ArchiveUnsafe
        With every name and member that cannot be trusted.
    """

    def __init__(self, path: Path | Location, listed: list[zipfile.ZipInfo]) -> None:
        self.path = path
        infos = [info for info in listed if not info.filename.startswith("__MACOSX/")]
        problems = [problem for info in infos if (problem := _fault(info))]
        names = [info.filename for info in infos if info.filename and not info.is_dir()]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        problems += [Problem("zip-duplicate", name, "is in the archive twice") for name in twice]
        if problems:
            raise ArchiveUnsafe(f"{path} is not an archive to read from", problems=problems, code=problems[0].code)
        prefix = root_of([name for name in names if not is_litter(name)], path)
        self.root = prefix.rstrip("/").split("/")[-1] or PurePosixPath(path.name).stem
        kept = {info.filename.removeprefix(prefix): info for info in infos if info.filename.startswith(prefix)}
        self._infos = {n: i for n, i in sorted(kept.items()) if not i.is_dir() and not is_litter(n)}
        self.sizes = {name: info.file_size for name, info in self._infos.items()}
        whole = {prefix + name for name in self._infos}
        self.litter = tuple(sorted(i.filename for i in listed if not i.is_dir() and i.filename not in whole))

    @abstractmethod
    def _packed(self, name: str, n_bytes: int, memory: Memory) -> memoryview:
        """Return a member's first bytes as they lie in the archive, as many of them as there are."""

    @abstractmethod
    def _when(self) -> str:
        """Return what changes with the archive, beside its directory."""

    def head(self, name: str, n_bytes: int) -> bytes:
        """Return the first bytes of a member, inflating no more than that."""
        info = self._infos[name]
        packed = self._packed(name, min(info.compress_size, n_bytes + SLACK), Memory())
        if info.compress_type == STORED:
            return bytes(packed[:n_bytes])
        try:
            return zlib.decompressobj(-15).decompress(packed, n_bytes)
        except zlib.error as error:
            raise MemberError("zip-damaged", f"does not inflate ({error})") from None

    def read(self, name: str, memory: Memory | None = None) -> Content:
        """Return all bytes of a member, its size and CRC-32 checked; stored ones in the memory where one is given."""
        info = self._infos[name]
        limited(name, max(info.file_size, info.compress_size))
        data = self._packed(name, info.compress_size, memory or Memory())
        if len(data) != info.compress_size:
            raise MemberError("truncated", f"{len(data):,} packed bytes where the zip says {info.compress_size:,}")
        if info.compress_type == DEFLATED:
            data = memoryview(_inflate(data, info.file_size))
        if len(data) != info.file_size:
            raise MemberError("zip-size", f"holds {len(data):,} bytes where the zip says {info.file_size:,}")
        if zlib.crc32(data) != info.CRC:
            raise MemberError("zip-crc", f"has CRC-32 {zlib.crc32(data):08x} where the zip says {info.CRC:08x}")
        return Content(data, hashlib.sha256(data).hexdigest())

    def fingerprint(self) -> str:
        """Return the SHA-256 of the directory: names, sizes and CRC-32 of the members, and when the zip was made."""
        lines = "".join(f"{name} {info.file_size} {info.CRC}\n" for name, info in self._infos.items())
        return hashlib.sha256(f"{self._when()}\n{lines}".encode()).hexdigest()


class ZipMembers(Archive):
    """The members of the one session a zip on this machine holds.

    Parameters
    ----------
    path : Path
        The zip.
    """

    path: Path

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                listed = directory(path, file, lambda: _head(path))
        except OSError as error:
            raise SourceInvalid(f"{path} cannot be read: {error}", code="zip-damaged") from None
        super().__init__(path, listed)

    def _packed(self, name: str, n_bytes: int, memory: Memory) -> memoryview:
        info, view = self._infos[name], memory.take(n_bytes)
        try:
            handle = os.open(self.path, os.O_RDONLY)
            try:
                header = os.pread(handle, LOCAL_HEADER.size, info.header_offset)
                if len(header) < LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
                    raise MemberError("zip-damaged", "has no local header where the directory points")
                *_, name_length, extra_length = LOCAL_HEADER.unpack(header)
                start = info.header_offset + LOCAL_HEADER.size + name_length + extra_length
                at = 0
                while n := os.preadv(handle, [view[at:]], start + at):
                    at += n
                return view[:at]
            finally:
                os.close(handle)
        except (OSError, OverflowError) as error:
            raise MemberError("unreadable", f"cannot be read: {error}") from None

    def _when(self) -> str:
        return str(self.path.stat().st_mtime_ns)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _inflate(packed: memoryview, size: int) -> bytes:
    inflater = zlib.decompressobj(-15)
    try:
        # One byte more than promised is enough to know that the member lies about its size.
        data = inflater.decompress(packed, size + 1)
    except zlib.error as error:
        raise MemberError("zip-damaged", f"does not inflate ({error})") from None
    if len(data) > size:
        raise MemberError("zip-bomb", f"expands to more than the {size:,} bytes the zip says")
    return data
