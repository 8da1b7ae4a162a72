"""A small object server in this process, for the proxy's own tests: ranges, validators, uploads and chunked bodies."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.servers.answers import span_of
from tests.servers.process import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator


class Objects(ThreadingHTTPServer):
    """Holds objects by path; `hosts` are the Host headers that arrived, `n_connections` were opened."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.hosts: set[str] = set()
        self.n_connections = 0

    @property
    def address(self) -> tuple[str, int]:
        return (HOST, self.server_port)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Objects

    def setup(self) -> None:
        super().setup()
        self.server.n_connections += 1

    def do_GET(self) -> None:
        self.server.hosts.add(self.headers["host"])
        data = self.server.objects.get(self.path)
        if data is None:
            self._say(404, b"")
            return
        wanted = self.headers["range"]
        start, stop = span_of(wanted or "", len(data))
        where = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"} if wanted else {}
        fields = {"ETag": f'"{hash(data):x}"', "Accept-Ranges": "bytes", **where}
        self._say(206 if wanted else 200, data[start:stop], **fields)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        if self.headers["transfer-encoding"]:
            data = b""
            while n := int(self.rfile.readline(), 16):
                data += self.rfile.read(n)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers["content-length"]))
        self.server.objects[self.path] = data
        self._say(201, b"")

    def _say(self, status: int, data: bytes, **fields: str) -> None:
        is_chunked = self.path.startswith("/chunked") and status != 404
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header(*(("Transfer-Encoding", "chunked") if is_chunked else ("Content-Length", str(len(data)))))
        self.end_headers()
        if self.command == "HEAD":
            return
        if is_chunked:
            middle = len(data) // 3
            parts = [part for part in (data[:middle], data[middle:]) if part]
            data = b"".join(b"%x;why=not\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\nTrailer: x\r\n\r\n"
        self.wfile.write(data)

    def log_message(self, *words: Any) -> None:
        pass


@contextmanager
def objects() -> Iterator[Objects]:
    """Run one for a `with` block."""
    with Objects() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
