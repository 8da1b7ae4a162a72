"""A published recording as named members, whether it lies in a folder or in the zip it came in.

Nothing is unpacked and nothing is written. Names are relative to the session's own folder, sorted, with the litter that
real archives carry (`__MACOSX`, `.DS_Store`, `._name`) and the `config.json` that the official loader drops into folders
left out, so that a folder and its zip name the same members.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sensorium_data.errors import NotFound, Problem, SourceInvalid, counted, near_miss
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "Content",
    "FolderMembers",
    "MemberError",
    "Members",
    "Memory",
    "digest_of",
    "is_litter",
    "member_digest",
    "named",
    "open_members",
]


ANCHORS = ("data", "meta")  # the two folders every published session has


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

    path: Path
    root: str
    litter: tuple[str, ...]  # names of files that are no part of the recording; they are never read

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
        for folder, files in _walk(path):
            below = os.path.relpath(folder, path).replace(os.sep, "/") + "/" if folder != str(path) else ""
            kept = [file for file in files if not is_litter(below + file)]
            litter += [below + file for file in set(files).difference(kept)]
            for file, status in _statuses(folder, kept):
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


def _statuses(folder: str, files: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Yield files with their status, from within the folder: half the time of looking each path up from the root."""
    here = os.open(folder, os.O_RDONLY)
    try:
        for file in files:
            try:
                yield file, os.stat(file, dir_fd=here)
            except OSError:
                yield file, os.lstat(file, dir_fd=here)  # a link that leads nowhere; reading it says so
    finally:
        os.close(here)


def _walk(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield folders and their files, links to folders followed, each folder once.

    Raises
    ------
    SourceInvalid
        A folder cannot be read.
    """
    problems: list[Problem] = []

    def unreadable(error: OSError) -> None:
        problems.append(Problem("unreadable", str(error.filename), f"cannot be read: {error.strerror}"))

    seen = {os.path.realpath(root)}
    for folder, inside, files in os.walk(root, followlinks=True, onerror=unreadable):
        new = {name: os.path.realpath(Path(folder, name)) for name in inside}
        inside[:] = [name for name, real in new.items() if real not in seen]
        seen |= set(new.values())
        yield folder, files
    if problems:
        raise SourceInvalid(f"{root}: {len(problems)} folders cannot be read", problems=problems, code="unreadable")


def _is_session(path: Path) -> bool:
    return any((path / anchor).is_dir() for anchor in ANCHORS)


def _one_session(path: Path) -> Path:
    if _is_session(path):
        return path
    inside = sorted(child for child in path.iterdir() if child.is_dir() and _is_session(child))
    if len(inside) > 1:
        names = ", ".join(child.name for child in inside[:5])
        hint = f"`sensorium-data convert '{path}/*' FOLDER` converts all of them"
        raise SourceInvalid(
            f"{path} holds {len(inside)} sessions, expected one: {names}", hint=hint, code="several-sessions"
        )
    return inside[0] if inside else path


def open_members(path: Path) -> Members:
    """Return the members of the session in a folder or zip.

    Parameters
    ----------
    path : Path
        A session's folder, a folder that holds one session, or a session's zip.

    Raises
    ------
    NotFound
        Nothing is at the path.
    SourceInvalid
        The path holds several sessions, or is no folder and no zip.
    ArchiveUnsafe
        The zip is encrypted or could write outside its folder.
    """
    from sensorium_data.sources.zips import ZipMembers

    path = named(path)
    if path.is_dir():
        return FolderMembers(_one_session(path))
    if path.exists():
        return ZipMembers(path)
    siblings = sorted(child.name for child in path.parent.iterdir()) if path.parent.is_dir() else []
    hint = near_miss(path.name, siblings) if siblings else f"{path.parent} has no files"
    raise NotFound(f"{path}: no such folder or zip", hint=hint, code="no-such-source")
