"""What a contract needs to watch a reader at work: members that count, trees that are compared, a reader made known."""

from __future__ import annotations

import hashlib
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from unittest.mock import patch

from sensorium_data.sources import installed_sources, registry
from sensorium_data.sources.members import open_members

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sensorium_data.sources import Source
    from sensorium_data.sources.members import Content, Members, Memory

__all__ = ["Watched", "as_zip", "hold", "known", "tree_of"]


def hold(condition: object, message: str) -> None:
    """Raise AssertionError with a message where a condition does not hold; works without pytest's rewriting."""
    if not condition:
        raise AssertionError(message)


@dataclass
class Watched:
    """Members that remember what was asked of them.

    Attributes
    ----------
    heads : dict of str to int, bytes
        The longest beginning that was asked for, by name.
    whole : set of str
        Members that were read to their end.
    """

    members: Members
    heads: dict[str, int] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.path, self.root, self.litter = self.members.path, self.members.root, self.members.litter

    @classmethod
    def of(cls, path: Path) -> Watched:
        """Return the members of a source, watched."""
        return cls(open_members(path))

    @property
    def sizes(self) -> Mapping[str, int]:
        """Bytes of each member, by name."""
        return self.members.sizes

    def head(self, name: str, n_bytes: int) -> bytes:
        """Return the first bytes of a member."""
        self.heads[name] = max(n_bytes, self.heads.get(name, 0))
        return self.members.head(name, n_bytes)

    def read(self, name: str, memory: Memory | None = None) -> Content:
        """Return all bytes of a member."""
        self.whole.add(name)
        return self.members.read(name, memory)

    def fingerprint(self) -> str:
        """Return a cheap identity of the whole source."""
        return self.members.fingerprint()


def tree_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, and nothing for its folders, by name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def as_zip(folder: Path, target: Path) -> Path:
    """Put a recording's folder into a zip as a publisher would, and leave the folder as it is."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
    return target


@contextmanager
def known(reader: Source) -> Iterator[None]:
    """Let a reader be found by name as if it were installed."""
    readers = {**installed_sources(), reader.name: reader}
    with patch.object(registry, "installed_sources", lambda: readers):
        yield
