"""What reading says when a store is not what it was, in the words that name the file."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from sensorium_data.errors import StorageFailed, StoreInvalid

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.remote import Location

__all__ = ["chunk_damaged", "file_lost", "other_size", "store_changed", "unreadable"]


def _check(store: Path | Location) -> str:
    return f"`sensorium-data check {shlex.quote(str(store))}`"


def chunk_damaged(
    store: Path | Location, path: str, file: str, chunk: int, rows: tuple[int, int], what: str
) -> StoreInvalid:
    """Return the error of a chunk whose bytes are not those that were written.

    Parameters
    ----------
    store : Path or Location
    path : str
        Of the array.
    file : str
        Key of the shard.
    chunk : int
        Number of the chunk in the shard.
    rows : (first, stop)
    what : str
        What was seen.
    """
    message = f"{store}: `{path}` is damaged in {file}, chunk {chunk} (rows {rows[0]} to {rows[1]}): {what}"
    hint = f"{_check(store)} finds every damaged chunk; convert the recording again"
    return StoreInvalid(message, hint=hint, code="chunk-damaged")


def file_lost(store: Path | Location, path: str, file: str) -> StoreInvalid:
    """Return the error of a shard that was not there when the reader was made."""
    hint = f"{_check(store)} finds what else is missing; convert the recording again"
    return StoreInvalid(f"{store}: `{path}` has lost its file {file}", hint=hint, code="array-unreadable")


def other_size(store: Path | Location, path: str, file: str, seen: int, written: int) -> StoreInvalid:
    """Return the error of a shard that is not as long as it was written, so that no checksum speaks for it."""
    what = f"`{path}` is damaged: {file} has {seen:,} bytes, the sidecar says {written:,}"
    hint = f"{_check(store)} finds what else is wrong; convert the recording again"
    return StoreInvalid(f"{store}: {what}", hint=hint, code="sidecar-stale")


def store_changed(store: Path | Location, file: str, what: str) -> StoreInvalid:
    """Return the error of a store that was written to, replaced or removed under a reader."""
    hint = "open the session again; where that fails, convert the recording again"
    return StoreInvalid(f"{store}: {file} {what} since the session was opened", hint=hint, code="store-changed")


def unreadable(store: Path | Location, file: str, error: OSError) -> StorageFailed:
    """Return the error of storage that fails while a file is read."""
    hint = "make it readable, then run again"
    return StorageFailed(f"{store}: {file} cannot be read: {error.strerror or error}", hint=hint)
