"""A state saved on N ranks resumes on M, exactly, at any batch of any epoch; a state of something else is refused."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.loaders.ranks import LastStep, Ranks, Share
from sensorium_data.loaders.schedule import Order, Schedule
from sensorium_data.loaders.state import LoaderState, digest

FRESH = LoaderState(
    seed=3, batch_size=4, order="mixed", shuffle=True, drop_last=False, fingerprint={"windows": "ab", "layout": "cd"}
)
last_steps: st.SearchStrategy[LastStep] = st.sampled_from(["drop", "wrap"])
legs = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 9)), min_size=1, max_size=5)


def all_ranks(state: LoaderState, n_batches: int, size: int, last_step: LastStep) -> list[Share]:
    return [Share(n_batches, state.n_consumed, Ranks(rank, size), last_step) for rank in range(size)]


@given(st.integers(1, 30), legs, last_steps)
def test_a_state_goes_from_n_ranks_to_m(n_batches: int, runs: list[tuple[int, int]], last_step: LastStep) -> None:
    """A run that is stopped and goes on, ever on other ranks, takes the batches of one rank that never stops."""
    state, taken = FRESH, {0: list[int]()}
    for size, n_steps in runs:
        shares = all_ranks(state, n_batches, size, last_step)
        n_steps = min(n_steps, len(shares[0]))
        taken.setdefault(state.epoch, []).extend(share[step] for step in range(n_steps) for share in shares)
        before, state = state, FRESH.resumed(json.loads(json.dumps(state.after(shares[0], n_steps).state_dict())))
        if state.epoch > before.epoch:
            whole = taken[before.epoch]
            n_unique = n_batches - shares[0].n_dropped
            assert whole[:n_unique] == list(range(n_unique))
            assert whole[n_unique:] == [k % n_batches for k in range(shares[0].n_wrapped)]
            assert state.n_consumed == 0
        else:
            assert taken[state.epoch] == list(range(state.n_consumed))


@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=3),
    st.sampled_from(get_args(Order)),
    st.integers(0, 3),
    last_steps,
    st.data(),
)
def test_what_is_left_is_what_would_have_come(
    sizes: list[int], order: Order, epoch: int, last_step: LastStep, data: st.DataObject
) -> None:
    """The union over M ranks after resuming is the rest of the uninterrupted sequence, window for window."""
    n_ranks, m_ranks = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    batches = Schedule(sizes, 2, order=order, shuffle=True, seed=9).epoch(epoch)
    straight = [(batch.sessions.tolist(), batch.windows.tolist()) for batch in batches]
    state = replace(FRESH, epoch=epoch)
    share = all_ranks(state, len(straight), n_ranks, last_step)[0]
    saved = state.after(share, data.draw(st.integers(0, max(0, len(share) - 1)))).state_dict()

    resumed = FRESH.resumed(saved)
    if resumed.epoch > epoch:  # there was no step at all
        assert len(share) == 0
        return
    again = Schedule(sizes, 2, order=order, shuffle=True, seed=9).epoch(resumed.epoch)
    shares = all_ranks(resumed, len(again), m_ranks, last_step)
    rest = [again[share[step]] for step in range(len(shares[0])) for share in shares]
    n_rest = len(straight) - resumed.n_consumed - shares[0].n_dropped
    got = [(batch.sessions.tolist(), batch.windows.tolist()) for batch in rest]
    assert got[:n_rest] == straight[resumed.n_consumed : resumed.n_consumed + n_rest]
    assert len(got) == n_rest + shares[0].n_wrapped


def test_the_last_step_ends_the_epoch() -> None:
    """Batches that four ranks dropped do not come back when one rank goes on."""
    share = Share(10, 0, Ranks(0, 4), "drop")
    assert (FRESH.after(share, 1).epoch, FRESH.after(share, 1).n_consumed) == (0, 4)
    assert (FRESH.after(share, 2).epoch, FRESH.after(share, 2).n_consumed) == (1, 0)


def test_a_state_is_plain() -> None:
    state = replace(FRESH, epoch=2, n_consumed=5).state_dict()
    assert json.loads(json.dumps(state)) == state
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    assert FRESH.resumed(torch.load(file, weights_only=True)) == replace(FRESH, epoch=2, n_consumed=5)


def test_all_differences_are_named_at_once() -> None:
    other = LoaderState(
        seed=4,
        batch_size=4,
        order="longest",
        shuffle=True,
        drop_last=False,
        fingerprint={"windows": "xx", "extra": "1"},
    )
    with pytest.raises(BadArgument) as failure:
        FRESH.resumed(other.state_dict())
    error = failure.value
    assert error.code == "state-mismatch"
    assert "5 differences" in error.message
    assert error.hint
    assert {problem.where: problem.what for problem in error.problems} == {
        "seed": "4 in the state, 3 here",
        "order": "longest in the state, mixed here",
        "fingerprint.windows": "xx in the state, ab here",
        "fingerprint.layout": "nothing in the state, cd here",
        "fingerprint.extra": "1 in the state, nothing here",
    }


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"version": 2}, "version"),
        ({"epoch": -1}, "epoch"),
        ({"n_consumed": 1.5}, "n_consumed"),
        ({"fingerprint": "ab"}, "fingerprint."),
        ({"batch_size": 8}, "batch_size"),
        ({"shuffle": False}, "shuffle"),
        ({"drop_last": True}, "drop_last"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_field_is_checked(change: dict[str, object], where: str) -> None:
    with pytest.raises(BadArgument) as failure:
        FRESH.resumed({**FRESH.state_dict(), **change})
    assert where in [problem.where for problem in failure.value.problems]


@pytest.mark.parametrize("name", ["epoch", "n_consumed", "seed", "fingerprint", "order"])
def test_a_field_that_is_missing_is_named(name: str) -> None:
    saved = {key: value for key, value in FRESH.state_dict().items() if key != name}
    with pytest.raises(BadArgument) as failure:
        FRESH.resumed(saved)
    assert [problem.where for problem in failure.value.problems] == [name]


@given(st.lists(st.integers(-5, 5), max_size=4), st.lists(st.integers(-5, 5), max_size=4))
def test_a_digest_tells_values_apart(one: list[int], two: list[int]) -> None:
    assert (digest(np.array(one, np.int64)) == digest(np.array(two, np.int16))) == (one == two)


def test_a_digest_tells_kinds_and_borders_apart() -> None:
    values = [("12",), (12,), ("1", "2"), (np.array([12]),), (np.array([12.0]),), (np.array([[12]]),), ()]
    assert len({digest(*value) for value in values}) == len(values)  # type: ignore[arg-type]  # rows of unlike tuples
    with pytest.raises(BadArgument, match="has no fingerprint"):
        digest(np.array(["text"]))
