"""Which request meets which fault: a seed decides by order alone."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.servers.faults import KINDS, Fault, Request, seeded


def request(index: int) -> Request:
    return Request(index, "GET", "/", {})


@given(st.integers(0, 2**64), st.floats(0, 1), st.permutations(range(40)))
def test_seeds_decide_by_index_alone(seed: int, share: float, order: list[int]) -> None:
    first = seeded(random.Random(seed), share, KINDS)
    again = seeded(random.Random(seed), share, KINDS)
    assert [first(request(i)) for i in range(40)] == [
        fault for _, fault in sorted({i: again(request(i)) for i in order}.items())
    ]


def test_share_of_faults() -> None:
    choose = seeded(random.Random(1), 0.25, ["503", "truncate"])
    kinds = Counter(fault.kind if (fault := choose(request(i))) else None for i in range(4000))
    assert kinds.keys() == {None, "503", "truncate"}
    assert 2900 < kinds[None] < 3100
    assert 400 < kinds["503"] < 600


def test_no_such_fault() -> None:
    with pytest.raises(ValueError, match="'teapot' is no fault"):
        Fault("teapot")
