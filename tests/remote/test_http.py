"""What web servers answer: the right bytes, or a named error after a bounded number of requests."""

from __future__ import annotations

import gzip
import threading
from email.utils import formatdate
from itertools import chain, count, repeat
from traceback import format_exception
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument, NotFound, SensoriumError, StorageFailed
from sensorium_data.remote import Location, open_objects
from tests.remote.raw import Asked, Said, part, raw, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.servers.nginx import Nginx

DATA = bytes(range(200))
SECRET = "hush-7f3a"
HUGE = 1 << 40


def ranged(
    answer: Said | Callable[[Asked], Said], start: int = 10, stop: int = 20, etag: str = ""
) -> tuple[bytes, int]:
    """Return what is read of a range, and how many requests it took."""
    with raw(answer) as server:
        data = open_objects(Location(server.url)).read("x", start, stop, etag=etag)
        return data, len(server.asked)


def failed(answer: Said | Callable[[Asked], Said], kind: str = "range", etag: str = "") -> tuple[SensoriumError, int]:
    """Return how a request fails, and how many were made."""
    with raw(answer) as server:
        objects = open_objects(Location(server.url, {"headers": {"Authorization": SECRET}}))
        acts: dict[str, Callable[[], object]] = {
            "range": lambda: objects.read("x", 10, 20, etag=etag),
            "whole": lambda: objects.read("x"),
            "head": lambda: objects.head("x"),
        }
        with pytest.raises(SensoriumError) as caught:
            acts[kind]()
        assert SECRET not in f"{caught.value.as_dict()} {''.join(format_exception(caught.value))}"
        return caught.value, len(server.asked)


@checked(deadline=None)
@given(st.data())
def test_exact_ranges(drawn: st.DataObject) -> None:
    start = drawn.draw(st.integers(0, len(DATA) - 1))
    stop = drawn.draw(st.integers(start, len(DATA)))
    with raw(lambda asked: part(DATA, asked)) as server:
        assert open_objects(Location(server.url)).read("x", start, stop) == DATA[start:stop]
        assert len(server.asked) == (start < stop)


def test_ranges_of_nginx(nginx: Nginx) -> None:
    url, folder = nginx.new_folder()
    (folder / "a b#c%d").write_bytes(DATA)
    (folder / "none").write_bytes(b"")
    objects = open_objects(Location(url))
    info = objects.head("a b#c%d")
    assert info is not None
    assert info.size == len(DATA)
    assert objects.read("a b#c%d", 3, 7, etag=info.etag) == DATA[3:7]
    assert objects.read("a b#c%d") == DATA
    assert objects.read("none") == b""
    assert objects.head("other") is None
    with pytest.raises(StorageFailed) as caught:
        objects.read("a b#c%d", 300, 400)
    assert caught.value.code == "changed-remote"
    with pytest.raises(StorageFailed) as caught:
        objects.read("a b#c%d", 3, 7, etag='"another"')
    assert caught.value.code == "changed-remote"


@pytest.mark.parametrize("asked", [(5, None), (None, 5), (-5, 5)])
def test_half_a_range_is_no_range(asked: tuple[int | None, int | None]) -> None:
    with raw(said(200, DATA)) as server:
        with pytest.raises(BadArgument):
            open_objects(Location(server.url)).read("x", *asked)
        assert not server.asked


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (said(206, DATA[11:21], Content_Range="bytes 11-20/200"), "unreachable"),
        (said(206, DATA[10:20], Content_Range="bytes 10-29/200"), "unreachable"),
        (said(206, DATA[10:20]), "unreachable"),
        (said(206, DATA[10:20], Content_Range="items 10-19/200"), "unreachable"),
        (said(200, DATA), "ranges-ignored"),
        (said(200, DATA[10:20]), "ranges-ignored"),
        (said(206, DATA[10:19], Content_Range="bytes 10-19/200"), "changed-remote"),
        (said(206, DATA[10:21], Content_Range="bytes 10-19/200"), "unreachable"),
        (said(206, DATA[10:15], "close", Content_Range="bytes 10-19/200", Content_Length=10), "unreachable"),
        (said(206, DATA[10:15], "close", Content_Range="bytes 10-19/200", Content_Length=None), "changed-remote"),
        (said(206, DATA[10:15], "reset", Content_Range="bytes 10-19/200", Content_Length=10), "unreachable"),
        (said(206, DATA[10:15], "stall", Content_Range="bytes 10-19/200", Content_Length=10), "unreachable"),
        (said(206, DATA[10:20], "close", Content_Range="bytes 10-19/200", Content_Length=HUGE), "unreachable"),
        (said(206, DATA[10:20], Content_Range="bytes 10-19/200", Content_Encoding="gzip"), "ranges-ignored"),
        (Said([b"SSH-2.0-OpenSSH_9.6\r\n"], "close"), "unreachable"),
        (Said([], "close"), "unreachable"),
        (Said([], "reset"), "unreachable"),
        (Said([], "stall"), "unreachable"),
        (said(416, Content_Range="bytes */15"), "changed-remote"),
        (said(500), "unreachable"),
        (said(502), "unreachable"),
        (said(503), "unreachable"),
        (said(408), "unreachable"),
        (said(429), "unreachable"),
    ],
)
def test_what_may_pass_is_asked_again(answer: Said, code: str) -> None:
    error, n_asked = failed(answer)
    assert isinstance(error, StorageFailed)
    assert error.code == code
    assert 1 <= n_asked <= 3  # a stalled one takes from the deadline


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "unreachable"), (401, "access-denied"), (403, "access-denied"), (404, "no-such-object"),
        (407, "access-denied"), (410, "no-such-object"), (412, "changed-remote"), (304, "unreachable"),
        (204, "unreachable"),
    ],
)  # fmt: skip
def test_what_stays_is_asked_once(status: int, code: str) -> None:
    error, n_asked = failed(said(status))
    assert (error.code, n_asked) == (code, 1)
    assert isinstance(error, NotFound) == (code == "no-such-object")


def test_nobody_there() -> None:
    with raw(said(200)) as server:
        url = server.url
    with pytest.raises(StorageFailed, match=r"3 times") as caught:
        open_objects(Location(url)).read("x", 0, 5)
    assert caught.value.code == "unreachable"


def test_a_passing_fault_passes() -> None:
    n = count()

    def answer(asked: Asked) -> Said:
        return (said(503), Said([], "reset"))[k] if (k := next(n)) < 2 else part(DATA, asked)

    assert ranged(answer) == (DATA[10:20], 3)


def test_the_whole_for_a_range_of_everything() -> None:
    assert ranged(said(200, DATA), 0, len(DATA)) == (DATA, 1)


def test_in_chunks_and_without_a_length() -> None:
    chunked = b"5\r\n" + DATA[10:15] + b"\r\n5\r\n" + DATA[15:20] + b"\r\n0\r\n\r\n"
    head: dict[str, object] = {"Content_Range": "bytes 10-19/200", "Content_Length": None}
    assert ranged(said(206, chunked, **head, Transfer_Encoding="chunked"))[0] == DATA[10:20]
    assert ranged(said(206, DATA[10:20], "close", **head))[0] == DATA[10:20]
    error, _ = failed(said(206, chunked[:-7], "close", **head, Transfer_Encoding="chunked"))
    assert error.code == "unreachable"


def test_whole_objects() -> None:
    with raw(said(200, gzip.compress(DATA), Content_Encoding="gzip")) as server:  # though nobody asked for it
        assert open_objects(Location(server.url)).read("x") == DATA
        assert server.asked[0].headers["accept-encoding"] == "identity"
    assert failed(said(200, DATA, "close", Content_Length=300), "whole")[0].code == "unreachable"
    assert failed(said(206, DATA), "whole")[0].code == "unreachable"


def test_a_weak_etag_is_no_condition() -> None:
    seen: list[str | None] = []

    def answer(asked: Asked) -> Said:
        seen.append(asked.headers.get("if-match"))
        return part(DATA, asked)

    ranged(answer, etag='W/"a"')
    ranged(answer, etag='"a"')
    assert seen == [None, '"a"']


@pytest.mark.parametrize("kind", ["whole", "range"])
def test_sizes_are_looked_at_before_memory_is_taken(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium_data.remote.http.LARGEST", 1 << 20)
    liar = said(200, DATA, "stall", Content_Length=HUGE)
    assert failed(liar, kind)[0].code == ("unreachable" if kind == "whole" else "ranges-ignored")


@pytest.mark.parametrize("kind", ["whole", "range"])
def test_a_body_without_end(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium_data.remote.http.LARGEST", 1 << 20)
    n_sent = count()

    def endless(asked: Asked) -> Said:
        where: dict[str, object] = {"Content_Range": "bytes 10-19/*"} if kind == "range" else {}
        head = said(206 if where else 200, Content_Length=None, **where)
        return Said(
            (piece for piece in chain(head.pieces, repeat(bytes(1 << 16), 1 << 12)) if next(n_sent) >= 0), "close"
        )

    error, n_asked = failed(endless, kind)
    assert isinstance(error, StorageFailed)
    assert next(n_sent) < 1 << 10  # pieces; the rest of each quarter of a gigabyte was not waited for
    assert n_asked == (1 if kind == "whole" else 3)


def test_a_drip_ends_at_the_deadline(setting: Callable[..., None]) -> None:
    setting(timeout_s=1, deadline_s=1)
    wait = threading.Event()

    def slowly(pieces: Iterable[bytes]) -> Iterator[bytes]:
        yield from pieces
        for _ in range(10):
            wait.wait(0.3)
            yield b"\0"

    def drip(asked: Asked) -> Said:
        return Said(slowly(said(206, Content_Range="bytes 10-19/200", Content_Length=10).pieces), "close")

    error, n_asked = failed(drip)
    assert "too long" in str(error)
    assert n_asked == 1


@pytest.mark.parametrize("after", ["0", "100", "99999999999999999999999", "", "soon", "-3", "\u00b2", "1e3"])
def test_retry_after(after: str) -> None:
    error, n_asked = failed(said(503, Retry_After=after))
    assert error.code == "unreachable"
    assert n_asked == (1 if after == "100" else 3)  # longer than the deadline


def test_retry_after_a_date() -> None:
    assert failed(said(429, Retry_After=formatdate(4e9, usegmt=True)))[1] == 1
    assert failed(said(429, Retry_After=formatdate(1e9, usegmt=True)))[1] == 3


@pytest.mark.parametrize("length", [None, "ten", "-1", "\u00b2", "9" * 5000])
def test_a_head_without_a_length(length: str | None) -> None:
    error, _ = failed(said(200, Content_Length=length), "head")
    assert error.code == "unreachable"


@pytest.mark.parametrize("status", [404, 410])
def test_a_head_of_nothing(status: int) -> None:
    with raw(said(status)) as server:
        assert open_objects(Location(server.url)).head("x") is None
