"""Films are grouped by what they show: a relation of the films alone, whatever their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.grouping import difference, group_films, signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = (23, 8, 12)


def noise(seed: int, shape: tuple[int, ...] = SHAPE) -> NDArray[np.uint8]:
    # Away from both ends, so that a level up or down never wraps.
    return np.random.default_rng(seed).integers(2, 254, shape, np.uint8)


def grouped(films: list[Any]) -> list[int]:
    return [int(group) for group in group_films([signature(film) for film in films], films.__getitem__)]


def changed(film: NDArray[Any], by: float, *, n: int = 5, seed: int = 0) -> NDArray[Any]:
    other = film.copy()
    at = np.random.default_rng(seed).choice(film.size, min(n, film.size), replace=False)
    other.flat[at] = other.flat[at] + by if by >= 0 else other.flat[at] - -by
    return other


def linked(films: list[Any]) -> list[int]:
    """Group by comparing every film with every other, pixel by pixel."""
    group = list(range(len(films)))
    for i, one in enumerate(films):
        for j, other in enumerate(films):
            n = min(len(one), len(other))
            if np.abs(one[:n].astype(float) - other[:n].astype(float)).max() <= 1:
                low, high = sorted((group[i], group[j]))
                group = [low if g == high else g for g in group]
    return [sorted(set(group)).index(g) for g in group]


@st.composite
def film_sets(draw: st.DrawFn) -> list[NDArray[Any]]:
    """Some films, each made from one of two by cutting it short and moving pixels or all of it by a few levels."""
    films = []
    for _ in range(draw(st.integers(1, 7))):
        film = noise(draw(st.integers(0, 1)), (draw(st.integers(1, 23)), *SHAPE[1:]))
        film = noise(draw(st.integers(0, 1)))[: len(film)]
        film = changed(film, draw(st.sampled_from([-2, -1, 0, 1, 2])), n=draw(st.sampled_from([1, 5, 10**6])))
        films.append(film.astype(draw(st.sampled_from([np.uint8, np.float32, np.float64]))))
    return films


@settings(deadline=None)
@given(film_sets(), st.randoms())
def test_order_only_renames_the_groups(films: list[Any], random: Any) -> None:
    order = list(range(len(films)))
    random.shuffle(order)
    here, there = grouped(films), grouped([films[i] for i in order])
    back = [there[order.index(i)] for i in range(len(films))]
    assert len(set(zip(here, back, strict=True))) == len(set(here)) == len(set(back))


@settings(deadline=None)
@given(film_sets())
def test_groups_are_those_of_comparing_every_pair(films: list[Any]) -> None:
    assert grouped(films) == linked(films)


@pytest.mark.parametrize("by", [0, 1, -1])
@pytest.mark.parametrize("n", [1, 100, 10**6])
def test_equal_or_one_level_off_is_the_same_film(by: int, n: int) -> None:
    assert grouped([noise(3), changed(noise(3), by, n=n)]) == [0, 0]


@pytest.mark.parametrize("by", [2, -2, 100])
def test_two_levels_in_a_single_pixel_is_another_film(by: int) -> None:
    film = noise(3) // 3 + 50
    assert grouped([film, changed(film, by, n=1)]) == [0, 1]


@pytest.mark.parametrize("n", [1, 9, 10, 11, 22])
def test_a_beginning_is_the_same_film(n: int) -> None:
    assert grouped([noise(3)[:n], noise(3), changed(noise(3)[:n], 1)]) == [0, 0, 0]


def test_an_end_is_another_film() -> None:
    assert grouped([noise(3), noise(3)[1:]]) == [0, 1]


def test_films_are_the_same_through_a_third_one() -> None:
    film = noise(3)
    one, other = changed(film, 1, n=10**6), changed(film, -1, n=10**6)
    assert grouped([one, other]) == [0, 1]
    assert grouped([one, other, film]) == [0, 0, 0]


def test_nan_in_the_same_place_is_the_same_film() -> None:
    film = noise(3).astype(np.float32)
    holed = film.copy()
    holed[4, 0, 0] = np.nan
    assert grouped([holed, holed.copy(), film]) == [0, 0, 1]


def test_no_films_make_no_groups() -> None:
    assert grouped([]) == []


def test_a_difference_is_counted_over_the_common_frames() -> None:
    film = noise(3, (150, 8, 12))
    other = changed(film, 1, n=9)[:140]
    other[70, 0, 0] = film[70, 0, 0] + 2
    gap = difference(film, other)
    wanted = np.abs(film[:140].astype(int) - other.astype(int))
    assert (gap.largest, gap.n_pixels) == (2.0, int((wanted > 0).sum()))
    assert difference(film, other, stop_above=1.0).largest > 1
