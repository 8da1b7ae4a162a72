"""A foreign Parquet file as a whole: how it is packed, cut, damaged, or made to fill a memory; and read back."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sensorium_data.errors import DataInvalid, NotFound
from sensorium_data.evaluation.submissions import parquet
from sensorium_data.evaluation.submissions.checking import check_submission
from sensorium_data.evaluation.submissions.facts import LARGEST
from sensorium_data.evaluation.submissions.footer import BadFooter, read_footer
from sensorium_data.evaluation.submissions.reading import read_submission
from tests.evaluation.submitted import (
    MAIN,
    NEW,
    Mice,
    film_rows,
    made_once,
    predictions,
    trials,
    write_parquet,
)

if TYPE_CHECKING:
    from pathlib import Path


pa = pytest.importorskip("pyarrow")

NAME = "predictions_live_main.parquet.brotli"
FLOATS = pa.list_(pa.list_(pa.float64()))


@pytest.fixture(scope="module")
def mice(tmp_path_factory: pytest.TempPathFactory) -> Mice:
    return made_once(tmp_path_factory)


def _found(path: Path, sessions: Any = None) -> dict[str, str]:
    """Code and text of the findings, but for those that every small file has."""
    report = check_submission(path, sessions)
    usual = {"mice-missing", "not-zipped"}
    return {each.code: f"{each.where}: {each.what}" for each in report.findings if each.code not in usual}


@pytest.mark.parametrize("codec", ["snappy", "none", "gzip"])
def test_other_packings_are_named(mice: Mice, tmp_path: Path, codec: str) -> None:
    path = write_parquet(tmp_path / NAME, film_rows(mice.new), compression=codec)
    found = _found(path, mice.new)
    assert set(found) == {"not-brotli"}
    assert len(list(read_submission(path, mice.new))) == len(trials(mice.new, MAIN[0]))


def test_damaged_files_are_named_wherever_they_are_cut(mice: Mice, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / NAME, film_rows(mice.new))
    whole = path.read_bytes()
    for n in [*range(4, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:n])
        assert set(_found(path, mice.new)) == {"parquet-damaged"}
        with pytest.raises(DataInvalid, match="is no whole Parquet file"):
            list(read_submission(path, mice.new))


def test_flipped_bytes_are_faults_or_change_nothing_but_values(mice: Mice, tmp_path: Path) -> None:
    """Whatever is in the file, it is told or read; nothing else is raised."""
    path = write_parquet(tmp_path / NAME, film_rows(mice.new))
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for at in rng.permutation(len(whole))[:150]:
        spoilt = bytearray(whole)
        spoilt[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(spoilt))
        report = check_submission(path, mice.new)
        try:
            n_read = len(list(read_submission(path, mice.new)))
        except DataInvalid:
            assert not report.ok
        else:
            assert n_read <= len(trials(mice.new, MAIN[0]))


def test_files_that_are_something_else(mice: Mice, tmp_path: Path) -> None:
    path = tmp_path / NAME
    for content in (b"", b"\x89PNG\r\n", b"<html>"):
        path.write_bytes(content)
        assert set(_found(path, mice.new)) == {"format-unknown"}
        with pytest.raises(DataInvalid):
            list(read_submission(path, mice.new))
    with pytest.raises(NotFound, match="is a folder"):
        check_submission(tmp_path)


def test_too_many_rows_and_rows_too_large_are_not_read(
    mice: Mice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(tmp_path / NAME, film_rows(mice.new))
    monkeypatch.setattr(parquet, "MOST_ROWS", 2)
    assert set(_found(path, mice.new)) == {"too-many-rows"}
    monkeypatch.undo()
    monkeypatch.setattr(parquet, "LARGEST_ROW", 100)
    assert set(_found(path, mice.new)) == {"row-too-large"}
    monkeypatch.undo()
    # Zeros, packed to nothing: the footer says how many there are.
    monkeypatch.setattr(parquet, "LARGEST_ROW", 1 << 20)
    zeros = film_rows(mice.new)[0] | {"prediction": [[0.0] * 100_000] * 5}
    write_parquet(path, [zeros], use_dictionary=False)
    assert path.stat().st_size < 10_000
    assert set(_found(path, mice.new)) == {"row-too-large"}


def test_no_rows_and_too_many_bytes(mice: Mice, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = write_parquet(tmp_path / NAME, film_rows(mice.new))
    pq.write_table(pq.read_table(path).slice(0, 0), path, compression="brotli")
    assert set(_found(path)) == {"no-rows"}
    with path.open("r+b") as file:
        file.truncate(LARGEST + 1)  # holes: no byte of them is on the disk
    assert set(_found(path)) == {"too-large", "parquet-damaged"}


def test_foreign_rows_are_read_by_their_names(mice: Mice, tmp_path: Path) -> None:
    """Neurons in an order of their own, mice mixed, files' names for numbers."""
    rows: list[dict[str, Any]] = []
    for mouse in mice.films:
        rows += film_rows(
            mouse,
            prediction=lambda _, row: row["prediction"][::-1],
            neuron_ids=lambda _, row: row["neuron_ids"][::-1],
            trial_indices=lambda _, row: f"{row['trial_indices']}.npy",
        )
    rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    path = write_parquet(tmp_path / "theirs.parquet", rows, kinds={"trial_indices": pa.string()})
    wanted = {(each.session, each.trial_id): each for each in predictions(mice.films, MAIN[:1])}
    found = list(read_submission(path, mice.films))
    assert len(found) == len(wanted)
    for each in found:
        made = wanted[each.session, each.trial_id]
        np.testing.assert_array_equal(each.unit_ids[::-1], made.unit_ids)
        np.testing.assert_array_equal(each.values[:, ::-1], made.values[32:41])
    only = list(read_submission(path, mice.new))
    assert {each.session for each in only} == {NEW}


def test_one_row_group_and_many_are_the_same(mice: Mice, tmp_path: Path) -> None:
    rows = film_rows(mice.new) + film_rows(mice.old)
    for size in (1, 2, len(rows)):
        path = write_parquet(tmp_path / NAME, rows, row_group_size=size)
        assert _found(path, mice.films).keys() == {"mice-not-scored"}
        assert len(list(read_submission(path, mice.films))) == len(rows)


@pytest.mark.parametrize("options", [{}, {"row_group_size": 1}, {"compression": "snappy"}, {"write_statistics": False}])
def test_the_footer_says_what_arrow_says(mice: Mice, tmp_path: Path, options: dict[str, Any]) -> None:
    import pyarrow.parquet as pq

    path = write_parquet(tmp_path / NAME, film_rows(mice.new), **options)
    with path.open("rb") as file:
        found = read_footer(file)
        assert file.tell() == 0
    metadata = pq.ParquetFile(path).metadata
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    assert found.n_rows == metadata.num_rows
    assert [each.n_rows for each in found.groups] == [each.num_rows for each in groups]
    for mine, its in zip(found.groups, groups, strict=True):
        columns = [its.column(i) for i in range(its.num_columns)]
        assert mine.n_bytes == sum(each.total_uncompressed_size for each in columns)
        assert mine.codecs == {each.compression for each in columns}


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=80), repeat=st.sampled_from([1, 50, 5_000]))
@example(data=b"\x19\x19", repeat=5_000)  # lists in lists
@example(data=b"\x1c", repeat=5_000)  # structs in structs
@example(data=b"\x19\xfc\xff\xff\xff\xff\x0f", repeat=1)  # four billion structs
def test_any_bytes_are_a_footer_or_refused(data: bytes, repeat: int) -> None:
    whole = data * repeat
    file = io.BytesIO(b"PAR1" + whole + len(whole).to_bytes(4, "little") + b"PAR1")
    with contextlib.suppress(BadFooter):
        assert read_footer(file).n_rows >= 0
