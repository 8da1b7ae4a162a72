"""Batches that went through a transform: in memory that is used again, and never while anybody holds some of it."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
import torch

from sensorium_data.loaders import WindowDataset, collate, items, make_loader
from sensorium_data.loaders.making import BatchOfItems, BatchOfRows, make_batch
from sensorium_data.loaders.pool import BufferPool
from sensorium_data.loaders.transforms import compose, normalise, official2022, official2023
from tests.loaders.served import copied, differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.loaders.conftest import Mice, Pictures

Item = dict[str, Any]


def as_it_is(item: Item) -> Item:
    return item


def views(item: Item) -> Item:
    """Parts of the item's own memory, turned and cut."""
    return item | {"responses": item["responses"].mT[1:], "video": item["video"][::2]}


TRANSFORMS: dict[str, Any] = {
    "official": official2023(),
    "official, then ours": compose(official2023(), as_it_is),
    "normalise": normalise(),
    "as it is": as_it_is,
    "views": views,
    "list": lambda item: [item["responses"], item["responses"].numpy()],
}


@pytest.fixture(autouse=True)
def _all_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "LARGE", 0)  # the recordings of the tests are small


@pytest.mark.parametrize("n_threads", [0, 2])
@pytest.mark.parametrize(
    ("name", "order"),
    [(name, order) for name in TRANSFORMS for order in ("round_robin", "mixed") if (name, order) != ("list", "mixed")],
)
def test_held_batches_stay_as_they_were(mice: Mice, name: str, order: Any, n_threads: int) -> None:
    loader = make_loader(
        mice.both, window=9, batch_size=3, seed=2, order=order, transform=TRANSFORMS[name], n_threads=n_threads
    )
    wanted: list[Any] = []
    for epoch in (0, 1):
        loader.set_epoch(epoch)
        wanted += [one for batch in loader for one in copied([batch])]  # each dies before the next
    held = []
    for epoch in (0, 1):
        loader.set_epoch(epoch)
        held += list(loader)
    assert len(held) > 4
    assert not differences(held, wanted)


@pytest.mark.parametrize("n_threads", [0, 2])
@pytest.mark.parametrize("what", ["tensor", "array", "row"])
def test_a_transform_may_keep_what_it_was_given(mice: Mice, what: str, n_threads: int) -> None:
    kept: list[tuple[str, int, int, Any]] = []

    def keeps(item: Item) -> Item:
        responses = item["responses"]
        part = {"tensor": responses, "array": responses.numpy(), "row": responses[2]}[what]
        kept.append((item["session"], item["trial_id"], item["start_frame"], part))
        return item

    options: Any = {"window": 9, "seed": 2, "batch_size": 3}
    for _ in make_loader(mice.both, transform=keeps, n_threads=n_threads, **options):
        pass
    dataset = WindowDataset(mice.both, window=9, seed=2)
    own = {(item["session"], item["trial_id"], item["start_frame"]): item["responses"] for item in dataset}
    assert len(kept) == len(own)
    for *place, part in kept:
        wanted = own[place[0], place[1], place[2]]
        torch.testing.assert_close(
            torch.as_tensor(part), wanted[2] if what == "row" else wanted, rtol=0, atol=0, equal_nan=True
        )


@pytest.mark.parametrize("n_threads", [0, 2])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_memory_comes_back_by_itself(mice: Mice, name: str, n_threads: int) -> None:
    """Whatever is let go of is used again at once, and not when the collector of cycles comes by."""
    loader = make_loader(mice.first, window=9, batch_size=3, seed=2, transform=TRANSFORMS[name], n_threads=n_threads)
    gc.collect()
    gc.disable()
    try:
        most = []
        for _ in range(12):
            for batch in loader:
                del batch
            most.append(loader._pool.n_bytes)
    finally:
        gc.enable()
    assert 0 < most[-1] <= 2 * most[0]


# What a transform writes into a batch, and what it makes of items.


def works(dataset: WindowDataset, pool: BufferPool) -> Iterator[tuple[Any, list[Any]]]:
    indices = [list(range(k, min(k + 4, len(dataset)))) for k in range(0, len(dataset), 4)]
    sessions = [{dataset.windows.served(i).session for i in some} for some in indices]
    for some, own in zip(indices, sessions, strict=True):
        if len(own) == 1:
            work = make_batch(dataset, dataset.windows, torch.tensor(some).numpy(), mixed=False, pool=pool)
            yield work, list(dataset.__getitems__(some))


def agrees(dataset: WindowDataset, kind: type[Any]) -> None:
    n = 0
    for work, made in works(dataset, BufferPool()):
        assert isinstance(work, kind)
        for part in work.parts:
            part()
        batch, wanted = work.finish(), collate(made)
        assert not differences(batch, wanted)
        if not isinstance(batch, dict):
            assert [one.stride() for one in batch] == [one.stride() for one in wanted]
        n += 1
    assert n > 1


@pytest.mark.parametrize("options", [{}, {"dtype": "bfloat16"}, {"dtype": "float16"}, {"window": "trial"}], ids=str)
@pytest.mark.parametrize(
    "transform",
    [official2023(), official2023(pupil_center_channels=True), normalise(), normalise(video=None, responses="none")],
    ids=repr,
)
def test_rows_are_written_as_items_are_made(mice: Mice, transform: Any, options: Any) -> None:
    options = {"window": 9, "seed": 3} | options
    tier = ("train", "oracle", "live_test_main")
    agrees(WindowDataset(mice.both, tier=tier, transform=transform, **options), BatchOfRows)


def test_rows_of_images(pictures: Pictures) -> None:
    agrees(WindowDataset(pictures.store, transform=normalise(responses="per_neuron")), BatchOfRows)
    agrees(WindowDataset(pictures.store, transform=official2022()), BatchOfItems)


def test_batches_are_pinned_where_they_can_be(mice: Mice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are in the loader's memory, items never are."""
    asked, empty = list[tuple[int, ...]](), torch.empty

    def stand_in(*shape: Any, pin_memory: bool = False, **options: Any) -> torch.Tensor:
        if pin_memory:
            asked.append(tuple(shape[0]))
        return empty(*shape, **options)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "empty", stand_in)
    for transform, of_a_batch in ((official2023(), (3, 3, 9, 6, 9)), (as_it_is, (3, 9, 6, 9))):
        asked.clear()
        next(iter(make_loader(mice.first, window=9, batch_size=3, n_threads=0, transform=transform, pin_memory=True)))
        assert of_a_batch in asked
        assert all(shape[0] == 3 for shape in asked)


def test_stacking() -> None:
    pool = BufferPool()
    some = [torch.full((5, 2000), float(k)) for k in range(3)]
    made = pool.stack(some)
    assert made.equal(torch.stack(some))
    taken = pool.n_allocated
    assert taken == 1
    place = made.data_ptr()
    row = made[1]
    del made
    assert pool.stack(some).data_ptr() != place
    assert (row == 1).all()
    turned = [one.mT for one in some]
    assert pool.stack(turned).equal(torch.stack(turned))


def test_what_the_pool_cannot_stack_is_stacked_elsewhere() -> None:
    pool = BufferPool()
    learned = [torch.ones(3, requires_grad=True), torch.zeros(3)]
    assert pool.stack(learned).requires_grad
    assert pool.stack([torch.ones(3, dtype=torch.complex64)] * 2).dtype == torch.complex64
    assert pool.stack([torch.ones(3), torch.ones(3, dtype=torch.float64)]).dtype == torch.float64
    assert pool.stack([torch.ones(3, device="meta")] * 2).device.type == "meta"
    with pytest.raises(RuntimeError, match="equal size"):
        pool.stack([torch.ones(3), torch.ones(4)])
    assert pool.n_allocated == 0
