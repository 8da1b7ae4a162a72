"""A file of a store that was lost is an error: Zarr reads fill values there, and nobody would know."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.errors import NotFound, StoreInvalid
from sensorium_data.store.opened import OpenStore
from sensorium_data.store.touched import touched_cells
from tests.store.damage import RESPONSES, Damaged

SLICES = st.builds(slice, st.none() | st.integers(-30, 30), st.none() | st.integers(-30, 30), st.integers(1, 9))


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Damaged:
    return Damaged(Path(shutil.copytree(sound, tmp_path / "it's damaged.zarr")))


@settings(deadline=None)
@given(data=st.data(), shape=st.lists(st.integers(0, 20), min_size=1, max_size=3), size=st.integers(1, 7))
def test_the_cells_are_those_of_the_values(data: st.DataObject, shape: list[int], size: int) -> None:
    cell = [size] * len(shape)
    grid = np.indices(shape).reshape(len(shape), -1).T // size
    cells = np.empty(shape, object)
    cells.reshape(-1)[:] = [tuple(place) for place in grid.tolist()]
    key: list[Any] = []
    for n in shape:
        places = st.integers(-n, n - 1)
        lists = st.lists(places, max_size=5).map(lambda v: np.array(v, int))
        key.append(data.draw(SLICES | lists | places if n > 0 else SLICES))
    picked: Any = cells
    for axis, part in reversed(list(enumerate(key))):
        picked = picked[(slice(None),) * axis + (part,)]
    wanted = {picked} if isinstance(picked, tuple) else set(picked.reshape(-1).tolist())
    assert set(touched_cells(shape, cell, tuple(key))) == wanted


def test_keys_are_filled_up() -> None:
    assert len(list(touched_cells((4, 4), (2, 2), ...))) == 4
    assert list(touched_cells((4, 4), (2, 2), (..., slice(0, 1)))) == [(0, 0), (1, 0)]
    assert list(touched_cells((4, 4), (2, 2), 3)) == [(1, 0), (1, 1)]
    assert list(touched_cells((), (), ...)) == [()]
    assert list(touched_cells((4,), (2,), np.array([False, False, True, False]))) == [(1,)]


LOST = {
    "stimuli/frames/c/0/0/0": lambda session: session.trial(5)["video"],
    f"{RESPONSES}/c/0/0": lambda session: session["responses"][3:5].to_numpy(),
    "signals/pupil/values/c/0": lambda session: session["pupil"].to_numpy(),
    "trials/tier/c/0": lambda session: session.trials,
    "neurons/x/c/0": lambda session: session.neurons,
    "statistics/train/responses/mean/c/0": lambda session: session.statistics["train/responses/mean"].to_numpy(),
}


@pytest.mark.parametrize("key", LOST)
def test_a_file_that_was_lost_is_an_error(store: Damaged, key: str) -> None:
    (store.path / key).unlink()
    session = sd.open_session(store.path)
    with pytest.raises(StoreInvalid, match="has lost its file") as caught:
        LOST[key](session)
    assert caught.value.code == "array-unreadable"
    assert caught.value.message == f"{store.path}: `{key.split('/c/', maxsplit=1)[0]}` has lost its file {key}"
    assert not check_store(store.path).ok


def test_nothing_is_asked_of_files_that_are_not_needed(store: Damaged) -> None:
    (store.path / RESPONSES / "c/0/0").unlink()
    session = sd.open_session(store.path)
    assert session["responses"][:0].to_numpy().shape == (0, 6)
    assert session["pupil"].to_numpy().size


def test_hints_can_be_typed(store: Damaged) -> None:
    store.cut("trials/tier/c/0", 3)
    opened = OpenStore(store.path)
    for ask in (
        lambda: opened.values("trials/tier"),
        lambda: opened.array("neurons/w"),
        lambda: opened.table("neurons", "w"),
    ):
        with pytest.raises(StoreInvalid) as caught:
            ask()
        command = caught.value.hint.split("`")[1]
        assert shlex.split(command) == ["sensorium-data", "check", str(store.path)]


def test_a_file_that_does_not_decode_names_the_store_once(store: Damaged) -> None:
    store.cut("trials/tier/c/0", 3)
    with pytest.raises(StoreInvalid) as caught:
        OpenStore(store.path).values("trials/tier")
    assert caught.value.message.count(str(store.path)) == 1
    assert "`trials/tier` does not decode" in caught.value.message


def test_only_stores_are_offered_for_a_name_that_is_wrong(store: Damaged) -> None:
    folder = store.path.parent
    for name in ("it's damaged.zip", "notes.txt", ".it's damaged.zarr.partial"):
        (folder / name).mkdir()
    with pytest.raises(NotFound) as caught:
        sd.open_session(folder / "its damaged.zarr")
    assert caught.value.hint == "did you mean `it's damaged.zarr`?"
    with pytest.raises(NotFound) as caught:
        sd.open_session(folder / "notes.txt" / "x")
    assert "convert SOURCE TARGET" in caught.value.hint
    with pytest.raises(NotFound):
        sd.open_session(folder / ("x" * 300))
