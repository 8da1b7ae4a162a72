"""What was streamed of a store stays on disk, under the digest of what names all of its bytes.

Below the cache folder, `streams/<digest>/` holds the root and the sidecar of a store, and of each shard the chunks that
were fetched. The digest is that of root and sidecar together, which hold a checksum of every chunk: it changes with the
store as an etag does, and is the same at every URL and for every server. `streams/urls/` says which store was at a URL
when it was opened last, for who is offline.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sensorium_data.remote.quota import Quota
from sensorium_data.remote.sparse import SparseObject
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from sensorium_data.remote.location import Location

__all__ = ["StreamedStore", "streamed_store", "streams_folder", "was_at"]

SHORT = 32  # characters of a digest, 128 bits, that name a folder


def streams_folder() -> Path:
    """Return where streamed stores are kept; it need not be there."""
    return settings().cache_folder / "streams"


@cache
def _quota(folder: Path, limit: int, pid: int) -> Quota:
    del pid  # locks are not shared over a fork
    return Quota(folder, limit)


class StreamedStore:
    """What is on this disk of one remote store.

    Parameters
    ----------
    identity : str
        Digest of its root and sidecar.
    """

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self._folder = streams_folder() / identity

    @property
    def _keeps(self) -> bool:
        return settings().stream_cache_bytes > 0

    def shard(self, key: str, size: int, n_chunks: int) -> SparseObject | None:
        """Return what is there of a shard, or None where nothing is kept."""
        if not self._keeps:
            return None
        quota = _quota(streams_folder(), settings().stream_cache_bytes, os.getpid())
        return SparseObject(self._folder / quote(key, safe=""), size, n_chunks, quota)

    def remember(self, location: Location, root: bytes, sidecar: bytes) -> None:
        """Keep root and sidecar for who is offline; where that cannot be, the store is streamed all the same."""
        if not self._keeps:
            return
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for name, data in (("root", root), ("sidecar", sidecar)):
                if not _holds(self._folder / name, data):
                    _put(self._folder / name, data)
            _put(_note(location), json.dumps({"url": location.url, "store": self.identity}).encode())


def streamed_store(root: bytes, sidecar: bytes) -> StreamedStore:
    """Return what is on this disk of the store with some root and sidecar."""
    return StreamedStore(
        hashlib.sha256(hashlib.sha256(root).digest() + hashlib.sha256(sidecar).digest()).hexdigest()[:SHORT]
    )


def was_at(location: Location) -> tuple[bytes, bytes] | None:
    """Return root and sidecar of the store that was at a location when it was opened last, or None."""
    try:
        identity = str(json.loads(_note(location).read_bytes())["store"])
        folder = streams_folder() / Path(identity).name
        kept = (folder / "root").read_bytes(), (folder / "sidecar").read_bytes()
        return kept if streamed_store(*kept).identity == identity else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(location: Location) -> Path:
    return streams_folder() / "urls" / f"{hashlib.sha256(location.url.encode()).hexdigest()[:SHORT]}.json"


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(data)
    part.replace(path)
