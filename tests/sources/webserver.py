"""A web server in this process: ranges, entity tags, conditions; it counts what it is asked, and can be made to fail."""

from __future__ import annotations

import hashlib
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RANGE = re.compile(r"bytes=(\d+)-(\d+)$")


@dataclass
class Web:
    """What is served, under which conditions, and what was asked.

    Attributes
    ----------
    files : dict of str to bytes
        By path, without the first slash.
    asked : list of (method, path with query, start, stop)
    change : callable
        Gets number and bytes of a range that is sent, and returns what is sent instead.
    """

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, int, int]] = field(default_factory=list)
    change: Callable[[int, bytes], bytes] | None = None
    before: Callable[[int], None] | None = None
    ranges: bool = True
    tags: str = "strong"
    status: int = 0
    key: str = ""  # that must be sent to be let in
    cut: int = 0  # ranges whose body ends too early, beginning now
    n_ranges: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def gets(self) -> int:
        return sum(method == "GET" for method, *_ in self.asked)

    @property
    def sent(self) -> int:
        return sum(stop - start for method, _, start, stop in self.asked if method == "GET")

    def tag(self, data: bytes) -> str:
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        return {"strong": tag, "weak": f"W/{tag}", "": ""}[self.tags]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every small answer waits for 40 ms
    web: Web

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        web, head = self.web, self.command == "HEAD"
        path = self.path.partition("?")[0].lstrip("/")
        with web.lock:
            number, web.n_ranges = web.n_ranges, web.n_ranges + (not head)
        if web.before is not None and not head:
            web.before(number)
        if web.key and self.headers.get("X-Key") != web.key:
            return self._send(403, b"", {})
        data = web.files.get(path)
        if data is None or web.status:
            return self._send(web.status or 404, b"", {})
        tag = web.tag(data)
        headers = {"ETag": tag} if tag else {}
        wanted = self.headers.get("If-Match")
        if wanted is not None and (wanted != tag or tag.startswith("W/")):
            return self._send(412, b"", {})
        asked = RANGE.match(self.headers.get("Range", ""))
        start, stop = (int(asked[1]), int(asked[2]) + 1) if asked and web.ranges else (0, len(data))
        with web.lock:
            web.asked.append((self.command, self.path, start, stop))
        if asked and web.ranges:
            if start >= len(data):
                return self._send(416, b"", {})
            stop = min(stop, len(data))
            body = data[start:stop] if web.change is None else web.change(number, data[start:stop])
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
            return self._send(206, body, headers)
        return self._send(200, data, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        with self.web.lock:
            cut = self.web.cut > 0 and status == 206
            self.web.cut -= cut
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection |= cut


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that have gone."""


@contextmanager
def serving() -> Iterator[Web]:
    """Serve on a port of 127.0.0.1 for as long as the context lasts."""

    class Handler(_Handler):
        """Of this server alone."""

    server = _Server(("127.0.0.1", 0), Handler)
    Handler.web = web = Web(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
