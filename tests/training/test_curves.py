"""The table of curves: what is written is read, to the last digit, and a kill at any moment leaves a prefix of it."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument, DataInvalid
from sensorium_data.zoo.runs.curves import Curves
from tests.training.crashes import images
from tests.training.rows import any_row, row, rows_of

if TYPE_CHECKING:
    from sensorium_data.zoo.training.records import EpochRecord


@given(st.data(), st.lists(st.tuples(st.sampled_from(["add", "again", "truncate"]), st.integers(0, 5)), max_size=8))
@settings(max_examples=25, deadline=None)
def test_a_kill_between_any_two_writes_leaves_what_was_before_or_after(
    data: st.DataObject, actions: list[tuple[str, int]]
) -> None:
    held: list[EpochRecord] = []
    with TemporaryDirectory() as name:
        folder = Path(name, "run")
        folder.mkdir()
        curves = Curves(folder / "curves.csv")
        for n, (action, where) in enumerate(actions):
            before, epoch = list(held), min(where, len(held)) if action == "again" else len(held)
            with images(folder, Path(name, str(n))) as taken:
                if action == "truncate":
                    curves.truncate(where)
                    held = held[: where + 1]
                else:
                    one = data.draw(any_row(epoch))
                    curves.add(one)
                    held = [*held[:epoch], one]
            assert curves.rows() == held
            assert all(Curves(image / "curves.csv").rows() in (before, held) for image in taken)
            assert taken or action == "truncate"


def test_a_score_that_is_no_number_is_kept(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "curves.csv")
    curves.add(row(0, validation_score=math.nan, train_loss=math.inf))
    (read,) = curves.rows()
    assert math.isnan(read.validation_score)
    assert read.train_loss == math.inf


@pytest.mark.parametrize("cut", range(1, 30, 7))
def test_a_row_that_another_program_cut_is_none(tmp_path: Path, cut: int) -> None:
    curves = Curves(tmp_path / "curves.csv")
    for one in rows_of(3):
        curves.add(one)
    curves.path.write_bytes(curves.path.read_bytes()[:-cut])
    assert curves.rows() == rows_of(2)
    curves.add(row(2))
    assert curves.rows() == rows_of(3)


def test_a_row_that_would_leave_a_gap_is_refused(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "curves.csv")
    curves.add(row(0))
    with pytest.raises(BadArgument, match="ends before epoch 1, a row of epoch 3 cannot follow"):
        curves.add(row(3))
    assert curves.rows() == rows_of(1)


def test_all_rows_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "curves.csv")
    for one in rows_of(4):
        curves.add(one)
    lines = curves.path.read_text().splitlines()
    lines[2] = lines[2].replace("true", "yes")
    lines[3] = lines[3].replace(repr(1 / 3), "half")
    lines[4] = "3,1"
    curves.path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataInvalid, match="3 rows cannot be read") as caught:
        curves.rows()
    assert [(one.where, one.what) for one in caught.value.problems] == [
        ("line 3", "is_best is 'yes', expected true or false"),
        ("line 4", "train_loss is 'half', expected a number"),
        ("line 5", "has 2 cells, expected 11"),
    ]


def test_rows_out_of_order_and_other_columns_are_refused(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "curves.csv")
    for one in rows_of(3):
        curves.add(one)
    lines = curves.path.read_text().splitlines()
    curves.path.write_text("\n".join([lines[0], lines[1], lines[3]]) + "\n")
    with pytest.raises(DataInvalid, match="1 row cannot be read") as caught:
        curves.rows()
    assert caught.value.problems[0].what == "is epoch 2, expected 1"
    curves.path.write_text("epoch,loss\n0,1\n")
    with pytest.raises(DataInvalid, match="expected the columns epoch,n_steps"):
        curves.rows()
