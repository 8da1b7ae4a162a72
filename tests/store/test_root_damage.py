"""Whatever the root of a store says, checks give findings or one readable error, and never stumble."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.errors import SensoriumError, StoreInvalid
from sensorium_data.store.opened import OpenStore
from sensorium_data.store.target import is_store
from tests.store.damage import ATTRIBUTE, RESPONSES, Damaged

pytestmark = pytest.mark.once

NUMBERS = st.sampled_from([-1, 0, 1, 2, 7, 330, 2**31, 2**62, 2**63, 10**30, 0.5, 1e300, float("nan")])
WORDS = st.sampled_from(["", "time", "array", "group", "..", "../..", "/", "a\0b", "\ud800", "x" * 300, "responses"])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
EDITS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 10**6), min_size=1, max_size=9), st.sampled_from(["set", "drop", "name"]), VALUES
    ),
    min_size=1,
    max_size=3,
)


def edited(document: Any, way: list[int], what: str, value: Any) -> None:
    """Go down a document as far as the way leads, and change what is there."""
    for step in way[:-1]:
        inside = document.values() if isinstance(document, dict) else document
        deeper = [node for node in inside if isinstance(node, dict | list) and node]
        if not deeper:
            break
        document = deeper[step % len(deeper)]
    if isinstance(document, dict) and document:
        key = sorted(document)[way[-1] % len(document)]
        if what == "name" and isinstance(value, str):
            document[value] = document.pop(key)
        elif what == "drop":
            del document[key]
        else:
            document[key] = value
    elif document:
        document[way[-1] % len(document)] = value


@pytest.fixture(scope="module")
def spoiled(sound: Path) -> Damaged:
    """A copy whose root is overwritten again and again."""
    return Damaged(Path(shutil.copytree(sound, Path(tempfile.mkdtemp()) / "root.zarr")))


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(edits=EDITS)
def test_no_edit_of_the_root_makes_a_check_stumble(sound: Path, spoiled: Damaged, edits: list[Any]) -> None:
    root = json.loads((sound / "zarr.json").read_text("utf-8"))
    for way, what, value in edits:
        edited(root, way, what, value)
    spoiled.text("zarr.json", json.dumps(root))
    try:
        report = check_store(spoiled.path)
    except SensoriumError as error:
        assert error.code  # noqa: PT017  # an edit may be harmless
    else:
        json.loads(report.model_dump_json())


NODES = ("consolidated_metadata", "metadata")
DAMAGED: dict[str, tuple[tuple[str, ...], Any]] = {
    "no mapping at all": (NODES[:1], [1]),
    "nodes in a list": (NODES, []),
    "a node that is a word": ((*NODES, "neurons/x"), "array"),
    "a node of another type": ((*NODES, "neurons/x", "node_type"), "table"),
    "a shape that is a number": ((*NODES, "neurons/x", "shape"), 6),
    "a shape below zero": ((*NODES, "neurons/x", "shape"), [-6]),
    "a shape of truths": ((*NODES, "neurons/x", "shape"), [True]),
    "a shape of halves": ((*NODES, "neurons/x", "shape"), [6.0]),
    "names that are numbers": ((*NODES, "neurons/x", "dimension_names"), [6]),
    "a name too many": ((*NODES, "neurons/x", "dimension_names"), ["neuron", "neuron2"]),
    "a name for all": ((*NODES, "neurons/x", "dimension_names"), "n"),
    "attributes in a list": ((*NODES, "neurons/x", "attributes"), []),
    "a path that leads out": ((*NODES, "../other.zarr/neurons/x"), {"node_type": "group"}),
    "a path from the root": ((*NODES, "/etc"), {"node_type": "group"}),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_nodes_are_named(sound: Path, spoiled: Damaged, damage: str) -> None:
    way, value = DAMAGED[damage]
    root = json.loads((sound / "zarr.json").read_text("utf-8"))
    node = root
    for key in way[:-1]:
        node = node[key]
    node[way[-1]] = value
    spoiled.text("zarr.json", json.dumps(root))
    session = sd.open_session(spoiled.path)
    with pytest.raises(StoreInvalid, match="consolidated metadata are damaged") as caught:
        _ = session.neurons
    assert caught.value.code == "metadata-damaged"
    assert not check_store(spoiled.path).ok


def test_a_root_with_another_shape_than_the_array(sound: Path, spoiled: Damaged) -> None:
    root = json.loads((sound / "zarr.json").read_text("utf-8"))
    root["consolidated_metadata"]["metadata"][RESPONSES]["shape"][0] += 1
    spoiled.text("zarr.json", json.dumps(root))
    with pytest.raises(StoreInvalid, match="its root says"):
        OpenStore(spoiled.path).array(RESPONSES)


def test_a_clock_beyond_64_bits_is_no_session(sound: Path, spoiled: Damaged) -> None:
    root = json.loads((sound / "zarr.json").read_text("utf-8"))
    root["attributes"][ATTRIBUTE]["session"]["signals"][0]["clock"]["origin_ns"] = 10**400
    spoiled.text("zarr.json", json.dumps(root))
    with pytest.raises(StoreInvalid) as caught:
        check_store(spoiled.path)
    assert caught.value.code == "session-invalid"


def test_a_root_nested_too_deep(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text("[" * 200_000, "utf-8")
    assert not is_store(tmp_path)
    with pytest.raises(StoreInvalid):
        OpenStore(tmp_path)
