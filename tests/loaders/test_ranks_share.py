"""Rank r of N takes batches r, r + N, …: together every batch once, what is dropped or wrapped counted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.loaders.ranks import LastStep, Ranks, Share, find_ranks

if TYPE_CHECKING:
    from pathlib import Path

last_steps: st.SearchStrategy[LastStep] = st.sampled_from(["drop", "wrap"])


def shares(n_batches: int, first: int, size: int, last_step: LastStep) -> list[Share]:
    return [Share(n_batches, first, Ranks(rank, size), last_step) for rank in range(size)]


@given(st.integers(0, 40), st.integers(1, 9), last_steps, st.data())
def test_ranks_take_what_is_left_once(n_batches: int, size: int, last_step: LastStep, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, n_batches))
    all_shares = shares(n_batches, first, size, last_step)
    share = all_shares[0]
    taken = Counter(b for one in all_shares for b in one)
    left = Counter(range(first, n_batches - share.n_dropped))
    assert taken == left + Counter(k % n_batches for k in range(share.n_wrapped))
    assert {len(one) for one in all_shares} == {len(share)}
    assert share.n_dropped < size
    assert share.n_wrapped < size
    assert not (share.n_wrapped if last_step == "drop" else share.n_dropped)


@given(st.integers(1, 40), st.integers(1, 9), last_steps)
def test_step_by_step_the_batches_come_in_their_order(n_batches: int, size: int, last_step: LastStep) -> None:
    all_shares = shares(n_batches, 0, size, last_step)
    dealt = [one[step] for step in range(len(all_shares[0])) for one in all_shares]
    assert dealt == [k % n_batches for k in range(len(dealt))]
    for one in all_shares:
        assert list(one) == [one[step] for step in range(len(one))]
        with pytest.raises(IndexError):
            one[len(one)]


def test_a_share_is_inside_its_epoch() -> None:
    with pytest.raises(BadArgument, match="5 batches were consumed of an epoch of 4"):
        Share(4, 5)
    with pytest.raises(BadArgument, match="last_step is 'warp'") as failure:
        Share(4, 0, last_step="warp")  # type: ignore[arg-type]  # the point
    assert failure.value.hint == "did you mean `wrap`?"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("given_ranks", "variables", "expected"),
    [
        ((None, None), {}, (0, 1)),
        ((None, None), {"RANK": "2", "WORLD_SIZE": "3"}, (2, 3)),
        ((0, 2), {"RANK": "2", "WORLD_SIZE": "3"}, (0, 2)),
    ],
    ids=["alone", "environment", "given"],
)
def test_where_ranks_come_from(
    bare: pytest.MonkeyPatch,
    given_ranks: tuple[int | None, int | None],
    variables: dict[str, str],
    expected: tuple[int, int],
) -> None:
    for name, value in variables.items():
        bare.setenv(name, value)
    assert find_ranks(*given_ranks) == expected


def test_a_process_group_comes_before_the_environment(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setenv("RANK", "2")
    bare.setenv("WORLD_SIZE", "3")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    try:
        assert find_ranks() == (0, 1)
    finally:
        dist.destroy_process_group()
    assert find_ranks() == (2, 3)


@pytest.mark.parametrize(
    ("given_ranks", "variables", "message"),
    [
        ((1, None), {}, "rank is 1 and world_size is None"),
        ((None, 2), {}, "rank is None and world_size is 2"),
        ((2, 2), {}, "rank is 2 and world_size is 2, expected a rank from 0"),
        ((-1, 2), {}, "rank is -1"),
        ((1.5, 4), {}, "rank is 1.5, expected an integer"),
        ((1, 4.0), {}, "world_size is 4.0, expected an integer"),
        (("1", 4), {}, "rank is '1', expected an integer"),
        ((True, 4), {}, "rank is True, expected an integer"),
        ((0, 0), {}, "world_size is 0"),
        ((None, None), {"RANK": "1"}, "only RANK is set"),
        ((None, None), {"WORLD_SIZE": "2"}, "only WORLD_SIZE is set"),
        (
            (None, None),
            {"RANK": "one", "WORLD_SIZE": "2"},
            "RANK is 'one' and WORLD_SIZE is '2', expected two integers",
        ),
        ((None, None), {"RANK": "2", "WORLD_SIZE": "2"}, "(environment variables RANK and WORLD_SIZE)"),
    ],
    ids=[
        "rank",
        "size",
        "beyond",
        "negative",
        "between",
        "float",
        "text-given",
        "truth",
        "nobody",
        "half",
        "other-half",
        "text",
        "environment",
    ],
)
def test_nonsense_is_refused(
    bare: pytest.MonkeyPatch, given_ranks: tuple[int | None, int | None], variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        bare.setenv(name, value)
    with pytest.raises(BadArgument) as failure:
        find_ranks(*given_ranks)
    assert message in str(failure.value)
