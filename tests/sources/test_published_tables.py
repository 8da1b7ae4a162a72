"""Tables as they may lie in a published folder: no column hides another, and text is text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sensorium_data.conversion import audit_source
from sensorium_data.errors import SourceInvalid
from sensorium_data.sources import open_source
from sensorium_data.testing import write_sensorium2022

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_sensorium2022(tmp_path, n_neurons=4, frame_shape=(4, 6))


def _problems(source: Path) -> dict[str, str]:
    with pytest.raises(SourceInvalid) as caught:
        open_source(source)
    return {problem.code: f"{problem.where} {problem.what}" for problem in caught.value.problems}


@pytest.mark.parametrize("table", ["trials", "neurons"])
def test_two_members_that_would_be_one_column_are_a_problem(source: Path, table: str) -> None:
    rows = len(np.load(source / f"meta/{table}/{'tiers' if table == 'trials' else 'unit_ids'}.npy"))
    (source / f"meta/{table}/a").mkdir()
    np.save(source / f"meta/{table}/a/b.npy", np.arange(rows))
    np.save(source / f"meta/{table}/a_b.npy", np.arange(rows))
    what = _problems(source)["duplicate-column"]
    assert "`a_b`" in what
    assert f"meta/{table}/a/b.npy" in what
    assert f"meta/{table}/a_b.npy" in what


def test_a_table_in_a_folder_is_a_column_of_its_own(source: Path) -> None:
    (source / "meta/neurons/sub").mkdir()
    np.save(source / "meta/neurons/sub/area.npy", np.full(4, "LM"))
    neurons = open_source(source)[1].neurons
    assert set(neurons["area"].values.tolist()) == {"V1"}
    assert set(neurons["sub_area"].values.tolist()) == {"LM"}


@pytest.mark.parametrize("point", [0xD800, 0x110000, 0xFFFFFFFF])
@pytest.mark.parametrize("member", ["trials/tiers", "neurons/area"])
def test_code_points_that_are_no_characters_are_a_problem(source: Path, member: str, point: int) -> None:
    path = source / f"meta/{member}.npy"
    values = np.load(path)
    values.view(np.uint32).reshape(len(values), -1)[0, 0] = point
    np.save(path, values)
    assert f"meta/{member}.npy" in _problems(source)["npy-text"]
    assert not audit_source(source).ok


def test_a_pipe_among_the_members_is_not_waited_for(source: Path) -> None:
    os.mkfifo(source / "data/images/pipe")
    with pytest.raises(SourceInvalid, match="no regular file, 1 member of it") as caught:
        open_source(source)
    assert [(p.code, p.where) for p in caught.value.problems] == [("unreadable", "data/images/pipe")]
