"""Where a copy goes: a folder under construction, or a bucket; files are whole there, or not there."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sensorium_data.errors import NotFound, StorageFailed
from sensorium_data.remote import ObjectInfo, open_objects
from sensorium_data.store.parts import LocalParts, RemoteParts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sensorium_data.remote import Location

__all__ = ["BucketPlace", "FolderPlace", "Place"]

IN_MEMORY = 48 << 20  # bytes of a file that is held in memory as a whole; larger ones go by a file


class Place(Protocol):
    """Files by key, to be written and read back."""

    def info(self, key: str) -> ObjectInfo | None:
        """Return what is known of a file, or None where there is none."""

    def write(self, key: str, size: int, pieces: Iterable[bytes], file: Path | None = None) -> None:
        """Write a file from its pieces; what the iterator raises leaves nothing behind. `file` has the same bytes."""

    def pieces(self, key: str, ranges: list[tuple[int, int]]) -> Iterator[bytes]:
        """Yield the bytes [start, stop) of a file for each range, in order."""

    def delete(self, key: str) -> None:
        """Remove a file; one that is not there is fine."""


class FolderPlace:
    """A folder of this machine.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path, self._parts = path, LocalParts(path)

    def info(self, key: str) -> ObjectInfo | None:
        """Return the size of a file, or None where there is none."""
        size = self._parts.size(key)
        return None if size is None else ObjectInfo(size)

    def write(self, key: str, size: int, pieces: Iterable[bytes], file: Path | None = None) -> None:
        """Write a file beside its place and rename it."""
        del size, file
        path = self.path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        try:
            with part.open("wb") as opened:
                opened.writelines(pieces)
            part.replace(path)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def pieces(self, key: str, ranges: list[tuple[int, int]]) -> Iterator[bytes]:
        """Yield ranges of a file."""
        return self._parts.pieces(key, ranges)

    def delete(self, key: str) -> None:
        """Remove a file."""
        (self.path / key).unlink(missing_ok=True)


class BucketPlace:
    """Objects below a URL.

    Parameters
    ----------
    location : Location
    unlisted : bool
        Its bucket may not be listed, and says of what is not there that access is denied.
    """

    def __init__(self, location: Location, *, unlisted: bool = False) -> None:
        self.location, self._unlisted = location, unlisted
        self._objects, self._parts = open_objects(location), RemoteParts(location)

    def info(self, key: str) -> ObjectInfo | None:
        """Return size and etag of an object, or None where there is none."""
        try:
            return self._objects.head(key)
        except StorageFailed as error:
            if self._unlisted and error.code == "access-denied":
                return None
            raise

    def write(self, key: str, size: int, pieces: Iterable[bytes], file: Path | None = None) -> None:
        """Write an object, whole; a large one goes by a file."""
        if size <= IN_MEMORY:
            self._put(key, b"".join(pieces))
            return
        if file is not None:
            for _ in pieces:  # which holds the file against its checksums
                pass
            self._put(key, file)
            return
        with tempfile.NamedTemporaryFile(prefix="sensorium-data-") as spool:
            spool.writelines(pieces)
            spool.flush()
            self._put(key, Path(spool.name))

    def _put(self, key: str, data: bytes | Path) -> None:
        try:
            self._objects.put(key, data)
        except NotFound:
            bucket = self.location.url.split("://", 1)[1].split("/", 1)[0]
            hint = f"make the bucket first, or is `{bucket}` spelled right?"
            raise NotFound(f"{self.location}: no such bucket `{bucket}`", hint=hint, code="no-such-bucket") from None

    def pieces(self, key: str, ranges: list[tuple[int, int]]) -> Iterator[bytes]:
        """Yield ranges of an object."""
        return self._parts.pieces(key, ranges)

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._objects.delete(key)
