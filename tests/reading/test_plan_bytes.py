"""The plan, against files that are bytes in memory: any order of chunks, any gaps between them, any run of rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_data.reading.plan import Plan, Run


@dataclass
class Files:
    """An array of one-byte rows, or of longer ones, in files of shuffled chunks with junk between them."""

    plan: Plan
    shards: list[bytes]
    values: bytes


@st.composite
def files(draw: st.DrawFn) -> Files:
    chunk, per_shard, row_bytes = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    n_rows = draw(st.integers(1, 60))
    values = bytes(draw(st.binary(min_size=n_rows * row_bytes, max_size=n_rows * row_bytes)))
    n_chunks = -(-n_rows // chunk)
    padded = values + b"~" * (n_chunks * chunk * row_bytes - len(values))
    index, shards = np.zeros((n_chunks, 2), np.int64), []
    for first in range(0, n_chunks, per_shard):
        file = b""
        for number in draw(st.permutations(range(first, min(first + per_shard, n_chunks)))):
            file += b"?" * draw(st.sampled_from([0, 0, 0, 3]))
            data = padded[number * chunk * row_bytes : (number + 1) * chunk * row_bytes]
            index[number] = len(file), len(data)
            file += data
        shards.append(file)
    return Files(Plan(n_rows, chunk, per_shard, row_bytes, index), shards, values)


@st.composite
def rows_of(draw: st.DrawFn) -> tuple[Files, int, int]:
    made = draw(files())
    first = draw(st.integers(0, made.plan.n_rows - 1))
    return made, first, draw(st.integers(1, made.plan.n_rows - first))


@given(rows_of(), st.none() | st.integers(1, 40))
def test_runs_are_exactly_the_rows_in_order(given: tuple[Files, int, int], most: int | None) -> None:
    made, first, n = given
    row_bytes = made.plan.row_bytes
    runs = made.plan.runs(first, n, most)
    seen = b"".join(made.shards[r.shard][r.offset : r.offset + r.n_rows * row_bytes] for r in runs)
    assert seen == made.values[first * row_bytes : (first + n) * row_bytes]
    assert [r.at for r in runs] == np.cumsum([0, *(r.n_rows for r in runs[:-1])]).tolist()
    assert most is None or all(r.n_rows == 1 or r.n_rows * row_bytes <= most for r in runs)


@given(rows_of(), st.integers(1, 40) | st.just(10**6))
def test_fetches_hold_every_chunk_of_the_rows_once(given: tuple[Files, int, int], most: int) -> None:
    made, first, n = given
    plan = made.plan
    start, stop = plan.chunks(first, n)
    assert start * plan.chunk <= first < first + n <= stop * plan.chunk
    fetches = plan.fetches(start, stop, most)
    assert [part.chunk for fetch in fetches for part in fetch.parts] == list(range(start, stop))
    for fetch in fetches:
        data = made.shards[fetch.shard][fetch.offset : fetch.offset + fetch.length]
        assert len(fetch.parts) == 1 or fetch.length <= most
        assert fetch.parts[-1].stop == fetch.length
        for part in fetch.parts:
            low, high = (row * plan.row_bytes for row in plan.rows_of(part.chunk))
            assert data[part.start : part.stop].startswith(made.values[low:high])


@given(rows_of())
def test_neighbours_are_never_asked_for_apart(given: tuple[Files, int, int]) -> None:
    made, first, n = given
    row_bytes = made.plan.row_bytes
    ends = [(r.shard, r.offset, r.offset + r.n_rows * row_bytes) for r in made.plan.runs(first, n)]
    ends_of_fetches = [(f.shard, f.offset, f.offset + f.length) for f in made.plan.fetches(*made.plan.chunks(first, n))]
    for ranges in (ends, ends_of_fetches):
        assert not any(a[0] == b[0] and a[2] == b[1] for a, b in pairwise(ranges))


@pytest.mark.parametrize(
    ("first", "n", "expected"),
    [
        pytest.param(0, 1, [Run(0, 0, 0, 1)], id="first row"),
        pytest.param(2990, 20, [Run(0, 2990 * 4, 0, 10), Run(1, 0, 10, 10)], id="over the end of a shard"),
        pytest.param(15, 80, [Run(0, 60, 0, 80)], id="a window in one range"),
    ],
)
def test_layout_as_written(first: int, n: int, expected: list[Run]) -> None:
    index = np.array([[chunk % 150 * 80, 80] for chunk in range(300)])
    assert Plan(6000, 20, 150, 4, index).runs(first, n) == expected
