"""A split as masks: no film is on two sides, in no two sessions, and every trial that is there is on one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.errors import BadArgument
from tests.stimuli.made import Made, noise

if TYPE_CHECKING:
    from sensorium_data.stimuli import StimulusGroups

FILMS = [noise(seed, 3) for seed in range(9)]
SHOWN = st.lists(st.one_of(st.none(), st.integers(0, len(FILMS) - 1)), min_size=4, max_size=12)


def groups_of(*shown: list[int | None]) -> StimulusGroups:
    sessions = [
        Made(f"m{i}", [None if film is None else FILMS[film] for film in films]) for i, films in enumerate(shown)
    ]
    return sd.stimulus_groups(sessions, train=())


@given(SHOWN.filter(lambda films: len({*films} - {None}) >= 2), SHOWN, st.integers(0, 99))
def test_no_film_is_on_two_sides(one: list[int | None], other: list[int | None], seed: int) -> None:
    masks = groups_of(one, other).masks({"fit": 0.7, "held": 0.3}, seed)
    assert list(masks) == ["fit", "held"]
    films: dict[str, set[int | None]] = {}
    for side, of_session in masks.items():
        assert list(of_session) == ["m0", "m1"]
        for shown, mask in zip((one, other), of_session.values(), strict=True):
            assert mask.dtype == np.bool_
            films.setdefault(side, set()).update(np.array(shown, object)[mask].tolist())
    assert not films["fit"] & films["held"]
    assert films["fit"] | films["held"] == {*one, *other} - {None}
    for key, shown in (("m0", one), ("m1", other)):
        on = masks["fit"][key].astype(int) + masks["held"][key]
        assert on.tolist() == [int(film is not None) for film in shown]


def test_masks_are_the_split() -> None:
    groups = groups_of([0, 1, 2, None, 0], [3, 4, 1])
    split, masks = groups.split(seed=4), groups.masks(seed=4)
    for side, of_session in masks.items():
        for key, mask in of_session.items():
            np.testing.assert_array_equal(mask, split[key] == side)


def test_shares_are_checked() -> None:
    with pytest.raises(BadArgument, match="add up to 1"):
        groups_of([0, 1, 2, 3]).masks({"fit": 0.7})
