"""A foreign CSV: every fault by its code, text that is parsed and never evaluated, and values read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument, DataInvalid
from sensorium_data.evaluation.submissions import csvlines
from sensorium_data.evaluation.submissions.checking import check_submission
from sensorium_data.evaluation.submissions.csvlines import NotAList, numbers
from sensorium_data.evaluation.submissions.plan import plan_submission
from sensorium_data.evaluation.submissions.reading import read_submission
from sensorium_data.evaluation.submissions.writing import write_submission
from tests.evaluation.submitted import STATIC, Mice, codes, image_lines, made_once, predictions, trials, write_csv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "submission_file_live_test.csv"
Change = "Callable[[int, dict[str, str]], str]"


@pytest.fixture(scope="module")
def mice(tmp_path_factory: pytest.TempPathFactory) -> Mice:
    return made_once(tmp_path_factory)


def _found(path: Path, sessions: Any = None) -> dict[str, str]:
    """Code and text of the findings, but for that of a file by itself."""
    report = check_submission(path, sessions)
    return {each.code: f"{each.where}: {each.what}" for each in report.findings if each.code != "not-zipped"}


def _lines(mice: Mice, changes: dict[str, Callable[[int, dict[str, str]], str]]) -> list[dict[str, str]]:
    return [
        row | {name: change(i, row) for name, change in changes.items()}
        for i, row in enumerate(image_lines(mice.images))
    ]


def _first(text: str, name: str) -> Callable[[int, dict[str, str]], str]:
    return lambda i, row: text if i == 0 else row[name]


def _list(change: Callable[[list[str]], list[str]], name: str) -> Callable[[int, dict[str, str]], str]:
    return lambda _, row: "[" + ", ".join(change(row[name][1:-1].split(", "))) + "]"


FAULTS: dict[str, tuple[str, str, dict[str, Callable[[int, dict[str, str]], str]]]] = {
    "nan": ("nan", "are NaN (7 trials: ", {"prediction": _list(lambda v: ["nan", *v[1:]], "prediction")}),
    "infinite": ("infinite", "infinite", {"prediction": _list(lambda v: ["-inf", *v[1:]], "prediction")}),
    "null": ("nan", "are NaN", {"prediction": _list(lambda v: ["null", *v[1:]], "prediction")}),
    "negative": ("negative", "-0.5 for one", {"prediction": _list(lambda v: ["-0.5", *v[1:]], "prediction")}),
    "zeros": ("all-zero", "every prediction is zero", {"prediction": _list(lambda v: ["0.0"] * len(v), "prediction")}),
    "fewer numbers": ("neurons-count", "5 numbers for 6", {"prediction": _list(lambda v: v[1:], "prediction")}),
    "numpy's text": (
        "list-numpy",
        "holds `[0.5 0.25 1.5]…`, as numpy or torch show numbers",
        {"prediction": _first("[0.5 0.25 1.5]", "prediction")},
    ),
    "numpy's numbers": (
        "list-numpy",
        "as numpy or torch show",
        {"prediction": _list(lambda v: [f"np.float32({x})" for x in v], "prediction")},
    ),
    "a tensor": ("list-numpy", "as numpy", {"prediction": _first("tensor([0.5, 0.5])", "prediction")}),
    "no list": ("not-a-list", "holds `0.5…`", {"prediction": _first("0.5", "prediction")}),
    "nothing": ("not-a-list", "expected a list of numbers", {"prediction": _first("", "prediction")}),
    "code": (
        "not-a-list",
        "holds `[__import__('os').getpid()]…`",
        {"prediction": _first("[__import__('os').getpid()]", "prediction")},
    ),
    "nested": ("not-a-list", "holds `[[0.5]]…`", {"prediction": _first("[[0.5]]", "prediction")}),
    "a neuron twice": ("neurons-twice", "2 come twice", {"neuron_ids": _list(lambda v: ["2", *v[1:]], "neuron_ids")}),
    "swapped neurons": (
        "neurons-order",
        "row 0 is 10, expected 1",
        {"neuron_ids": _list(lambda v: [v[-1], *v[1:-1], v[0]], "neuron_ids")},
    ),
    "numbered neurons": (
        "neurons-unknown",
        "the session has no neurons 4, 5",
        {"neuron_ids": _list(lambda v: [str(i + 1) for i in range(len(v))], "neuron_ids")},
    ),
    "fewer neurons": ("neurons-missing", "1 neuron of 6 lack", {"neuron_ids": _list(lambda v: v[1:], "neuron_ids")}),
    "ids that change": (
        "neurons-differ",
        "are not those of the first row",
        {"neuron_ids": _first("[1]", "neuron_ids")},
    ),
    "ids of halves": ("not-a-list", "not whole", {"neuron_ids": _list(lambda v: ["0.5", *v[1:]], "neuron_ids")}),
    "no such trial": ("trial-unknown", "has no such trial (trial 0)", {"trial_indices": _first("0", "trial_indices")}),
    "no name": ("trial-name", "trial_indices is empty", {"trial_indices": _first("", "trial_indices")}),
    "another image": ("image-id", "image_ids is `-7`, expected ", {"image_ids": _first("-7", "image_ids")}),
    "an index": ("column-index", "has a column ``", {"": lambda i, _: str(i)}),
    "another column": ("column-extra", "has a column `tier`", {"tier": lambda *_: "test"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_named(mice: Mice, tmp_path: Path, fault: str) -> None:
    code, what, changes = FAULTS[fault]
    found = _found(write_csv(tmp_path / NAME, _lines(mice, changes)), mice.images)
    assert code in found
    assert what in found[code]
    assert _found(write_csv(tmp_path / NAME, image_lines(mice.images)), mice.images) == {}


@pytest.mark.parametrize("name", ["trial_indices", "image_ids", "prediction", "neuron_ids"])
def test_a_column_that_lacks_is_named(mice: Mice, tmp_path: Path, name: str) -> None:
    rows = [{key: text for key, text in row.items() if key != name} for row in image_lines(mice.images)]
    found = _found(write_csv(tmp_path / NAME, rows), mice.images)
    assert f"has no column {name}; its first line is " in found["column-missing"]


def test_trials_that_lack_come_twice_or_are_of_another_tier(mice: Mice, tmp_path: Path) -> None:
    rows, others = image_lines(mice.images), image_lines(mice.images, STATIC[1])
    found = _found(write_csv(tmp_path / NAME, rows[1:]), mice.images)
    assert f"1 of {len(rows)} trials of 27204-5-13 lack: {rows[0]['trial_indices']}" in found["trials-missing"]
    found = _found(write_csv(tmp_path / NAME, [*rows, rows[2]]), mice.images)
    assert f"more than once (trial {rows[2]['trial_indices']})" in found["trial-twice"]
    found = _found(write_csv(tmp_path / NAME, [*rows, others[0]]), mice.images)
    assert "is of tier final_test, expected test" in found["trial-tier"]
    # A name that says nothing: the first trial says which tier it is.
    assert set(_found(write_csv(tmp_path / "mine.csv", others[1:]), mice.images)) == {"trials-missing"}


def test_without_a_store_what_is_published_is_asked_for(mice: Mice, tmp_path: Path) -> None:
    rows = _lines(mice, {"trial_indices": lambda i, _: str(i)})
    assert set(_found(write_csv(tmp_path / NAME, rows))) == {"not-compared", "neurons-count", "trial-idx-plain"}
    ids = str(list(range(1, 7539)))
    rows = [row | {"neuron_ids": ids, "prediction": str([0.5] * 7538)} for row in image_lines(mice.images)]
    assert set(_found(write_csv(tmp_path / NAME, rows))) == {"not-compared"}


def test_the_session_is_found_among_several(mice: Mice, tmp_path: Path) -> None:
    from sensorium_data import convert
    from sensorium_data.testing import write_sensorium2022

    other = write_sensorium2022(tmp_path, kind="s", n_neurons=3, n_train=3, frame_shape=(4, 4), seed=4)
    convert(other, tmp_path / "S0.zarr")
    stores: list[Any] = [str(tmp_path / "S0.zarr"), mice.images]
    path = write_csv(tmp_path / NAME, image_lines(mice.images))
    assert _found(path, stores) == {}
    wrong = [row | {"trial_indices": f"x{i}"} for i, row in enumerate(image_lines(mice.images))]
    assert "mouse-unknown" in _found(write_csv(tmp_path / NAME, wrong), stores)
    with pytest.raises(BadArgument, match="a file of 2022 is about one session"):
        plan_submission("both.zip", stores, track="2022")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("trial_indices,image_ids,prediction,neuron_ids\n", "no-rows"),
        ("trial_indices,image_ids,prediction,neuron_ids\na,1,[0.5]\n", "csv-damaged"),
        ('trial_indices,image_ids,prediction,neuron_ids\na,1,"[0.5],[1]\n', "csv-damaged"),
        ("trial_indices;image_ids;prediction;neuron_ids\n", "column-missing"),
        ("trial_indices,trial_indices,prediction,neuron_ids\n", "column-type"),
        ("", "column-missing"),
    ],
    ids=["no rows", "few fields", "open quote", "semicolons", "a column twice", "empty"],
)
def test_files_that_are_cut_or_of_another_kind(tmp_path: Path, content: str, code: str) -> None:
    (tmp_path / NAME).write_text(content)
    assert code in _found(tmp_path / NAME)


def test_rows_too_long_and_too_many_are_not_read(mice: Mice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_csv(tmp_path / NAME, image_lines(mice.images))
    monkeypatch.setattr(csvlines, "MOST_ROWS", 2)
    assert "too-many-rows" in _found(path, mice.images)
    monkeypatch.undo()
    monkeypatch.setattr(csvlines, "LONGEST_ROW", 120)
    assert "row-too-large" in _found(path, mice.images)
    with pytest.raises(DataInvalid, match="a row of more than 120 B"):
        list(read_submission(path, mice.images))
    monkeypatch.undo()
    with path.open("r+b") as file:  # a quote that never ends, in a file of holes
        file.seek(0, 2)
        file.write(b'"')
        file.truncate(10**9)
    assert "row-too-large" in _found(path, mice.images)


def test_other_spellings_are_read(mice: Mice, tmp_path: Path) -> None:
    """A byte order mark, carriage returns, quotes around names, line breaks within lists, columns in another order."""
    rows = [
        {
            "neuron_ids": row["neuron_ids"].replace(", ", ",\n "),
            "prediction": row["prediction"],
            "image_ids": f" {row['image_ids']} ",
            "trial_indices": row["trial_indices"],
        }
        for row in image_lines(mice.images)
    ]
    path = write_csv(tmp_path / NAME, rows)
    text = path.read_text().replace(rows[0]["trial_indices"], f'"{rows[0]["trial_indices"]}"')
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert _found(path, mice.images) == {}
    wanted = {each.trial_id: each.values for each in predictions([mice.images], STATIC[:1])}
    found = {each.trial_id: each.values for each in read_submission(path, mice.images)}
    assert wanted.keys() == found.keys()
    for trial, values in wanted.items():
        np.testing.assert_array_equal(found[trial].astype(np.float32), values)


@pytest.mark.parametrize("fault", ["no list", "fewer numbers", "no such trial", "numpy's numbers"])
def test_rows_that_cannot_be_read_are_refused(mice: Mice, tmp_path: Path, fault: str) -> None:
    path = write_csv(tmp_path / NAME, _lines(mice, FAULTS[fault][2]))
    with pytest.raises(DataInvalid) as refused:
        list(read_submission(path, mice.images))
    assert refused.value.code == FAULTS[fault][0]


def test_one_tier_of_any_recording_is_written_and_read(mice: Mice, tmp_path: Path) -> None:
    made = predictions([mice.images], ["validation"])
    report = write_submission(tmp_path / "validation.csv", made, mice.images, tier="validation")
    assert (codes(report), report.files[0].n_rows) == ({"not-a-track"}, len(trials(mice.images, "validation")))
    assert _found(tmp_path / "validation.csv", mice.images) == {}
    assert list(read_submission(tmp_path / "validation.csv", mice.images, tier="test")) == []
    assert len(list(read_submission(tmp_path / "validation.csv", mice.images))) == report.files[0].n_rows


@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.floats(width=32), max_size=20))
def test_lists_of_floats_survive_their_text(values: list[float]) -> None:
    for text in (str(values), "[" + ", ".join(f"{value:.9g}" for value in values) + "]"):
        np.testing.assert_array_equal(numbers(text.encode()).astype(np.float32), np.array(values, np.float32))


@settings(max_examples=300, deadline=None)
@given(
    text=st.one_of(st.binary(max_size=40), st.text("[]{}(),.0123456789e+-naninfNI\"' ", max_size=30).map(str.encode))
)
def test_any_text_is_a_list_of_numbers_or_refused(text: bytes) -> None:
    for each in (text, b"[" + text + b"]"):
        try:
            found = numbers(each)
        except NotAList:
            continue
        assert found.ndim == 1
        assert found.dtype == np.float64


@pytest.mark.parametrize("text", [b"[" * 100_000 + b"]" * 100_000, b"[" + b"9" * 5000 + b"]", b"[1e999]", b'["1"]'])
def test_hostile_lists_do_no_harm(text: bytes) -> None:
    if text == b"[1e999]":
        assert np.isinf(numbers(text)).all()
        return
    with pytest.raises(NotAList):
        numbers(text)
