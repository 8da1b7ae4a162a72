"""What the writer of recordings of images promises: equal bytes, plausible mice, and nothing written when it refuses."""

from __future__ import annotations

import hashlib
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sensorium_data.errors import BadArgument, TargetExists
from sensorium_data.testing import describe_sensorium2022, write_sensorium2022
from sensorium_data.testing.films import make_picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.testing.plan2022 import Kind

SMALL = (9, 16)
CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "splus": {"kind": "splus", "seed": 2**63},
    "s": {"kind": "s", "zipped": "stored"},
    "colour": {"kind": "colour", "zipped": "deflated", "sibling": True},
    "faults": {
        "one_id_two_pictures": True,
        "two_ids_one_picture": True,
        "image_ids": "with-holes",
        "frame_shape": SMALL,
    },
    "quirks": {"nudged": True, "fractional": True, "behavior_nan": True, "axes_of_one": True, "frame_shape": SMALL},
}


def digests(path: Path) -> dict[str, str]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path.parent).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
def test_equal_arguments_write_equal_bytes(tmp_path: Path, arguments: dict[str, Any]) -> None:
    one, other = (write_sensorium2022(tmp_path / name, **arguments) for name in ("one", "other"))
    assert digests(one) == digests(other)


def test_another_seed_writes_another_recording(tmp_path: Path) -> None:
    one, other = (digests(write_sensorium2022(tmp_path / str(seed), seed=seed, frame_shape=SMALL)) for seed in (0, 1))
    same = {name for name in one if one[name] == other.get(name)}
    # Grey levels are few: black, white and the one in the middle are the same in many a recording.
    levels = {name for name in same if "/statistics/images/" in name and not name.endswith(("mean.npy", "std.npy"))}
    assert not [name for name in same - levels if "/data/" in name or "/statistics/" in name]


def test_withholding_changes_nothing_else(tmp_path: Path) -> None:
    kinds: tuple[Kind, Kind] = ("splus", "s")
    written = [
        digests(write_sensorium2022(tmp_path / kind, kind=kind, name="mouse", frame_shape=SMALL)) for kind in kinds
    ]
    changed = {name.removeprefix("mouse/") for name, _ in written[0].items() ^ written[1].items()}
    assert {name for name in changed if name.startswith("meta/trials/")} == set()
    parts = {name.split("/")[1] for name in changed if name.startswith("data/")}
    assert parts == {"behavior", "pupil_center"}


@pytest.mark.parametrize("quirk", ["nudged", "fractional", "behavior_nan", "axes_of_one", "sibling"])
def test_a_quirk_leaves_all_other_files_as_they_are(tmp_path: Path, quirk: str) -> None:
    touched = {
        "nudged": ("/data/images/", "/data/responses/"),  # the mouse sees the nudge
        "fractional": ("/images/",),
        "behavior_nan": ("/behavior/", "/pupil_center/"),
        "axes_of_one": ("/behavior/", "/pupil_center/"),
        "sibling": ("/statistics/images/", "/animal_ids.npy", "/sessions.npy", "/scan_idx.npy", "/condition_hash.npy"),
    }[quirk]
    plain = digests(write_sensorium2022(tmp_path / "plain", frame_shape=SMALL))
    quirky = digests(write_sensorium2022(tmp_path / "quirky", frame_shape=SMALL, **{quirk: True}))  # type: ignore[arg-type]
    changed = {name for name in plain.keys() | quirky.keys() if plain.get(name) != quirky.get(name)}
    assert changed
    assert [name for name in changed if not any(part in name for part in touched)] == []


def test_the_mouse_is_plausible(tmp_path: Path) -> None:
    session = write_sensorium2022(tmp_path, n_train=300, n_neurons=40, frame_shape=SMALL)
    found = {
        stream: np.stack([np.load(file) for file in (session / "data" / stream).iterdir()]).astype(np.float64)
        for stream in ("responses", "behavior", "pupil_center")
    }
    assert -1e-7 < found["responses"].min() < 0, "deconvolved traces have tiny negatives"
    assert 0.1 < (found["responses"] <= 0).mean() < 0.8, "and are sparse"
    dilation, change, speed = found["behavior"].T
    assert 10 < dilation.min() < dilation.max() < 90
    assert abs(change.mean()) < change.std() / 5, "the pupil widens as often as it narrows"
    assert speed.min() == 0
    assert (speed == 0).mean() > 0.3
    assert speed.max() > 1
    assert np.abs(found["pupil_center"].mean(axis=0) - (140, 150)).max() < 5


def test_responses_depend_on_the_picture(tmp_path: Path) -> None:
    session = write_sensorium2022(tmp_path, n_test=4, n_repeats=12, n_neurons=150)
    shown: dict[str, list[NDArray[Any]]] = {}
    for trial in describe_sensorium2022(n_test=4, n_repeats=12):
        if trial.tier == "test":
            values = np.load(session / "data" / "responses" / f"{trial.trial_id}.npy")
            shown.setdefault(trial.image, []).append(values)
    one, other = shown["test-0"], shown["test-2"]
    halves = [np.mean(repeats, axis=0) for repeats in (one[::2], one[1::2], other)]
    # Neurons differ in gain whatever they see.
    by_gain = np.mean([np.mean(repeats, axis=0) for repeats in shown.values()], axis=0)
    same, different = (np.corrcoef(halves[0] - by_gain, half - by_gain)[0, 1] for half in halves[1:])
    assert same > different + 0.2


@pytest.mark.parametrize("method", ["stored", "deflated"])
def test_a_zip_holds_the_folder_and_litter(tmp_path: Path, method: Any) -> None:
    folder = write_sensorium2022(tmp_path / "folder", frame_shape=SMALL)
    packed = write_sensorium2022(tmp_path / "zip", frame_shape=SMALL, zipped=method)
    assert [path.name for path in packed.parent.iterdir()] == [folder.name + ".zip"]
    with zipfile.ZipFile(packed) as archive:
        files = [info for info in archive.infolist() if not info.is_dir()]
        ours = {info.filename: hashlib.sha256(archive.read(info)).hexdigest() for info in files}
    litter = {name for name in ours if name.startswith("__MACOSX/")}
    assert f"__MACOSX/{folder.name}/data/images/._0.npy" in litter
    assert {name: sha for name, sha in ours.items() if name not in litter} == digests(folder)
    assert {info.compress_type for info in files} == {
        {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}[method]
    }


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    session = write_sensorium2022(tmp_path, frame_shape=SMALL)
    before = digests(session)
    with pytest.raises(TargetExists, match="is there already"):
        write_sensorium2022(tmp_path, seed=1, zipped="stored")
    assert digests(session) == before
    packed = write_sensorium2022(tmp_path, kind="s", zipped="stored", frame_shape=SMALL)
    with pytest.raises(TargetExists, match="is there already"):
        write_sensorium2022(tmp_path, kind="s")
    assert sorted(tmp_path.iterdir()) == sorted([session, packed])


BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": "a/b"}, "name is 'a/b'"),
    ({"name": ""}, "name is ''"),
    ({"name": ".."}, "name is '..'"),
    ({"kind": "S"}, "kind `S` is unknown"),
    ({"n_neurons": 0}, "n_neurons is 0, expected 1 or more"),
    ({"n_train": 0}, "n_train is 0, expected 1 or more"),
    ({"zipped": "lzma"}, "zipped `lzma` is unknown"),
    ({"frame_shape": (3, 64)}, "frame_shape is"),
    ({"frame_shape": (64,)}, "frame_shape is"),
    ({"frame_shape": ()}, "frame_shape is"),
    ({"kind": "s", "behavior_nan": True}, "publishes zeros for the behaviour of every trial"),
    ({"n_test": 1, "one_id_two_pictures": True}, "n_test is 1"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[f"{next(iter(a))}-{i}" for i, (a, _) in enumerate(BAD)])
def test_bad_arguments_write_nothing(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        write_sensorium2022(tmp_path / "new", **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n_channels", [1, 2])
def test_channels_of_a_picture_differ(n_channels: int) -> None:
    picture = make_picture(np.random.default_rng(0), n_channels, SMALL)
    assert picture.shape == (n_channels, *SMALL)
    assert picture.dtype == np.uint8
    assert len({channel.tobytes() for channel in picture}) == n_channels
