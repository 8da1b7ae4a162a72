"""A published recording as named members, whether it lies in a folder or in the zip it came in, here or at a URL.

Nothing is unpacked and nothing is written. Names are relative to the session's own folder, sorted, with the litter that
real archives carry (`__MACOSX`, `.DS_Store`, `._name`) and the `config.json` that the official loader drops into folders
left out, so that a folder and its zip name the same members.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sensorium_data.errors import NotFound, Problem, SourceInvalid, counted, near_miss
from sensorium_data.remote import Location, placed
from sensorium_data.settings import settings
from sensorium_data.sources.folders import one_session, statuses, walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = [
    "Content",
    "FolderMembers",
    "MemberError",
    "Members",
    "Memory",
    "digest_of",
    "is_litter",
    "limited",
    "located",
    "member_digest",
    "named",
    "open_members",
]


class MemberError(Exception):
    """One member cannot be read; becomes a `Problem` with this code."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.problem_code = code

    def problem(self, where: str) -> Problem:
        """Return the failure as a problem of the member at `where`."""
        return Problem(self.problem_code, where, str(self))


@dataclass(frozen=True, slots=True)
class Content:
    """All bytes of a member and their SHA-256."""

    data: memoryview
    sha256: str


class Memory:
    """Memory to read into again and again; what was read last is gone when the next is read.

    Memory that comes fresh from the system costs a fault a page: 26 MB are read into it in 14 ms, and into this in 3.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()

    def take(self, n_bytes: int) -> memoryview:
        """Return so many bytes, with anything in them."""
        if len(self._bytes) < n_bytes:
            self._bytes = bytearray(n_bytes)
        return memoryview(self._bytes)[:n_bytes]


class Members(Protocol):
    """Named, sized, read-only byte strings; safe to read from several threads."""

    root: str
    litter: tuple[str, ...]  # names of files that are no part of the recording; they are never read

    @property
    def path(self) -> Path | Location:
        """Where they lie, for messages and the record of where a store comes from."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Bytes of each member, by name."""

    def head(self, name: str, n_bytes: int) -> bytes:
        """Return the first bytes of a member, without reading the rest."""

    def read(self, name: str, memory: Memory | None = None) -> Content:
        """Return all bytes of a member, held in the memory where one is given."""

    def fingerprint(self) -> str:
        """Return a cheap identity of the whole source: names, sizes and times or checksums, no contents."""


def member_digest(members: Members, name: str) -> str:
    """Return the SHA-256 of a member.

    Raises
    ------
    SourceInvalid
        It cannot be read.
    """
    try:
        return members.read(name).sha256
    except MemberError as error:
        raise SourceInvalid(f"{members.path}: 1 problem", problems=[error.problem(name)]) from None


def named(path: str | Path) -> Path:
    """Return a path that ends in a name: `.` and `..` do not, and recordings and stores are told apart by theirs."""
    path = Path(path)
    return path if path.name not in ("", "..") else path.resolve()


def located(where: str | Path | Location, options: Mapping[str, Any] | None = None) -> Path | Location:
    """Return where a source is: a path that ends in a name, or the location that a URL names.

    Parameters
    ----------
    where : str, Path or Location
    options : mapping, optional
        Storage options, of a URL alone.

    Raises
    ------
    BadArgument
        The URL or the options are not to be used; see `placed`.

    Examples
    --------
    >>> located("in/mouse.zip"), located("https://example.org/mouse.zip?signature=secret")
    (PosixPath('in/mouse.zip'), Location('https://example.org/mouse.zip?…'))
    """
    place = placed(where, options)
    return named(place) if isinstance(place, Path) else place


def is_litter(name: str) -> bool:
    """True for files that come from operating systems and loaders, not from the publisher."""
    if "._" not in name and not name.endswith((".DS_Store", "config.json")) and not name.startswith("__MACOSX"):
        return False  # of thousands of names nearly all
    parts = name.split("/")
    return parts[0] == "__MACOSX" or parts[-1] in {".DS_Store", "config.json"} or any(p.startswith("._") for p in parts)


def digest_of(digests: Iterable[tuple[str, str]]) -> str:
    """Return the digest of a source from the (name, sha256) of its members.

    The same figure comes from ``sha256sum`` over the sorted members, piped through ``sha256sum``.

    Examples
    --------
    >>> digest_of([("b", "2" * 64), ("a", "1" * 64)]) == digest_of([("a", "1" * 64), ("b", "2" * 64)])
    True
    """
    lines = "".join(f"{sha}  {name}\n" for name, sha in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()


def limited(name: str, size: int) -> int:
    """Return a size that may be taken into memory.

    Raises
    ------
    MemberError
        It is above the limit of the settings.
    """
    limit = settings().max_member_bytes
    if size > limit:
        what = f"{name} says it holds {size:,} bytes, more than the {limit:,} allowed (SENSORIUM_DATA_MAX_MEMBER_BYTES)"
        raise MemberError("member-too-large", what)
    return size


class FolderMembers:
    """The files below a folder.

    Parameters
    ----------
    path : Path
        The session's own folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path.name
        self._at = f"{path}/"  # joined as text: a session of images has 24,000 files, and a Path takes 10 µs each time
        found: dict[str, tuple[int, int]] = {}
        litter: list[str] = []
        odd: list[Problem] = []
        for folder, files in walk(path):
            below = os.path.relpath(folder, path).replace(os.sep, "/") + "/" if folder != str(path) else ""
            kept = [file for file in files if not is_litter(below + file)]
            litter += [below + file for file in set(files).difference(kept)]
            for file, status in statuses(folder, kept):
                name = below + file
                found[name] = (status.st_size, status.st_mtime_ns)
                if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                    odd.append(Problem("unreadable", name, "is no regular file"))  # a pipe would be waited for
        if odd:
            raise SourceInvalid(
                f"{path}: no regular file, {counted(len(odd), 'member')} of it", problems=odd, code="unreadable"
            )
        self.litter = tuple(sorted(litter))
        self._found = dict(sorted(found.items()))
        self.sizes = {name: size for name, (size, _) in self._found.items()}

    def head(self, name: str, n_bytes: int) -> bytes:
        """Return the first bytes of a file."""
        data = bytearray(min(n_bytes, self.sizes[name]))
        return bytes(data[: self._fill(name, memoryview(data))])

    def read(self, name: str, memory: Memory | None = None) -> Content:
        """Return all bytes of a file, held in the memory where one is given."""
        view = (memory or Memory()).take(limited(name, self.sizes[name]))
        if (at := self._fill(name, view)) != len(view):
            raise MemberError("truncated", f"{at:,} bytes where the folder said {len(view):,}")
        return Content(view, hashlib.sha256(view).hexdigest())

    def _fill(self, name: str, view: memoryview) -> int:
        """Read a file into memory, as far as either goes; with the system's own calls, which take half the time."""
        at = 0
        try:
            file = os.open(self._at + name, os.O_RDONLY)
            try:
                while at < len(view) and (n := os.readv(file, [view[at:]])):
                    at += n
            finally:
                os.close(file)
        except OSError as error:
            raise MemberError("unreadable", f"cannot be read: {error.strerror}") from None
        return at

    def fingerprint(self) -> str:
        """Return the SHA-256 of names, sizes and modification times."""
        lines = "".join(f"{name} {size} {time}\n" for name, (size, time) in self._found.items())
        return hashlib.sha256(lines.encode()).hexdigest()


def open_members(where: str | Path | Location) -> Members:
    """Return the members of the session in a folder or zip, of this machine or at a URL.

    Parameters
    ----------
    where : str, Path or Location
        A session's folder, a folder that holds one session, or a session's zip.

    Raises
    ------
    NotFound
        Nothing is there.
    SourceInvalid
        There are several sessions, or it is no folder and no zip.
    ArchiveUnsafe
        The zip is encrypted or could write outside its folder.
    StorageFailed
        The server of a URL cannot be reached, lets nobody in, or sends no parts of a zip.
    """
    from sensorium_data.sources.zips import ZipMembers

    path = located(where)
    if isinstance(path, Location):
        from sensorium_data.sources.remotemembers import open_remote

        return open_remote(path)
    if path.is_dir():
        return FolderMembers(one_session(path))
    if path.exists():
        return ZipMembers(path)
    raise NotFound(f"{path}: no such folder or zip", hint=_instead(path), code="no-such-source")


def _instead(path: Path) -> str:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/[^/]", str(path)):
        return "a URL is given as text: a Path makes one slash of its two"
    siblings = sorted(child.name for child in path.parent.iterdir()) if path.parent.is_dir() else []
    return near_miss(path.name, siblings) if siblings else f"{path.parent} has no files"
