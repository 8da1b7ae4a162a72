"""Whatever a network does to a download, it ends with the right bytes or a named error, and never hangs."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import fsspec
import pytest

from sensorium_data.catalogs import blocks
from sensorium_data.catalogs.fetch import download
from sensorium_data.catalogs.sink import Sink
from tests.catalogs.made import names_in, one, sha256
from tests.servers.faults import Fault, Request, always, once, seeded
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.catalogs.publisher import Publisher

# Of what can come instead of the file, that which says so; the rest needs a digest, as a flipped bit has no other sign.
TOLD = (
    "reset", "stall", "truncate", "wrong-length", "wrong-range", "ignore-range", "html", "drop-header", "429", "500", "503", "404", "403",
)  # fmt: skip
KINDS = (*TOLD, "wrong-bytes")
NAMED = {
    "unreachable", "access-denied", "no-such-object", "html-page", "digest-mismatch", "size-mismatch", "changed-remote",
    "not-a-zip", "redirect-refused",
}  # fmt: skip
MOST_S = 60  # of a download that cannot come true; many times what it takes


@pytest.fixture
def proxy(publisher: Publisher, data: bytes) -> Iterator[Proxy]:
    publisher.files["mouse.zip"] = data
    with Proxy(("127.0.0.1", publisher.port)) as found:
        yield found


@pytest.mark.sweep
@pytest.mark.parametrize("digest", [True, False], ids=["digest", "first use"])
def test_faults_at_random_moments(
    proxy: Proxy, data: bytes, tmp_path: Path, full: bool, digest: bool, setting: Callable[[str, object], None]
) -> None:
    setting("timeout_s", 1)
    seen = {"fetched": 0, "failed": 0}
    url = f"{proxy.endpoint}/mouse.zip"
    known = one("mouse.zip", url, **({"sha256": sha256(data)} if digest else {}))
    for seed in range(100 if full else 10):
        rng = random.Random(seed)
        proxy.clear(seeded(rng, rng.choice([0.3, 0.6, 0.9]), KINDS if digest else TOLD))
        folder = tmp_path / str(seed)
        began = time.monotonic()
        for _ in range(20):  # the same command, until the network lets it through
            done = download("mouse", folder, catalog=known)
            assert {failure.error.code for failure in done.failures} <= NAMED
            if done.ok:
                assert (folder / "mouse.zip").read_bytes() == data
                assert names_in(folder) == ["mouse.zip"]
                break
            assert not (folder / "mouse.zip").exists()
        assert time.monotonic() - began < 20 * MOST_S
        seen["fetched" if done.ok else "failed"] += 1
    assert seen["fetched"] > seen["failed"]


@pytest.mark.sweep
def test_a_file_that_is_replaced_again_and_again(
    proxy: Proxy, publisher: Publisher, data: bytes, tmp_path: Path, full: bool
) -> None:
    versions = [data, b"PK\x03\x04" + data[:3:-1], data[:250_000]]

    def turn(request: Request) -> None:
        publisher.files["mouse.zip"] = versions[(request.index // 2) % 3]

    kinds = [Fault("replace", hook=turn), Fault("reset", at=0.4), Fault("truncate", at=0.8)]
    for seed in range(60 if full else 6):
        proxy.clear(seeded(random.Random(seed), 0.7, kinds))
        for _ in range(20):
            if (done := download(f"{proxy.endpoint}/mouse.zip", tmp_path / str(seed))).ok:
                break
        assert done.ok
        assert (tmp_path / f"{seed}/mouse.zip").read_bytes() in versions


def test_a_server_that_falls_silent_is_left_and_asked_for_the_rest(
    proxy: Proxy, data: bytes, tmp_path: Path, setting: Callable[[str, object], None]
) -> None:
    setting("timeout_s", 1)
    proxy.choose = once(Fault("stall", at=150_000), only=lambda request: request.method == "GET")
    (done,) = download(f"{proxy.endpoint}/mouse.zip", tmp_path).files
    assert (done.status, done.sha256) == ("fetched", sha256(data))
    starts = [int((one.range or "bytes=0-")[6:-1]) for one in proxy.seen if one.method == "GET"]
    assert len(starts) == 2
    assert 0 < starts[1] <= 150_000


def test_a_server_that_drips_is_left(
    publisher: Publisher, data: bytes, tmp_path: Path, setting: Callable[[str, object], None]
) -> None:
    setting("timeout_s", 1)
    setting("n_retries", 1)
    publisher.files["mouse.zip"] = data
    publisher.piece = 1

    def each(path: str, n: int) -> None:
        if publisher.piece == 1:
            time.sleep(0.05)  # each drop comes in time, and nothing ever gets done

    publisher.each = each
    done = download(f"{publisher.url}/mouse.zip", tmp_path)
    assert {failure.error.code for failure in done.failures} == {"unreachable"}
    publisher.piece = 1 << 14
    assert download(f"{publisher.url}/mouse.zip", tmp_path).ok


def test_retry_after_is_obeyed_up_to_the_deadline(
    proxy: Proxy, data: bytes, tmp_path: Path, setting: Callable[[str, object], None]
) -> None:
    gets = lambda request: request.method == "GET"
    proxy.choose = once(Fault("503", retry_after_s=1), only=gets)
    began = time.monotonic()
    assert download(f"{proxy.endpoint}/mouse.zip", tmp_path / "a").ok
    assert time.monotonic() - began >= 1
    proxy.choose = always(Fault("503", retry_after_s=100_000), only=gets)
    (failure,) = download(f"{proxy.endpoint}/mouse.zip", tmp_path / "b").failures
    assert failure.error.code == "unreachable"
    assert "503" in failure.error.message


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/mouse.zip", "file:///etc/passwd", "http://169.254.169.254/key"])
def test_redirects_out_of_bounds_are_refused(proxy: Proxy, tmp_path: Path, target: str) -> None:
    proxy.choose = always(Fault("redirect", location=target))
    (failure,) = download(f"{proxy.endpoint}/mouse.zip", tmp_path).failures
    assert failure.error.code == "redirect-refused"
    assert names_in(tmp_path) == []


def test_a_body_without_a_length(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    from tests.catalogs.publisher import breaking

    publisher.files["mouse.zip"], publisher.chunked = data, True
    publisher.each = breaking(200_000)
    (done,) = download(f"{publisher.url}/mouse.zip", tmp_path).files
    assert (done.status, done.sha256, done.bytes) == ("fetched", sha256(data), len(data))


def test_an_object_that_is_replaced_half_way(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/lab/turns.bin", data)
    monkeypatch.setattr(blocks, "FIRST", 1 << 16)
    real = Sink.write

    def replaced(self: Sink, piece: bytes) -> None:
        if not self.size:
            memory.pipe_file("/lab/turns.bin", data + b"more")
        real(self, piece)

    monkeypatch.setattr(Sink, "write", replaced)
    (failure,) = download("memory://lab/turns.bin", tmp_path).failures
    assert failure.error.code == "changed-remote"
    assert names_in(tmp_path) == []


def test_blocks_go_on(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blocks.bin").write_bytes(data)
    url = (tmp_path / "blocks.bin").as_uri()
    monkeypatch.setattr(blocks, "FIRST", 1 << 16)
    real = Sink.write

    def write(self: Sink, piece: bytes) -> None:
        if self.size >= 150_000:
            raise OSError(28, "No space left on device")
        real(self, piece)

    with monkeypatch.context() as patched:
        patched.setattr(Sink, "write", write)
        assert not download(url, tmp_path / "to").ok
    (done,) = download(url, tmp_path / "to").files
    assert (done.status, done.sha256) == ("resumed", sha256(data))
    assert done.bytes_fetched < len(data)
