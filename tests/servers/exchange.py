"""One client's connection through the proxy, and the proxy's own to the server."""

from __future__ import annotations

import http.client
import select
import socket
import struct
from typing import TYPE_CHECKING

from tests.servers.answers import instead, spoiled
from tests.servers.wire import Answer, Broken, Head, Wire

if TYPE_CHECKING:
    from tests.servers.faults import Request
    from tests.servers.proxy import Proxy, Seen
    from tests.servers.wire import Body

CONNECT_S = 30.0
UPSTREAM_GONE = 502


class Connection:
    """A client's connection, with one to the server that is kept as long."""

    def __init__(self, proxy: Proxy, client: socket.socket) -> None:
        self.proxy = proxy
        self.client = Wire(client)
        self.server: Wire | None = None
        proxy.hold(client)

    def serve(self) -> None:
        """Answer requests until one side ends."""
        try:
            while self._one():
                pass
        except OSError:  # the client or the server has gone, or the proxy stops
            pass
        finally:
            self._leave_server()
            self.proxy.drop(self.client.sock)

    def _one(self) -> bool:
        head = self.client.head()
        if head is None:
            return False
        request, seen = self.proxy.arrived(head)
        if "100-continue" in request.headers.get("expect", "").lower():
            # Said here, so that the body is there whatever becomes of the request; the server's own is left out.
            self.client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.client.body_of(head)
        choose = self.proxy.choose
        fault = choose(request) if choose else None
        self.proxy.delay()
        try:
            answer = instead(fault, request, self.proxy.whole) if fault else None
            if answer is None:
                if fault and fault.hook:
                    fault.hook(request)
                answer = self._forwarded(head, body, request)
                answer = spoiled(fault, request, answer) if fault else answer
        except (OSError, http.client.HTTPException):
            answer = Answer(Head.made(UPSTREAM_GONE, Content_Length=0, Connection="close"), ending="close")
        for _ in body.pieces:  # of a request that was not forwarded
            pass
        seen.fault = fault.kind if fault and answer.acted else None
        self._answer(answer, seen)
        return answer.ending == "keep" and not head.closes

    def _forwarded(self, head: Head, body: Body, request: Request) -> Answer:
        """Return the server's answer; a connection that it closed while it was idle is opened anew."""
        server, is_fresh = self._to_server()
        try:
            return self._exchanged(server, head, body, request)
        except OSError:
            self._leave_server()
            if is_fresh or body.n != 0:
                raise
        server, _ = self._to_server()
        return self._exchanged(server, head, body, request)

    def _exchanged(self, server: Wire, head: Head, body: Body, request: Request) -> Answer:
        server.send(head.encoded())
        try:
            for piece in body.pieces:
                server.send_piece(piece, is_chunked=body.is_chunked)
            if body.is_chunked:
                server.send(b"0\r\n\r\n")
        except BrokenPipeError:  # it has refused early, and its answer says why
            pass
        got = _answered(server)
        status = int(got.words[1])
        if request.method == "HEAD" or status in {204, 304}:
            return Answer(got, ending="close" if got.closes else "keep")
        answered = server.body_of(got, to_end=True)
        ends = got.closes or (answered.n is None and not answered.is_chunked)
        return Answer(got, answered, "close" if ends else "keep")

    def _answer(self, answer: Answer, seen: Seen) -> None:
        if answer.head is not None:
            seen.status = int(answer.head.words[1])
            self.client.send(answer.head.encoded())
            for piece in answer.body.pieces:
                seen.n_bytes += len(piece)  # before it is sent: whoever has it finds it counted
                self.client.send_piece(piece, is_chunked=answer.body.is_chunked)
            if answer.body.is_chunked:
                self.client.send(b"0\r\n\r\n")
        if answer.ending != "keep":
            self._leave_server()  # what it still sends goes nowhere
        if answer.ending == "reset":
            # Closing with no time to linger sends RST instead of FIN.
            self.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif answer.ending == "stall":
            self._stall()

    def _stall(self) -> None:
        """Wait until the client goes, or the proxy stops, which shuts the client's connection down."""
        while True:
            ready, _, _ = select.select([self.client.sock], [], [])
            if ready and not self.client.sock.recv(1 << 16):
                return

    def _to_server(self) -> tuple[Wire, bool]:
        """Return a connection to the server, and whether it is new."""
        if self.server is not None:
            ready, _, _ = select.select([self.server.sock], [], [], 0)
            if not ready and self.server.is_empty:
                return self.server, False
            self._leave_server()  # readable while nothing was asked: it has been closed
        sock = socket.create_connection(self.proxy.upstream, timeout=CONNECT_S)
        sock.settimeout(None)
        self.proxy.hold(sock)
        self.server = Wire(sock)
        return self.server, True

    def _leave_server(self) -> None:
        if self.server is not None:
            self.proxy.drop(self.server.sock)
            self.server = None


def _answered(server: Wire) -> Head:
    """Return the head of the server's final answer, past any `100 Continue`."""
    while (got := server.head()) is not None:
        if int(got.words[1]) >= 200:
            return got
    raise Broken("the server ended without an answer")
