"""Sessions assembled from real recorded parts: films that two mice really saw are found, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import sensorium_data as sd
from tests.shared.test_assembled import ASSEMBLE, KEYS, _assemble, _truth

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not ASSEMBLE.is_file(), reason="the real recorded parts are not beside this checkout"),
]


def test_films_that_mice_share(tmp_path: Path, full: bool) -> None:
    shown: dict[str, dict[int, str]] = {}
    keys = KEYS if full else (KEYS[0], KEYS[2])
    for key in keys:
        source = _assemble(tmp_path, key, full=full)
        sd.convert(source, tmp_path / f"{key}.zarr")
        shown[key] = {int(trial["file_number"]): trial["video_id"] for trial in _truth(source)}
    groups = sd.stimulus_groups([tmp_path / f"{key}.zarr" for key in keys])
    group_of: dict[str, int] = {}
    for key, films in shown.items():
        numbers = sd.open_session(tmp_path / f"{key}.zarr").trials.trial_id.values
        for number, group in zip(numbers.tolist(), groups[key].tolist(), strict=True):
            assert (group == -1) == (number not in films)
            if group >= 0:
                assert group_of.setdefault(films[number], group) == group
    assert len(set(group_of.values())) == len(group_of) == groups.n_groups
    # Mice A and F saw the same films, mouse D none of theirs.
    common = set(shown[KEYS[0]].values()) & set(shown[KEYS[2]].values())
    assert common
    assert groups.shared == ((KEYS[0], KEYS[2], len(common)),)
