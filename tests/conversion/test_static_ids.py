"""What the published ids of images say is held against their content, which decides; whatever else is odd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.testing import describe_sensorium2022
from tests.conversion.static import CLASSES, IDS, TIERS, edit, load, lose, notes, partition, whole, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conversion.static import Array, Break

PLAN: dict[str, Any] = {"n_train": 5, "n_validation": 1, "n_test": 2, "n_repeats": 3, "seed": 2}


def first(n: int, value: Any) -> Break:
    """Put a value where the first ids were, in whatever dtype holds both."""

    def change(ids: Array) -> Array:
        kept = ids.astype(str) if isinstance(value, str) else ids.astype(float) if isinstance(value, float) else ids
        return np.array([value] * n + kept[n:].tolist())

    return edit(IDS, change)


MISSING: dict[str, Any] = {
    "minus one": -1, "another negative number": -9, "NaN": np.nan, "empty": "", "blank": "  ", "nan in words": "NaN",
    "None in words": "None", "minus one in words": "-1",
}  # fmt: skip


@pytest.mark.parametrize("what", MISSING)
def test_ids_that_are_missing_leave_the_groups_to_the_content(tmp_path: Path, what: str) -> None:
    source = write(tmp_path / "s", **PLAN)
    first(5, MISSING[what])(source)
    session = whole(source, tmp_path / "x.zarr")
    text = f"{IDS} has no id for 5 trials: 0, 1, 2, 3, 4; their repeats are found by content alone"
    assert notes(session) == {"image-ids-missing": text}
    truth = [trial.image for trial in describe_sensorium2022(**PLAN)]
    assert partition(session.trials["stimulus"].to_numpy().tolist()) == partition(truth)


ABSENT: dict[str, Break] = {
    "no table": lose(IDS), "two columns": edit(IDS, lambda v: np.stack([v, v], 1)), "one value": edit(IDS, lambda v: v[0]),
}  # fmt: skip


@pytest.mark.parametrize("what", ABSENT)
def test_a_recording_without_ids_is_grouped_by_content(tmp_path: Path, what: str) -> None:
    source = write(tmp_path / "s", **PLAN)
    ABSENT[what](source)
    session = whole(source, tmp_path / "x.zarr")
    assert "found by content alone" in notes(session)["image-ids-absent"]
    truth = [trial.image for trial in describe_sensorium2022(**PLAN)]
    assert partition(session.trials["stimulus"].to_numpy().tolist()) == partition(truth)


KINDS_OF_IDS: dict[str, Any] = {
    "float": lambda v: v.astype(float), "text": lambda v: v.astype(str), "bytes": lambda v: v.astype("S9"),
    "unsigned": lambda v: v.astype(np.uint16),
}  # fmt: skip


@pytest.mark.parametrize("what", KINDS_OF_IDS)
def test_ids_may_be_of_any_kind(tmp_path: Path, what: str) -> None:
    source = write(tmp_path / "s", **PLAN, two_ids_one_picture=True)
    edit(IDS, KINDS_OF_IDS[what])(source)
    session = whole(source, tmp_path / "x.zarr")
    assert set(notes(session)) == {"stimulus-ids-alike"}


def test_two_ids_of_one_picture_are_one_stimulus_and_a_note_that_names_them(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN, two_ids_one_picture=True)
    truth = describe_sensorium2022(**PLAN, two_ids_one_picture=True)
    session = whole(source, tmp_path / "x.zarr")
    pair = sorted(str(trial.image_id) for trial in truth if trial.image == "train-0")
    assert len(set(pair)) == 2
    text = f"1 pictures have more than one id; they are one stimulus here: {' = '.join(pair)}"
    assert notes(session) == {"stimulus-ids-alike": text}
    assert partition(session.trials["stimulus"].to_numpy().tolist()) == partition(trial.image for trial in truth)


def test_an_id_counts_within_its_class(tmp_path: Path) -> None:
    """Pictures are numbered anew in each class: an id that two classes share names two pictures, and rightly."""
    source = write(tmp_path / "s", **PLAN, one_id_two_pictures=True)
    ids, tiers = load(source, IDS), load(source, TIERS)
    shared = np.unique(ids[tiers == "test"]).tolist()
    assert len(shared) == 1
    truth = describe_sensorium2022(**PLAN, one_id_two_pictures=True)
    classes = np.array(["masked" if trial.image == "test-0" else "imagenet" for trial in truth])
    np.save(source / CLASSES, classes)
    session = whole(source, tmp_path / "x.zarr")
    assert notes(session) == {}
    rows = session.trials["variant"].to_numpy()
    np.testing.assert_array_equal(session.stimuli["label"].to_numpy()[rows], classes)


def test_a_class_that_is_not_known_is_no_label(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN)
    edit(CLASSES, lambda v: np.full(len(v), np.nan))(source)
    session = whole(source, tmp_path / "x.zarr")
    assert set(session.stimuli["label"].to_numpy().tolist()) == {""}
    assert set(session.stimuli["label_source"].to_numpy().tolist()) == {""}


@given(
    kind=st.sampled_from(["pretrain", "splus", "s", "colour"]),
    ids=st.sampled_from(["published", "absent", "with-holes"]),
    nudged=st.booleans(),
    fractional=st.booleans(),
    counts=st.tuples(st.integers(2, 9), st.integers(1, 3), st.integers(1, 4), st.integers(1, 6)),
    seed=st.integers(0, 99),
)
@settings(max_examples=6, deadline=None)
def test_whatever_was_shown_groups_are_those_of_the_truth(
    tmp_path_factory: pytest.TempPathFactory,
    kind: Any,
    ids: Any,
    nudged: bool,
    fractional: bool,
    counts: tuple[int, int, int, int],
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    plan: dict[str, Any] = dict(zip(("n_train", "n_validation", "n_test", "n_repeats"), counts, strict=True))
    plan |= {"kind": kind, "image_ids": ids, "seed": seed}
    source = write(folder, **plan, n_neurons=2, nudged=nudged, fractional=fractional)
    session = whole(source, folder / "x.zarr")
    truth = describe_sensorium2022(**plan)
    table = session.trials
    assert partition(table["stimulus"].to_numpy().tolist()) == partition(trial.image for trial in truth)
    assert table["responses_withheld"].to_numpy().tolist() == [trial.withheld for trial in truth]
    for trial in truth:
        assert ("responses" in session.trial(trial.trial_id)) is not trial.withheld
