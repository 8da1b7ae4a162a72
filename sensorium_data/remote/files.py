"""Objects through fsspec: buckets of every make, each by the file system that knows it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, TypeVar

from sensorium_data.errors import BadArgument, StorageFailed
from sensorium_data.remote.access import PACKAGES, file_system_options
from sensorium_data.remote.faults import Passing, denied, no_listing, not_there, unreachable
from sensorium_data.remote.objects import LARGEST, ObjectInfo, Objects
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fsspec import AbstractFileSystem

    from sensorium_data.remote.location import Location
    from sensorium_data.remote.patience import Deadline

__all__ = ["FileObjects"]

T = TypeVar("T")
DENIED = re.compile(
    r"AccessDenied|Forbidden|Unauthorized|ExpiredToken|InvalidAccessKeyId|Signature|AuthenticationError"
    r"|AuthenticationFailed|AuthorizationFailure|Credentials?Error|RefreshError|Token\w*Error|ProfileNotFound|(?<![\w.:/-])40[13](?![\w.:/-])"
)
SLOWEST = 100_000  # bytes a second that are waited for
USUAL = 4 << 20  # bytes that an object may have which is read whole


class FileObjects(Objects):
    """Objects of a bucket, or of whatever else fsspec has a file system for; see `Objects`.

    Parameters
    ----------
    location : Location

    Raises
    ------
    BadArgument
        The scheme is unknown, or needs a package that is not installed; or its options are not those of its file system.
    """

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        from fsspec.registry import get_filesystem_class

        try:
            self._kind = get_filesystem_class(location.scheme)
        except ImportError:
            package = PACKAGES.get(location.scheme, "its fsspec package")
            hint = "`pip install 'sensorium-data[cloud]'` has all of them"
            raise BadArgument(
                f"{location}: {location.scheme}:// needs {package}", hint=hint, code="no-client"
            ) from None
        except ValueError:
            hint = "s3://, gs://, az://, https:// and what fsspec knows"
            raise BadArgument(f"{location}: no scheme {location.scheme}://", hint=hint, code="unknown-scheme") from None
        # gcsfs may hand out one that first asks over gRPC what kind of bucket it is, and waits where nothing answers.
        self._kind = next((kind for kind in self._kind.__mro__ if kind.__module__ == "gcsfs.core"), self._kind)
        self._made: tuple[int, AbstractFileSystem] | None = None

    @property
    def _fs(self) -> AbstractFileSystem:
        if self._made is None or self._made[0] != os.getpid():  # none of them works in a process that was forked since
            self._made = (os.getpid(), self._opened())
        return self._made[1]

    def _opened(self) -> AbstractFileSystem:
        try:
            options = self._kind._get_kwargs_from_urls(self.location.asked()) | file_system_options(self.location)
            # Not fsspec's own cache of instances: how long these wait and how often they try is ours.
            return self._kind(**options, skip_instance_cache=True, use_listings_cache=False)
        except (TypeError, ValueError) as error:
            raise _not_taken(self.location, error) from None

    def _call(self, place: Location, name: str, deadline: Deadline, **given: Any) -> Any:  # noqa: ANN401  # as fsspec answers
        """Call a method of the file system that reads, and wait for it as long as may be waited."""
        wait_s = min(_patience_s(given), deadline.left_s)
        return self._awaited(place, name, wait_s, self._path(place), **given)

    def _path(self, place: Location) -> str:
        path: str = self._kind._strip_protocol(place.asked())
        return path

    def _awaited(self, place: Location, name: str, wait_s: float, *args: Any, **given: Any) -> Any:  # noqa: ANN401
        # What every client knows by its place alone goes by its place: they call it by different names.
        def call() -> Any:  # noqa: ANN401
            fs = self._fs
            if getattr(fs, "async_impl", False):
                from fsspec.asyn import sync

                return sync(fs.loop, getattr(fs, f"_{name}"), *args, timeout=max(0.1, wait_s), **given)
            return getattr(fs, name)(*args, **given)

        return _understood(place, call)

    def _head(self, place: Location, deadline: Deadline) -> ObjectInfo | None:
        try:
            found = self._call(place, "info", deadline)
        except FileNotFoundError:
            return None
        if found.get("type") == "directory" or found.get("size") is None:
            return None
        etag = next((str(found[name]) for name in ("ETag", "etag", "md5Hash") if found.get(name)), "")
        modified = next(
            (str(found[name]) for name in ("LastModified", "last_modified", "updated", "mtime") if found.get(name)), ""
        )
        return ObjectInfo(int(found["size"]), etag, modified)

    def _whole(self, place: Location, deadline: Deadline) -> bytes:
        # As a range that is longer than it may be: one request, where a client would ask for the size first, and no more
        # memory than is allowed.
        try:
            data: bytes = self._call(place, "cat_file", deadline, start=0, end=LARGEST)
        except Passing:
            info = self._head(place, deadline)
            if info is not None and info.size == 0:  # has no range that it could answer
                return b""
            raise
        if len(data) >= LARGEST:
            raise unreachable(place, f"has {len(data):,} bytes or more, too many for an object that is read at once")
        return data

    def _range(self, place: Location, start: int, stop: int, etag: str, deadline: Deadline) -> bytes:
        del etag  # fsspec has no condition to send; what is read is held against digests
        data: bytes = self._call(place, "cat_file", deadline, start=start, end=stop)
        return data

    def _put(self, place: Location, data: bytes | Path, deadline: Deadline) -> None:
        if isinstance(data, bytes):
            wait_s = min(max(1, settings().timeout_s), deadline.left_s) + len(data) / SLOWEST
            self._awaited(place, "pipe_file", wait_s, self._path(place), data)
            return
        # A large one goes up in parts, each of which the client repeats itself; it is there when the last one is.
        wait_s = settings().deadline_s + data.stat().st_size / SLOWEST
        self._awaited(place, "put_file", wait_s, str(data), self._path(place))

    def _delete(self, place: Location, deadline: Deadline) -> None:
        try:
            self._call(place, "rm_file", deadline)
        except FileNotFoundError:
            return

    def _keys(self, deadline: Deadline) -> list[tuple[str, int]]:
        try:
            found = self._call(self.location, "find", deadline, detail=True)
        except FileNotFoundError:
            return []
        except StorageFailed as error:
            raise no_listing(self.location) if error.code == "access-denied" else error from None
        base = self._kind._strip_protocol(self.location.asked()).rstrip("/") + "/"
        below = ((path, info) for path, info in found.items() if path.startswith(base))
        return sorted((path[len(base) :], int(info["size"] or 0)) for path, info in below)


def _patience_s(given: dict[str, Any]) -> float:
    """Return how long one request may take: a server is silent for so long at most, and lines are only so fast."""
    n_bytes = len(given["value"]) if "value" in given else given.get("end", 0) - given.get("start", 0)
    return (settings().timeout_s or 1) + (USUAL if n_bytes == LARGEST else n_bytes) / SLOWEST


def _understood(place: Location, call: Callable[[], T]) -> T:
    """Return what a client answers, with what it raises made ours; its text is not repeated, as it may say too much."""
    try:
        return call()
    except (BadArgument, Passing):
        raise
    except Exception as error:  # noqa: BLE001  # clients of five makes, each with exceptions of its own
        raise _ours(place, error) from None


def _ours(place: Location, error: Exception) -> Exception:
    if isinstance(error, FileNotFoundError) or type(error).__name__ == "ResourceNotFoundError":  # of Azure
        return not_there(place)
    if isinstance(error, PermissionError) or DENIED.search(_said(error)):
        return denied(place)
    if isinstance(error, TimeoutError):
        return Passing("did not answer in time")
    if isinstance(error, ImportError):
        hint = "`pip install 'sensorium-data[cloud]'`"
        return BadArgument(f"{place}: needs {error.name}", hint=hint, code="no-client")
    if isinstance(error, TypeError):  # an option that the client learns of only now
        return _not_taken(place, error)
    return Passing(f"did not answer as it should ({type(error).__name__})")


def _said(error: Exception) -> str:
    return f"{type(error).__name__} {error} {getattr(error, 'status_code', '')}"


def _not_taken(place: Location, error: Exception) -> BadArgument:
    # Only the kind of the error: its text may repeat what lets one in.
    what = f"{place}: its storage_options are not taken ({type(error).__name__})"
    hint = f"they are those of fsspec's file system for {place.scheme}://"
    return BadArgument(what, hint=hint, code="storage-options")
