"""Every check finds the damage that it is for, and none finds anything on a sound store."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from sensorium_data.conversion import check_store, convert
from sensorium_data.store.check import CHECKS, check_codes
from sensorium_data.store.layout import SHARD, ArraySpec, quiet_zarr
from sensorium_data.store.opened import OpenStore
from sensorium_data.store.shards import ShardRecord, write_shard
from sensorium_data.store.sidecar import pack_sidecar
from sensorium_data.testing import write_sensorium2023
from tests.store.damage import ATTRIBUTE, RESPONSES, Damaged, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


class Store(Damaged):
    """Damaged in its meaning: `reseal` makes sidecar and metadata fit what is there."""

    def session(self, change: Callable[[dict[str, Any]], None]) -> None:
        self.json("zarr.json", lambda root: change(root["attributes"][ATTRIBUTE]["session"]))

    def edit(self, path: str, change: Callable[[NDArray[Any]], None]) -> None:
        """Change the values of an array of one chunk."""
        with quiet_zarr():
            array = zarr.open_array(self.path / path, mode="r+", zarr_format=3)
            values = np.asarray(array[...])
            change(values)
            array[...] = values
        self.reseal()

    def edit_shards(self, path: str, change: Callable[[NDArray[Any]], None]) -> None:
        opened = OpenStore(self.path)
        with quiet_zarr():
            values = np.asarray(opened.array(path)[...])
        change(values)
        codec: Any = opened.session.provenance.codec if path == RESPONSES else "zstd"
        spec = ArraySpec(path, values.shape, values.dtype, ("",) * values.ndim, codec, sharded=True)
        for shard in range(spec.n_shards):
            start, stop = spec.shard_rows(shard)
            write_shard(self.path, spec, shard, [values[start:stop]])
        self.reseal()

    def reseal(self) -> None:
        opened = OpenStore(self.path)
        shards = []
        singles = {path: (c.key, (self.path / c.key).read_bytes()) for path, c in opened.sidecar.chunks.items()}
        for path, records in opened.sidecar.shards.items():
            spec = ArraySpec(path, (1,), np.dtype("u1"), ("",), "raw", True)
            shards.append((spec, [self._record(record) for record in records]))
        data = pack_sidecar(shards, singles)
        (self.path / "sidecar/index/c/0").write_bytes(data)
        self.json("sidecar/index/zarr.json", lambda node: _resize(node, len(data)))
        self.json(
            "zarr.json", lambda root: _resize(root["consolidated_metadata"]["metadata"]["sidecar/index"], len(data))
        )

    def _record(self, old: ShardRecord) -> ShardRecord:
        import google_crc32c

        data = (self.path / old.key).read_bytes()
        index = np.frombuffer(data[-4 - SHARD // 20 * 16 : -4], "<u8").reshape(-1, 2)[: len(old.index)]
        crc = [google_crc32c.value(data[offset : offset + length]) for offset, length in index.tolist()]
        return ShardRecord(old.key, len(data), index, np.array(crc, np.uint32))


def _resize(node: dict[str, Any], n: int) -> None:
    node["shape"] = [n]
    node["chunk_grid"]["configuration"]["chunk_shape"] = [n]


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Store:
    return Store(shutil.copytree(sound, tmp_path / "damaged.zarr"))


def add(value: Any, *at: Any) -> Callable[[Any], None]:
    def change(values: Any) -> None:
        values[at] += value

    return change


def explicit_times(store: Store, times: list[int]) -> None:
    """Give pupil explicit times."""
    n = len(OpenStore(store.path).values("signals/pupil/values"))
    store.session(lambda s: next(x for x in s["signals"] if x["name"] == "pupil").update(
        clock={"kind": "explicit", "n_samples": n}))  # fmt: skip
    kept = json.loads((store.path / "zarr.json").read_text("utf-8"))["attributes"]
    values = np.arange(n) * 10**7
    values[: len(times)] = times
    with quiet_zarr():
        root = zarr.open_group(store.path, mode="r+", zarr_format=3)
        root.create_array("signals/pupil/time", data=values, dimension_names=("time",), chunks=values.shape)
        zarr.consolidate_metadata(root.store, zarr_format=3)
    store.json("zarr.json", put(kept, "attributes"))


def rename_dims(store: Store) -> None:
    store.json("neurons/z/zarr.json", put(["unit"], "dimension_names"))
    store.json("zarr.json", put(["unit"], "consolidated_metadata", "metadata", "neurons/z", "dimension_names"))


def shorten(store: Store) -> None:
    store.edit("trials/stop", add(-1, -1))
    store.edit("trials/n_valid", add(-1, -1))


# What is done to the meaning, with every size, checksum and digest of the sidecar right again, and what must see it.
MEANING: dict[str, tuple[Callable[[Store], None], set[str]]] = {
    "more neurons than there are": (lambda s: s.session(put(7, "neurons", "n")), {"arrays"}),
    "frames of another shape": (lambda s: s.session(put([8, 13], "stimuli", "frame_shape")), {"arrays"}),
    "dims of another name": (
        rename_dims,
        {"arrays"},
    ),
    "a unit id twice": (lambda s: s.edit("neurons/unit_id", lambda v: v.__setitem__(0, v[1])), {"neurons"}),
    "a trial twice": (lambda s: s.edit("trials/trial_id", put(1, 0)), {"trials"}),
    "a trial that ends later": (lambda s: s.edit("trials/stop", add(1, 2)), {"trials"}),
    "a trial that is shorter": (
        shorten,
        {"trials"},
    ),
    "a variant that does not exist": (lambda s: s.edit("trials/variant", put(10_000, 3)), {"trials"}),
    "no variant": (lambda s: s.edit("trials/variant", put(-1, 3)), {"trials"}),
    "another film of the same length": (lambda s: s.edit("trials/stimulus", add(1, 3)), {"trials"}),
    "a role that does not exist": (lambda s: s.edit("trials/role", put("referee", 3)), {"trials"}),
    "another role than the tier's": (
        lambda s: s.edit("trials/role", lambda v: v.__setitem__(3, "test" if v[3] == "train" else "train")),
        {"trials"},
    ),
    "released what was withheld": (
        lambda s: s.edit("trials/responses_withheld", lambda v: v.__setitem__(int(np.flatnonzero(v)[0]), False)),
        {"trials"},
    ),
    "films beyond the frames": (lambda s: s.edit("stimuli/first_frame", add(10_000, 0)), {"stimuli", "films"}),
    "a digest that is none": (lambda s: s.edit("stimuli/digest", put("abc", 0)), {"stimuli", "films"}),
    "a mean of responses": (lambda s: s.edit("statistics/train/responses/mean", add(1e-6, 2)), {"statistics"}),
    "a count of responses": (lambda s: s.edit("statistics/train/responses/n", add(1, 2)), {"statistics"}),
    "a mean of pupil": (lambda s: s.edit("statistics/train/pupil/mean", add(1e-3)), {"statistics"}),
    "a mean of video": (lambda s: s.edit("statistics/train/video/mean", add(1e-3)), {"statistics"}),
    "a pixel": (
        lambda s: s.edit_shards("stimuli/frames", lambda v: v.__setitem__((5, 1, 1), 255 - v[5, 1, 1])),
        {"films"},
    ),
    "NaN in responses": (lambda s: s.edit_shards(RESPONSES, put(np.nan, 3, 2)), {"statistics"}),
    "infinity in responses": (lambda s: s.edit_shards(RESPONSES, put(np.inf, 3, 2)), {"statistics"}),
}


def test_nothing_is_found_on_a_sound_store(sound: Path) -> None:
    report = check_store(sound)
    assert report.ok
    assert report.findings == ()
    assert list(report.checks) == list(CHECKS)


def test_resealing_a_sound_store_keeps_it_sound(store: Store) -> None:
    for path in ("stimuli/frames", RESPONSES):
        store.edit_shards(path, lambda _: None)
    store.edit("trials/start", lambda _: None)
    assert check_store(store.path).findings == ()


@pytest.mark.parametrize("damage", MEANING)
def test_damage_to_meaning_is_found(store: Store, damage: str) -> None:
    plant, codes = MEANING[damage]
    plant(store)
    report = check_store(store.path)
    assert not report.ok
    found = {finding.code for finding in report.findings if finding.severity == "error"}
    assert codes <= found
    assert not found & {"sidecar", "digests", "session-document"}


def test_a_response_of_the_train_tier_shows_in_the_statistics(store: Store) -> None:
    opened = OpenStore(store.path)
    table = opened.table("trials")
    row = int(np.flatnonzero(table["tier"] == "train")[0])
    released = ~table["responses_withheld"]
    sample = int(table["n_valid"][:row][released[:row]].sum())
    store.edit_shards(RESPONSES, add(1.0, sample, 1))
    assert {finding.code for finding in check_store(store.path).findings} == {"statistics"}


def test_findings_give_numbers_for_people(store: Store) -> None:
    store.edit("statistics/train/responses/mean", add(1e-3, 2))
    store.edit("statistics/train/responses/n", add(1, 2))
    report = check_store(store.path, codes=["statistics"])
    assert len(report.findings) == 2
    for finding in report.findings:
        assert "np." not in finding.what
        assert " apart; 1 differ" in finding.what


@pytest.mark.parametrize(("value", "allow_nan"), [(np.nan, False), (np.nan, True), (np.inf, True)])
def test_coordinates_that_are_not_known_are_no_fault(tmp_path: Path, value: float, allow_nan: bool) -> None:
    source = write_sensorium2023(tmp_path, n_neurons=6, n_train=2, n_repeats=1, frame_shape=(8, 12))
    xyz = np.load(source / "meta/neurons/cell_motor_coordinates.npy").astype(np.float64)
    xyz[1] = value
    np.save(source / "meta/neurons/cell_motor_coordinates.npy", xyz)
    convert(source, tmp_path / "s.zarr", allow_nan=allow_nan)
    report = check_store(tmp_path / "s.zarr", against=source)
    assert report.findings == ()
    np.testing.assert_array_equal(OpenStore(tmp_path / "s.zarr").values("neurons/z"), xyz[:, 2])


@pytest.mark.parametrize(("times", "ok"), [([0, 10**7], True), ([5, 5], False), ([10**8, 0], False)])
def test_explicit_times_must_increase(store: Store, times: list[int], ok: bool) -> None:
    explicit_times(store, times)
    assert check_store(store.path, codes=["clocks"]).ok is ok


def test_nan_in_behaviour_is_a_warning(tmp_path: Path) -> None:
    source = write_sensorium2023(tmp_path, n_neurons=6, frame_shape=(8, 12), behavior_nan=True)
    convert(source, tmp_path / "s.zarr")
    report = check_store(tmp_path / "s.zarr")
    assert {(f.code, f.severity) for f in report.findings} == {("behaviour-nan", "warning")}
    assert {f.where for f in report.findings} == {"signals/pupil/values", "signals/gaze/values"}
    assert report.ok


def test_every_check_has_a_damage_that_it_finds() -> None:
    planted = set().union(*(codes for _, codes in MEANING.values()))
    elsewhere = {"clocks", "behaviour-nan", "session-document", "sidecar", "root", "digests"}
    assert planted | elsewhere == set(check_codes())
