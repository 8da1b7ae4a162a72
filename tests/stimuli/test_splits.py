"""Groups are dealt whole, near their shares, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.splits import deal

SIZES = st.lists(st.integers(0, 12), min_size=1, max_size=60)
SEED = st.integers(0, 2**32)
SHARES = st.lists(st.integers(1, 9), min_size=1, max_size=5).map(lambda parts: [part / sum(parts) for part in parts])


@given(SIZES, SHARES, SEED)
def test_every_side_is_near_its_share(sizes: list[int], shares: list[float], seed: int) -> None:
    n_trials = np.array(sizes)
    if np.count_nonzero(n_trials) < len(shares):
        with pytest.raises(BadArgument, match="cannot be dealt"):
            deal(n_trials, shares, seed=seed)
        return
    sides = deal(n_trials, shares, seed=seed)
    assert ((sides == -1) == (n_trials == 0)).all()
    held = np.array([n_trials[sides == side].sum() for side in range(len(shares))])
    assert held.all()
    # No side is below its share by more than a group, and one for each side that the last groups had to fill.
    assert (held >= np.array(shares) * n_trials.sum() - len(shares) * n_trials.max()).all()


@given(SIZES, st.integers(1, 6), SEED)
def test_folds_differ_by_one_group_at_most(sizes: list[int], n: int, seed: int) -> None:
    n_trials = np.array([*sizes, *[1] * n])
    sides = deal(n_trials, [1 / n] * n, seed=seed)
    held = [int(n_trials[sides == side].sum()) for side in range(n)]
    assert max(held) - min(held) <= n_trials.max()


def test_large_and_small_groups_are_shared_out_alike() -> None:
    n_trials = np.array([10] * 50 + [1] * 500)
    sides = deal(n_trials, [0.8, 0.1, 0.1], seed=3)
    large, small = ([int((part == side).sum()) for side in range(3)] for part in (sides[:50], sides[50:]))
    assert [10 * a + b for a, b in zip(large, small, strict=True)] == [800, 100, 100]
    assert max(abs(n - share) for n, share in zip(large, (40, 5, 5), strict=True)) <= 2


@given(SIZES, SEED)
def test_a_seed_is_a_split(sizes: list[int], seed: int) -> None:
    n_trials = np.array([*sizes, 1, 2])
    assert deal(n_trials, [0.5, 0.5], seed=seed).tolist() == deal(n_trials, [0.5, 0.5], seed=seed).tolist()


def test_another_seed_is_another_split() -> None:
    splits = {tuple(deal(np.ones(40, np.int64), [0.5, 0.5], seed=seed).tolist()) for seed in range(10)}
    assert len(splits) == 10


@pytest.mark.parametrize("shares", [[], [0.5], [0.5, 0.6], [1.5, -0.5], [1.0, 0.0], [float("nan")]])
def test_shares_that_are_none(shares: list[float]) -> None:
    with pytest.raises(BadArgument, match=r"expected numbers above 0 that add up to 1"):
        deal(np.ones(9, np.int64), shares, seed=0)


def test_a_negative_seed() -> None:
    with pytest.raises(BadArgument, match=r"seed is -1"):
        deal(np.ones(9, np.int64), [1.0], seed=-1)
