"""As much of HTTP/1.1 as a proxy has to know: heads, and where bodies end."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 1 << 20  # bytes copied at once
HEAD_BYTES = 1 << 17
END = b"\r\n"


class Broken(ConnectionError):
    """The other side ended in the middle, or does not speak HTTP."""


@dataclass(frozen=True, slots=True)
class Head:
    """A request's or reply's lines before its body, kept as they came: signatures hold for exactly these bytes."""

    lines: tuple[bytes, ...]

    @classmethod
    def made(cls, status: int, **fields: object) -> Head:
        """Return the head of a reply of our own; an underscore in a name stands for a hyphen."""
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value is not None]
        return cls(tuple(line.encode() for line in [f"HTTP/1.1 {status} From-The-Proxy", *lines]))

    @property
    def words(self) -> list[str]:
        """The first line: method, path and version, or version, status and reason."""
        return self.lines[0].decode("latin-1").split(" ", 2)

    def fields(self) -> dict[str, str]:
        """Return the header fields, names in lower case."""
        pairs = (line.decode("latin-1").partition(":") for line in self.lines[1:])
        return {name.strip().lower(): value.strip() for name, _, value in pairs}

    def get(self, name: str) -> str | None:
        return self.fields().get(name)

    def without(self, name: str) -> Head:
        prefix = name.lower().encode() + b":"
        return Head((self.lines[0], *(line for line in self.lines[1:] if not line.lower().startswith(prefix))))

    def replaced(self, name: str, value: object) -> Head:
        return Head((*self.without(name).lines, f"{name}: {value}".encode()))

    @property
    def closes(self) -> bool:
        """Whether its sender ends the connection after this exchange."""
        wanted = (self.get("connection") or "").lower()
        old = b"HTTP/1.0" in self.lines[0]
        return "close" in wanted or (old and "keep-alive" not in wanted)

    def encoded(self) -> bytes:
        return END.join(self.lines) + END + END


@dataclass(slots=True)
class Body:
    """What follows a head; `n` is None where no length was given in advance, and then it came in chunks or to the end."""

    n: int | None
    pieces: Iterator[memoryview]
    is_chunked: bool = False


class Wire:
    """A connection, read through a buffer."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self._held = bytearray()
        self._space: memoryview | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was read ahead."""
        return not self._held

    def until(self, mark: bytes) -> bytes | None:
        """Return the bytes up to a mark and take them and the mark off; None where the connection ended cleanly."""
        searched = 0
        while (found := self._held.find(mark, searched)) < 0:
            if len(self._held) > HEAD_BYTES:
                raise Broken("a head without end")
            searched = max(0, len(self._held) - len(mark))
            got = self.sock.recv(1 << 16)
            if not got and not self._held:
                return None
            if not got:
                raise Broken("the connection ended inside a head")
            self._held += got
        text = bytes(self._held[:found])
        del self._held[: found + len(mark)]
        return text

    def head(self) -> Head | None:
        text = self.until(END + END)
        return None if text is None else Head(tuple(text.split(END)))

    def body_of(self, head: Head, *, to_end: bool = False) -> Body:
        """Return the body that a head announces; with ``to_end``, one without a length lasts until the connection ends."""
        if "chunked" in (head.get("transfer-encoding") or "").lower():
            return Body(None, self._chunks(), is_chunked=True)
        length = head.get("content-length")
        if length is None and to_end:
            return Body(None, self._pieces(None))
        n = int(length or 0)
        return Body(n, self._pieces(n))

    def send(self, data: bytes | memoryview) -> None:
        self.sock.sendall(data)

    def send_piece(self, data: memoryview, *, is_chunked: bool) -> None:
        if is_chunked:
            self.sock.sendall(f"{len(data):x}\r\n".encode())
        self.sock.sendall(data)
        if is_chunked:
            self.sock.sendall(END)

    def _pieces(self, n: int | None) -> Iterator[memoryview]:
        """Yield n bytes, or all there are; a piece is valid until the next is asked for."""
        left = n
        if self._held and left != 0:
            first = bytes(self._held[:left])
            del self._held[: len(first)]
            yield memoryview(first)
            left = None if left is None else left - len(first)
        if self._space is None and left != 0:
            self._space = memoryview(bytearray(PIECE))
        while left != 0 and self._space is not None:
            got = self.sock.recv_into(self._space[: PIECE if left is None else min(left, PIECE)])
            if not got:
                if left is None:
                    return
                raise Broken("the connection ended inside a body")
            yield self._space[:got]
            left = None if left is None else left - got

    def _chunks(self) -> Iterator[memoryview]:
        while True:
            line = self.until(END)
            n = int((line or b"").split(b";")[0], 16) if line else 0
            if line is None:
                raise Broken("the connection ended inside a body")
            if n == 0:
                break
            yield from self._pieces(n)
            self.until(END)
        while self.until(END):  # trailers, which nothing here needs
            pass


@dataclass(slots=True)
class Answer:
    """A reply on its way to the client, and what becomes of the connection after it."""

    head: Head | None  # None: the connection ends, or waits, without a word
    body: Body = field(default_factory=lambda: Body(0, iter(())))
    ending: str = "keep"  # keep, close, reset or stall
    acted: bool = False  # whether a fault had something to act on
