"""What was streamed stays on disk: there for the second epoch and for who is offline, bounded, and never believed unseen."""

from __future__ import annotations

import errno
import multiprocessing
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.errors import StorageFailed
from sensorium_data.loaders import make_loader
from sensorium_data.remote.quota import LOCK, Quota
from sensorium_data.remote.sparse import SparseObject
from sensorium_data.settings import settings
from tests.streaming.everything import batches, in_time, items, same
from tests.streaming.served import served

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.streaming.conftest import Stores

SOME: dict[str, Any] = {"window": 8}
REPLAY = """
import hashlib, sys
import sensorium_data as sd
from sensorium_data.loaders import make_loader
digest = hashlib.sha256()
for batch in make_loader(sd.open_session(sys.argv[1]), window=8, batch_size=2):
    digest.update(batch["responses"].numpy().tobytes() + batch["video"].numpy().tobytes())
print(digest.hexdigest())
"""


def streams() -> Path:
    return settings().cache_folder / "streams"


def on_disk() -> int:
    """Return the bytes that the objects take of the disk."""
    return sum(path.stat().st_blocks * 512 for path in streams().glob("*/*.data"))


def replayed(where: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", REPLAY, str(where)]
    return subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, timeout=120, check=False)


def test_offline_in_another_process(stores: Stores) -> None:
    near = replayed(stores.compact)
    with served(stores.compact) as far:
        url = far.url
        alone = replayed(url, SENSORIUM_DATA_OFFLINE="1")
        assert alone.returncode
        assert "StorageFailed" in alone.stderr
        assert "switched off" in alone.stderr
        assert not far.proxy.seen
        assert replayed(url).stdout == near.stdout
    assert replayed(url, SENSORIUM_DATA_OFFLINE="1").stdout == near.stdout != ""


def test_offline_is_named(stores: Stores, setting: Callable[..., None]) -> None:
    with served(stores.compact) as far:
        sd.open_session(far.url)
        setting(offline=1)
        session = sd.open_session(far.url)  # which is kept, but nothing of its shards
        far.asked()
        with pytest.raises(StorageFailed) as seen:
            items(session, **SOME)
        assert (seen.value.code, seen.value.exit_code) == ("offline", 6)
        assert not far.asked()


@pytest.mark.parametrize("limit", [60_000, 200_000])
def test_bounded(stores: Stores, setting: Callable[..., None], limit: int) -> None:
    setting(stream_cache_bytes=limit)
    right = batches(stores.portable, batch_size=2, **SOME)
    with served(stores.portable) as far:
        session = sd.open_session(far.url)
        for _ in range(4):
            same(right, batches(session, batch_size=2, **SOME))
            assert on_disk() <= limit
            assert Quota(streams(), limit).used() <= limit
        assert on_disk()


def many_batches(url: str, environ: dict[str, str], seed: int) -> None:
    os.environ.update(environ)
    settings.cache_clear()
    loader = make_loader(sd.open_session(url), window=8, batch_size=2, shuffle=True, seed=seed, stride=1)
    for _ in range(2):
        for _ in loader:
            pass


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_bounded_for_several_processes(stores: Stores, setting: Callable[..., None], way: str) -> None:
    limit = 120_000
    setting(stream_cache_bytes=limit)
    context: Any = multiprocessing.get_context(way)
    environ = {name: value for name, value in os.environ.items() if name.startswith("SENSORIUM_DATA_")}
    with served(stores.portable) as far, served(stores.other, "other.zarr") as more:
        urls = [far.url, far.url, more.url]
        processes = [context.Process(target=many_batches, args=(url, environ, k)) for k, url in enumerate(urls)]
        for process in processes:
            process.start()
        deadline = time.monotonic() + 120
        while any(process.is_alive() for process in processes):
            assert on_disk() <= limit
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert [process.exitcode for process in processes] == [0, 0, 0]
        assert 0 < on_disk() <= limit
        same(items(stores.portable, **SOME), items(far.url, **SOME))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "flipped": lambda path: path.write_bytes(bytes(255 - byte for byte in path.read_bytes())),
    "hollow": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "cut off": lambda path: os.truncate(path, path.stat().st_size // 3),
    "empty": lambda path: os.truncate(path, 0),
    "gone": lambda path: path.unlink(),
    "longer": lambda path: os.truncate(path, path.stat().st_size + 7),
    "ones": lambda path: path.write_bytes(b"\1" * path.stat().st_size),
}


@pytest.mark.parametrize("ending", ["data", "map"])
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["compact", "fast"])
def test_damaged_objects(stores: Stores, name: str, ending: str, damage: str) -> None:
    store = getattr(stores, name)
    right = items(store, **SOME)
    with served(store) as far:
        same(right, items(far.url, **SOME))
        far.asked()
        touched = list(streams().glob(f"*/*.{ending}"))
        assert touched
        for path in touched:
            DAMAGE[damage](path)
        same(right, items(far.url, **SOME))
        if damage != "longer":
            assert any("/c/" in key for key in far.asked())
        same(right, items(far.url, **SOME))


@pytest.mark.parametrize("damage", ["flipped", "hollow", "cut off", "empty", "gone"])
@pytest.mark.parametrize("name", ["root", "sidecar"])
def test_damaged_roots(stores: Stores, setting: Callable[..., None], name: str, damage: str) -> None:
    right = items(stores.compact, **SOME)
    with served(stores.compact) as far:
        same(right, items(far.url, **SOME))
        (kept,) = streams().glob(f"*/{name}")
        DAMAGE[damage](kept)
        setting(offline=1)
        with pytest.raises(StorageFailed) as seen:
            sd.open_session(far.url)
        assert seen.value.code == "offline"
        setting(offline=0)
        sd.open_session(far.url)
        setting(offline=1)
        same(right, items(far.url, **SOME))


def test_a_root_of_other_numbers(stores: Stores, setting: Callable[..., None]) -> None:
    """JSON as before, but for one digit, would give wrong times."""
    with served(stores.compact) as far:
        sd.open_session(far.url)
        (kept,) = streams().glob("*/root")
        kept.write_bytes(kept.read_bytes().replace(b"30", b"31"))
        setting(offline=1)
        with pytest.raises(StorageFailed):
            sd.open_session(far.url)


@pytest.mark.parametrize("text", ["", "no number", "-5", "\0\0\0"])
def test_a_count_that_was_lost(stores: Stores, setting: Callable[..., None], text: str) -> None:
    limit = 60_000
    setting(stream_cache_bytes=limit)
    with served(stores.portable) as far:
        for _ in range(3):
            items(far.url, **SOME)
            (streams() / LOCK).write_text(text)
        items(sd.open_session(far.url), window=7, stride=1)
        assert 0 < on_disk() <= limit


def test_a_folder_that_cannot_be_written(stores: Stores, setting: Callable[..., None], tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    setting(cache=blocked)
    with served(stores.compact) as far:
        same(items(stores.compact, **SOME), items(far.url, **SOME))


@pytest.mark.parametrize("what", ["pwrite", "ftruncate", "open"])
def test_a_full_disk(stores: Stores, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    true, n_refused = getattr(os, what), 0

    def refused(*given: Any, **named: Any) -> Any:
        nonlocal n_refused
        if what != "open" or str(streams()) in str(given[0]):
            n_refused += 1
            raise OSError(errno.ENOSPC, "No space left on device")
        return true(*given, **named)

    with served(stores.compact) as far:
        with monkeypatch.context() as patched:
            patched.setattr(os, what, refused)
            same(items(stores.compact, **SOME), items(far.url, **SOME))
        assert n_refused
        same(items(stores.compact, **SOME), items(far.url, **SOME))


def test_what_rests_goes_first(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 10 * 4096, rests_s=0)
    first, second, third = (SparseObject(tmp_path / "store" / name, 8 * 4096, 8, quota) for name in "abc")
    piece = b"x" * 4096
    for k in range(5):
        first.add(k * 4096, piece, k, k + 1)
        second.add(k * 4096, piece, k, k + 1)
    os.utime(tmp_path / "store" / "b.map", (1, 1))
    third.add(0, piece, 0, 1)
    assert [one.has(0, 1) for one in (first, second, third)] == [True, False, True]
    assert not (tmp_path / "store" / "b.data").exists()
    assert quota.used() <= quota.limit


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 2 * 4096)
    first, second = (SparseObject(tmp_path / "store" / name, 4096, 1, quota) for name in "ab")
    third = SparseObject(tmp_path / "store" / "c", 4096, 1, quota)
    for one in (first, second, third):
        one.add(0, b"x" * 4096, 0, 1)
    assert [one.has(0, 1) for one in (first, second, third)] == [True, True, False]


def added(folder: str, seed: int) -> None:
    quota = Quota(Path(folder), 1 << 20)
    one = SparseObject(Path(folder) / "store" / "a", 64 * 1000, 64, quota)
    for k in np.random.default_rng(seed).permutation(64).tolist():
        one.add(k * 1000, bytes([k]) * 1000, k, k + 1)


def test_two_processes_add_the_same(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=added, args=(str(tmp_path), k)) for k in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    one = SparseObject(tmp_path / "store" / "a", 64 * 1000, 64, Quota(tmp_path, 1 << 20))
    assert one.has(0, 64)
    out = np.empty(64 * 1000, np.uint8)
    assert one.read(0, out, 0, 64)
    assert out.tobytes() == b"".join(bytes([k]) * 1000 for k in range(64))


def test_a_lock_that_is_held(stores: Stores, tmp_path: Path) -> None:
    """A process that was stopped while it had the room keeps nobody from streaming."""
    folder = settings().cache_folder / "streams"
    with served(stores.compact) as far, Quota(folder, 1 << 30).granted(1, tmp_path) as granted:
        assert granted
        some = SOME | {"signals": ["responses"]}
        same(items(stores.compact, **some), in_time(partial(items, far.url, **some)))
