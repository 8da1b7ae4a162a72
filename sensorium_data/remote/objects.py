"""The objects below a place, whoever keeps them: their bytes in exact ranges, and what is known of them."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium_data.errors import BadArgument, near_miss
from sensorium_data.remote.faults import Passing
from sensorium_data.remote.patience import patiently
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sensorium_data.remote.location import Location
    from sensorium_data.remote.patience import Deadline

__all__ = ["ObjectInfo", "Objects", "open_objects"]

CLIENTS = ("fsspec", "obstore")
LARGEST = 1 << 30  # bytes of an object that is read whole; checked before memory is taken


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of an object without reading it: its size, and what changes with its contents, where anything is said."""

    size: int
    etag: str = ""
    modified: str = ""


class Objects(ABC):
    """The objects below a location; any number of threads may ask at once.

    Everything is asked again where that may help, within a deadline, and fails with an error of this package.

    Parameters
    ----------
    location : Location
    """

    def __init__(self, location: Location) -> None:
        self.location = location

    def head(self, key: str = "") -> ObjectInfo | None:
        """Return what is known of an object, or None where there is none.

        Raises
        ------
        StorageFailed
            The place cannot be reached, or lets nobody in.
        """
        place = self.at(key)
        return patiently(place, lambda deadline: self._head(place, deadline))

    def read(self, key: str = "", start: int | None = None, stop: int | None = None, *, etag: str = "") -> bytes:
        """Return the bytes [start, stop) of an object, all of them and no more.

        Parameters
        ----------
        key : str
            Below the location; the location itself where it is left out.
        start, stop : int, bytes, optional
            The whole object where they are left out, up to 1 GiB.
        etag : str, optional
            The object must still be the one that had it, as far as the server can tell.

        Raises
        ------
        BadArgument
            A beginning without an end, or before the first byte.
        NotFound
            There is no such object.
        StorageFailed
            The place cannot be reached, lets nobody in, knows no ranges, or has another object there now.
        """
        place = self.at(key)
        if start is None and stop is None:
            return patiently(place, lambda deadline: self._whole(place, deadline))
        if start is None or stop is None or start < 0:
            raise BadArgument(f"{place}: [{start}, {stop}) are no bytes of it", hint="give both, or neither of them")
        if start >= stop:
            return b""

        def ask(deadline: Deadline) -> bytes:
            data = self._range(place, start, stop, etag, deadline)
            if len(data) != stop - start:
                # Clients of buckets say nothing of an object that ends earlier than it did.
                code = "changed-remote" if len(data) < stop - start else "unreachable"
                raise Passing(f"answered {len(data):,} bytes where {stop - start:,} were asked for", code=code)
            return data

        return patiently(place, ask)

    def put(self, key: str, data: bytes | Path) -> None:
        """Write an object, whole: it is there with all its bytes, or as it was before.

        Raises
        ------
        StorageFailed
            The place cannot be reached or written to.
        """
        place = self.at(key)
        patiently(place, lambda deadline: self._put(place, data, deadline))

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine.

        Raises
        ------
        StorageFailed
            The place cannot be reached or written to.
        """
        place = self.at(key)
        patiently(place, lambda deadline: self._delete(place, deadline))

    def listing(self) -> Iterator[tuple[str, int]]:
        """Yield the keys of all objects below the location, sorted, and their sizes in bytes.

        Raises
        ------
        StorageFailed
            The place cannot be reached, or does not tell what it has (code ``no-listing``).
        """
        yield from patiently(self.location, self._keys)

    def at(self, key: str) -> Location:
        """Return where an object is."""
        return self.location / key if key else self.location

    @abstractmethod
    def _head(self, place: Location, deadline: Deadline) -> ObjectInfo | None: ...

    @abstractmethod
    def _whole(self, place: Location, deadline: Deadline) -> bytes: ...

    @abstractmethod
    def _range(self, place: Location, start: int, stop: int, etag: str, deadline: Deadline) -> bytes: ...

    @abstractmethod
    def _put(self, place: Location, data: bytes | Path, deadline: Deadline) -> None: ...

    @abstractmethod
    def _delete(self, place: Location, deadline: Deadline) -> None: ...

    @abstractmethod
    def _keys(self, deadline: Deadline) -> list[tuple[str, int]]: ...


_OPEN: dict[tuple[int, str], list[Objects]] = {}


def open_objects(location: Location) -> Objects:
    """Return the objects below a location; nothing is asked of it yet.

    Clients are made once for a place and process.

    Parameters
    ----------
    location : Location

    Raises
    ------
    BadArgument
        Its scheme needs a package that is not installed, or its options are not those of its file system.

    Examples
    --------
    >>> from sensorium_data.remote import Location
    >>> open_objects(Location("https://example.org/stores/mouse.zarr")).at("zarr.json")
    Location('https://example.org/stores/mouse.zarr/zarr.json')
    """
    known = _OPEN.setdefault((os.getpid(), location.url), [])
    for objects in known:
        if objects.location == location:
            return objects
    made = _made(location)
    known.append(made)
    return made


def _made(location: Location) -> Objects:
    if location.scheme in ("http", "https"):
        from sensorium_data.remote.http import HttpObjects

        return HttpObjects(location)
    if settings().client == "obstore" and location.scheme == "s3":
        from sensorium_data.remote.obstores import ObstoreObjects

        return ObstoreObjects(location)
    if settings().client not in CLIENTS:
        what = f"the setting `client` is {settings().client!r}"
        raise BadArgument(what, hint=near_miss(settings().client, CLIENTS), code="bad-setting")
    from sensorium_data.remote.files import FileObjects

    return FileObjects(location)
