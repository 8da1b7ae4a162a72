"""A foreign upload opened without trust: what kind of file it is, and each of its members as a file that can be sought in.

Sizes are known before anything is read. Stored members are read in place; deflated ones are inflated into a file without
a name, no further than the directory of the zip promises.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from sensorium_data.errors import NotFound, StorageFailed
from sensorium_data.evaluation.submissions.facts import LARGEST
from sensorium_data.sources.members import is_litter
from sensorium_data.spelling import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sensorium_data.evaluation.submissions.tally import Tally

__all__ = ["Upload", "kind_of"]

BLOCK = 1 << 20
LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # APPNOTE.TXT 4.3.7
MOST_MEMBERS = 1000
INFLATED = 4  # what is larger than so many uploads was packed to fill a disk


def kind_of(head: bytes) -> str:
    r"""Return `zip`, `parquet`, `csv` or an empty text for the first bytes of a file.

    Examples
    --------
    >>> kind_of(b"PAR1..."), kind_of(b"trial_indices,image_ids"), kind_of(b"\x89PNG")
    ('parquet', 'csv', '')
    """
    for magic, kind in ((b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"PAR1", "parquet")):
        if head.startswith(magic):
            return kind
    return "csv" if b"trial_indices" in head or b"neuron_ids" in head else ""


@dataclass(slots=True)
class Upload:
    """A file of predictions, or a zip of some.

    Parameters
    ----------
    path : Path
    tally : Tally
        Gets what is wrong.

    Attributes
    ----------
    zipped : bool
    members : mapping of str to ZipInfo or None
        Files of predictions by their names; None for the file itself.
    """

    path: Path
    tally: Tally
    zipped: bool = False
    members: dict[str, zipfile.ZipInfo | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Look at names and sizes.

        Raises
        ------
        NotFound
            There is no such file.
        """
        if not self.path.is_file():
            what = "is a folder, expected the file that is uploaded" if self.path.is_dir() else "no such file"
            raise NotFound(f"{self.path}: {what}", hint="name a zip, a Parquet file or a CSV", code="no-such-file")
        size = self.path.stat().st_size
        if size > LARGEST:
            self.tally.add("too-large", self.path.name, f"{human_bytes(size)}, more than {human_bytes(LARGEST)}")
        with self.path.open("rb") as file:
            self.zipped = kind_of(file.read(512)) == "zip"
        if self.zipped:
            self._list()
        else:
            self.members = {self.path.name: None}

    def _list(self) -> None:
        try:
            with zipfile.ZipFile(self.path) as archive:
                listed = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, IndexError, struct.error) as error:
            self.tally.add("zip-damaged", self.path.name, f"is cut short or damaged ({error})")
            return
        files = [info for info in listed if not info.is_dir()]
        if len(files) > MOST_MEMBERS or sum(info.file_size for info in files) > INFLATED * LARGEST:
            size = human_bytes(sum(info.file_size for info in files))
            self.tally.add("zip-bomb", self.path.name, f"{len(files):,} files of {size}; not read")
            return
        for info in files:
            if is_litter(info.filename) or info.filename.startswith("__MACOSX/"):
                self.tally.add("zip-litter", self.path.name, f"holds {info.filename}")
            elif fault := _fault(info, self.path.stat().st_size) or (
                "comes twice" if info.filename in self.members else ""
            ):
                self.tally.add("zip-unsafe", f"{self.path.name}/{info.filename}", fault)
            else:
                self.members[info.filename] = info
        if not self.members:
            self.tally.add("zip-empty", self.path.name, "holds no file of predictions")

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes] | None]:
        """Yield a member as a file that can be sought in, its checksum compared; None where it is damaged."""
        info = self.members[name]
        with ExitStack() as stack:
            plain = stack.enter_context(self.path.open("rb"))
            yield plain if info is None else self._member(info, plain, stack)

    def _member(self, info: zipfile.ZipInfo, plain: IO[bytes], stack: ExitStack) -> IO[bytes] | None:
        stored = info.compress_type == zipfile.ZIP_STORED
        copy = None
        if not stored:
            room = shutil.disk_usage(tempfile.gettempdir()).free
            if info.file_size > room:
                what = f"{tempfile.gettempdir()}: {human_bytes(info.file_size)} are needed to unpack {info.filename}"
                raise StorageFailed(what, hint="make room, or set TMPDIR to another folder", code="disk-full")
            copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # the stack closes it
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(info) as member:
                n = 0
                while block := member.read(BLOCK):  # the checksum is compared at the end
                    n += len(block)
                    if copy is not None:
                        copy.write(block)
            if n == info.file_size:
                if copy is not None:
                    copy.seek(0)
                return copy or stack.enter_context(io.BufferedReader(_Slice(plain, info)))
            fault = f"holds {n:,} bytes where the zip says {info.file_size:,}"
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error) as error:
            fault = f"does not unpack ({error})"
        self.tally.add("zip-damaged", f"{self.path.name}/{info.filename}", fault)
        return None


def _fault(info: zipfile.ZipInfo, size: int) -> str:
    """Return why a member is not read; empty where it is."""
    if not 0 <= info.header_offset <= size - LOCAL_HEADER.size:
        return "is said to be outside the zip"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a symbolic link"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"uses compression method {info.compress_type}, expected stored or deflated"
    return ""


class _Slice(io.RawIOBase):
    """A stored member, read where it lies in the zip."""

    def __init__(self, plain: IO[bytes], info: zipfile.ZipInfo) -> None:
        self._handle, self._size, self._at = plain.fileno(), info.file_size, 0
        header = os.pread(self._handle, LOCAL_HEADER.size, info.header_offset)
        *_, name_length, extra_length = LOCAL_HEADER.unpack(header)
        self._start = info.header_offset + LOCAL_HEADER.size + name_length + extra_length

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # the buffers that io gives
        n = max(0, min(len(buffer), self._size - self._at))
        data = os.pread(self._handle, n, self._start + self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
