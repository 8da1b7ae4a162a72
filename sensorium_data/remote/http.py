"""Objects over http and https: requests that say what they want, and answers that are held against it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sensorium_data.errors import BadArgument, SensoriumError, StorageFailed
from sensorium_data.remote.connections import Refused, pool_for
from sensorium_data.remote.faults import Passing, changed, denied, no_listing, not_there, unreachable
from sensorium_data.remote.objects import LARGEST, ObjectInfo, Objects
from sensorium_data.remote.redirects import STATUSES, going_along, led_to
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from urllib3 import BaseHTTPResponse

    from sensorium_data.remote.location import Location
    from sensorium_data.remote.patience import Deadline

__all__ = ["HttpObjects", "body", "content_length", "info_of", "requested", "require"]

PIECE = 1 << 18  # bytes read at once
MOST_REDIRECTS = 5
WORD = 1 << 16  # bytes of a redirect that are read
PASSING = {408, 425, 429, 500, 502, 503, 504}
DIGITS = re.compile(r"[0-9]{1,18}")
SENDABLE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")


class HttpObjects(Objects):
    """Objects that a web server has below a URL; see `Objects`.

    Parameters
    ----------
    location : Location

    Raises
    ------
    BadArgument
        The options are not ``headers`` alone, each of text.
    """

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        if wrong := sorted(location.options.keys() - {"headers"}):
            what = f"{location}: storage_options has {', '.join(wrong)}, of http it is `headers` alone"
            raise BadArgument(what, code="storage-options")
        self._headers = _headers(location)

    def _head(self, place: Location, deadline: Deadline) -> ObjectInfo | None:
        with requested(place, "HEAD", headers=self._headers, deadline=deadline) as answer:
            if answer.status in (404, 410):
                return None
            require(place, answer, 200)
            return info_of(answer)

    def _whole(self, place: Location, deadline: Deadline) -> bytes:
        with requested(place, "GET", headers=self._headers, deadline=deadline) as answer:
            require(place, answer, 200)
            size = content_length(answer)
            if (size or 0) > LARGEST:
                raise unreachable(place, f"has {size:,} bytes, more than an object that is read at once may have")
            data = _gathered(answer, LARGEST, deadline)
            if len(data) > LARGEST:
                raise unreachable(place, "has more bytes than an object that is read at once may have")
            return data

    def _range(self, place: Location, start: int, stop: int, etag: str, deadline: Deadline) -> bytes:
        headers = self._headers | {"Range": f"bytes={start}-{stop - 1}"} | _condition(etag)
        with requested(place, "GET", headers=headers, deadline=deadline) as answer:
            if answer.status == 200 and not (start == 0 and content_length(answer) == stop):
                raise Passing("answered a request for a range with the whole object", code="ranges-ignored")
            if answer.status != 200:
                require(place, answer, 206)
                require_range(answer, start, stop)
            if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise Passing("answered in an encoding that was not asked for", code="ranges-ignored")
            return _gathered(answer, stop - start, deadline)  # where it is more, the caller says so

    def _put(self, place: Location, data: bytes | Path, deadline: Deadline) -> None:
        del data, deadline
        raise _read_only(place)

    def _delete(self, place: Location, deadline: Deadline) -> None:
        del deadline
        raise _read_only(place)

    def _keys(self, deadline: Deadline) -> list[tuple[str, int]]:
        del deadline
        raise no_listing(self.location)


def _headers(location: Location) -> dict[str, str]:
    """Return the headers among the options of a location; where they cannot be sent, none of them is shown."""
    headers = location.options.get("headers") or {}
    if not isinstance(headers, Mapping):
        raise BadArgument(f"{location}: `headers` is no mapping", code="storage-options")
    if not all(isinstance(text, str) and SENDABLE.fullmatch(text) for pair in headers.items() for text in pair):
        hint = "is there a line end after a token?"
        raise BadArgument(f"{location}: a header is no text of one line", hint=hint, code="storage-options")
    return dict(headers)


def _condition(etag: str) -> dict[str, str]:
    """Return the header that holds an answer to a version; none for a weak etag, which is never the same as any."""
    return {"If-Match": etag} if etag and not etag.startswith("W/") else {}


def _read_only(place: Location) -> StorageFailed:
    return StorageFailed(
        f"{place}: a web server is not written to", hint="write to a disk or a bucket", code="read-only"
    )


@contextmanager
def requested(
    place: Location, method: str, *, headers: Mapping[str, str], deadline: Deadline
) -> Iterator[BaseHTTPResponse]:
    """Yield the answer to a request, redirects followed, its body not read yet.

    Parameters
    ----------
    place : Location
    method : {"GET", "HEAD"}
    headers : mapping
        To another origin than the one that was named, a redirect takes along only those that say what is wanted.
    deadline : Deadline

    Raises
    ------
    Passing
        No answer, or one that may be another the next time.
    StorageFailed
        A redirect leads where none may lead.
    """
    import urllib3

    sent = {"User-Agent": "sensorium-data", "Accept-Encoding": "identity"} | dict(headers)
    try:
        answer = _answered(place.asked(), method, sent, deadline)
    except Refused as error:
        raise unreachable(place, str(error), code="redirect-refused") from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Passing(_why(error)) from None
    except ValueError:  # whose text repeats the header
        what = f"{place}: has a header or a URL that cannot be sent"
        raise BadArgument(what, hint="is there a line end after a token?", code="storage-options") from None
    try:
        yield answer
    except SensoriumError:
        raise
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Passing(_why(error)) from None
    finally:
        # A connection whose body was read to its end goes back to the pool; any other is closed.
        if answer.length_remaining == 0:
            answer.drain_conn()  # a body of no bytes must be read as well, or the connection counts as busy
        elif not answer.closed:
            answer.close()


def _answered(first: str, method: str, sent: dict[str, str], deadline: Deadline) -> BaseHTTPResponse:
    import urllib3

    url = first
    for _ in range(MOST_REDIRECTS + 1):
        wait_s = max(0.1, min(settings().timeout_s or 1, deadline.left_s))
        answer = pool_for(url, redirected=url != first, origin=first).request(
            method, url, headers=sent, preload_content=False, redirect=False, retries=False,
            timeout=urllib3.Timeout(connect=wait_s, read=wait_s),
        )  # fmt: skip
        if answer.status not in STATUSES or not answer.headers.get("Location"):
            return answer
        _leave(answer, deadline)
        url = led_to(url, answer.headers["Location"])
        sent = going_along(sent, first, url)
    raise Refused(f"was redirected more than {MOST_REDIRECTS} times")


def _why(error: Exception) -> str:
    return f"did not answer ({type(error).__name__})"


def _leave(answer: BaseHTTPResponse, deadline: Deadline) -> None:
    """Keep the connection of a redirect for the next request, unless what comes with it is more than a word."""
    said = content_length(answer)
    if said is None or said > WORD:
        answer.close()
    else:
        for _ in body(answer, deadline):
            pass


def require(place: Location, answer: BaseHTTPResponse, status: int) -> None:
    """Raise what a status means that is not the one that was expected."""
    seen = answer.status
    if seen == status:
        return
    if seen in (401, 403, 407):
        raise denied(place, f"access was denied (status {seen})")
    if seen in (404, 410):
        raise not_there(place)
    if seen == 412:
        raise changed(place)
    if seen in PASSING:
        raise Passing(f"answered with status {seen}", after_s=_after_s(answer))
    if seen == 416:
        raise Passing("has fewer bytes than were asked for", code="changed-remote")
    raise unreachable(place, f"answered with status {seen}, expected {status}")


def require_range(answer: BaseHTTPResponse, start: int, stop: int) -> None:
    """Raise Passing where an answer is not of the range that was asked for."""
    said = answer.headers.get("Content-Range", "")
    if not said.replace(" ", "").startswith(f"bytes{start}-{stop - 1}/"):
        size = said.rpartition("/")[2].strip()
        if size.isdigit() and int(size[:18]) < stop:  # a smaller object is there now
            raise Passing("has fewer bytes than were asked for", code="changed-remote")
        raise Passing(f"answered with another range than the one that was asked for ({said or 'none'})")


def _after_s(answer: BaseHTTPResponse) -> float | None:
    """Return how long the server wants to be left alone: seconds, or until a date."""
    from email.utils import parsedate_to_datetime
    from time import time

    said = answer.headers.get("Retry-After", "").strip()
    if DIGITS.fullmatch(said):
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time())
    except (TypeError, ValueError, OverflowError):
        return None


def content_length(answer: BaseHTTPResponse) -> int | None:
    """Return how long the body is said to be."""
    said = answer.headers.get("Content-Length", "")
    return int(said) if DIGITS.fullmatch(said) else None


def info_of(answer: BaseHTTPResponse) -> ObjectInfo:
    """Return what the headers of an answer say of its object.

    Raises
    ------
    Passing
        They do not say how long it is.
    """
    size = content_length(answer)
    if size is None:
        raise Passing("does not say how many bytes it has")
    return ObjectInfo(size, answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", ""))


def _gathered(answer: BaseHTTPResponse, most: int, deadline: Deadline) -> bytes:
    """Return the body of an answer, or its beginning where it is longer than it may be."""
    pieces: list[bytes] = []
    n_bytes = 0
    for piece in body(answer, deadline):
        pieces.append(piece)
        n_bytes += len(piece)
        if n_bytes > most:
            break
    return b"".join(pieces)


def body(answer: BaseHTTPResponse, deadline: Deadline | None = None) -> Iterator[bytes]:
    """Yield the body of an answer as it comes, to its end.

    Raises
    ------
    Passing
        It ends too early, or takes too long.
    """
    import urllib3

    try:
        while piece := answer.read1(PIECE):
            yield piece
            if deadline is not None:
                deadline.check()
        if answer.length_remaining:
            raise Passing(f"ended {answer.length_remaining:,} bytes too early")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Passing(f"broke off ({type(error).__name__})") from None
