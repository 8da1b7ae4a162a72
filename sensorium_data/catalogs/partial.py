"""A file that is not whole yet, `NAME.part`, beside a note that says what it is a part of."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pydantic import ValidationError

from sensorium_data.errors import StorageFailed
from sensorium_data.schemas.base import Digest, Document, NonNegative, Text

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.remote import ObjectInfo

__all__ = ["Expected", "Note", "Partial", "part_of"]

LONGEST_NOTE = 1 << 16
# Never through a link: who could put one there could have anything written over.
OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Expected(Document):
    """What is known of a file before it is fetched, from the catalog or from what was pinned."""

    size: NonNegative | None = None
    sha256: Digest | None = None
    md5: str | None = None

    @property
    def has_digest(self) -> bool:
        """True where its bytes can be told from any other."""
        return bool(self.sha256 or self.md5)


class Note(Document):
    """What a part is a part of."""

    url: Text
    size: NonNegative | None = None
    etag: str = ""
    modified: str = ""
    expected: Expected = Expected()

    @property
    def validator(self) -> str:
        """What a server is asked to hold the object to, ``If-Range``; empty where it has said nothing that is exact."""
        weak = not self.etag or self.etag.startswith("W/")
        return self.modified if weak else self.etag

    def is_of(self, info: ObjectInfo) -> bool:
        """True where nothing says that an object is another one."""
        pairs = ((self.size, info.size), (self.etag, info.etag), (self.modified, info.modified))
        return all(mine == its for mine, its in pairs if mine and its)


def part_of(target: Path) -> Path:
    """Return where a file lies while it is not whole."""
    return target.with_name(f"{target.name}.part")


class Partial:
    """The part of one file and its note; for the holder of the file's lock.

    Parameters
    ----------
    target : Path
        The file that it is to become.
    """

    def __init__(self, target: Path) -> None:
        self.path = part_of(target)
        self._note = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that are on the disk; 0 where there is no part, or nobody knows of what."""
        try:
            found = self.path.lstat()
        except OSError:
            return 0
        return found.st_size if stat.S_ISREG(found.st_mode) and self.note() is not None else 0

    @property
    def is_there(self) -> bool:
        """True where a part, or a note of one, is on the disk."""
        return os.path.lexists(self.path) or os.path.lexists(self._note)

    def note(self) -> Note | None:
        """Return what it is a part of, or None where that cannot be read."""
        try:
            handle = os.open(self._note, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                return Note.model_validate_json(file.read(LONGEST_NOTE))
        except (OSError, ValidationError):
            return None

    def opened(self) -> int:
        """Return a handle of the part; it is made where there is none.

        Raises
        ------
        StorageFailed
            Something that is no file has its name.
        """
        handle = os.open(self.path, OPEN, 0o666)
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return handle
        os.close(handle)
        raise StorageFailed(f"{self.path}: is no file", hint="move it out of the way", code="not-a-file")

    def describe(self, note: Note) -> None:
        """Write the note. It need not be whole: one that is damaged makes the part begin anew, which it just has."""
        handle = os.open(self._note, OPEN | os.O_TRUNC, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(note.model_dump_json().encode())

    def tidy(self) -> None:
        """Remove a note whose part has become the file, by one who was killed right then."""
        if not os.path.lexists(self.path):
            self.forget()

    def forget(self) -> None:
        """Remove the note of a part that has become the file."""
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove part and note."""
        self.path.unlink(missing_ok=True)
        self.forget()
