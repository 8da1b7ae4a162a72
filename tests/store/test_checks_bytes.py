"""Damage to any byte of a store is found, named, and never taken for a bug."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

from sensorium_data.conversion import check_store
from sensorium_data.errors import BadArgument, NotFound, StoreInvalid
from sensorium_data.store.layout import quiet_zarr
from sensorium_data.store.opened import OpenStore
from tests.store.damage import ATTRIBUTE, RESPONSES, Damaged, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Damaged:
    return Damaged(shutil.copytree(sound, tmp_path / "damaged.zarr"))


SHARD_KEY, FRAMES_KEY = f"{RESPONSES}/c/0/0", "stimuli/frames/c/0/0/0"

# What is done to the bytes, and the checks that must see it; others may see its consequences.
BYTES: dict[str, tuple[Callable[[Damaged], None], set[str]]] = {
    "bit of a chunk of responses": (lambda s: s.flip(SHARD_KEY), {"digests"}),
    "bit of a chunk of frames": (lambda s: s.flip(FRAMES_KEY, 40), {"digests"}),
    "bit of a shard's index": (lambda s: s.flip(SHARD_KEY, -20), {"digests"}),
    "bit of a shard's own checksum": (lambda s: s.flip(SHARD_KEY, -1), {"digests"}),
    "bit of the unused part of an index": (lambda s: s.flip(SHARD_KEY, -5), {"digests"}),
    "bit of a small chunk": (lambda s: s.flip("neurons/x/c/0", 14), {"digests"}),
    "bit of a small chunk's frame": (lambda s: s.flip("neurons/unit_id/c/0", 1), {"digests"}),
    "bit of a trial table": (lambda s: s.flip("trials/start/c/0", 0), {"digests"}),
    "bit of the words of tiers": (lambda s: s.flip("trials/tier/c/0", 2), {"digests"}),
    "shard cut in the middle": (lambda s: s.cut(SHARD_KEY, 1000), {"sidecar", "digests"}),
    "shard cut in its index": (lambda s: s.cut(SHARD_KEY, -5), {"sidecar", "digests"}),
    "shard without its last byte": (lambda s: s.cut(SHARD_KEY, -1), {"sidecar", "digests"}),
    "shard without its index": (lambda s: s.cut(FRAMES_KEY, -2404), {"sidecar", "digests"}),
    "empty shard": (lambda s: s.cut(FRAMES_KEY, 0), {"sidecar", "digests"}),
    "empty small chunk": (lambda s: s.cut("trials/trial_id/c/0", 0), {"sidecar", "digests"}),
    "no shard": (lambda s: (s.path / SHARD_KEY).unlink(), {"sidecar", "digests"}),
    "no small chunk": (lambda s: (s.path / "trials/role/c/0").unlink(), {"sidecar", "digests"}),
    "no frames at all": (lambda s: shutil.rmtree(s.path / "stimuli/frames"), {"session-document", "sidecar"}),
    "no metadata of an array": (lambda s: (s.path / "neurons/x/zarr.json").unlink(), {"session-document"}),
    "no metadata of responses": (lambda s: (s.path / RESPONSES / "zarr.json").unlink(), {"session-document"}),
    "bit of the sidecar": (lambda s: s.flip("sidecar/index/c/0", -9), {"sidecar", "digests"}),
    "bit of the sidecar's header": (lambda s: s.flip("sidecar/index/c/0", 90), {"sidecar"}),
    "no sidecar": (lambda s: (s.path / "sidecar/index/c/0").unlink(), {"sidecar", "digests"}),
    "stray file": (lambda s: s.text("notes.txt", "mine"), {"sidecar"}),
    "stray hidden file": (lambda s: s.text("trials/.DS_Store", ""), {"sidecar"}),
    "stray half of a shard": (lambda s: s.text(SHARD_KEY + ".part", ""), {"sidecar"}),
    "stray metadata": (lambda s: s.text("trials/more/zarr.json", "{}"), {"sidecar"}),
    "other metadata than consolidated": (
        lambda s: s.json("neurons/y/zarr.json", put("m", "attributes", "units")),
        {"session-document"},
    ),
    "a group's other metadata": (
        lambda s: s.json("signals/pupil/zarr.json", put("x", "attributes", "unit")),
        {"session-document"},
    ),
    "metadata that are no JSON": (lambda s: s.text("neurons/y/zarr.json", "{"), {"session-document"}),
    "metadata that are no mapping": (lambda s: s.text("neurons/y/zarr.json", "[]"), {"session-document"}),
    "no consolidated metadata": (
        lambda s: s.json("zarr.json", lambda r: r.pop("consolidated_metadata")),
        {"session-document"},
    ),
    "a word beside layout and session": (
        lambda s: s.json("zarr.json", put(1, "attributes", ATTRIBUTE, "more")),
        {"session-document"},
    ),
}


@pytest.mark.parametrize("damage", BYTES)
def test_damage_to_bytes_is_found(store: Damaged, damage: str) -> None:
    plant, codes = BYTES[damage]
    plant(store)
    report = check_store(store.path)
    assert not report.ok
    assert codes <= {finding.code for finding in report.findings if finding.severity == "error"}


def test_only_the_chosen_checks_run(store: Damaged) -> None:
    store.flip(SHARD_KEY)
    assert check_store(store.path, codes=["neurons", "clocks"]).ok
    report = check_store(store.path, codes=["digests"])
    assert report.checks == ("digests",)
    assert [finding.where for finding in report.findings] == [f"{SHARD_KEY} chunk 0"]


def test_an_unknown_check_is_answered_with_near_misses(sound: Path) -> None:
    with pytest.raises(BadArgument, match="`digest`") as caught:
        check_store(sound, codes=["sidecar", "digest"])
    assert caught.value.code == "no-such-check"
    assert "`digests`" in caught.value.hint


def test_many_findings_of_one_check_are_counted(store: Damaged) -> None:
    for number in range(1013):
        store.text(f"stray-{number:04d}", "")
    found = check_store(store.path, codes=["sidecar"]).findings
    assert len(found) == 1001
    assert found[-1].what == "and 13 more"


def test_what_is_no_store_is_not_checked(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        check_store(tmp_path / "nothing.zarr")
    for text in (None, "{", "[]", "{}", '{"attributes": {"sensorium_data": {"layout": 2, "session": {}}}}'):
        (tmp_path / "other").mkdir(exist_ok=True)
        if text is not None:
            (tmp_path / "other" / "zarr.json").write_text(text, "utf-8")
        with pytest.raises(StoreInvalid):
            check_store(tmp_path / "other")


def test_a_stale_or_damaged_sidecar_is_not_believed(store: Damaged) -> None:
    wanted = OpenStore(store.path).table("trials")["start"]
    with quiet_zarr():
        zarr.open_array(store.path / "trials/start", mode="r+")[:] = np.random.default_rng(0).permutation(wanted)
    changed = OpenStore(store.path).table("trials")["start"]
    assert not np.array_equal(changed, wanted)
    store.flip("sidecar/index/c/0", 40)
    np.testing.assert_array_equal(OpenStore(store.path).table("trials")["start"], changed)
