"""Open a store at a URL: root and sidecar, asked for side by side, of one and the same store."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import google_crc32c

from sensorium_data.errors import NotFound, StoreInvalid
from sensorium_data.remote import open_objects
from sensorium_data.remote.requests import submitted
from sensorium_data.remote.streams import streamed_store, was_at
from sensorium_data.settings import settings
from sensorium_data.store.layout import Paths
from sensorium_data.store.metadata import root_checksum

if TYPE_CHECKING:
    from sensorium_data.remote import Location

__all__ = ["SIDECAR", "RemoteRoot", "is_replaced", "open_remote"]

SIDECAR = f"{Paths.sidecar}/c/0"
TRIES = 3


class RemoteRoot(NamedTuple):
    """Root and sidecar of a store as bytes, None where it has no sidecar; and the digest of both."""

    root: bytes
    sidecar: bytes | None
    identity: str


def open_remote(location: Location) -> RemoteRoot:
    """Return root and sidecar of the store at a URL; offline, of the one that was there when it was opened last.

    Raises
    ------
    NotFound
        Nothing is there.
    StorageFailed
        The place cannot be reached, lets nobody in, or is not in the cache of who is offline.
    StoreInvalid
        The store was replaced while it was opened, again and again.
    """
    if settings().offline and (kept := was_at(location)) is not None:
        return RemoteRoot(*kept, streamed_store(*kept).identity)
    for _ in range(TRIES):
        root, sidecar = _asked(location)
        whole = _parsed(root)
        if whole is not None and (sidecar is None or _is_one(whole, sidecar)):
            break
    else:
        if whole is not None:
            what = f"{location}: its root is damaged or was written to, or its sidecar is not the one it speaks of"
            hint = f"is it being written? open it again later; `sensorium-data check {location}` says more"
            raise StoreInvalid(what, hint=hint, code="store-changed")
    store = streamed_store(root, sidecar or b"")  # what is wrong with a root that is none is said by who opens it
    if whole is not None and sidecar is not None:
        store.remember(location, root, sidecar)
    return RemoteRoot(root, sidecar, store.identity)


def _asked(location: Location) -> tuple[bytes, bytes | None]:
    objects = open_objects(location)
    waiting = submitted(partial(objects.read, SIDECAR))
    try:
        root = objects.read(Paths.root)
    except NotFound:
        hint = "is the URL right? a store has its zarr.json directly below it"
        raise NotFound(f"{location}: no such store", hint=hint, code="no-such-store") from None
    try:
        return root, waiting.result()
    except NotFound:
        return root, None


def _parsed(root: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(root)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_one(root: dict[str, Any], sidecar: bytes) -> bool:
    """True where the root is what was written, and has the checksum of this sidecar.

    Stores of before 2026-12 have neither checksum, and are believed.
    """
    try:
        node = root["consolidated_metadata"]["metadata"][Paths.sidecar]
        written, of_root = (node["attributes"].get(name) for name in ("crc32c", "root_crc32c"))
        if of_root is not None and of_root != root_checksum(root):
            return False
        return node["shape"] == [len(sidecar)] and written in (None, google_crc32c.value(sidecar))
    except (KeyError, TypeError, AttributeError):
        return True  # what is wrong with the root is said by who opens it


def is_replaced(location: Location, identity: str) -> bool:
    """True where another store than the one that was opened is at a URL now, or none."""
    try:
        return open_remote(location).identity != identity
    except (NotFound, StoreInvalid):
        return True
