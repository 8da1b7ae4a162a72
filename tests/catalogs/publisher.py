"""A web server in this process that publishes files: open ranges, conditions, gates, and whatever a test wants it to say."""

from __future__ import annotations

import hashlib
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE = 1 << 14


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and the status of its answer."""

    method: str
    path: str
    range: str
    condition: str
    authorization: str
    status: int


def whole(path: str, n: int) -> None:
    """Let everything through."""


@dataclass
class Publisher:
    """What is served, how, and what was asked.

    Attributes
    ----------
    files : dict of str to bytes
        By path, without the first slash.
    says : dict of str to (status, headers, body)
        Answered instead, by path.
    each : callable
        Gets path and bytes of the body that were sent so far, between pieces; may raise `Broken` to reset the connection.
    """

    url: str
    port: int
    files: dict[str, bytes] = field(default_factory=dict)
    says: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    each: Callable[[str, int], None] = whole
    tags: str = "strong"
    dates: bool = True
    ranges: bool = True
    chunked: bool = False
    token: str = ""
    piece: int = PIECE  # bytes of the body that are sent at once
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def gets(self, path: str = "") -> list[Asked]:
        with self.lock:
            return [one for one in self.asked if one.method == "GET" and path in one.path]

    def tag(self, data: bytes) -> str:
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        return {"strong": tag, "weak": f"W/{tag}", "": ""}[self.tags]

    def date(self, data: bytes) -> str:
        return formatdate(int(hashlib.sha256(data).hexdigest()[:7], 16), usegmt=True) if self.dates else ""


class Broken(Exception):
    """The connection is to end here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    publisher: Publisher

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        publisher, path = self.publisher, self.path.partition("?")[0].lstrip("/")
        if publisher.token and self.headers.get("Authorization") != f"Bearer {publisher.token}":
            return self._send(path, 401, {}, b"")
        if path in publisher.says:
            return self._send(path, *publisher.says[path])
        data = publisher.files.get(path)
        if data is None:
            return self._send(path, 404, {}, b"")
        said = {"ETag": publisher.tag(data), "Last-Modified": publisher.date(data)}
        headers = {name: value for name, value in said.items() if value}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        bound = self.headers.get("If-Range")
        weak = publisher.tags == "weak" and bound == said["ETag"]
        if asked is None or not publisher.ranges or (bound is not None and (bound not in said.values() or weak)):
            return self._send(path, 200, headers, data)
        start = int(asked[1])
        if start >= len(data):
            return self._send(path, 416, {"Content-Range": f"bytes */{len(data)}"}, b"")
        stop = min(int(asked[2]) + 1, len(data)) if asked[2] else len(data)
        place = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}
        return self._send(path, 206, headers | place, data[start:stop])

    def _send(self, path: str, status: int, headers: dict[str, str], body: bytes) -> None:
        publisher, head = self.publisher, self.headers
        told = (head.get("Range", ""), head.get("If-Range", ""), head.get("Authorization", ""))
        with publisher.lock:
            publisher.asked.append(Asked(self.command, path, *told, status))
        chunked = publisher.chunked and status == 200
        self.send_response(status)
        length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
        for name, value in (length | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            for start in range(0, len(body), publisher.piece):
                publisher.each(path, start)
                piece = body[start : start + publisher.piece]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")
        except (Broken, OSError):
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that have gone."""


@contextmanager
def publishing() -> Iterator[Publisher]:
    """Serve on a port of 127.0.0.1 for as long as the context lasts."""

    class Handler(_Handler):
        """Of this server alone."""

    server = _Server(("127.0.0.1", 0), Handler)
    port = server.server_address[1]
    Handler.publisher = publisher = Publisher(f"http://127.0.0.1:{port}", port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield publisher
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def breaking(*at: int) -> Callable[[str, int], None]:
    """Return what breaks bodies off after so many bytes, one after the other, and no later ones."""
    left, lock = list(at), threading.Lock()

    def each(path: str, n: int) -> None:
        del path
        with lock:
            if left and n >= left[0]:
                left.pop(0)
                raise Broken

    return each
