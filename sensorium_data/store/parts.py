"""The files of a store as bytes by key, whether they lie on a disk or at a URL."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Protocol

from sensorium_data.remote import open_objects
from sensorium_data.remote.location import Location

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT_ONCE = 8 << 20  # bytes

__all__ = ["LocalParts", "Parts", "RemoteParts", "parts_of"]


class Parts(Protocol):
    """Files below a place, by key."""

    def read(self, key: str) -> bytes:
        """Return a whole file; raises NotFound, FileNotFoundError or another OSError, as StorageFailed is one."""

    def pieces(self, key: str, ranges: list[tuple[int, int]]) -> Iterator[bytes]:
        """Yield the bytes [start, stop) of a file for each range, in order."""

    def size(self, key: str) -> int | None:
        """Return the size of a file, or None where there is none."""

    def listed(self) -> list[str]:
        """Return the keys of all files that are there."""


class LocalParts:
    """Files below a folder of this machine.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, key: str) -> bytes:
        """Return a whole file."""
        return (self.path / key).read_bytes()

    def pieces(self, key: str, ranges: list[tuple[int, int]]) -> Iterator[bytes]:
        """Yield ranges of a file."""
        with (self.path / key).open("rb") as file:
            for start, stop in ranges:
                file.seek(start)
                yield file.read(stop - start)

    def size(self, key: str) -> int | None:
        """Return the size of a file, or None where there is none."""
        try:
            return os.stat(f"{self.path}/{key}").st_size  # noqa: PTH116  # half the time of Path.stat
        except OSError:
            return None

    def listed(self) -> list[str]:
        """Return the keys of all files that are there."""
        return [path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file()]


class RemoteParts:
    """Objects below a URL.

    Parameters
    ----------
    location : Location
    """

    def __init__(self, location: Location) -> None:
        self.location = location

    def read(self, key: str) -> bytes:
        """Return a whole object."""
        return open_objects(self.location).read(key)

    def pieces(self, key: str, ranges: list[tuple[int, int]]) -> Iterator[bytes]:
        """Yield ranges of an object: neighbours by one request, of which a few are under way at a time."""
        from sensorium_data.remote.requests import in_order

        objects = open_objects(self.location)
        runs = _runs(ranges)
        fetched = in_order((partial(objects.read, key, run[0][0], run[-1][1]) for run in runs), n_ahead=3)
        for run, data in zip(runs, fetched, strict=True):
            yield from (data[start - run[0][0] : stop - run[0][0]] for start, stop in run)

    def size(self, key: str) -> int | None:
        """Return the size of an object, or None where there is none."""
        found = open_objects(self.location).head(key)
        return None if found is None else found.size

    def listed(self) -> list[str]:
        """Return the keys of all objects, where the place tells them."""
        return list(dict(open_objects(self.location).listing()))


def _runs(ranges: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Return ranges in runs that lie end to end, of a few megabytes each."""
    runs: list[list[tuple[int, int]]] = []
    for start, stop in ranges:
        if runs and runs[-1][-1][1] == start and stop - runs[-1][0][0] <= AT_ONCE:
            runs[-1].append((start, stop))
        else:
            runs.append([(start, stop)])
    return runs


def parts_of(place: Path | Location) -> Parts:
    """Return the files at a place."""
    return RemoteParts(place) if isinstance(place, Location) else LocalParts(place)
