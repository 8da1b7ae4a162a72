"""A server that answers with exactly the bytes it is told to, and remembers who came and what they asked."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Said:
    """What is answered: pieces as they are sent, and whether the connection then stays, ends, breaks or goes silent."""

    pieces: Iterable[bytes]
    then: str = "keep"  # keep, close, reset, stall


def said(status: int, body: bytes = b"", then: str = "keep", /, **headers: object) -> Said:
    """Return an answer; Content-Length is that of the body unless it is given, and None leaves a header out."""
    fields = {"Content_Length": len(body)} | headers
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value is not None]
    return Said(["\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode("latin-1"), body], then)


def part(data: bytes, asked: Asked, **headers: object) -> Said:
    """Return a true answer to a request for a range, or for the whole."""
    if "range" not in asked.headers:
        return said(200, data, **headers)
    start, last = map(int, asked.headers["range"].removeprefix("bytes=").split("-"))
    where = f"bytes {start}-{min(last, len(data) - 1)}/{len(data)}"
    return said(206, data[start : last + 1], **{"Content_Range": where} | headers)


@dataclass(slots=True)
class Raw:
    port: int
    answer: Callable[[Asked], Said]
    asked: list[Asked] = field(default_factory=list)
    n_connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def raw(answer: Callable[[Asked], Said] | Said) -> Iterator[Raw]:
    """Run one for a `with` block."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = Raw(listener.getsockname()[1], answer if callable(answer) else lambda _: answer)
    ended, held = threading.Event(), list[socket.socket]()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server.n_connections += 1
            held.append(client)
            threading.Thread(target=_serve, args=(server, client, ended), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        ended.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for client in held:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve(server: Raw, client: socket.socket, ended: threading.Event) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with client, client.makefile("rb") as lines, suppress(OSError, ValueError):
        while asked := _asked(lines):
            server.asked.append(asked)
            answer = server.answer(asked)
            for piece in answer.pieces:
                client.sendall(piece)
                if ended.is_set():
                    return
            if answer.then == "stall":
                ended.wait()
            if answer.then == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if answer.then != "keep":
                return


def _asked(lines: Iterable[bytes]) -> Asked | None:
    head = []
    for line in lines:
        if not line.strip():
            break
        head.append(line.decode("latin-1").strip())
    if not head:
        return None
    method, path, _ = head[0].split(" ", 2)
    pairs = (line.partition(":") for line in head[1:])
    return Asked(method, path, {name.strip().lower(): value.strip() for name, _, value in pairs})
