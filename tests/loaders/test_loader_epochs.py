"""Epochs, ranks and states of real loaders: each batch of the epoch once, wherever a run is stopped and goes on."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.errors import BadArgument
from sensorium_data.loaders import WindowDataset, WindowLoader, make_loader
from tests.loaders.served import copied, differences, names_of

if TYPE_CHECKING:
    from sensorium_data.loaders.ranks import LastStep
    from sensorium_data.loaders.schedule import Order
    from tests.loaders.conftest import Mice

ORDERS: list[Order] = ["round_robin", "proportional", "longest", "shortest", "mixed"]


@pytest.fixture(scope="module")
def dataset(mice: Mice) -> WindowDataset:
    return WindowDataset(mice.both, window=9, stride="random", tier=None, signals=["pupil", "responses"], seed=2)


def loader_of(dataset: WindowDataset, **options: Any) -> WindowLoader:
    return WindowLoader(dataset, **{"batch_size": 3, "n_threads": 0, "shuffle": True, "seed": 4, **options})


def names(loader: WindowLoader) -> list[Any]:
    return [names_of(batch) for batch in loader]


def by_json(state: dict[str, object]) -> Any:
    return json.loads(json.dumps(state))


def by_torch(state: dict[str, object]) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


# -- epochs


def test_each_iter_is_the_next_epoch(dataset: WindowDataset) -> None:
    loader = loader_of(dataset)
    assert loader.epoch == 0
    epochs = [names(loader) for _ in range(3)]
    assert loader.epoch == 3
    assert len({str(epoch) for epoch in epochs}) == 3
    for number in (2, 0, 1):
        loader.set_epoch(number)
        assert loader.epoch == number
        assert names(loader) == epochs[number]
    assert loader.epoch == 2


def test_an_epoch_has_the_windows_of_its_own_draw(dataset: WindowDataset) -> None:
    loader = loader_of(dataset)
    loader.set_epoch(5)
    seen = sorted(name for batch in names(loader) for name in batch)
    windows = dataset.windows.of_epoch(5)
    assert seen == sorted((w.session, w.trial_id, w.start_frame) for w in windows)
    assert dataset.windows.epoch == 0  # the dataset itself stays where it is


@pytest.mark.parametrize("epoch", [-1, 1.5, True, "1", None])
def test_epochs_that_are_none(dataset: WindowDataset, epoch: Any) -> None:
    with pytest.raises(BadArgument, match=r"epoch is .*, expected an integer of 0 or more") as caught:
        loader_of(dataset).set_epoch(epoch)
    assert caught.value.code == "bad-epoch"
    with pytest.raises(BadArgument, match="epoch is"):
        WindowDataset.set_epoch(dataset, epoch)


# -- ranks


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_ranks_share_the_order_of_one(dataset: WindowDataset, order: Order, size: int) -> None:
    whole = copied(loader_of(dataset, order=order))
    parts = [copied(loader_of(dataset, order=order, rank=rank, world_size=size)) for rank in range(size)]
    together = [batch for step in zip(*parts, strict=True) for batch in step]
    n_left_out = len(whole) % size
    assert differences(together, whole[: len(whole) - n_left_out]) == []
    share = loader_of(dataset, order=order, rank=0, world_size=size).share()
    assert (share.n_dropped, share.n_wrapped, len(share)) == (n_left_out, 0, len(whole) // size)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_last_step_is_filled_from_the_beginning_on_request(dataset: WindowDataset, size: int) -> None:
    whole = names(loader_of(dataset))
    loaders = [loader_of(dataset, rank=rank, world_size=size, last_step="wrap") for rank in range(size)]
    shares = [loader.share() for loader in loaders]
    parts = [names(loader) for loader in loaders]
    together = [batch for step in zip(*parts, strict=True) for batch in step]
    n_more = -len(whole) % size
    assert together == whole + whole[:n_more]
    assert {(share.n_dropped, share.n_wrapped) for share in shares} == {(0, n_more)}


def test_ranks_come_from_the_environment(dataset: WindowDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = names(loader_of(dataset))
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert names(loader_of(dataset)) == whole[1 : len(whole) // 2 * 2 : 2]


def test_more_ranks_than_batches(dataset: WindowDataset) -> None:
    with pytest.raises(BadArgument, match=r"an epoch has \d+ batches, fewer than the 500 ranks") as caught:
        loader_of(dataset, rank=0, world_size=500)
    assert caught.value.code == "too-many-ranks"
    assert len(names(loader_of(dataset, rank=400, world_size=500, last_step="wrap"))) == 1


# -- states


@given(
    order=st.sampled_from(ORDERS),
    legs=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 12), st.sampled_from([by_json, by_torch])), max_size=5),
    epoch=st.integers(0, 3),
    last_step=st.sampled_from(["drop", "wrap"]),
)
@settings(deadline=None, max_examples=25)
def test_a_run_goes_on_exactly_on_any_number_of_ranks(
    dataset: WindowDataset, order: Order, legs: list[Any], epoch: int, last_step: LastStep
) -> None:
    """Stopped at any batch of any epoch, saved by any rank, taken up by fewer or more."""
    one = loader_of(dataset, order=order)
    one.set_epoch(epoch)
    state: dict[str, object] = one.state_dict()
    whole: dict[int, list[Any]] = {}
    for size, n_steps, saved in legs:
        loaders = [loader_of(dataset, order=order, rank=r, world_size=size, last_step=last_step) for r in range(size)]
        for loader in loaders:
            loader.load_state_dict(saved(state))
        at, first = loaders[0].epoch, int(str(state["n_consumed"]))
        if at not in whole:
            one.set_epoch(at)
            whole[at] = names(one)
        n_left = len(loaders[0])
        n_steps = min(n_steps, n_left)
        iterators = [iter(loader) for loader in loaders]
        seen = [names_of(next(each)) for _ in range(n_steps) for each in iterators]
        wanted = whole[at][first : first + len(seen)]
        assert seen == wanted + whole[at][: len(seen) - len(wanted)]
        states = [loader.state_dict() for loader in loaders]
        assert all(each == states[0] for each in states)
        state = states[0]
        over = n_steps == n_left and n_steps > 0
        assert (state["epoch"], state["n_consumed"]) == ((at + 1, 0) if over else (at, first + len(seen)))


@pytest.mark.parametrize("n_threads", [0, 2])
def test_what_was_made_ahead_is_not_counted(mice: Mice, n_threads: int) -> None:
    options: Any = {"window": 9, "batch_size": 3, "stride": 3, "shuffle": True, "n_threads": n_threads}
    whole = copied(make_loader(mice.both, **options))
    loader = make_loader(mice.both, n_ahead=3, **options)
    iterator = iter(loader)
    for k in range(1, 6):
        next(iterator)
        assert loader.state_dict()["n_consumed"] == k
    again = make_loader(mice.both, **options)
    again.load_state_dict(by_json(loader.state_dict()))
    assert len(again) == len(whole) - 5
    assert differences(list(again), whole[5:]) == []
    assert (again.epoch, again.state_dict()["n_consumed"]) == (1, 0)
    assert len(again) == len(whole)


def test_a_state_at_the_end_of_an_epoch_begins_the_next(dataset: WindowDataset) -> None:
    loader = loader_of(dataset)
    names(loader)
    state = loader.state_dict()
    assert (state["epoch"], state["n_consumed"]) == (1, 0)
    again = loader_of(dataset)
    again.load_state_dict(state)
    assert names(again) == names(loader)


DIFFERENT: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "seed": ({}, {"seed": 5}, "seed: 4 in the state, 5 here"),
    "batch size": ({}, {"batch_size": 4}, "batch_size: 3 in the state, 4 here"),
    "order": ({}, {"order": "mixed"}, "order: round_robin in the state, mixed here"),
    "shuffle": ({}, {"shuffle": False}, "shuffle: True in the state, False here"),
    "drop_last": ({}, {"drop_last": True}, "drop_last: False in the state, True here"),
    "starts": ({"seed": 9}, {}, "fingerprint.windows"),
    "windows": ({"window": 8}, {}, "fingerprint.windows"),
    "tier": ({"tier": "oracle"}, {}, "fingerprint.windows"),
    "signals": ({"signals": ["pupil", "video"]}, {}, "fingerprint.streams"),
    "dtype": ({"dtype": "float16"}, {}, "fingerprint.streams"),
    "method": ({"method": "nearest"}, {}, "fingerprint.streams"),
    "method of one signal": ({"method": {"pupil": "previous"}}, {}, "fingerprint.streams"),
    "lag": ({"lag_s": {"pupil": "1/30"}}, {}, "fingerprint.streams"),
    "lag of all": ({"lag_s": "1/1000000000"}, {}, "fingerprint.streams"),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_state_of_something_else_is_refused(mice: Mice, dataset: WindowDataset, what: str) -> None:
    of_data, of_loader, said = DIFFERENT[what]
    state = by_json(loader_of(dataset).state_dict())
    options: Any = {"window": 9, "stride": "random", "tier": None, "signals": ["pupil", "responses"], "seed": 2}
    other = loader_of(WindowDataset(mice.both, **{**options, **of_data}), **of_loader)
    with pytest.raises(BadArgument) as caught:
        other.load_state_dict(state)
    assert caught.value.code == "state-mismatch"
    assert said in str(caught.value)
    assert "make the loader as it was" in caught.value.hint
    assert (other.epoch, other.state_dict()["n_consumed"]) == (0, 0)


def test_a_state_of_other_offsets_is_refused_and_of_the_same_lag_is_not(mice: Mice) -> None:
    def made(lag_s: Any, late_s: float) -> WindowLoader:
        options: Any = {"lag_s": {"responses": lag_s}, "offsets_s": {"responses": [0.01] * 6 + [late_s]}}
        return loader_of(WindowDataset(mice.first, window=9, signals=["responses"], **options))

    state = by_json(made("1/30", 0.01).state_dict())
    with pytest.raises(BadArgument) as caught:
        made("1/30", 0.011).load_state_dict(state)
    assert [problem.where for problem in caught.value.problems] == ["fingerprint.streams"]
    made(1 / 30, 0.01).load_state_dict(state)


def test_a_state_of_other_recordings_is_refused(mice: Mice, dataset: WindowDataset) -> None:
    state = loader_of(dataset).state_dict()
    options: Any = {"window": 9, "stride": "random", "tier": None, "signals": ["pupil", "responses"], "seed": 2}
    first, second = sd.open_session(mice.first), sd.open_session(mice.second)
    for sessions in ([second, first], [first], [first.select([6, 5, 4, 3, 2, 1, 0]), second]):
        with pytest.raises(BadArgument, match=r"fingerprint\.sessions"):
            loader_of(WindowDataset(sessions, **options)).load_state_dict(state)
    loader_of(WindowDataset([first, second], **options)).load_state_dict(state)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version: 2 in the state, this release reads 1"),
        ({"n_consumed": -1}, "n_consumed: -1 in the state, expected an integer of 0 or more"),
        ({"epoch": "2"}, "epoch: '2' in the state, expected an integer of 0 or more"),
    ],
)
def test_a_state_that_is_none_is_refused(dataset: WindowDataset, change: dict[str, Any], said: str) -> None:
    loader = loader_of(dataset)
    with pytest.raises(BadArgument) as caught:
        loader.load_state_dict({**loader.state_dict(), **change})
    assert said in str(caught.value)
