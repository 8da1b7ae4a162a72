"""Candidates are found without looking at every pair, and none is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data import candidates as module
from sensorium_data.candidates import candidates
from sensorium_data.grouping import Partition, group_films, signature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

N_BLOCKS = 16


def found(marks: Sequence[NDArray[np.float32]]) -> list[tuple[int, int]]:
    nobody = np.arange(len(marks))
    pairs = candidates(marks, lambda: nobody)
    return [(int(min(i, j)), int(max(i, j))) for ones, others in pairs for i, j in zip(ones, others, strict=True)]


def near(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Within one level wherever both have a mean, with none in the same places."""
    n = min(len(one), len(other))
    a, b = one[:n].astype(float), other[:n].astype(float)
    with np.errstate(invalid="ignore"):
        gap = np.abs(a - b)
    return bool(((gap <= 1) | (a == b) | (np.isnan(a) & np.isnan(b))).all())


@st.composite
def mark_sets(draw: st.DrawFn) -> list[NDArray[np.float32]]:
    """Signatures of films of several lengths that are close to one of three, some with a block that has no mean."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_films, longest = draw(st.integers(1, 60)), draw(st.integers(1, 4))
    base = rng.integers(0, draw(st.sampled_from([2, 256])), (3, longest, N_BLOCKS))
    if draw(st.booleans()):
        base[:, 0] = 127  # all begin with grey
    step = draw(st.sampled_from([0.0, 0.4, 1.0]))
    marks = []
    for _ in range(n_films):
        mine = (base[rng.integers(3)] + step * rng.integers(-1, 2, (longest, N_BLOCKS))).astype(np.float32)
        if rng.random() < 0.2:
            mine[rng.integers(longest), rng.integers(N_BLOCKS)] = rng.choice([np.nan, np.inf, -np.inf, 1e30])
        marks.append(mine[: rng.integers(1, longest + 1)])
    return marks


@settings(deadline=None)
@given(mark_sets())
def test_every_pair_that_is_near_is_found_once(marks: list[NDArray[np.float32]]) -> None:
    wanted = {(i, j) for j in range(len(marks)) for i in range(j) if near(marks[i], marks[j])}
    pairs = found(marks)
    assert len(set(pairs)) == len(pairs)
    assert wanted <= set(pairs)


@settings(deadline=None)
@given(mark_sets(), st.integers(1, 40))
def test_blocks_of_any_size_hold_the_same_pairs(marks: list[NDArray[np.float32]], size: int) -> None:
    whole = set(found(marks))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "N_PAIRS", size)
        assert set(found(marks)) == whole


def test_blocks_stay_small_where_all_films_look_the_same() -> None:
    marks = [np.full((1, N_BLOCKS), 127, np.float32)] * 800
    nobody = np.arange(len(marks))
    sizes = [len(ones) for ones, _ in candidates(marks, lambda: nobody)]
    assert sum(sizes) == 800 * 799 // 2
    assert max(sizes) <= module.N_PAIRS
    assert len(sizes) > 1


def test_films_that_are_known_to_be_the_same_are_no_candidates() -> None:
    marks = [np.full((1, N_BLOCKS), 127, np.float32)] * 4
    labels = np.array([0, 0, 2, 2])
    pairs = [pair for ones, others in candidates(marks, lambda: labels) for pair in zip(ones, others, strict=True)]
    assert {(min(pair), max(pair)) for pair in pairs} == {(0, 2), (0, 3), (1, 2), (1, 3)}


@pytest.mark.parametrize("shape", [(36, 64), (2, 36, 64)])
def test_thousands_of_images_are_told_apart_without_reading_one(shape: tuple[int, ...]) -> None:
    # Scenes, not noise: images of one session differ in their means.
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (10_000, 1, *shape[:-2], 6, 8)).astype(np.uint8)
    images = coarse.repeat(6, axis=-2).repeat(8, axis=-1)

    def film(i: int) -> Any:
        pytest.fail(f"image {i} was read")

    groups = group_films([signature(image) for image in images], film)
    assert groups.tolist() == list(range(10_000))


def test_only_films_that_look_the_same_are_read() -> None:
    rng = np.random.default_rng(1)
    images = list(rng.integers(2, 254, (300, 1, 36, 64)).astype(np.uint8))
    images += [image ^ 1 for image in images[:5]]
    read = []

    def film(i: int) -> Any:
        read.append(i)
        return images[i]

    groups = group_films([signature(image) for image in images], film)
    assert groups.tolist() == [*range(300), *range(5)]
    assert sorted(read) == [*range(5), *range(300, 305)]


def test_films_that_begin_with_the_same_grey_are_looked_up_by_what_follows() -> None:
    rng = np.random.default_rng(2)
    grey = np.full((15, 8, 12), 127, np.uint8)
    films = [np.concatenate([grey, rng.integers(0, 256, (25, 8, 12)).astype(np.uint8)]) for _ in range(500)]

    def film(i: int) -> Any:
        pytest.fail(f"film {i} was read")

    assert len(np.unique(group_films([signature(film) for film in films], film))) == 500


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_a_partition_labels_groups_by_their_smallest_member(pairs: list[tuple[int, int]]) -> None:
    parts = Partition(10)
    wanted = list(range(10))
    for a, b in pairs:
        parts.join(a, b)
        low, high = sorted((wanted[a], wanted[b]))
        wanted = [low if label == high else label for label in wanted]
        assert parts.root(a) == parts.root(b) == low
    assert parts.labels().tolist() == wanted


def test_what_is_known_joins_films_that_no_pixel_would() -> None:
    films = [np.full((1, 8, 8), level, np.uint8) for level in (0, 50, 51, 100)]
    known = Partition(4)
    known.join(0, 1)
    groups = group_films([signature(film) for film in films], films.__getitem__, known=known)
    assert groups.tolist() == [0, 0, 0, 1]
    assert known.labels().tolist() == [0, 0, 0, 3]


def test_equal_holes_and_infinities_are_the_same_film() -> None:
    film = np.random.default_rng(3).normal(100, 30, (12, 8, 12))
    holed, endless = film.copy(), film.copy()
    holed[10, 0, 0], endless[0, 4, 4] = np.nan, np.inf
    films = [film, holed, endless, holed[:11], endless + 0.5, endless + 3]
    assert group_films([signature(each) for each in films], films.__getitem__).tolist() == [0, 1, 2, 1, 2, 3]
