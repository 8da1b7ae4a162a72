"""Stores of made-up recordings agree with what is known of those, whatever the quirks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.conversion import check_against
from sensorium_data.sources.sensorium2023_facts import MICE
from sensorium_data.store.opened import OpenStore
from sensorium_data.testing import REAL_LENGTHS, describe_sensorium2023, write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.testing import TrialTruth

pytestmark = pytest.mark.once


@dataclass(frozen=True)
class Case:
    """Arguments of the writer: those that change trials, and the others."""

    id: str
    plan: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case("default"),
    Case("holes", {"holes": True}),
    Case("released", {"withhold": False}),
    Case("stored", {}, {"zipped": "stored"}),
    Case("deflated", {"holes": True}, {"zipped": "deflated"}),
    Case("fractional", {}, {"fractional": True}),
    Case("float32", {}, {"dtype": "float32"}),
    Case("tail", {"seed": 7}, {"behavior_tail": "values"}),
    Case("nan", {"seed": 8}, {"behavior_nan": True}),
    Case("no-padding", {"n_train": 1, "n_repeats": 1}, {"n_padding": 0, "n_neurons": 1, "behavior_nan": True}),
    Case("images", {"name": "dynamic29513-3-5-Video-8744edeac3b4d1ce16b680916b5267ce", "holes": True}),
    Case("unknown-mouse", {"name": "my_mouse", "n_repeats": 5}, {"frame_shape": (9, 14)}),
]
each_case = pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])


def digests(path: Path) -> dict[str, str]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path.parent).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def assert_store_is_true(store: Path, truth: tuple[TrialTruth, ...]) -> None:
    table = OpenStore(store).table("trials")
    assert table["trial_id"].tolist() == [t.trial_id for t in truth]
    assert table["tier"].tolist() == [t.tier for t in truth]
    assert table["n_valid"].tolist() == [t.n_valid for t in truth]
    assert table["responses_withheld"].tolist() == [t.withheld for t in truth]
    assert table["missing"].tolist() == [t.missing for t in truth]
    found = [(t.film, int(group)) for t, group in zip(truth, table["stimulus"], strict=True) if not t.missing]
    films, groups = {film for film, _ in found}, {group for _, group in found}
    assert len(set(found)) == len(films) == len(groups), "films and stimulus groups do not correspond one to one"


@each_case
def test_a_store_agrees_with_the_truth_and_with_its_source(case: Case, tmp_path: Path) -> None:
    source = write_sensorium2023(tmp_path / "published", **case.plan, **case.other)
    sd.convert(source, tmp_path / "mouse.zarr")
    assert_store_is_true(tmp_path / "mouse.zarr", describe_sensorium2023(**case.plan))
    findings, equality = check_against(OpenStore(tmp_path / "mouse.zarr"), source)
    assert findings == []
    assert {"video", "responses", "running"} <= {signal.name for signal in equality}


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n_train=st.integers(1, 4),
    n_repeats=st.integers(1, 5),
    key=st.sampled_from(sorted(MICE)),
    holes=st.booleans(),
    shape=st.tuples(st.integers(6, 12), st.integers(6, 12)),
)
def test_any_small_recording_converts_to_its_truth(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    n_train: int,
    n_repeats: int,
    key: str,
    holes: bool,
    shape: tuple[int, int],
) -> None:
    folder = tmp_path_factory.mktemp("any")
    plan = {"seed": seed, "n_train": n_train, "n_repeats": n_repeats, "name": f"dynamic{key}-Video-x", "holes": holes}
    source = write_sensorium2023(folder, frame_shape=shape, n_neurons=2, **plan)  # type: ignore[arg-type]
    sd.convert(source, folder / "mouse.zarr", preset="fast")
    assert_store_is_true(folder / "mouse.zarr", describe_sensorium2023(**plan))  # type: ignore[arg-type]


@each_case
def test_equal_arguments_write_equal_bytes(case: Case, tmp_path: Path) -> None:
    one, other = (write_sensorium2023(tmp_path / name, **case.plan, **case.other) for name in ("one", "other"))
    assert digests(one) == digests(other)


@pytest.mark.parametrize("key", sorted(MICE))
def test_real_lengths_make_labels_exact(tmp_path: Path, key: str) -> None:
    plan: dict[str, Any] = {"name": f"dynamic{key}-Video-x", "lengths": REAL_LENGTHS, "n_train": 1, "n_repeats": 2}
    source = write_sensorium2023(tmp_path, n_neurons=1, frame_shape=(6, 8), **plan)
    sd.convert(source, tmp_path / "mouse.zarr", preset="fast")
    store, truth = OpenStore(tmp_path / "mouse.zarr"), describe_sensorium2023(**plan)
    variants = store.table("trials")["variant"]
    labels = store.table("stimuli")["label"]
    assert [str(labels[v]) for v in variants] == [t.label for t in truth]
