"""Faulty answers: each fault as a function of the request, or of the true answer."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.servers.wire import Answer, Body, Head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.faults import Fault, Request

    Whole = Callable[[str], bytes]

PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in to go on.</body></html>\n"
REFUSED = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>the proxy says no</Message></Error>"


def instead(fault: Fault, request: Request, whole: Whole) -> Answer | None:
    """Return the answer to a request that is not forwarded; None for one that is."""
    if fault.is_status:
        return _said(int(fault.kind), request, REFUSED, "application/xml", Retry_After=fault.retry_after_s)
    match fault.kind:
        case "html":
            return _said(200, request, PAGE, "text/html; charset=utf-8")
        case "redirect":
            return _said(302, request, b"", "text/plain", Location=fault.location)
        case "reset" | "stall" if fault.at is None:
            return Answer(None, ending=fault.kind, acted=True)
        case "ignore-range" | "wrong-range" if request.range and request.method == "GET":
            return _other_range(fault, request, whole(request.path))
    return None


def _said(status: int, request: Request, body: bytes, kind: str, **fields: object) -> Answer:
    head = Head.made(status, Content_Type=kind, Content_Length=len(body), **fields)
    sent = b"" if request.method == "HEAD" else body
    return Answer(head, _held(sent), acted=True)


def _held(data: bytes) -> Body:
    return Body(len(data), iter([memoryview(data)]))


def _other_range(fault: Fault, request: Request, data: bytes) -> Answer:
    kind = {"Content_Type": "application/octet-stream", "Accept_Ranges": "bytes"}
    if fault.kind == "ignore-range":
        return Answer(Head.made(200, Content_Length=len(data), **kind), _held(data), acted=True)
    start, stop = span_of(request.range or "", len(data))
    n = stop - start
    # As long as what was asked for, so that nothing but Content-Range tells; moved back where the object ends.
    first = max(0, min(start + fault.by, len(data) - n))
    part = data[first : first + n]
    where = f"bytes {first}-{first + n - 1}/{len(data)}"
    return Answer(Head.made(206, Content_Length=n, Content_Range=where, **kind), _held(part), acted=first != start)


def span_of(text: str, n: int) -> tuple[int, int]:
    """Return the half-open span that a Range header means in an object of n bytes."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", text.strip())
    if found is None or found.group(0) == "bytes=-":
        return 0, n
    first, last = found.groups()
    if not first:
        return max(0, n - int(last)), n
    return min(int(first), n), min(int(last) + 1, n) if last else n


def spoiled(fault: Fault, request: Request, answer: Answer) -> Answer:
    """Return what becomes of a true answer."""
    act = _ACTS.get(fault.kind)
    if act is None or answer.head is None:
        return replace(answer, acted=fault.kind == "replace")
    if answer.body.n is None:  # in chunks: its length is needed, and such replies are short
        data = b"".join(bytes(piece) for piece in answer.body.pieces)
        head = answer.head.without("transfer-encoding").replaced("Content-Length", len(data))
        answer = Answer(head, _held(data), answer.ending)
    return act(fault, request, answer)


def _lost(fault: Fault, request: Request, answer: Answer) -> Answer:
    for _ in answer.body.pieces:  # to its end, so that upstream has certainly done it
        pass
    return Answer(None, ending="reset", acted=True)


def _cut(fault: Fault, request: Request, answer: Answer) -> Answer:
    """End inside the body; where there is none, before the head."""
    ending = {"truncate": "close"}.get(fault.kind, fault.kind)
    n = answer.body.n or 0
    if not n:
        return Answer(None, ending=ending, acted=True)
    return Answer(answer.head, Body(n, _first(answer.body.pieces, fault.place(n))), ending, acted=True)


def _first(pieces: Iterator[memoryview], n: int) -> Iterator[memoryview]:
    for piece in pieces:
        if len(piece) >= n:
            yield piece[:n]
            return
        n -= len(piece)
        yield piece


def _wrong_length(fault: Fault, request: Request, answer: Answer) -> Answer:
    held = answer.head.get("content-length") if answer.head else None
    if answer.head is None or not held or int(held) == 0:
        return answer
    told = max(0, int(held) + fault.by)
    return Answer(answer.head.replaced("Content-Length", told), answer.body, "close", acted=told != int(held))


def _wrong_bytes(fault: Fault, request: Request, answer: Answer) -> Answer:
    n = answer.body.n or 0
    if not n:
        return answer
    return Answer(answer.head, Body(n, _flipped(answer.body.pieces, fault.place(n))), answer.ending, acted=True)


def _flipped(pieces: Iterator[memoryview], at: int) -> Iterator[memoryview]:
    for piece in pieces:
        if 0 <= at < len(piece):
            wrong = bytearray(piece)
            wrong[at] ^= 0x10
            yield memoryview(wrong)
        else:
            yield piece
        at -= len(piece)


def _drop_header(fault: Fault, request: Request, answer: Answer) -> Answer:
    name = fault.header.lower()
    if answer.head is None or answer.head.get(name) is None:
        return answer
    head = answer.head.without(name)
    if name == "content-length":  # the end of the connection is then the end of the body
        return Answer(head.replaced("Connection", "close"), answer.body, "close", acted=True)
    return Answer(head, answer.body, answer.ending, acted=True)


_ACTS: dict[str, Callable[[Fault, Request, Answer], Answer]] = {
    "lost": _lost,
    "reset": _cut,
    "truncate": _cut,
    "stall": _cut,
    "wrong-length": _wrong_length,
    "wrong-bytes": _wrong_bytes,
    "drop-header": _drop_header,
}
