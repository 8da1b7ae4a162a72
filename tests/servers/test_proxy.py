"""The proxy: without a fault it changes nothing, and each fault does what it says."""

from __future__ import annotations

import http.client
import random
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.servers.delayed import delayed
from tests.servers.faults import Fault, Request, always, once, scripted
from tests.servers.process import HOST
from tests.servers.proxy import Proxy
from tests.servers.upstream import Objects, objects
from tests.servers.wire import PIECE

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = random.Random(5).randbytes(3 * PIECE + 17)
WAIT_S = 20.0
PART = {"range": "bytes=1000-2999"}
PART_DATA = DATA[1000:3000]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Objects]:
    with objects() as server:
        yield server


@pytest.fixture
def proxy(upstream: Objects) -> Iterator[Proxy]:
    upstream.objects.clear()
    upstream.objects["/object"] = upstream.objects["/chunked"] = DATA
    with Proxy(upstream.address) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(HOST, proxy.port, timeout=WAIT_S)
    yield connection
    connection.close()


def get(client: http.client.HTTPConnection, path: str = "/object", **headers: str) -> tuple[int, bytes]:
    client.request("GET", path, headers=headers)
    reply = client.getresponse()
    return reply.status, reply.read()


def plain(proxy: Proxy, request: bytes) -> tuple[bytes, str]:
    """Return every byte that answers a request on a connection of its own, and how that connection ended."""
    with socket.create_connection((HOST, proxy.port), timeout=WAIT_S) as sock:
        sock.sendall(request)
        got = b""
        while True:
            try:
                piece = sock.recv(1 << 16)
            except ConnectionResetError:
                return got, "reset"
            if not piece:
                return got, "close"
            got += piece


def asked(path: str = "/object", span: str = "bytes=1000-2999") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: h\r\nRange: {span}\r\n\r\n".encode()


def split(got: bytes) -> tuple[bytes, bytes]:
    head, _, body = got.partition(b"\r\n\r\n")
    return head, body


def test_everything_passes_through_one_connection(
    proxy: Proxy, client: http.client.HTTPConnection, upstream: Objects
) -> None:
    upstream.hosts.clear()
    n_before = upstream.n_connections
    assert get(client) == (200, DATA)
    assert get(client, range="bytes=5-9") == (206, DATA[5:10])
    assert get(client, "/chunked") == (200, DATA)
    assert get(client, "/none") == (404, b"")
    client.request("HEAD", "/object")
    reply = client.getresponse()
    assert (reply.status, reply.headers["content-length"], reply.read()) == (200, str(len(DATA)), b"")
    assert get(client, range="bytes=-3") == (206, DATA[-3:])
    assert upstream.hosts == {f"{HOST}:{proxy.port}"}
    assert upstream.n_connections == n_before + 1
    told = [(one.method, one.path, one.range, one.status, one.n_bytes, one.fault) for one in proxy.seen]
    assert told == [
        ("GET", "/object", None, 200, len(DATA), None),
        ("GET", "/object", "bytes=5-9", 206, 5, None),
        ("GET", "/chunked", None, 200, len(DATA), None),
        ("GET", "/none", None, 404, 0, None),
        ("HEAD", "/object", None, 200, 0, None),
        ("GET", "/object", "bytes=-3", 206, 3, None),
    ]


def test_uploads_of_both_framings(proxy: Proxy, client: http.client.HTTPConnection, upstream: Objects) -> None:
    client.request("PUT", "/one", DATA)
    assert client.getresponse().read() == b""
    client.request("PUT", "/two", iter([DATA[:7], DATA[7:]]), encode_chunked=True)
    assert client.getresponse().read() == b""
    assert upstream.objects["/one"] == upstream.objects["/two"] == DATA


def test_expected_continue_comes_once(proxy: Proxy, upstream: Objects) -> None:
    head = b"PUT /waits HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    with socket.create_connection((HOST, proxy.port), timeout=WAIT_S) as sock:
        sock.sendall(head)
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"12345")
        got = b""
        while piece := sock.recv(1 << 16):
            got += piece
    assert got.startswith(b"HTTP/1.1 201 ")
    assert upstream.objects["/waits"] == b"12345"


def test_connections_in_parallel(proxy: Proxy) -> None:
    wrong: list[int] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        connection = http.client.HTTPConnection(HOST, proxy.port, timeout=WAIT_S)
        for _ in range(20):
            start = rng.randrange(len(DATA) - 1)
            stop = rng.randrange(start + 1, len(DATA))
            if get(connection, range=f"bytes={start}-{stop - 1}") != (206, DATA[start:stop]):
                wrong.append(seed)
        connection.close()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sorted(one.index for one in proxy.seen) == list(range(160))


@pytest.mark.parametrize("at", [None, 0, 700])
def test_reset(proxy: Proxy, at: int | None) -> None:
    proxy.choose = always(Fault("reset", at=at))
    got, ending = plain(proxy, asked())
    assert ending == "reset"
    assert split(got)[1] == PART_DATA[: at or 0]
    assert [one.fault for one in proxy.seen] == ["reset"]


def test_lost_replies_were_done(proxy: Proxy, upstream: Objects) -> None:
    proxy.choose = once("lost")
    assert plain(proxy, b"PUT /put HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab") == (b"", "reset")
    assert upstream.objects["/put"] == b"ab"


@pytest.mark.parametrize("path", ["/object", "/chunked"])
@pytest.mark.parametrize(("at", "n"), [(0, 0), (1999, 1999), (5000, 1999), (0.25, 500), (None, 1000)])
def test_truncate(proxy: Proxy, path: str, at: float | None, n: int) -> None:
    proxy.choose = always(Fault("truncate", at=at))
    got, ending = plain(proxy, asked(path))
    head, body = split(got)
    assert ending == "close"
    assert b"content-length: 2000" in head.lower()
    assert body == PART_DATA[:n]


@pytest.mark.parametrize("status", ["429", "500", "503"])
@pytest.mark.parametrize("retry_after_s", [None, 3])
def test_statuses_keep_the_connection(
    proxy: Proxy, client: http.client.HTTPConnection, upstream: Objects, status: str, retry_after_s: int | None
) -> None:
    proxy.choose = scripted(Fault(status, retry_after_s=retry_after_s), None, status)
    client.request("GET", "/object")
    reply = client.getresponse()
    reply.read()
    assert reply.status == int(status)
    assert reply.headers["retry-after"] == (None if retry_after_s is None else "3")
    assert get(client, **PART) == (206, PART_DATA)
    client.request("PUT", "/refused", DATA)
    assert client.getresponse().status == int(status)
    assert "/refused" not in upstream.objects


@pytest.mark.parametrize("by", [1, -1, -5000])
def test_wrong_length(proxy: Proxy, by: int) -> None:
    proxy.choose = always(Fault("wrong-length", by=by))
    got, ending = plain(proxy, asked())
    head, body = split(got)
    assert ending == "close"
    assert f"content-length: {max(0, 2000 + by)}".encode() in head.lower()
    assert body == PART_DATA


def test_wrong_range(proxy: Proxy, client: http.client.HTTPConnection) -> None:
    proxy.choose = scripted(Fault("wrong-range", by=7), "wrong-range")
    client.request("GET", "/object", headers=PART)
    reply = client.getresponse()
    assert reply.status == 206
    assert reply.headers["content-range"] == f"bytes 1007-3006/{len(DATA)}"
    assert reply.read() == DATA[1007:3007]
    assert get(client) == (200, DATA)
    assert [one.fault for one in proxy.seen] == ["wrong-range", None]


@pytest.mark.parametrize("path", ["/object", "/chunked"])
def test_wrong_bytes_are_one(proxy: Proxy, client: http.client.HTTPConnection, path: str) -> None:
    at = PIECE + 5
    proxy.choose = always(Fault("wrong-bytes", at=at))
    status, got = get(client, path)
    assert status == 200
    assert [i for i in range(at - 9, at + 9) if got[i] != DATA[i]] == [at]
    assert got[:at] + got[at + 1 :] == DATA[:at] + DATA[at + 1 :]


def test_ranges_ignored(proxy: Proxy, client: http.client.HTTPConnection) -> None:
    proxy.choose = always("ignore-range")
    assert get(client, **PART) == (200, DATA)
    assert get(client) == (200, DATA)
    assert [one.fault for one in proxy.seen] == ["ignore-range", None]


def test_object_replaced_half_way(proxy: Proxy, client: http.client.HTTPConnection, upstream: Objects) -> None:
    def swap(request: Request) -> None:
        upstream.objects[request.path] = b"another"

    proxy.choose = once(Fault("replace", hook=swap), at=1)
    assert [get(client)[1] for _ in range(3)] == [DATA, b"another", b"another"]


def test_page_and_redirect(proxy: Proxy, client: http.client.HTTPConnection) -> None:
    proxy.choose = scripted("html", Fault("redirect", location="ftp://elsewhere/x"))
    client.request("GET", "/object", headers=PART)
    reply = client.getresponse()
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert reply.read().startswith(b"<!DOCTYPE html>")
    client.request("HEAD", "/object")
    reply = client.getresponse()
    reply.read()
    assert (reply.status, reply.headers["location"]) == (302, "ftp://elsewhere/x")
    assert get(client) == (200, DATA)


@pytest.mark.parametrize(("at", "n"), [(None, 0), (1500, 1500)])
def test_stalled_until_the_proxy_stops(upstream: Objects, at: int | None, n: int) -> None:
    upstream.objects["/object"] = DATA
    proxy = Proxy(upstream.address, always(Fault("stall", at=at)))
    with socket.create_connection((HOST, proxy.port), timeout=WAIT_S) as sock:
        sock.sendall(asked())
        got = b""
        while at is not None and len(split(got)[1]) < n:
            got += sock.recv(1 << 16)
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        proxy.stop()
        sock.settimeout(WAIT_S)
        assert sock.recv(1) == b""
    assert split(got)[1] == PART_DATA[:n]
    assert not [thread for thread in proxy._threads if thread.is_alive()]


@pytest.mark.parametrize("header", ["etag", "content-length", "content-range"])
def test_header_dropped(proxy: Proxy, header: str) -> None:
    proxy.choose = once(Fault("drop-header", header=header))
    bare, _ = plain(proxy, asked().replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    whole, _ = plain(proxy, asked().replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert f"\r\n{header}:".encode() not in split(bare)[0].lower()
    assert f"\r\n{header}:".encode() in split(whole)[0].lower()
    assert split(bare)[1] == split(whole)[1] == PART_DATA


def test_server_that_is_gone(upstream: Objects) -> None:
    with socket.create_server((HOST, 0)) as taken:
        gone = taken.getsockname()
    with Proxy((gone[0], gone[1])) as proxy:
        got, ending = plain(proxy, asked())
        assert (split(got)[0].split(b" ")[1], ending) == (b"502", "close")


def test_delay_and_counts_from_another_process(upstream: Objects) -> None:
    upstream.objects["/object"] = DATA
    with delayed(upstream.address, 0.01) as proxy:
        client = http.client.HTTPConnection(HOST, proxy.port, timeout=WAIT_S)
        assert get(client, **PART) == (206, PART_DATA)
        assert [(one.path, one.range, one.n_bytes) for one in proxy.seen()] == [("/object", PART["range"], 2000)]
        assert proxy.seen() == []
        client.close()
    assert proxy.process.returncode is not None
