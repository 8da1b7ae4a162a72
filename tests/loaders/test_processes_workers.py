"""Worker processes of every kind: the same batches, in the same order, and errors where they belong."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from torch.utils.data import DataLoader, get_worker_info

from sensorium_data.errors import SensoriumError, StoreInvalid
from sensorium_data.loaders import WindowDataset, WindowLoader, collate, make_loader
from sensorium_data.loaders.transforms import official2023
from tests.loaders.served import copied, differences, names_of, no_reader_threads
from tests.store.damage import Damaged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.loaders.conftest import Mice, Own, Pictures

# From 3.12 on Python warns of every fork beside threads; what it warns of is tested here.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
]

KINDS: dict[str, dict[str, Any]] = {
    "films": {"window": 9, "tier": None, "batch_size": 8, "shuffle": True},
    "whole trials": {"window": "trial", "tier": ("train", "live_test_bonus"), "batch_size": 4, "dtype": "bfloat16"},
    "mixed": {"window": 9, "batch_size": 4, "order": "mixed", "stride": 6},
    "official": {"window": 9, "batch_size": 3, "transform": official2023()},
    "official mixed": {"window": 9, "batch_size": 3, "order": "mixed", "transform": official2023()},
}


@pytest.fixture(scope="module", autouse=True)
def quick() -> None:
    """Import torch once in the process that workers are forked from."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(["sensorium_data.loaders"])


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    for child in multiprocessing.active_children():
        child.join(60)
    left = multiprocessing.active_children()
    for child in left:
        child.kill()
    assert left == []
    no_reader_threads()


@pytest.mark.parametrize("kind", KINDS)
def test_workers_change_nothing(mice: Mice, kind: str) -> None:
    alone = make_loader(mice.both, seed=7, n_threads=0, **KINDS[kind])
    loader = make_loader(mice.both, seed=7, num_workers=2, multiprocessing_context="fork", **KINDS[kind])
    for _ in range(2):
        assert differences(list(loader), copied(alone)) == []
    assert loader.state_dict() == alone.state_dict()


@pytest.mark.parametrize("context", ["forkserver", "spawn"])
def test_workers_that_inherit_nothing(mice: Mice, context: str) -> None:
    """The selection, transform and epoch travel; the files are opened anew."""
    options: Any = {"window": 9, "batch_size": 4, "order": "mixed", "transform": official2023(), "seed": 7}
    alone, loader = (make_loader(mice.both, num_workers=n, multiprocessing_context=context, **options) for n in (0, 1))
    for each in (alone, loader):
        each.set_epoch(3)
    assert differences(list(loader), copied(alone)) == []


def test_workers_for_images_and_for_clocks_of_their_own(pictures: Pictures, own: Own) -> None:
    clocks: Any = {"window": 12, "stride": 8, "rate_hz": 29.97, "lag_s": {"pupil": 0.1}, "require": ["video"]}
    for store, options in ((pictures.store, {"tier": None}), (own.store, clocks)):
        loaders = [
            make_loader(store, num_workers=n, multiprocessing_context="fork", batch_size=4, **options) for n in (0, 2)
        ]
        assert differences(copied(loaders[1]), copied(loaders[0])) == []


def test_a_fork_beside_busy_threads(mice: Mice, pictures: Pictures) -> None:
    """Locks that a thread holds when the process forks stay with the parent."""
    busy = make_loader(pictures.store, tier=None, batch_size=2, n_threads=2, shuffle=True)
    stop = threading.Event()

    def work() -> int:
        n = 0
        while not stop.is_set():
            n += len(list(busy))
        return n

    wanted = copied(make_loader(pictures.store, tier=None, batch_size=5))
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            for _ in range(3):
                loader = WindowLoader(busy.dataset, batch_size=5, num_workers=2, multiprocessing_context="fork")
                assert differences(list(loader), wanted) == []
        finally:
            stop.set()
        assert working.result(60) > 0


# -- torch's own loader


def test_the_loader_in_a_loader_of_torch_with_workers(mice: Mice) -> None:
    alone = make_loader(mice.both, window=9, batch_size=3, seed=2)
    loader = make_loader(mice.both, window=9, batch_size=3, seed=2)
    by_torch = DataLoader(loader, batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert len(by_torch) == len(alone)
    for epoch in (0, 1, 5):
        alone.set_epoch(epoch)
        loader.set_epoch(epoch)  # what workers know of is a copy
        assert differences(list(by_torch), copied(alone)) == []


def test_ranks_and_workers_together(mice: Mice) -> None:
    whole = [names_of(batch) for batch in make_loader(mice.both, window=9, batch_size=2, seed=2)]
    for rank in range(2):
        loader = make_loader(mice.both, window=9, batch_size=2, seed=2, rank=rank, world_size=2)
        by_torch = DataLoader(loader, batch_size=None, num_workers=2, multiprocessing_context="fork")
        assert [names_of(batch) for batch in by_torch] == whole[rank : len(whole) // 2 * 2 : 2]


@pytest.mark.parametrize("collated", [True, False])
def test_the_dataset_in_a_loader_of_torch_with_workers(mice: Mice, collated: bool) -> None:
    dataset = WindowDataset(mice.first, tier="oracle", window=9)
    options: Any = {"batch_size": 4, "collate_fn": collate} if collated else {"batch_size": 4}
    alone = list(DataLoader(dataset, **options))
    workers = DataLoader(dataset, num_workers=2, multiprocessing_context="fork", **options)
    assert len(alone) > 2
    for _ in range(2):
        assert differences(list(workers), alone) == []


# -- what goes wrong


class Bad:
    """A transform that does something when it comes to a trial."""

    def __init__(self, trial_id: int, what: str) -> None:
        self.trial_id, self.what = trial_id, what

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        if item["trial_id"] != self.trial_id:
            return item
        if self.what == "kill" and get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what == "stop":
            raise StopIteration
        errors = {
            "odd": SensoriumError("this trial is odd", hint="leave it out", code="odd"),
            "key": KeyError(7),
            "file": FileNotFoundError("no such table"),
        }
        raise errors[self.what]


def bad_loader(mice: Mice, at: int, what: str, **options: Any) -> tuple[WindowLoader, list[Any]]:
    """A loader of which batch `at` goes wrong, and the batches before."""
    given: Any = {"window": "trial", "batch_size": 1, "tier": "train"}
    before = copied(make_loader(mice.first, shuffle=False, **given))[:at]
    trial = WindowDataset(mice.first, window="trial").windows[at].trial_id
    return make_loader(mice.first, shuffle=False, transform=Bad(trial, what), **given, **options), before


WAYS: dict[str, dict[str, Any]] = {
    "alone": {"n_threads": 0},
    "threads": {"n_threads": 3, "n_ahead": 3},
    "workers": {"num_workers": 2, "multiprocessing_context": "fork"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("what", "kind", "said"),
    [
        ("key", KeyError, "7"),
        ("file", FileNotFoundError, "no such table"),
        ("odd", SensoriumError, "^this trial is odd$"),
    ],
)
def test_what_a_transform_raises_comes_at_its_batch(mice: Mice, way: str, what: str, kind: Any, said: str) -> None:
    loader, before = bad_loader(mice, 2, what, **WAYS[way])
    iterator = iter(loader)
    assert differences([next(iterator), next(iterator)], before) == []
    with pytest.raises(kind, match=said) as caught:
        next(iterator)
    if what == "odd":
        assert (caught.value.code, caught.value.hint) == ("odd", "leave it out")
    assert list(iterator) == []
    assert loader.state_dict()["n_consumed"] == 2


@pytest.mark.parametrize("way", WAYS)
def test_a_transform_that_raises_stop_iteration_does_not_end_the_epoch(mice: Mice, way: str) -> None:
    loader, _ = bad_loader(mice, 2, "stop", **WAYS[way])
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(loader)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_worker_that_is_killed(mice: Mice, n_workers: int) -> None:
    loader, before = bad_loader(mice, 2, "kill", num_workers=n_workers, multiprocessing_context="fork")
    seen: list[Any] = []
    with pytest.raises(SensoriumError, match="a worker process is gone: ") as caught:
        seen.extend(copied([batch])[0] for batch in loader)
    assert caught.value.code == "worker-lost"
    assert "memory" in caught.value.hint
    assert "\n" not in caught.value.message
    assert differences(seen, before[: len(seen)]) == []


def test_damage_that_a_worker_finds_is_told_as_it_is(mice: Mice, tmp_path: Path) -> None:
    store = shutil.copytree(mice.first, tmp_path / "damaged.zarr")
    Damaged(store).flip("signals/pupil/values/c/0", 50)
    loader = make_loader(
        store, window=9, num_workers=1, multiprocessing_context="fork", require=["video"], tier="oracle"
    )
    with pytest.raises(StoreInvalid) as caught:
        list(loader)
    assert caught.value.code == "chunk-damaged"
    assert "`signals/pupil/values` is damaged in signals/pupil/values/c/0" in caught.value.message
    assert "Traceback" not in str(caught.value)
    assert "sensorium-data check" in caught.value.hint


def test_an_iterator_that_is_dropped_half_way_ends_its_workers(mice: Mice) -> None:
    loader = make_loader(mice.both, window=9, stride=3, batch_size=2, num_workers=2, multiprocessing_context="fork")
    iterator = iter(loader)
    next(iterator)
    assert len(multiprocessing.active_children()) == 2
    del iterator
    for child in multiprocessing.active_children():
        child.join(60)
    assert multiprocessing.active_children() == []
