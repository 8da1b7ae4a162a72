"""Each fault by itself: asked again where that helps, and else an error that says what and where."""

from __future__ import annotations

import warnings
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

import sensorium_data as sd
from sensorium_data.errors import NotFound, SensoriumError, SlowReadWarning, StorageFailed, StoreInvalid
from sensorium_data.loaders import WindowDataset, make_loader
from sensorium_data.remote import Location, open_objects, patience
from tests.servers.faults import Fault, always, once
from tests.servers.process import HOST
from tests.streaming.everything import batches, in_time, items, same
from tests.streaming.served import Served, is_root, is_shard, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.streaming.conftest import Stores

PAGE = b"<!DOCTYPE html><html><body>Please sign in.</body></html>"


@pytest.fixture
def far(stores: Stores) -> Iterator[Served]:
    with served(stores.compact) as far:
        yield far


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that would be made; none is."""
    made: list[float] = []
    monkeypatch.setattr(patience, "sleep", made.append)
    return made


def failed(far: Served, kind: type[SensoriumError], code: str) -> SensoriumError:
    """Return the error of reading windows."""
    dataset = WindowDataset(sd.open_session(far.url), window=9)
    with pytest.raises(kind) as seen:
        in_time(lambda: [dataset[i] for i in range(len(dataset))])
    assert seen.value.code == code
    assert seen.value.hint
    return seen.value


def test_wrong_bytes_once(stores: Stores, far: Served) -> None:
    far.proxy.clear(once("wrong-bytes", only=is_shard))
    same(items(stores.compact, window=9), items(far.url, window=9))
    assert [one.fault for one in far.proxy.seen if one.fault] == ["wrong-bytes"]


@pytest.mark.parametrize("n_requests", [1, 2, 16])
def test_wrong_bytes_always(far: Served, setting: Callable[..., None], n_requests: int) -> None:
    """Each of the few threads that ask finds it out, and looks whether the store is still the one that it was."""
    setting(n_requests=n_requests)
    far.proxy.clear(always("wrong-bytes", only=is_shard))
    error = failed(far, StoreInvalid, "chunk-damaged")
    assert "/c/0/0" in str(error)
    asked = far.asked()
    assert max(n for key, n in asked.items() if "/c/" in key and "sidecar" not in key) <= 30
    loader = make_loader(sd.open_session(far.url), window=9, batch_size=4, n_ahead=4, n_threads=4)
    with pytest.raises(StoreInvalid, match="CRC-32C"):
        in_time(lambda: list(loader))


def test_a_server_without_ranges(far: Served) -> None:
    far.proxy.clear(always("ignore-range", only=is_shard))
    assert "range" in str(failed(far, StorageFailed, "ranges-ignored"))


class Endless(BaseHTTPRequestHandler):
    """Answers each request with a whole object of 64 MB, and counts what of it somebody has taken."""

    protocol_version = "HTTP/1.1"
    taken: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(64 << 20))
        self.end_headers()
        n = 0
        with suppress(OSError):
            while n < 64 << 20:
                n += self.connection.send(bytes(1 << 16))
        self.taken.append(n)
        self.close_connection = True

    def log_message(self, *words: Any) -> None:
        pass


def test_whole_objects_are_not_pulled(setting: Callable[..., None]) -> None:
    setting(n_retries=1)
    Endless.taken.clear()
    with ThreadingHTTPServer((HOST, 0), Endless) as server:
        server.daemon_threads = False  # closing waits for what is counted
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        place = Location(f"http://{HOST}:{server.server_port}/shard")
        with pytest.raises(StorageFailed) as seen:
            in_time(lambda: open_objects(place).read("", 100, 200))
        server.shutdown()
        thread.join()
    assert seen.value.code == "ranges-ignored"
    assert len(Endless.taken) == 2
    assert max(Endless.taken) < 32 << 20  # what fits into the memory of both sockets


def test_later_is_as_good(stores: Stores, far: Served) -> None:
    far.proxy.latency_s = 0.03
    same(batches(stores.compact, window=9, batch_size=3), batches(far.url, window=9, batch_size=3))


def test_a_shard_is_gone(far: Served) -> None:
    far.proxy.clear(always("404", only=is_shard))
    error = failed(far, StoreInvalid, "array-unreadable")
    assert "/c/0/0" in str(error)


def test_too_many_requests(stores: Stores, far: Served, pauses: list[float]) -> None:
    far.proxy.clear(once(Fault("429", retry_after_s=7), only=is_shard))
    same(items(stores.compact, window=9), items(far.url, window=9))
    assert [int(pause) for pause in pauses if pause > 1] == [7]


def test_too_long_to_wait(far: Served, pauses: list[float]) -> None:
    far.proxy.clear(always(Fault("429", retry_after_s=3600), only=is_shard))
    failed(far, StorageFailed, "unreachable")
    assert not [pause for pause in pauses if pause > 1]


def test_retries_are_bounded(far: Served, setting: Callable[..., None], pauses: list[float]) -> None:
    setting(n_retries=2)
    far.proxy.clear(always("503", only=lambda request: is_shard(request) and "frames" in request.path))
    dataset = WindowDataset(sd.open_session(far.url), window=9, signals=["video"])
    far.asked()
    with pytest.raises(StorageFailed, match="503"):
        in_time(partial(dataset.__getitem__, 0))
    assert list(far.asked().values()) == [3]
    assert len(pauses) >= 2


def opened(far: Served, kind: type[SensoriumError], code: str) -> SensoriumError:
    with pytest.raises(kind) as seen:
        in_time(partial(sd.open_session, far.url))
    assert seen.value.code == code
    return seen.value


def test_nothing_there(far: Served) -> None:
    far.server.objects.clear()
    assert opened(far, NotFound, "no-such-store").exit_code == 4


def test_a_page_instead(far: Served) -> None:
    far.server.objects[f"{far.folder}/zarr.json"] = PAGE
    assert opened(far, StoreInvalid, "not-a-store").exit_code == 5


def test_pages_everywhere(far: Served) -> None:
    far.proxy.clear(always("html"))
    opened(far, StoreInvalid, "not-a-store")


def test_garbage_as_root(far: Served) -> None:
    for garbage in (b"\0\xff" * (5 << 20), b"[" * (10 << 20), b'{"attributes": {}}' + b" " * (10 << 20)):
        far.server.objects[f"{far.folder}/zarr.json"] = garbage
        opened(far, StoreInvalid, "not-a-store")


def test_another_zarr(far: Served) -> None:
    far.server.objects[f"{far.folder}/zarr.json"] = b'{"zarr_format": 3, "node_type": "group", "attributes": {"x": 1}}'
    opened(far, StoreInvalid, "not-a-store")


def test_without_a_sidecar(stores: Stores, far: Served) -> None:
    """As on a disk: in a slow way, and right, or an error that names it."""
    del far.server.objects[f"{far.folder}/sidecar/index/c/0"]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        same(items(stores.compact, window=9), items(far.url, window=9))
    assert {one.category for one in seen} == {SlowReadWarning}


@pytest.mark.parametrize("status", ["401", "403", "503"])
def test_what_the_slow_way_meets(far: Served, setting: Callable[..., None], status: str) -> None:
    """A place that lets nobody in is no damaged store."""
    setting(n_retries=0)
    del far.server.objects[f"{far.folder}/sidecar/index/c/0"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SlowReadWarning)
        session = sd.open_session(far.url)
        dataset: Any = WindowDataset(session, window=9)
        far.proxy.clear(always(status, only=lambda request: "/c/" in request.path))
        with pytest.raises(StorageFailed) as seen:
            in_time(partial(dataset.__getitem__, 0))
    assert seen.value.code == ("unreachable" if status == "503" else "access-denied")


def test_a_root_that_is_not_let_in(far: Served) -> None:
    far.proxy.clear(always("403", only=is_root))
    assert opened(far, StorageFailed, "access-denied").exit_code == 6
