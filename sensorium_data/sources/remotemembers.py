"""A published recording at a URL: the zip it came in, or a folder of a bucket that tells what it holds."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sensorium_data.errors import NotFound, StorageFailed
from sensorium_data.remote import open_objects
from sensorium_data.remote.requests import in_order
from sensorium_data.settings import settings
from sensorium_data.sources.members import Content, MemberError, Memory, is_litter, limited
from sensorium_data.sources.remotezips import RemoteZipMembers
from sensorium_data.sources.zips import root_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensorium_data.remote import Location
    from sensorium_data.sources.members import Members

__all__ = ["RemoteFolderMembers", "open_remote"]


def open_remote(place: Location) -> Members:
    """Return the members of the session at a URL.

    Parameters
    ----------
    place : Location
        Of a zip; in a bucket of a session's folder as well.

    Raises
    ------
    NotFound
        Nothing is there.
    SourceInvalid, ArchiveUnsafe
        As for a folder and a zip of this machine.
    StorageFailed
        The server cannot be reached, lets nobody in, or sends no parts of a zip.
    """
    info = open_objects(place).head()
    if info is not None:
        return RemoteZipMembers(place, info)
    if place.scheme in ("http", "https"):
        hint = "is the URL that of the zip itself? a folder of a web server cannot be listed"
        raise NotFound(f"{place}: no such zip", hint=hint, code="no-such-source")
    return RemoteFolderMembers(place)


class RemoteFolderMembers:
    """The objects below a folder of a bucket; nothing but their sizes can be held against what is read.

    Parameters
    ----------
    path : Location
        The session's own folder, or one that holds one session.

    Raises
    ------
    NotFound
        Nothing is below it.
    SourceInvalid
        It holds several sessions.
    StorageFailed
        The bucket cannot be reached or listed.
    """

    def __init__(self, path: Location) -> None:
        self.path, self._objects = path, open_objects(path)
        found = dict(self._found())
        if not found:
            hint = "is the URL spelled right? it names a zip, or the folder that holds `data/` and `meta/`"
            raise NotFound(f"{path}: no such zip or folder", hint=hint, code="no-such-source")
        self._prefix = root_of([name for name in found if not is_litter(name)], path)
        self.root = self._prefix.rstrip("/").split("/")[-1] or path.name
        below = {name.removeprefix(self._prefix): n for name, n in found.items() if name.startswith(self._prefix)}
        self.sizes = dict(sorted((name, n) for name, n in below.items() if not is_litter(name)))
        self.litter = tuple(sorted(name for name in found if name.removeprefix(self._prefix) not in self.sizes))
        self._heads: dict[str, bytes] = {}

    def _found(self) -> Iterable[tuple[str, int]]:
        try:
            yield from ((key, size) for key, size in self._objects.listing() if not key.endswith("/"))
        except StorageFailed as error:
            if error.code != "no-listing":
                raise
            hint = "give the zip, or let the bucket be listed"
            raise StorageFailed(error.message, hint=hint, code=error.code) from None

    def prepare(self, names: Iterable[str], n_bytes: int) -> None:
        """Read the first bytes of many objects, several at once."""
        asked = [name for name in names if len(self._heads.get(name, b"")) < min(n_bytes, self.sizes[name])]
        works = (lambda name=name: self._fetch(name, n_bytes) for name in asked)
        self._heads |= zip(asked, in_order(works, settings().n_requests), strict=True)

    def head(self, name: str, n_bytes: int) -> bytes:
        """Return the first bytes of an object."""
        kept = self._heads.get(name, b"")
        if len(kept) < min(n_bytes, self.sizes[name]):
            kept = self._heads[name] = self._fetch(name, n_bytes)
        return kept[:n_bytes]

    def read(self, name: str, memory: Memory | None = None) -> Content:
        """Return all bytes of an object."""
        del memory
        data = self._fetch(name, limited(name, self.sizes[name]))
        kept = self._heads.get(name, b"")
        if data[: len(kept)] != kept:
            del self._heads[name]
            raise MemberError("unreadable", "begins with other bytes than when it was looked at; read it again")
        return Content(memoryview(data), hashlib.sha256(data).hexdigest())

    def _fetch(self, name: str, n_bytes: int) -> bytes:
        try:
            return self._objects.read(self._prefix + name, 0, min(n_bytes, self.sizes[name]))
        except NotFound:
            raise MemberError("unreadable", "was there when the folder was listed, and is not any more") from None

    def fingerprint(self) -> str:
        """Return the SHA-256 of names and sizes."""
        lines = "".join(f"{name} {size}\n" for name, size in self.sizes.items())
        return hashlib.sha256(lines.encode()).hexdigest()
