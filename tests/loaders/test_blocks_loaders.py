"""Loaders with blocks: the same batches whoever makes them, and as before without; a run that stops goes on exactly."""

from __future__ import annotations

import json
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.loaders import WindowDataset, WindowLoader, make_loader
from tests.loaders.served import copied, differences, names_of

if TYPE_CHECKING:
    from sensorium_data.loaders.schedule import Order
    from tests.loaders.conftest import Mice, Pictures

ORDERS: list[Order] = ["round_robin", "proportional", "longest", "shortest", "mixed"]
KINDS: dict[str, dict[str, Any]] = {
    "random": {"stride": "random", "tier": None},
    "strided": {"stride": 3},
    "segments": {"stride": "random", "within": "segment"},
}
# From 3.12 on Python warns of every fork beside threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


@pytest.fixture(scope="module")
def datasets(mice: Mice) -> dict[str, WindowDataset]:
    return {
        kind: WindowDataset(mice.both, window=9, signals=["pupil", "responses"], seed=2, **how)
        for kind, how in KINDS.items()
    }


def loader_of(dataset: WindowDataset, **options: Any) -> WindowLoader:
    return WindowLoader(
        dataset, **{"batch_size": 4, "n_threads": 0, "shuffle": True, "seed": 4, "clips_per_block": 3, **options}
    )


def names(loader: WindowLoader) -> list[Any]:
    return [names_of(batch) for batch in loader]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ORDERS)
def test_one_clip_a_block_changes_nothing(datasets: dict[str, WindowDataset], kind: str, order: Order) -> None:
    dataset = datasets[kind]
    loader = loader_of(dataset, order=order, clips_per_block=1)
    for epoch in range(2):
        windows = dataset.windows.of_epoch(epoch)
        wanted = [
            [windows[int(loader._starts[s]) + w] for s, w in zip(batch.sessions, batch.windows, strict=True)]
            for batch in loader.schedule.epoch(epoch)
        ]
        assert names(loader) == [[(w.session, w.trial_id, w.start_frame) for w in batch] for batch in wanted]


def test_the_batches_of_a_seed_never_move(mice: Mice) -> None:
    """Those of loaders from before there were blocks."""
    loader = make_loader(mice.first, window=9, batch_size=3, seed=1, n_threads=0)
    assert [[place[1:] for place in batch] for batch in names(loader)] == [
        [(15, 5), (21, 12), (29, 1)],
        [(0, 1), (5, 14), (12, 21)],
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ORDERS)
def test_every_window_of_the_epoch_once(datasets: dict[str, WindowDataset], kind: str, order: Order) -> None:
    dataset = datasets[kind]
    loader = loader_of(dataset, order=order)
    for epoch in range(3):
        windows = dataset.windows.of_epoch(epoch, 3)
        wanted = Counter((w.session, w.trial_id, w.start_frame) for w in windows)
        seen = Counter(place for batch in names(loader) for place in batch)
        if order == "longest":
            assert set(seen) == set(wanted)
        elif order == "shortest":
            assert seen <= wanted
        else:
            assert seen == wanted
    assert (dataset.windows.epoch, dataset.windows.clips_per_block) == (0, 1)  # it stays as it is


def test_clips_of_a_trial_come_together(datasets: dict[str, WindowDataset]) -> None:
    loader = loader_of(datasets["random"], batch_size=6, order="mixed")
    for _ in range(3):
        trials = [place[:2] for batch in names(loader) for place in batch]
        runs = [(trial, len(list(run))) for trial, run in groupby(trials)]
        assert sum(n for _, n in runs) == len(loader.dataset)
        # Of each session a third, and what goes on from the epoch before.
        assert len(runs) <= sum(-(-n // 3) + 1 for n in loader.dataset.sizes)


def test_random_starts_use_every_trial_as_often(datasets: dict[str, WindowDataset]) -> None:
    loader = loader_of(datasets["random"])
    seen = Counter(place[:2] for _ in range(3) for batch in names(loader) for place in batch)
    assert set(seen.values()) == {3}
    assert len(seen) == len(loader.dataset)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["round_robin", "proportional", "mixed"])
def test_whoever_makes_them(datasets: dict[str, WindowDataset], kind: str, order: Order) -> None:
    dataset = datasets[kind]
    whole = copied(loader_of(dataset, order=order))
    assert differences(copied(loader_of(dataset, order=order, n_threads=2, n_ahead=3)), whole) == []
    parts = [copied(loader_of(dataset, order=order, rank=rank, world_size=2)) for rank in range(2)]
    together = [batch for step in zip(*parts, strict=True) for batch in step]
    assert differences(together, whole[: len(whole) // 2 * 2]) == []


def test_worker_processes(datasets: dict[str, WindowDataset]) -> None:
    alone = loader_of(datasets["random"])
    loader = loader_of(datasets["random"], num_workers=2, multiprocessing_context="fork")
    for _ in range(2):
        assert differences(copied(loader), copied(alone)) == []


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(list(KINDS)), st.sampled_from(ORDERS), st.integers(2, 5), st.integers(0, 4), st.data())
def test_a_run_that_stops_goes_on_exactly(
    datasets: dict[str, WindowDataset], kind: str, order: Order, k: int, epoch: int, data: st.DataObject
) -> None:
    options: Any = {"order": order, "clips_per_block": k}
    straight, stopped, resumed = (loader_of(datasets[kind], **options) for _ in range(3))
    straight.set_epoch(epoch)
    wanted = names(straight) + names(straight)
    stopped.set_epoch(epoch)
    iterator = iter(stopped)
    n_steps = data.draw(st.integers(0, len(stopped)))
    seen = [names_of(next(iterator)) for _ in range(n_steps)]
    resumed.load_state_dict(json.loads(json.dumps(stopped.state_dict())))
    rest = names(resumed) if n_steps < len(stopped) else []
    assert seen + rest + names(resumed) == wanted


def test_a_state_of_other_blocks_is_refused(datasets: dict[str, WindowDataset]) -> None:
    state = loader_of(datasets["random"]).state_dict()
    assert state["clips_per_block"] == 3
    with pytest.raises(BadArgument) as caught:
        loader_of(datasets["random"], clips_per_block=1).load_state_dict(state)
    assert [(problem.where, problem.what) for problem in caught.value.problems] == [
        ("clips_per_block", "3 in the state, 1 here")
    ]


def test_a_state_from_before_there_were_blocks(datasets: dict[str, WindowDataset]) -> None:
    loader = loader_of(datasets["random"], clips_per_block=1)
    state = {name: value for name, value in loader.state_dict().items() if name != "clips_per_block"}
    loader.load_state_dict({**state, "epoch": 2})
    assert loader.epoch == 2
    with pytest.raises(BadArgument, match="1 difference"):
        loader_of(datasets["random"]).load_state_dict(state)


@pytest.mark.parametrize(
    ("more", "shuffle"), [({"tier": "oracle"}, None), ({"stride": 3}, False)], ids=["oracle", "training"]
)
def test_without_a_shuffle_blocks_change_nothing(mice: Mice, more: dict[str, Any], shuffle: bool | None) -> None:
    one, three = (make_loader(mice.both, window=9, shuffle=shuffle, clips_per_block=k, **more) for k in (1, 3))
    assert names(three) == names(one)


def test_images_and_whole_trials_are_blocks_of_their_own(mice: Mice, pictures: Pictures) -> None:
    for store, window in ((pictures.store, None), (mice.both, "trial")):
        one, three = (make_loader(store, window=window, shuffle=True, clips_per_block=k) for k in (1, 3))  # type: ignore[call-overload,arg-type,unused-ignore]  # a table of cases
        assert names(three) == names(one)
        assert names(three) == names(one)


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "3", None])
def test_what_is_no_number_of_clips(mice: Mice, k: Any) -> None:
    with pytest.raises(BadArgument, match=r"clips_per_block is .*, expected an integer of 1 or more") as caught:
        make_loader(mice.first, window=9, clips_per_block=k)
    assert caught.value.code == "bad-clips-per-block"
