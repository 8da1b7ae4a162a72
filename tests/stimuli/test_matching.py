"""Films of several sessions are grouped as if they were of one, and hardly any frame is read for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import StoreInvalid
from sensorium_data.grouping import BLOCK_FRAMES
from sensorium_data.matching import match_films
from tests.stimuli.made import Made, noise

if TYPE_CHECKING:
    from numpy.typing import NDArray


def linked(films: list[NDArray[Any] | None]) -> list[int]:
    """Group by comparing every film with every other, pixel by pixel; -1 where there is none."""
    group = list(range(len(films)))
    for i, one in enumerate(films):
        for j, other in enumerate(films):
            if one is None or other is None:
                continue
            n = min(len(one), len(other))
            if np.abs(one[:n].astype(float) - other[:n].astype(float)).max() <= 1:
                low, high = sorted((group[i], group[j]))
                group = [low if g == high else g for g in group]
    return [-1 if film is None else g for g, film in zip(group, films, strict=True)]


def same_partition(one: list[int], other: list[int]) -> bool:
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@st.composite
def collections(draw: st.DrawFn) -> list[list[NDArray[Any] | None]]:
    """Sessions of films made from three, cut short, moved by some levels, as bytes or as floats."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    longest = draw(st.sampled_from([1, 9, 25, 70]))
    bases = [noise(seed, longest) for seed in range(3)]
    if draw(st.booleans()):
        for base in bases:
            base[:15] = 127  # a grey beginning that all share
    sessions = []
    for _ in range(draw(st.integers(1, 4))):
        films: list[NDArray[Any] | None] = []
        for _ in range(draw(st.integers(0, 6))):
            film = bases[rng.integers(3)][: rng.integers(1, longest + 1)].astype(np.int64)
            at = rng.integers(film.size, size=rng.integers(0, 4))
            film.flat[at] += rng.integers(-2, 3, at.size)
            dtype = draw(st.sampled_from([np.uint8, np.float32]))
            films.append(None if rng.random() < 0.1 else film.astype(dtype))
        sessions.append(films)
    return sessions


@settings(deadline=None, max_examples=150)
@given(collections())
def test_groups_are_those_of_all_films_in_one_heap(sessions: list[list[NDArray[Any] | None]]) -> None:
    matched = match_films([Made(f"s{i}", films) for i, films in enumerate(sessions)])
    found = [int(group) for groups in matched.of_trial for group in groups]
    heap = [film for films in sessions for film in films]
    assert same_partition(found, linked(heap))
    assert [group == -1 for group in found] == [film is None for film in heap]
    assert sorted(set(found) - {-1}) == list(range(len(matched.identities)))


@settings(deadline=None)
@given(collections(), st.randoms())
def test_the_order_of_sessions_changes_nothing(sessions: list[list[NDArray[Any] | None]], random: Any) -> None:
    order = list(range(len(sessions)))
    random.shuffle(order)
    here = match_films([Made(f"s{i}", films) for i, films in enumerate(sessions)])
    there = match_films([Made(f"s{i}", sessions[i]) for i in order])
    assert here.identities == there.identities
    assert (here.labels, here.n_frames) == (there.labels, there.n_frames)
    for place, i in enumerate(order):
        assert here.of_trial[i].tolist() == there.of_trial[place].tolist()


def test_two_films_of_one_session_are_the_same_through_another_session() -> None:
    film = noise(3)
    up, down = film + 1, film - 1
    assert match_films([Made("a", [up, down])]).of_trial[0].tolist() in ([0, 1], [1, 0])
    one, other = match_films([Made("a", [up, down]), Made("b", [film])]).of_trial
    assert [*one.tolist(), *other.tolist()] == [0, 0, 0]


@pytest.mark.parametrize("modality", ["dynamic", "static"])
def test_only_like_is_compared_with_like(modality: str) -> None:
    image = noise(3, 1)
    sessions = [Made("a", [image], modality=modality), Made("b", [image]), Made("c", [noise(3, 1, (12, 8))])]
    a, b, c = (int(groups[0]) for groups in match_films(sessions).of_trial)
    assert (a == b) is (modality == "dynamic")
    assert c not in {a, b}


def test_a_session_alone_is_not_read() -> None:
    session = Made("a", [noise(i) for i in range(5)])
    match_films([session])
    assert session.made.runs == []


def test_films_that_differ_are_read_for_two_frames() -> None:
    sessions = [Made(key, [noise(seed + i, 100) for i in range(4)]) for key, seed in (("a", 0), ("b", 9))]
    matched = match_films(sessions)
    assert len(matched.identities) == 8
    for session in sessions:
        rows = {row for start, stop in session.made.runs for row in range(start, stop)}
        assert rows == {100 * film + k for film in range(4) for k in range(20)}  # the chunk that holds both frames


def test_films_with_a_common_beginning_are_read_once_and_told_apart() -> None:
    films = [noise(seed, 200) for seed in range(12)]
    for film in films:
        film[:40] = 127
    sessions = [Made("a", list(films[:6])), Made("b", list(films[6:]))]
    assert len(match_films(sessions).identities) == 12
    for session in sessions:
        assert sum(stop - start for start, stop in session.made.runs) <= 6 * (200 + 20)


def test_a_long_film_is_never_held_whole() -> None:
    film = noise(3, 1000)
    sessions = [Made("a", [film]), Made("b", [film.astype(np.float32) + np.float32(0.5)])]
    assert len(match_films(sessions).identities) == 1
    for session in sessions:
        assert max(stop - start for start, stop in session.made.runs) <= BLOCK_FRAMES
        assert {row for start, stop in session.made.runs for row in range(start, stop)} == set(range(1000))


def test_stimuli_without_films_are_groups_of_their_own() -> None:
    sessions = [
        Made(key, [noise(0), noise(1), None], kept=False, stimuli=[4, 7]) for key in ("a", "b")
    ]  # fmt: skip
    matched = match_films([*sessions, Made("c", [noise(0)])])
    assert matched.identities[1:] == ("a/4", "a/7", "b/4", "b/7")
    assert [groups.tolist() for groups in matched.of_trial] == [[1, 2, -1], [3, 4, -1], [0]]
    assert matched.n_frames == (23, 0, 0, 0, 0)
    assert all(session.made.runs == [] for session in sessions)


def test_a_group_is_called_what_most_of_its_films_are_called() -> None:
    film = noise(3)
    nudged = film.copy()
    nudged[0, 0, 0] += 1
    sessions = [Made("a", [film], label="Gabor"), Made("b", [film, nudged], label="PinkNoise"), Made("c", [film])]
    assert match_films(sessions).labels == ("PinkNoise",)


@pytest.mark.parametrize(("column", "value"), [("first_frame", 1), ("n_frames", 0), ("first_frame", -1)])
def test_a_table_that_names_frames_that_are_not_there(column: str, value: int) -> None:
    session = Made("a", [noise(0), noise(1)])
    session.stimuli[column][1] = value if value < 1 else 24
    with pytest.raises(StoreInvalid, match=r"^a\.zarr: `stimuli\[1\]` names frames that are not there") as raised:
        match_films([session])
    assert raised.value.code == "frames-missing"
    assert "sensorium-data check" in raised.value.hint


def test_progress_counts_the_films_that_are_looked_at() -> None:
    seen: list[tuple[int, int]] = []
    sessions = [Made(key, [noise(i), noise(seed)]) for key, seed, i in (("a", 7, 0), ("b", 8, 0))]
    match_films(sessions, report=lambda progress: seen.append((progress.done, progress.total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
