"""A foreign Parquet file: every fault by its code, what is only odd as a remark, and nothing taken on trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sensorium_data.errors import DataInvalid
from sensorium_data.evaluation.submissions.checking import check_submission
from sensorium_data.evaluation.submissions.facts import SCORED
from sensorium_data.evaluation.submissions.reading import read_submission
from tests.evaluation.submitted import (
    FOLDERS,
    MAIN,
    NEW,
    OLD,
    Mice,
    codes,
    film_rows,
    made_once,
    predictions,
    trials,
    write_parquet,
)

if TYPE_CHECKING:
    from collections.abc import Callable
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


def _cut(n: int) -> Callable[[int, dict[str, Any]], Any]:
    """Predictions of n frames."""
    return lambda _, row: [(frames * 40)[:n] for frames in row["prediction"]]


def _changed(value: Any) -> Callable[[int, dict[str, Any]], Any]:
    """Predictions of which one number of the first trial is another one."""

    def change(i: int, row: dict[str, Any]) -> Any:
        return [[value, *row["prediction"][0][1:]], *row["prediction"][1:]] if i == 0 else row["prediction"]

    return change


def _first(value: Callable[[dict[str, Any]], Any], name: str) -> Callable[[int, dict[str, Any]], Any]:
    """A column that is another one in the first row."""
    return lambda i, row: value(row) if i == 0 else row[name]


# Code, what is said, and which columns are written otherwise.
FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "the window of a cut loader": ("window-30", "30 frames, expected 9", {"prediction": _cut(30)}),
    "another window": ("window-length", "8 frames, expected 9 (3 trials: ", {"prediction": _cut(8)}),
    "a whole trial": ("window-length", "60 frames, expected 9", {"prediction": _cut(60)}),
    "the README's window": ("window-250", "10 frames, one more than were scored", {"prediction": _cut(10)}),
    "ragged": ("ragged", "in how many frames they have (trial ", {"prediction": lambda i, row: [
        frames[: len(frames) - (i == 1 and n == 2)] for n, frames in enumerate(row["prediction"])]}),
    "no neurons": ("ragged", "its neurons differ", {"prediction": _first(lambda _: [], "prediction")}),
    "nan": ("nan", "some predictions are NaN (trial ", {"prediction": _changed(float("nan"))}),
    "infinite": ("infinite", "some predictions are infinite", {"prediction": _changed(float("-inf"))}),
    "null": ("null", "some values or neuron ids are null", {"prediction": _changed(None)}),
    "a neuron is null": ("null", "are null", {"prediction": lambda _, row: [None, *row["prediction"][1:]]}),
    "an id is null": ("null", "or neuron ids are null", {"neuron_ids": lambda _, row: [None, *row["neuron_ids"][1:]]}),
    "negative": ("negative", "some predictions are negative, -0.25 for one", {"prediction": _changed(-0.25)}),
    "zeros": ("all-zero", "every prediction is zero (trial ", {
        "prediction": _first(lambda row: [[0.0] * 9 for _ in row["prediction"]], "prediction")}),
    "swapped neurons": ("neurons-order", "row 0 is 8, expected 2", {
        "neuron_ids": lambda _, row: [row["neuron_ids"][-1], *row["neuron_ids"][1:-1], row["neuron_ids"][0]]}),
    "numbered neurons": ("neurons-unknown", "the session has no neurons 1, 4, 5", {"neuron_ids": lambda *_: [1, 2, 3, 4, 5]}),
    "fewer neurons": ("neurons-missing", "1 neuron of 5 lack: 8", {
        "neuron_ids": lambda _, row: row["neuron_ids"][:-1], "prediction": lambda _, row: row["prediction"][:-1]}),
    "fewer ids": ("neurons-count", "5 lists of frames for 4 neuron ids", {
        "neuron_ids": lambda _, row: row["neuron_ids"][:-1]}),
    "a neuron twice": ("neurons-twice", "neuron ids 2 come twice", {
        "neuron_ids": lambda _, row: [2, *row["neuron_ids"][:-1]]}),
    "ids that change": ("neurons-differ", "are not those of the first row (trial ", {
        "neuron_ids": lambda i, row: row["neuron_ids"][::-1] if i == 2 else row["neuron_ids"]}),
    "names of files": ("trial-names-as-text", "trial_indices holds text such as '", {
        "trial_indices": lambda _, row: f"{row['trial_indices']}.npy"}),
    "names that are none": ("trial-name", "trial_indices holds 'first', expected a number", {
        "trial_indices": lambda i, row: "first" if i == 0 else str(row["trial_indices"])}),
    "no such trial": ("trial-unknown", "the session has no such trial (trial 9999)", {
        "trial_indices": _first(lambda _: 9999, "trial_indices")}),
    "the key alone": ("mouse-name", f"is named `{NEW}`, expected `{FOLDERS[NEW]}`", {"mouse": NEW}),
    "no such mouse": ("mouse-unknown", "names no known session; did you mean", {"mouse": FOLDERS[NEW][:-1] + "1"}),
    "a mouse that is null": ("mouse-unknown", "(no mouse): names no known session", {"mouse": None}),
    "an index": ("column-index", "has a column `__index_level_0__`", {"__index_level_0__": lambda i, _: i}),
    "another column": ("column-extra", "has a column `session`", {"session": NEW}),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_named(mice: Mice, tmp_path: Path, fault: str) -> None:
    code, what, changes = FAULTS[fault]
    text = any(isinstance(row["trial_indices"], str) for row in film_rows(mice.new, **changes))
    kinds = {"trial_indices": pa.string()} if text else {}
    path = write_parquet(tmp_path / NAME, film_rows(mice.new, **changes), kinds=kinds)
    found = _found(path, mice.new)
    assert code in found
    assert what in found[code]
    assert _found(write_parquet(tmp_path / NAME, film_rows(mice.new)), mice.new) == {}


def test_what_is_only_odd_is_no_error(mice: Mice, tmp_path: Path) -> None:
    for fault in ("the README's window", "negative", "names of files", "an index", "another column"):
        changes = FAULTS[fault][2]
        kinds = {"trial_indices": pa.string()} if fault == "names of files" else {}
        path = write_parquet(tmp_path / NAME, film_rows(mice.new, **changes), kinds=kinds)
        assert check_submission(path, mice.new).ok


@pytest.mark.parametrize("name", ["mouse", "trial_indices", "prediction", "neuron_ids"])
def test_a_column_that_lacks_is_named_and_the_others_are_still_looked_at(mice: Mice, tmp_path: Path, name: str) -> None:
    rows = [{key: value for key, value in row.items() if key != name} for row in film_rows(mice.new)]
    found = _found(write_parquet(tmp_path / NAME, rows), mice.new)
    assert f"has no column {name}; has " in found["column-missing"]
    spoilt = [{k: v for k, v in row.items() if k != name} for row in film_rows(mice.new, mouse="dynamic0-0-0")]
    found = _found(write_parquet(tmp_path / NAME, spoilt), mice.new)
    assert "mouse-unknown" in found


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("mouse", pa.int64(), 1),
        ("trial_indices", pa.float64(), 1.5),
        ("prediction", pa.list_(pa.float32()), [0.5, 0.5]),
        ("prediction", pa.string(), "[[0.5]]"),
        ("prediction", pa.list_(pa.list_(pa.int32())), [[1]]),
        ("neuron_ids", pa.list_(pa.string()), ["1"]),
    ],
)
def test_columns_of_other_types_are_named(mice: Mice, tmp_path: Path, name: str, kind: Any, value: Any) -> None:
    path = write_parquet(tmp_path / NAME, film_rows(mice.new, **{name: lambda *_: value}), kinds={name: kind})
    shown = str(kind).replace("item", "element")
    assert f"holds {shown}, expected " in _found(path, mice.new)["column-type"]


@pytest.mark.parametrize(
    "kind",
    [FLOATS, pa.large_list(pa.large_list(pa.float32())), pa.list_(pa.list_(pa.float16()))],
    ids=["float64", "large lists", "float16"],
)
def test_lists_of_every_kind_are_read(mice: Mice, tmp_path: Path, kind: Any) -> None:
    half = kind == pa.list_(pa.list_(pa.float16()))
    changes = {"prediction": lambda _, row: [*map(list, np.array(row["prediction"], np.float16))]} if half else {}
    path = write_parquet(tmp_path / NAME, film_rows(mice.new, **changes), kinds={"prediction": kind})
    found = _found(path, mice.new)
    assert set(found) == ({"float64"} if kind == FLOATS else set())
    one = next(read_submission(path, mice.new))
    wanted = next(predictions([mice.new], MAIN))
    np.testing.assert_allclose(one.values, wanted.values[32:41], rtol=2e-3 if half else 1e-6)


def test_mice_that_were_not_scored_and_those_that_lack(mice: Mice, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / NAME, film_rows(mice.old) + film_rows(mice.new))
    report = check_submission(path, mice.films)
    assert report.ok
    assert not report.taken
    assert codes(report, "warning") == {"mice-not-scored", "mice-missing"}
    # The stores that are given are what the file is to be about.
    only = check_submission(write_parquet(tmp_path / NAME, film_rows(mice.new)), mice.films)
    assert [each.where for each in only.findings if each.code == "mouse-missing"] == [f"{NAME}, {OLD}"]


def test_trials_that_lack_come_twice_or_are_of_another_tier(mice: Mice, tmp_path: Path) -> None:
    rows = film_rows(mice.new)
    found = _found(write_parquet(tmp_path / NAME, rows[1:]), mice.new)
    assert f"1 of {len(rows)} trials lack: {rows[0]['trial_indices']}" in found["trials-missing"]
    found = _found(write_parquet(tmp_path / NAME, [*rows, rows[1]]), mice.new)
    assert f"more than once (trial {rows[1]['trial_indices']})" in found["trial-twice"]
    found = _found(write_parquet(tmp_path / NAME, [*rows, *film_rows(mice.new, MAIN[1])]), mice.new)
    assert "is of tier final_test_main, expected live_test_main" in found["trial-tier"]
    # Where the name does not tell what the file is about, its first trial does.
    found = _found(write_parquet(tmp_path / "mine.parquet", film_rows(mice.new, "oracle")[1:]), mice.new)
    assert set(found) == {"trials-missing"}


def test_without_stores_the_published_counts_are_asked_for(tmp_path: Path, mice: Mice) -> None:
    """A file as large as published, but for its lists, which are short."""
    mouse = SCORED["dynamic"][NEW]
    row = film_rows(mice.new)[0] | {"neuron_ids": list(range(mouse.n_neurons))}
    rows = [row | {"trial_indices": i} for i in range(mouse.n_trials[MAIN[0]])]
    whole = [each | {"prediction": [[0.5] * 249] * mouse.n_neurons} for each in rows[:2]]
    found = _found(write_parquet(tmp_path / NAME, whole))
    assert f"2 trials, expected {mouse.n_trials[MAIN[0]]}" in found["trials-count"]
    assert set(found) == {"trials-count", "not-compared"}
    found = _found(write_parquet(tmp_path / NAME, [each | {"prediction": [[0.5] * 30]} for each in rows]))
    assert set(found) == {"not-compared", "neurons-count", "window-30"}
    found = _found(write_parquet(tmp_path / NAME, [each | {"prediction": [[0.5] * 189]} for each in rows]))
    assert "189 frames, expected 249" in found["window-length"]


@pytest.mark.parametrize("fault", ["ragged", "nan", "fewer ids", "names that are none"])
def test_rows_that_cannot_be_read_are_refused(mice: Mice, tmp_path: Path, fault: str) -> None:
    changes = FAULTS[fault][2]
    kinds = {"trial_indices": pa.string()} if fault == "names that are none" else {}
    path = write_parquet(tmp_path / NAME, film_rows(mice.new, **changes), kinds=kinds)
    if fault == "nan":  # is for the scores to refuse
        assert len(list(read_submission(path, mice.new))) == len(trials(mice.new, MAIN[0]))
        return
    with pytest.raises(DataInvalid, match=f"{NAME}, {NEW}, trial .*: the row cannot be read"):
        list(read_submission(path, mice.new))
