"""How web servers are asked: over connections that are kept, by many threads, with headers that can be sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from sensorium_data.errors import BadArgument, StorageFailed
from sensorium_data.remote import Location, open_objects
from tests.remote.raw import part, raw, said

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = bytes(range(200))
SECRET = "hush-7f3a"


def test_connections_are_used_again() -> None:
    with raw(lambda asked: part(DATA, asked)) as server:
        objects = open_objects(Location(server.url))
        for start in range(50):
            objects.read("x", start, start + 5)
        assert (server.n_connections, len(server.asked)) == (1, 50)


def test_many_threads_at_once() -> None:
    def read(start: int) -> bytes:
        return objects.read("x", start, start + 7)

    with raw(lambda asked: part(DATA, asked)) as server, ThreadPoolExecutor(16) as threads:
        objects = open_objects(Location(server.url))
        starts = [n % 190 for n in range(400)]
        assert list(threads.map(read, starts)) == [DATA[start : start + 7] for start in starts]
        assert server.n_connections <= 16


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {SECRET}\n"}, {"Authorization": f"{SECRET}\r\nX: y"}, {"A": f"{SECRET}\u20ac"},
        {"A": SECRET.encode()}, {f"{SECRET}\n": "a"}, {"A": 7}, [SECRET], SECRET,
    ],
)  # fmt: skip
def test_headers_that_cannot_be_sent_are_not_shown(headers: object) -> None:
    with raw(said(200, DATA)) as server:
        with pytest.raises(BadArgument) as caught:
            open_objects(Location(server.url, {"headers": headers}))
        assert caught.value.code == "storage-options"
        assert SECRET not in str(caught.value.as_dict())
        assert not server.asked


def test_only_headers_are_options() -> None:
    with pytest.raises(BadArgument, match=r"has token, of http") as caught:
        open_objects(Location("https://example.org/x", {"token": SECRET}))
    assert SECRET not in str(caught.value)


def test_web_servers_are_read_only() -> None:
    objects = open_objects(Location("http://127.0.0.1:9/x"))
    acts: tuple[Callable[[], object], ...] = (
        lambda: objects.put("k", b""),
        lambda: objects.delete("k"),
        lambda: list(objects.listing()),
    )
    for act in acts:
        with pytest.raises(StorageFailed) as caught:
            act()
        assert caught.value.code in ("read-only", "no-listing")
