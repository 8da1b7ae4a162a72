"""A proxy in front of one server that counts requests, delays them, and does to each what a function says."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.servers.exchange import CONNECT_S, Connection
from tests.servers.faults import Request
from tests.servers.process import HOST

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from tests.servers.answers import Whole
    from tests.servers.faults import Choose
    from tests.servers.wire import Head


@dataclass(slots=True)
class Seen:
    """What became of one request; `n_bytes` of the reply's body were handed to the client, `fault` names one that acted."""

    index: int
    method: str
    path: str
    range: str | None
    status: int | None = None
    n_bytes: int = 0
    fault: str | None = None


class Proxy:
    """A running proxy; `with Proxy(server.address) as proxy:` and clients at `proxy.endpoint`.

    Parameters
    ----------
    upstream
        Host and port of the server.
    choose
        Called with each request in the order in which they arrive; returns the fault for it, or None. May be assigned
        while the proxy runs.
    latency_s
        Seconds that each request waits before it is forwarded or answered.
    whole
        Returns the object at the path of a request, for `ignore-range` and `wrong-range`: where requests are signed,
        the proxy cannot ask for another range itself. By default a GET of that path without more.
    """

    def __init__(
        self,
        upstream: tuple[str, int],
        choose: Choose | None = None,
        *,
        latency_s: float = 0.0,
        whole: Whole | None = None,
    ) -> None:
        self.upstream = upstream
        self.choose = choose
        self.latency_s = latency_s
        self._whole = whole or self._plain_get
        self._seen: list[Seen] = []
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()
        self._listener = socket.create_server((HOST, 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._spawn(self._accept)

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def seen(self) -> list[Seen]:
        """The requests so far, as copies. One is complete by the time its client has the whole reply."""
        with self._lock:
            return [replace(one) for one in self._seen]

    def clear(self, choose: Choose | None = None) -> None:
        """Forget the requests so far, count from 0 again, and choose anew."""
        with self._lock:
            self._seen.clear()
            self.choose = choose

    def stop(self) -> None:
        """Close every connection and wait for the threads."""
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # which wakes the thread that accepts
        self._listener.close()
        with self._lock:
            held, threads = list(self._sockets), list(self._threads)
        for sock in held:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(CONNECT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _spawn(self, act: Callable[[], None]) -> None:
        thread = threading.Thread(target=act, daemon=True, name="fault-proxy")
        with self._lock:
            self._threads = [*(one for one in self._threads if one.is_alive() or one.ident is None), thread]
        thread.start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._spawn(Connection(self, client).serve)

    def hold(self, sock: socket.socket) -> None:
        """Keep a socket for `stop` to shut down."""
        with self._lock:
            self._sockets.add(sock)
        if self._ended.is_set():
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def drop(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(sock)
        sock.close()

    def arrived(self, head: Head) -> tuple[Request, Seen]:
        """Count a request."""
        method, path, _ = head.words
        with self._lock:
            request = Request(len(self._seen), method, path, head.fields())
            seen = Seen(request.index, method, path, request.range)
            self._seen.append(seen)
        return request, seen

    def whole(self, path: str) -> bytes:
        return self._whole(path)

    def delay(self) -> None:
        if self.latency_s:
            self._ended.wait(self.latency_s)

    def _plain_get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection(*self.upstream, timeout=CONNECT_S)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            data = reply.read()
            if reply.status != 200:
                raise OSError(f"{path}: status {reply.status}; signed requests need the proxy's `whole`")
            return data
        finally:
            connection.close()
