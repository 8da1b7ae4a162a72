"""Whoever makes the batches, they are the same to the bit: any number of threads, made ahead or when asked for."""

from __future__ import annotations

import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.utils.data import DataLoader

from sensorium_data.loaders import WindowDataset, WindowLoader, make_loader
from sensorium_data.loaders.ring import THREAD_NAME
from sensorium_data.loaders.transforms import official2023
from tests.loaders.served import copied, differences, no_reader_threads

if TYPE_CHECKING:
    from tests.loaders.conftest import Mice, Own, Pictures

KINDS: dict[str, dict[str, Any]] = {
    "films": {"window": 9, "tier": None, "batch_size": 5},
    "shuffled": {"window": 9, "batch_size": 3, "order": "proportional"},
    "whole trials": {"window": "trial", "tier": ("train", "live_test_bonus"), "batch_size": 4, "dtype": "float16"},
    "mixed": {"window": 9, "batch_size": 4, "order": "mixed", "stride": 6},
    "official": {"window": 9, "batch_size": 3, "transform": official2023()},
}


@pytest.mark.parametrize("kind", KINDS)
def test_threads_and_batches_ahead_change_nothing(mice: Mice, kind: str) -> None:
    alone = make_loader(mice.both, seed=7, n_threads=0, **KINDS[kind])
    wanted = [copied(alone), copied(alone)]  # two epochs
    assert len(wanted[0]) > 3
    assert differences(wanted[0], wanted[1]) != [] or kind not in ("shuffled", "official")
    for n_threads, n_ahead in ((0, 3), (1, 0), (1, 2), (2, 1), (4, 3), (4, 0)):
        loader = make_loader(mice.both, seed=7, n_threads=n_threads, n_ahead=n_ahead, **KINDS[kind])
        assert [differences(list(loader), epoch) for epoch in wanted] == [[], []]
    no_reader_threads()


def test_threads_change_nothing_where_signals_are_resampled(own: Own) -> None:
    options: Any = {
        "window": 12, "tier": None, "stride": 5, "require": ["video"], "rate_hz": 29.97, "lag_s": {"pupil": 0.2},
        "seed": 1, "shuffle": True, "batch_size": 4,
    }  # fmt: skip
    wanted = copied(make_loader(own.store, n_threads=0, **options))
    for _ in range(3):
        assert differences(list(make_loader(own.store, n_threads=4, n_ahead=3, **options)), wanted) == []


def test_threads_change_nothing_for_images(pictures: Pictures) -> None:
    wanted = copied(make_loader(pictures.store, tier=None, batch_size=4, shuffle=True, n_threads=0))
    again = list(make_loader(pictures.store, tier=None, batch_size=4, shuffle=True, n_threads=4, n_ahead=3))
    assert differences(again, wanted) == []


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_loader_of_torch_without_workers(mice: Mice, kind: str) -> None:
    wanted = copied(make_loader(mice.both, seed=7, n_threads=0, **KINDS[kind]))
    loader = make_loader(mice.both, seed=7, **KINDS[kind])
    by_torch = DataLoader(loader, batch_size=None, collate_fn=_as_it_is)
    assert len(by_torch) == len(wanted)
    assert differences(list(by_torch), wanted) == []
    assert loader.epoch == 1


def _as_it_is(batch: Any) -> Any:
    return batch


def test_the_conversion_that_torch_makes_by_itself_keeps_batches_of_one_session(mice: Mice) -> None:
    wanted = copied(make_loader(mice.both, window=9, tier="oracle", n_threads=0))
    by_torch = DataLoader(make_loader(mice.both, window=9, tier="oracle"), batch_size=None)
    assert differences(list(by_torch), wanted) == []


def test_equal_options_give_equal_batches_and_other_seeds_others(mice: Mice) -> None:
    def batches(seed: int) -> list[Any]:
        return copied(make_loader(mice.both, window=9, batch_size=3, seed=seed))

    assert differences(batches(1), batches(1)) == []
    assert differences(batches(1), batches(2)) != []


def test_a_dataset_and_a_loader_travel(mice: Mice) -> None:
    dataset = WindowDataset(mice.both, window=9, seed=5, transform=official2023(), lag_s={"pupil": "1/30"})
    dataset[0]  # a transform that is bound is left behind
    again = pickle.loads(pickle.dumps(dataset))
    assert again.windows == dataset.windows
    assert differences(again[1], dataset[1]) == []
    loader = WindowLoader(dataset, batch_size=2, seed=5, order="mixed", n_threads=2, n_ahead=3)
    iterator = iter(loader)
    for _ in range(2):
        next(iterator)
    copy = pickle.loads(pickle.dumps(loader))
    assert copy.state_dict() == loader.state_dict()
    assert copy.epoch == loader.epoch == 1
    assert differences(list(copy), list(loader)) == []  # the next epoch of both
    assert len(list(iterator)) == len(loader) - 2


# -- memory and threads


def test_batches_that_are_held_stay_what_they_were(mice: Mice) -> None:
    loader = make_loader(mice.both, window=9, stride=2, batch_size=3, n_threads=2, n_ahead=3)
    held, copies = [], []
    for batch in loader:
        held.append(batch)
        copies += copied([batch])
    assert len(held) > 20
    assert differences(held, copies) == []
    rows = [batch["video"][1:, ::2] for batch in held]
    wanted = [batch["video"][1:, ::2] for batch in copies]
    del held, batch
    for _ in loader:  # fills memory again and again, but not what the rows lie in
        pass
    assert differences(rows, wanted) == []


@pytest.mark.parametrize("kind", ["films", "whole trials"])
def test_memory_is_used_again_when_batches_are_dropped(mice: Mice, kind: str) -> None:
    options = {**KINDS[kind], "batch_size": 2}
    loader = make_loader(mice.both, seed=3, n_threads=2, n_ahead=2, shuffle=True, **options)
    arrays = 10  # five streams and their masks
    n_batches = 0
    for _ in range(12):
        for batch in loader:
            n_batches += 1
            assert batch["video"].dtype == torch.uint8
    # One batch with the caller and three under way; blocks of a size or two more, as sessions and lengths differ.
    assert n_batches * arrays > 1000
    assert loader._pool.n_allocated < 10 * arrays


def train_badly(loader: WindowLoader) -> None:
    for k, _ in enumerate(loader):
        1 / (k - 1)


def test_an_iterator_that_is_dropped_half_way_ends_its_threads(mice: Mice) -> None:
    loader = make_loader(mice.both, window=9, stride=2, batch_size=2, n_threads=3, n_ahead=3)

    def running() -> int:
        return sum(thread.name.startswith(THREAD_NAME) for thread in threading.enumerate())

    iterator = iter(loader)
    next(iterator)
    assert running() == 3
    del iterator
    no_reader_threads()
    for _ in loader:
        break
    no_reader_threads()
    with pytest.raises(ZeroDivisionError):
        train_badly(loader)
    no_reader_threads()
    assert running() == 0


def test_iterators_side_by_side(mice: Mice) -> None:
    """Two at once are two epochs, each with threads of its own; and many of one, one after another, do not add up."""
    loader = make_loader(mice.both, window=9, batch_size=2, seed=3)
    first, second = copied(loader), copied(loader)
    loader.set_epoch(0)
    pairs = list(zip(loader, loader, strict=True))
    assert differences([one for one, _ in pairs], first) == []
    assert differences([other for _, other in pairs], second) == []
    assert loader.epoch == 2
    begun = [iter(loader) for _ in range(3)]  # epochs are given out here, not with the first batch
    loader.set_epoch(0)
    assert differences(list(begun[1]), list(make_epoch(mice, 3))) == []
    no_reader_threads()


def make_epoch(mice: Mice, epoch: int) -> WindowLoader:
    loader = make_loader(mice.both, window=9, batch_size=2, seed=3)
    loader.set_epoch(epoch)
    return loader
