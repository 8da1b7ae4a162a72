"""What a loader counts is what was read: bytes and requests, from a disk, from a server, and by workers."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

import sensorium_data as sd
from sensorium_data.loaders import make_loader
from sensorium_data.loaders.traffic import Traffic
from sensorium_data.reading import streaming
from sensorium_data.settings import settings
from sensorium_data.store.layout import Paths
from sensorium_data.testing import REAL_LENGTHS, write_sensorium2023
from tests.loaders.served import copied, names_of
from tests.servers.fixtures import nginx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.loaders.conftest import Mice
    from tests.servers.nginx import Nginx

__all__ = ["nginx"]

# From 3.12 on Python warns of every fork beside threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
OPTIONS: dict[str, Any] = {"window": 9, "batch_size": 6, "shuffle": True, "seed": 1, "n_threads": 0}


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache of this test's own."""
    monkeypatch.setenv("SENSORIUM_DATA_CACHE", str(tmp_path / "cache"))
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def mouse(tmp_path: Path) -> Path:
    """A recording that nobody has read yet."""
    source = write_sensorium2023(tmp_path, n_neurons=5, n_train=20, frame_shape=(6, 9), seed=9)
    sd.convert(source, tmp_path / "mouse.zarr")
    return tmp_path / "mouse.zarr"


def test_a_new_loader_has_read_nothing(mouse: Path) -> None:
    assert make_loader(mouse, **OPTIONS).traffic == Traffic()


def test_what_was_read_from_a_disk(mouse: Path) -> None:
    loader = make_loader(mouse, **OPTIONS)
    n_windows = [len(names_of(batch)) for batch in loader]
    seen = loader.traffic
    assert (seen.n_batches, seen.n_windows) == (len(n_windows), sum(n_windows))
    streams: dict[str, Any] = dict(loader.dataset.streams[0])
    film = streams.pop("video")
    counters = [film.reader.counters, *(signal.samples.reader.counters for signal in streams.values())]
    assert seen.n_requests == sum(one.n_requests for one in counters) > 0
    assert seen.n_bytes_read == sum(one.n_bytes_read for one in counters) > 0
    assert seen.n_checks == sum(one.n_checks for one in counters) > 0
    assert seen.n_bytes_kept == 0
    next(iter(loader))
    assert (loader.traffic - seen).n_batches == 1
    assert (loader.traffic - seen).n_windows == 6


def test_all_sessions_count(mice: Mice) -> None:
    """Each reads as much as it does alone: `verify="always"` keeps nothing in memory."""
    options: Any = {**OPTIONS, "verify": "always"}
    both, *apart = (make_loader(stores, **options) for stores in (mice.both, mice.first, mice.second))
    for loader in (both, *apart):
        assert copied(loader)
    assert both.traffic == apart[0].traffic + apart[1].traffic
    assert min(loader.traffic.n_bytes_read for loader in apart) > 0


def test_what_workers_have_read(mice: Mice) -> None:
    options: Any = {**OPTIONS, "verify": "always", "signals": ["video"]}
    alone = make_loader(mice.both, **options)
    loader = make_loader(mice.both, num_workers=2, multiprocessing_context="fork", **options)
    for one in (alone, loader):
        assert copied(one)
    assert loader.traffic == alone.traffic
    assert loader.traffic.n_bytes_read > 0


def test_a_batch_that_nobody_asked_for_is_read_but_not_given(mouse: Path) -> None:
    loader = make_loader(mouse, **{**OPTIONS, "batch_size": 2, "n_threads": 1, "n_ahead": 3})
    iterator = iter(loader)
    next(iterator)
    assert (loader.traffic.n_batches, loader.traffic.n_windows) == (1, 2)


def test_traffic_reads_well() -> None:
    seen = Traffic(n_batches=1, n_windows=8, n_requests=1, n_bytes_read=2500, n_bytes_kept=10**6, n_checks=1)
    text = "1 request, 2.5 kB read, 1.0 MB from the cache on disk, 1 chunk checked"
    assert repr(seen) == f"Traffic: 1 batch of 8 windows; {text}"
    assert seen + seen - seen == seen


# -- over a network


@pytest.mark.usefixtures("own_cache")
def test_what_came_over_http_is_what_the_server_has_sent(mouse: Path, nginx: Nginx) -> None:
    url, folder = nginx.new_folder()
    shutil.copytree(mouse, folder / "mouse.zarr")
    loader = make_loader(f"{url}/mouse.zarr", **OPTIONS)
    mark = nginx.mark()
    assert copied(loader)
    seen, sent = loader.traffic, nginx.requests(mark, under="/tests")
    assert seen.n_requests == len(sent) > 0
    assert seen.n_bytes_read == sum(one.n_bytes for one in sent) > 0
    assert {one.status for one in sent} == {206}


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("num_workers", [0, 1])
def test_the_second_time_it_comes_from_the_cache(mouse: Path, nginx: Nginx, num_workers: int) -> None:
    url, folder = nginx.new_folder()
    shutil.copytree(mouse, folder / "mouse.zarr")
    # "always" keeps nothing in memory.
    options: Any = {**OPTIONS, "verify": "always", "num_workers": num_workers, "multiprocessing_context": "forkserver"}
    loader = make_loader(f"{url}/mouse.zarr", stride=9, **options)
    assert copied(loader)
    first, mark = loader.traffic, nginx.mark()
    assert first.n_requests > 0
    assert copied(loader)
    second = loader.traffic - first
    # A worker opens the store for each epoch, which is not the loader's traffic.
    assert [one for one in nginx.requests(mark, under="/tests") if one.status == 206] == []
    assert (second.n_requests, second.n_bytes_read) == (0, 0)
    assert second.n_bytes_kept > 0


@pytest.mark.usefixtures("own_cache")
def test_a_block_is_one_request(nginx: Nginx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_sensorium2023(tmp_path, n_neurons=5, n_train=8, frame_shape=(6, 9), lengths=REAL_LENGTHS)
    sd.convert(source, tmp_path / "mouse.zarr")
    # As where trials are large: what lies between two clips is not fetched along, and nothing comes from the cache.
    monkeypatch.setattr(streaming, "GAP", 0)
    monkeypatch.setenv("SENSORIUM_DATA_STREAM_CACHE_BYTES", "0")
    settings.cache_clear()
    n_requests: dict[int, int] = {}
    for k in (1, 3):
        url, folder = nginx.new_folder()
        shutil.copytree(tmp_path / "mouse.zarr", folder / "mouse.zarr")
        options: Any = {**OPTIONS, "verify": "always", "signals": ["video"], "stride": 9}
        loader = make_loader(f"{url}/mouse.zarr", clips_per_block=k, **options)
        mark = nginx.mark()
        batches = [names_of(batch) for batch in loader]
        n_requests[k] = len(nginx.requests(mark, under="/tests"))
        assert loader.traffic.n_requests == n_requests[k]
    # Clips that do not begin where the one before ends: blocks, and what is left of them for the next batch. One more
    # for a block that lies in two files.
    begun = [
        [place for at, place in enumerate(batch) if not at or place != (*batch[at - 1][:2], batch[at - 1][2] + 9)]
        for batch in batches
    ]
    n_files = len(loader.dataset.streams[0].handle.store.sidecar.shards[Paths.frames])
    assert n_requests[3] <= sum(map(len, begun)) + n_files - 1
    assert 2 * n_requests[3] < n_requests[1]
