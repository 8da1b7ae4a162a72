"""Redirects are followed where that is harmless, and refused before anything is sent where it is not."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from sensorium_data.errors import StorageFailed
from sensorium_data.remote import Location, connections, open_objects
from sensorium_data.remote.connections import Refused, refusal
from sensorium_data.remote.redirects import going_along, led_to
from tests.remote.raw import Asked, Said, part, raw, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = bytes(range(100))
SECRET = "hush-7f3a"
LINK_LOCAL = [
    "169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "2852039166", "0xa9fea9fe",
    "0251.0376.0251.0376", "169.254.43518", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "metadata.example",
    "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "localhost", "10.0.0.7", "172.16.0.1", "192.168.1.1", "[::1]", "[fc00::1]", "0.0.0.0", "0", "127.1",
    "2130706433", "0x7f000001", "100.64.0.1", "[::ffff:10.0.0.1]", "224.0.0.1", "inside.example",
]  # fmt: skip
NAMES = {"metadata.example": "169.254.169.254", "inside.example": "10.0.0.7", "public.example": "93.184.216.34"}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of these tests, and every address that a connection is made to; `public.example` is in fact here."""
    reached: list[str] = []
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        return look_up(NAMES.get(host, host), *rest, **more)

    def connect_here(self: socket.socket, address: Any) -> None:
        reached.append(address[0])
        connect(self, ("127.0.0.1", address[1]) if address[0] == NAMES["public.example"] else address)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket.socket, "connect", connect_here)
    connections._pool.cache_clear()
    yield reached
    connections._pool.cache_clear()


def moved(to: str, status: int = 302) -> Callable[[Asked], Said]:
    return lambda asked: said(status, b"elsewhere", Location=to.replace("PATH", asked.path))


def refused(url: str, **headers: str) -> StorageFailed:
    with pytest.raises(StorageFailed) as caught:
        open_objects(Location(url, {"headers": headers} if headers else None)).read("x", 0, 5)
    assert caught.value.code == "redirect-refused"
    return caught.value


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_followed(status: int) -> None:
    with raw(lambda asked: part(DATA, asked)) as there, raw(moved(f"{there.url}/moved", status)) as here:
        objects = open_objects(Location(here.url))
        assert objects.read("x", 3, 9) == DATA[3:9]
        assert objects.read("x") == DATA
        info = objects.head("x")
        assert info is not None
        assert info.size == len(DATA)
        assert {asked.path for asked in there.asked} == {"/moved"}


def test_connections_are_kept_over_redirects() -> None:
    with raw(lambda asked: part(DATA, asked)) as there, raw(moved(f"{there.url}PATH")) as here:
        for n in range(20):
            open_objects(Location(here.url)).read(f"x{n}", 3, 9)
        assert (here.n_connections, there.n_connections) == (1, 1)


def test_a_relative_target() -> None:
    def answer(asked: Asked) -> Said:
        return part(DATA, asked) if asked.path == "/b/y?z=1" else said(302, Location="../b/y?z=1")

    with raw(answer) as server:
        assert open_objects(Location(f"{server.url}/a")).read("x", 0, 5) == DATA[:5]


@pytest.mark.parametrize("host", LINK_LOCAL)
@pytest.mark.parametrize("origin", ["public.example", "127.0.0.1"])
def test_no_redirect_to_a_link_local_address(names: list[str], host: str, origin: str) -> None:
    with raw(moved(f"http://{host}:9/latest/meta-data")) as here:
        error = refused(f"http://{origin}:{here.port}", Authorization=SECRET)
        assert "link-local" in str(error)
        assert len(here.asked) == 1  # and not again
    assert set(names) == {"127.0.0.1" if origin == "127.0.0.1" else NAMES[origin]}


@pytest.mark.parametrize("host", PRIVATE)
def test_no_redirect_into_a_private_network(names: list[str], host: str) -> None:
    with raw(said(200, DATA)) as inside, raw(moved(f"http://{host}:{inside.port}/x")) as here:
        assert "private network" in str(refused(f"http://public.example:{here.port}"))
        assert not inside.n_connections
    assert set(names) == {NAMES["public.example"]}


def test_a_name_that_changes_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = connections._addresses
    monkeypatch.setitem(NAMES, "turns.example", "127.0.0.1")
    monkeypatch.setattr(
        connections, "_addresses", lambda host: {"93.184.216.35"} if host == "turns.example" else addresses(host)
    )
    with raw(said(200, DATA)) as inside, raw(moved(f"http://turns.example:{inside.port}/x")) as here:
        refused(f"http://public.example:{here.port}")
        assert not inside.asked


def test_an_origin_inside_may_lead_inside() -> None:
    with raw(lambda asked: part(DATA, asked)) as there, raw(moved(f"http://localhost:{there.port}/x")) as here:
        assert open_objects(Location(here.url)).read("x", 0, 5) == DATA[:5]


@pytest.mark.parametrize(
    "to",
    [
        "ftp://127.0.0.1/x", "file:///etc/hostname", "gopher://x", "data:,x", "s3://bucket/x", "javascript:1",
        "http://[x", "https://x:port/", "http:", "https:///x", "http://",
    ],
)  # fmt: skip
def test_no_redirect_to_anything_else(to: str) -> None:
    with raw(moved(to)) as here:
        if to == "http:":  # is the same URL again
            assert "more than 5" in str(refused(here.url))
        else:
            refused(here.url)
            assert len(here.asked) == 1


def test_from_https_not_to_http() -> None:
    assert led_to("http://example.org/a", "https://example.org/b") == "https://example.org/b"
    assert led_to("https://example.org/a", "//example.com/b") == "https://example.com/b"
    with pytest.raises(Refused, match="another scheme"):
        led_to("https://example.org/a", "http://example.org/a")


def test_loops_end() -> None:
    with raw(moved("PATH/x")) as here:
        assert "more than 5" in str(refused(here.url))
        assert len(here.asked) == 6


def test_a_redirect_with_a_long_body() -> None:
    def answer(asked: Asked) -> Said:
        if asked.path != "/x":
            return part(DATA, asked)
        head = said(302, Location="/y", Content_Length=None, Transfer_Encoding="chunked")
        return Said([*head.pieces, b"5\r\nabcde\r\n"], "stall")

    with raw(answer) as here:  # its end is not waited for
        assert open_objects(Location(here.url)).read("x", 0, 5) == DATA[:5]
        assert here.n_connections == 2


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "X-Api-Key", "PRIVATE-TOKEN", "Proxy-Authorization"])
def test_secrets_stay_where_they_were_meant_for(name: str) -> None:
    with raw(lambda asked: part(DATA, asked)) as there, raw(moved(f"{there.url}/y")) as here:
        place = Location(f"{here.url}/a?X-Amz-Signature={SECRET}", {"headers": {name: SECRET}})
        assert open_objects(place).read("x", 2, 5, etag='"e"') == DATA[2:5]
        assert here.asked[0].headers[name.lower()] == SECRET
        assert here.asked[0].path == f"/a/x?X-Amz-Signature={SECRET}"
        (asked,) = there.asked
        assert SECRET not in str(asked)
        assert asked.headers["range"] == "bytes=2-4"
        assert asked.headers["if-match"] == '"e"'


def test_secrets_do_not_come_back_from_elsewhere() -> None:
    def answer(asked: Asked) -> Said:
        return part(DATA, asked) if asked.path == "/home" else said(302, Location=f"{there.url}/away")

    with raw(lambda _: said(302, Location=f"{here.url}/home")) as there, raw(answer) as here:
        place = Location(here.url, {"headers": {"Authorization": SECRET}})
        assert open_objects(place).read("x", 0, 5) == DATA[:5]
        assert "authorization" not in here.asked[1].headers


@pytest.mark.parametrize(
    ("url", "goes"),
    [
        ("https://example.org/b", True), ("https://example.org:443/b", True), ("https://EXAMPLE.org/b", True),
        ("https://example.org:444/b", False), ("http://example.org/b", False), ("https://example.org.net/b", False),
        ("https://example.org@example.net/b", False), ("https://cdn.example.org/b", False),
    ],
)  # fmt: skip
def test_what_is_another_origin(url: str, goes: bool) -> None:
    assert ("X-Key" in going_along({"X-Key": SECRET}, "https://example.org/a", url)) == goes


def test_an_origin_of_two_faces_is_not_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_addresses", lambda _: {"127.0.0.1", "93.184.216.34"})
    assert refusal("127.0.0.1", "two.example")
    monkeypatch.setattr(connections, "_addresses", lambda _: set())
    assert refusal("127.0.0.1", "unknown.example")


def test_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw(lambda asked: part(DATA, asked)) as proxy, raw(lambda asked: part(DATA, asked)) as near:
        monkeypatch.setenv("http_proxy", f"http://me:p%40ss@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert open_objects(Location("http://far.example/a?b=1")).read("x", 0, 5) == DATA[:5]
        assert proxy.asked[0].path == "http://far.example/a/x?b=1"
        assert proxy.asked[0].headers["proxy-authorization"] == "Basic bWU6cEBzcw=="
        assert open_objects(Location(near.url)).read("x", 0, 5) == DATA[:5]
        assert len(proxy.asked) == len(near.asked) == 1
        assert "proxy-authorization" not in near.asked[0].headers


def test_a_proxy_is_not_asked_for_what_is_link_local(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw(moved("http://169.254.169.254/latest")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        refused("http://far.example/a")
        assert len(proxy.asked) == 1
