"""Images of several static sessions: the same picture has one number in all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import sensorium_data as sd
from sensorium_data.errors import StimulusLeakWarning
from sensorium_data.testing import describe_sensorium2022, write_sensorium2022

if TYPE_CHECKING:
    from pathlib import Path

# The third is stored as floats: no digest equals one of the others.
SESSIONS: dict[str, dict[str, Any]] = {
    "21067-10-18": {"nudged": True},
    "22846-10-16": {"n_repeats": 2, "n_train": 5},
    "23343-5-17": {"fractional": True, "n_train": 5},
}
PLAN = ("n_repeats", "n_train")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("static")
    targets = []
    for key, how in SESSIONS.items():
        name = f"static{key}-GrayImageNet-x"
        targets.append(folder / f"{key}.zarr")
        sd.convert(write_sensorium2022(folder, name=name, n_neurons=2, frame_shape=(9, 16), **how), targets[-1])
    return targets


def test_pictures_are_those_that_were_made(stores: list[Path]) -> None:
    with pytest.warns(StimulusLeakWarning, match=r"21067-10-18 -> 22846-10-16 \(2 films: test\), 21067-10-18 -> 23343"):
        groups = sd.stimulus_groups(stores)
    shown = {
        key: [trial.image for trial in describe_sensorium2022(**{n: how[n] for n in PLAN if n in how})]
        for key, how in SESSIONS.items()
    }
    number: dict[str, dict[str, int]] = {}
    for key, images in shown.items():
        number[key] = dict(zip(images, groups[key].tolist(), strict=True))
        assert [number[key][image] for image in images] == groups[key].tolist()
    first, second, third = number.values()
    assert second == third
    # Pictures are drawn by their number through all tiers: what the first session trains on, the others test with.
    assert set(second.values()) <= set(first.values())
    assert first["train-8"] == second["test-0"]
    assert [pair.n_groups for pair in groups.shared] == [10, 10, 10]
    assert groups.n_groups == 21
    assert set(groups.n_frames) == {1}
    split = groups.split({"mine": 0.5, "yours": 0.5}, seed=1)
    sides = {(group, side) for key in groups.keys for group, side in zip(groups[key], split[key], strict=True)}
    assert len(sides) == 21
