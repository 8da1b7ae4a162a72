"""One file from whatever fsspec knows: blocks side by side, written in their order, of an object that must stay the same."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from sensorium_data.catalogs.disk import disk_errors
from sensorium_data.catalogs.looks import HEAD_BYTES, refuse_impostor
from sensorium_data.catalogs.partial import Note
from sensorium_data.errors import DataInvalid
from sensorium_data.remote import open_objects
from sensorium_data.remote.faults import changed, not_there
from sensorium_data.remote.requests import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensorium_data.catalogs.partial import Expected
    from sensorium_data.catalogs.sink import Sink
    from sensorium_data.catalogs.watch import Watch
    from sensorium_data.remote import Location, ObjectInfo, Objects

__all__ = ["fetch_blocks"]

SMALLEST, FIRST, LARGEST = 1 << 17, 1 << 20, 8 << 20  # bytes of a block
QUICK_S, SLOW_S = 1.0, 4.0  # a block that takes less, or more, makes the next ones larger, or smaller
N_AHEAD = 3


def fetch_blocks(place: Location, sink: Sink, expected: Expected, watch: Watch) -> None:
    """Fetch what is missing of a file.

    Parameters and errors as `stream`; what a server has said of it before is asked anew.
    """
    objects = open_objects(place)
    before = objects.head()
    if before is None:
        raise not_there(place)
    watch.size = before.size
    if not _goes_on(sink.note, place, before, expected) or sink.size > before.size:
        _begin(objects, before, sink, expected)
    for piece in in_order(_blocks(objects, sink.size, before), N_AHEAD):
        with disk_errors(sink.partial.path):
            sink.write(piece)
        watch.take(len(piece), sink.size)
    after = objects.head()
    if after is None or not _note(place, before, expected).is_of(after):
        sink.partial.discard()
        raise changed(place)


def _note(place: Location, info: ObjectInfo, expected: Expected) -> Note:
    return Note(url=place.url, size=info.size, etag=info.etag, modified=info.modified, expected=expected)


def _goes_on(note: Note | None, place: Location, info: ObjectInfo, expected: Expected) -> bool:
    """True where what is here is a part of the object that is there."""
    if note is None or note.expected != expected or note.size != info.size:
        return False
    says_version = bool(info.etag or info.modified)
    return expected.has_digest or (says_version and note == _note(place, info, expected))


def _begin(objects: Objects, info: ObjectInfo, sink: Sink, expected: Expected) -> None:
    place = objects.location
    head = objects.read(start=0, stop=min(HEAD_BYTES, info.size))
    refuse_impostor(head, sink.partial.path.name.removesuffix(".part"), place)
    if expected.size not in (None, info.size):
        what = f"{place}: has {info.size:,} bytes, expected {expected.size:,}"
        raise DataInvalid(what, hint="is the publisher's file another one now?", code="size-mismatch")
    with disk_errors(sink.partial.path):
        sink.begin(_note(place, info, expected))


def _blocks(objects: Objects, start: int, info: ObjectInfo) -> Iterator[Callable[[], bytes]]:
    size = [FIRST]  # of the next block; changed by those that have come

    def read(begin: int, end: int) -> bytes:
        began = monotonic()
        data = objects.read(start=begin, stop=end, etag=info.etag)
        took_s = monotonic() - began
        if end - begin == size[0] and took_s < QUICK_S:
            size[0] = min(LARGEST, 2 * size[0])
        elif took_s > SLOW_S:
            size[0] = max(SMALLEST, size[0] // 2)
        return data

    while start < info.size:
        stop = min(info.size, start + size[0])
        yield partial(read, start, stop)
        start = stop
