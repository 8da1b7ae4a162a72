"""Batches hold the items of their windows: in every order of sessions, with any transform, through any DataLoader."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from sensorium_data.errors import BadArgument
from sensorium_data.loaders import WindowDataset, WindowLoader, collate, make_loader
from sensorium_data.loaders.transforms import Official2022, Official2023, compose, official2022, official2023
from tests.loaders.conftest import FIRST, SECOND
from tests.loaders.served import differences, names_of, same

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.loaders.schedule import Order
    from sensorium_data.streams import Streams
    from tests.loaders.conftest import Mice, Pictures

NEURONS = {FIRST: 7, SECOND: 4}


def item_at(dataset: WindowDataset, name: tuple[str, int, int], n: int | None) -> Any:
    """The item of a window, found by what a batch says of it, padded to n samples."""
    (index,) = (i for i, w in enumerate(dataset.windows) if (w.session, w.trial_id, w.start_frame) == name)
    placed = dataset.windows.served(index)
    return dataset.transformed(placed.session, dataset.item(placed, n))


def wrong_rows(dataset: WindowDataset, batch: Any) -> list[str]:
    """Say which rows of a batch are not the items they say they are."""
    found = []
    n = None if dataset.static else len(batch["mask"]["video"][0])
    for row, name in enumerate(names_of(batch)):
        item = item_at(dataset, name, n)
        own = {key: batch[key][row] for key in item if key not in ("mask", "session", "trial_id", "start_frame")}
        found += differences(own, {key: item[key] for key in own}, str(name))
        masks = {key: mask[row] for key, mask in batch["mask"].items()}
        found += differences(masks, item["mask"], str(name))
    return found


@pytest.mark.parametrize("window", [9, "trial"])
@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_rows_of_batches_are_the_items_of_their_windows(mice: Mice, window: Any, dtype: Any) -> None:
    dataset = WindowDataset(mice.both, tier=None, window=window, dtype=dtype)
    loader = WindowLoader(dataset, batch_size=5, shuffle=True, seed=2)
    seen: Counter[Any] = Counter()
    for batch in loader:
        assert list(batch) == [*dataset.streams[0], "mask", "session", "trial_id", "start_frame"]
        assert batch["responses"].shape[2] == NEURONS[batch["session"]]
        assert batch["trial_id"].dtype == batch["start_frame"].dtype == torch.int64
        assert wrong_rows(dataset, batch) == []
        seen.update(names_of(batch))
    assert seen == Counter((w.session, w.trial_id, w.start_frame) for w in dataset.windows)


def test_batches_of_images(pictures: Pictures) -> None:
    dataset = WindowDataset(pictures.store, tier=None)
    shapes = set()
    for batch in WindowLoader(dataset, batch_size=6, shuffle=True):
        shapes.add(tuple(batch["image"].shape[1:]))
        assert batch["mask"]["image"].shape == (len(batch["image"]),)
        assert wrong_rows(dataset, batch) == []
    assert shapes == {(16, 20)}


@pytest.mark.parametrize("order", ["round_robin", "proportional", "longest", "shortest"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_sessions_take_turns(mice: Mice, order: Order, shuffle: bool) -> None:
    dataset = WindowDataset(mice.both, window=9, stride=7)
    n_first, n_second = dataset.sizes
    n = {FIRST: -(-n_first // 4), SECOND: -(-n_second // 4)}
    assert n[FIRST] > n[SECOND] > 1
    loader = WindowLoader(dataset, batch_size=4, order=order, shuffle=shuffle, seed=1)
    keys, windows = [], Counter[Any]()
    for batch in loader:
        keys.append(batch["session"])
        windows.update(names_of(batch))
        assert wrong_rows(dataset, batch) == []
    assert len(keys) == len(loader)
    everything = {(w.session, w.trial_id, w.start_frame) for w in dataset.windows}
    if order == "round_robin":
        assert keys == [FIRST, SECOND] * n[SECOND] + [FIRST] * (n[FIRST] - n[SECOND])
    if order in ("round_robin", "proportional"):
        assert Counter(keys) == n
        assert windows == Counter(everything)
    if order == "longest":
        assert keys == [FIRST, SECOND] * n[FIRST]
        assert set(windows) == everything
        assert max(windows.values()) > 1
    if order == "shortest":
        assert keys == [FIRST, SECOND] * n[SECOND]
        assert set(windows) < everything
        assert max(windows.values()) == 1
    if not shuffle and order == "round_robin":
        assert names_of(next(iter(loader))) == [(w.session, w.trial_id, w.start_frame) for w in dataset.windows[:4]]


@pytest.mark.parametrize("window", [9, "trial"])
def test_mixed_batches_keep_neurons_apart(mice: Mice, window: Any) -> None:
    dataset = WindowDataset(mice.both, tier=None, window=window)
    seen: Counter[Any] = Counter()
    kinds = set()
    for batch in WindowLoader(dataset, batch_size=6, order="mixed", shuffle=True, seed=3):
        assert isinstance(batch["session"], tuple)
        assert list(batch["responses"]) == list(batch["rows"]) == list(dict.fromkeys(batch["session"]))
        kinds.add(len(batch["rows"]))
        n = len(batch["mask"]["video"][0])
        for row, name in enumerate(names_of(batch)):
            item = item_at(dataset, name, n)
            for stream in ("video", "pupil", "running", "gaze"):
                assert same(batch[stream][row], item[stream])
                assert same(batch["mask"][stream][row], item["mask"][stream])
            at = batch["rows"][name[0]].tolist().index(row)
            assert same(batch["responses"][name[0]][at], item["responses"])
            assert same(batch["mask"]["responses"][row], item["mask"]["responses"])
        # Nothing stands for neurons of other mice.
        assert sum(len(rows) for rows in batch["rows"].values()) == len(batch["session"])
        assert {key: tuple(part.shape[2:]) for key, part in batch["responses"].items()} == {
            key: (NEURONS[key],) for key in batch["rows"]
        }
        seen.update(names_of(batch))
    assert 2 in kinds
    assert seen == Counter((w.session, w.trial_id, w.start_frame) for w in dataset.windows)


def test_partial_batches_are_left_out_on_request(mice: Mice) -> None:
    dataset = WindowDataset(mice.both, window=9, stride=7)
    sizes = [len(batch["trial_id"]) for batch in WindowLoader(dataset, batch_size=4, drop_last=True)]
    assert sizes == [4] * sum(n // 4 for n in dataset.sizes)
    with pytest.raises(BadArgument, match="drop_last leaves 1 session without a batch of 5 windows") as caught:
        WindowLoader(WindowDataset(mice.both, window=9), batch_size=5, drop_last=True)
    assert "smaller batches" in caught.value.hint


# -- transforms


@pytest.mark.parametrize("order", ["round_robin", "mixed"])
def test_the_official_layout_of_films(mice: Mice, order: Order) -> None:
    dataset = WindowDataset(mice.both, tier=("train", "live_test_main"), window=9, transform=official2023())
    for batch in WindowLoader(dataset, batch_size=4, order=order):
        n = len(batch["trial_id"])
        assert batch["videos"].shape == (n, 3, 9, 6, 9)
        assert batch["behavior"].shape == batch["pupil_center"].shape == (n, 2, 9)
        assert {name: tuple(mask.shape) for name, mask in batch["mask"].items()} == dict.fromkeys(
            Official2023._fields, (n, 9)
        )
        for row, name in enumerate(names_of(batch)):
            item = item_at(dataset, name, None)
            for field in ("videos", "behavior", "pupil_center"):
                assert same(batch[field][row], item[field])
                assert same(batch["mask"][field][row], item.mask[field])
            at = batch["responses"] if order != "mixed" else batch["responses"][name[0]]
            place = row if order != "mixed" else batch["rows"][name[0]].tolist().index(row)
            assert same(at[place].contiguous(), item["responses"].contiguous())
        if order != "mixed":
            assert isinstance(batch, Official2023)
            videos, responses, *_ = batch
            assert videos is batch.videos
            assert responses.shape == (n, NEURONS[str(batch.session)], 9)
            assert batch.responses.isnan().all() == (not batch.mask["responses"].any())


def test_the_official_layout_of_images(pictures: Pictures) -> None:
    dataset = WindowDataset(pictures.store, transform=official2022(behavior="channels"))
    for batch in WindowLoader(dataset, batch_size=6):
        assert isinstance(batch, Official2022)
        n = len(batch.images)
        assert batch.images.shape == (n, 4, 4, 5)
        assert batch.responses.shape == (n, 6)
        assert batch.mask["images"].shape == (n,)
        for row, name in enumerate(names_of(batch)):
            item = item_at(dataset, name, None)
            assert all(same(batch[field][row], item[field]) for field in Official2022._fields)


class Counting:
    """A transform with settings and a key of its own."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        extra = {"brightness": item["video"].float().mean(), "n_missing": int((~item["mask"]["pupil"]).sum())}
        return {**item, "running": item["running"] * self.factor, **extra}


def only_film_and_responses(item: dict[str, Any]) -> tuple[Any, Any]:
    return item["video"], item["responses"]


def as_arrays(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "pupil": item["pupil"].numpy(),
        "half": np.float32(0.5),
        "pair": [item["gaze"], 3],
        "session": item["session"],
    }


class NameOfSession:
    """A transform that is bound to each session."""

    def bind(self, streams: Streams) -> Any:
        return lambda item: {**item, "bound_to": streams.key}


def test_transforms_of_ones_own(mice: Mice) -> None:
    dataset = WindowDataset(mice.both, window=9, seed=4)
    plain = list(WindowLoader(dataset, batch_size=3, seed=4))
    for batch, was in zip(
        make_loader(mice.both, window=9, seed=4, batch_size=3, transform=Counting(2)), plain, strict=True
    ):
        assert same(batch["running"], was["running"] * 2)
        assert same(batch["brightness"], was["video"].float().mean(dim=(1, 2, 3)))
        assert batch["n_missing"].tolist() == [0, 0, 0][: len(batch["n_missing"])]
        assert same(batch["responses"], was["responses"])
        assert batch["session"] == was["session"]
    seed: Any = {"window": 9, "seed": 4, "batch_size": 3}
    pairs = list(make_loader(mice.both, transform=only_film_and_responses, **seed))
    assert same(pairs, [(batch["video"], batch["responses"]) for batch in plain])
    for batch, was in zip(make_loader(mice.both, transform=as_arrays, **seed), plain, strict=True):
        assert same(batch["pupil"], was["pupil"])
        assert batch["half"].tolist() == [0.5] * len(was["pupil"])
        assert same(batch["pair"], [was["gaze"], torch.full((len(was["gaze"]),), 3)])
    lambdas = make_loader(mice.both, transform=lambda item: item["gaze"] + 1, **seed)
    assert same(list(lambdas), [batch["gaze"] + 1 for batch in plain])
    by_session: Any = NameOfSession()
    bound = make_loader(mice.both, transform=by_session, **seed)
    assert [batch["bound_to"] for batch in bound] == [batch["session"] for batch in plain]
    both = make_loader(mice.both, transform=compose(Counting(2), Counting(3)), **seed)
    assert all(same(batch["running"], was["running"] * 2 * 3) for batch, was in zip(both, plain, strict=True))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_mixed_batches_need_items_with_names(mice: Mice, num_workers: int) -> None:
    loader = make_loader(
        mice.both, window=9, order="mixed", transform=only_film_and_responses, num_workers=num_workers,
        multiprocessing_context="fork",
    )  # fmt: skip
    with pytest.raises(BadArgument, match="the transform returns tuple") as caught:
        next(iter(loader))
    assert caught.value.code == "transform-unnamed"


# -- torch's own loader


def batches_by_torch(dataset: WindowDataset, batches: Sequence[Sequence[int]], **options: Any) -> list[Any]:
    return list(DataLoader(dataset, batch_sampler=[list(batch) for batch in batches], **options))


def test_the_dataset_in_a_loader_of_torch(mice: Mice) -> None:
    dataset = WindowDataset(mice.first, window=9, stride=7)
    chosen = [[3, 0, 1, 2], [7, 4, 5, 6]]
    by_collate = batches_by_torch(dataset, chosen, collate_fn=collate)
    by_default = batches_by_torch(dataset, chosen)
    for batch, other, indices in zip(by_collate, by_default, chosen, strict=True):
        items = [dataset[i] for i in indices]
        for name in dataset.streams[0]:
            assert same(batch[name], torch.stack([item[name] for item in items]))
            assert same(batch["mask"][name], torch.stack([item["mask"][name] for item in items]))
        assert batch["trial_id"].tolist() == [item["trial_id"] for item in items]
        assert batch["session"] == FIRST
        assert other["session"] == [FIRST] * 4
        assert differences({**batch, "session": other["session"]}, other) == []


def test_batches_by_torch_and_by_our_loader_are_the_same(mice: Mice) -> None:
    dataset = WindowDataset(mice.first, tier="oracle", window=9)
    ours = list(WindowLoader(dataset, batch_size=4))
    theirs = list(DataLoader(dataset, batch_size=4, collate_fn=collate))
    assert differences(ours, theirs) == []
