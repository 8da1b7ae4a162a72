"""One file from a web server: one request for all that is missing, and another one from where it broke off."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from sensorium_data.catalogs.disk import disk_errors
from sensorium_data.catalogs.looks import HEAD_BYTES, refuse_impostor
from sensorium_data.catalogs.partial import Note
from sensorium_data.catalogs.patient import Pace, Patience
from sensorium_data.errors import DataInvalid
from sensorium_data.remote.faults import Passing
from sensorium_data.remote.http import content_length, requested, require
from sensorium_data.remote.patience import Deadline
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from urllib3 import BaseHTTPResponse

    from sensorium_data.catalogs.partial import Expected
    from sensorium_data.catalogs.sink import Sink
    from sensorium_data.catalogs.watch import Watch
    from sensorium_data.remote import Location, ObjectInfo

__all__ = ["condition", "stream"]

PIECE = 1 << 18  # read at once: smaller ones cost calls, larger ones leave the cache before they are hashed
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def stream(place: Location, sink: Sink, expected: Expected, watch: Watch, info: ObjectInfo | None) -> None:
    """Fetch what is missing of a file.

    Parameters
    ----------
    place : Location
    sink : Sink
        Has what is here already.
    expected : Expected
    watch : Watch
    info : ObjectInfo, optional
        What the server has said of it when it was asked before.

    Raises
    ------
    NotFound
        It is not there.
    DataInvalid
        It is something else.
    StorageFailed
        The server does not answer, lets nobody in, or breaks off too often; or the disk is full. What came is kept.
    """
    fetching = _Streaming(place, sink, expected, watch, info.size if info else None)
    patience = Patience(place, sink.size)
    while True:
        watch.check()
        try:
            fetching.attempt()
        except Passing as seen:
            patience.wait(seen, sink.size, watch)
        else:
            return


def condition(note: Note | None, size: int, url: str, expected: Expected) -> str | None:
    """Return what a request to go on is bound to, ``If-Range``; "" for nothing, and None where it must begin anew.

    Parameters
    ----------
    note : Note or None
        Of what is here.
    size : int, bytes
        That are here.
    url : str
        That is about to be asked.
    expected : Expected

    Examples
    --------
    >>> from sensorium_data.catalogs.partial import Expected
    >>> url = "https://example.org/mouse.zip"
    >>> condition(Note(url=url, size=100, etag='"a"'), 40, url, Expected())
    '"a"'
    >>> condition(Note(url=url, size=100, etag='"a"'), 40, "https://mirror.org/mouse.zip", Expected()) is None
    True
    """
    if note is None or not size or (note.size is not None and size > note.size) or note.expected != expected:
        return None
    if note.url == url and note.validator:
        return note.validator
    # Another mirror, or one that names no version: the digest of the whole will tell.
    return "" if expected.has_digest and note.size is not None else None


class _Streaming:
    """One file on its way."""

    def __init__(self, place: Location, sink: Sink, expected: Expected, watch: Watch, said: int | None) -> None:
        self.place, self.sink, self.expected, self.watch = place, sink, expected, watch
        self.said = said  # bytes, as the server said the last time

    def attempt(self) -> None:
        """Ask once, and take what comes."""
        sink = self.sink
        bound = condition(sink.note, sink.size, self.place.url, self.expected)
        if bound is not None and sink.note is not None and sink.size == sink.note.size:
            return
        headers = dict(self.place.options.get("headers") or {})
        if bound is not None:
            headers |= {"Range": f"bytes={sink.size}-"} | ({"If-Range": bound} if bound else {})
        deadline = Deadline(max(1, settings().timeout_s))
        with requested(self.place, "GET", headers=headers, deadline=deadline) as answer:
            if not self._is_all(answer):
                self._take(answer, bound is not None)
        self._require_whole()

    def _take(self, answer: BaseHTTPResponse, asked_for_rest: bool) -> None:
        pieces = _pieces(answer)
        if asked_for_rest and answer.status == 206:
            self._go_on(answer)
        else:
            require(self.place, answer, 200)
            pieces = self._begin(answer, pieces)
        for piece in pieces:
            self._write(piece)

    def _write(self, piece: bytes) -> None:
        with disk_errors(self.sink.partial.path):
            self.sink.write(piece)
        self.watch.take(len(piece), self.sink.size)

    def _is_all(self, answer: BaseHTTPResponse) -> bool:
        """True where the server says that nothing is missing."""
        if answer.status != 416:
            return False
        whole = answer.headers.get("Content-Range", "").replace(" ", "") == f"bytes*/{self.sink.size}"
        note = self.sink.note
        if whole and note is not None and note.size in (None, self.sink.size):
            self.sink.describe(note.model_copy(update={"size": self.sink.size}))
            return True
        raise self._another()

    def _another(self) -> Passing:
        """Throw away what is here: it is of another object than the one that is there now."""
        with disk_errors(self.sink.partial.path):
            self.sink.begin(Note(url=self.place.url, expected=self.expected))
        return Passing("was replaced while it was fetched", code="changed-remote")

    def _go_on(self, answer: BaseHTTPResponse) -> None:
        """Hold an answer to the range that was asked for, and to the object that it must be of."""
        sink, note = self.sink, self.sink.note
        said = answer.headers.get("Content-Range", "")
        found = RANGE.fullmatch(said.strip())
        if found is None or int(found[1]) != sink.size:
            raise Passing(f"answered with another range than the one that was asked for ({said or 'none'})")
        total = int(found[2]) + 1 if found[3] == "*" else int(found[3])
        length, etag = content_length(answer), answer.headers.get("ETag", "")
        if note is None or note.size not in (None, total) or self._is_other(note, etag):
            raise self._another()
        if int(found[2]) + 1 != total or length not in (None, total - sink.size):
            raise Passing(f"answered with less than was asked for ({said})")
        if note.url != self.place.url:  # a mirror goes on; where it breaks off its own version is asked for
            modified = answer.headers.get("Last-Modified", "")
            sink.describe(Note(url=self.place.url, size=total, etag=etag, modified=modified, expected=self.expected))
        self.watch.size = total

    def _is_other(self, note: Note, etag: str) -> bool:
        return note.url == self.place.url and bool(note.etag and etag) and note.etag != etag

    def _begin(self, answer: BaseHTTPResponse, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Look at how it begins, and return all pieces when it is to be kept."""
        head = b""
        while len(head) < HEAD_BYTES and (piece := next(pieces, b"")):
            head += piece
        refuse_impostor(head, self.sink.partial.path.name.removesuffix(".part"), self.place)
        size = self._size(answer)
        etag, modified = answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")
        with disk_errors(self.sink.partial.path):
            self.sink.begin(Note(url=self.place.url, size=size, etag=etag, modified=modified, expected=self.expected))
        self.watch.size = size
        return chain([head] if head else [], pieces)

    def _size(self, answer: BaseHTTPResponse) -> int | None:
        """Return how many bytes will come; None for an answer that marks its own end."""
        size, known = content_length(answer), self.expected.size
        if size is None:
            if known is None and "chunked" not in answer.headers.get("Transfer-Encoding", "").lower():
                raise Passing("does not say how many bytes it has")
            return known
        if known is not None and size != known:
            what = f"{self.place}: has {size:,} bytes, expected {known:,}"
            raise DataInvalid(what, hint="is the publisher's file another one now?", code="size-mismatch")
        # Nothing else would tell a length that is wrong: it must be said twice.
        before, self.said = self.said, size
        if known is None and before is not None and before != size:
            raise Passing(f"says that it has {size:,} bytes, and said {before:,} before")
        return size

    def _require_whole(self) -> None:
        sink, size = self.sink, self.sink.note.size if self.sink.note else None
        if size is not None and sink.size > size:
            raise self._another()
        if size is not None and sink.size < size:
            raise Passing(f"ended {size - sink.size:,} bytes too early")


def _pieces(answer: BaseHTTPResponse) -> Iterator[bytes]:
    """Yield the body as it comes, as it is: an encoding that nobody asked for is that of the file.

    Raises
    ------
    Passing
        It breaks off, or hardly anything comes.
    """
    import urllib3

    pace = Pace()
    try:
        while piece := answer.read1(PIECE, decode_content=False):
            pace.take(len(piece))
            yield piece
        if answer.length_remaining:
            raise Passing(f"ended {answer.length_remaining:,} bytes too early")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Passing(f"broke off ({type(error).__name__})") from None
