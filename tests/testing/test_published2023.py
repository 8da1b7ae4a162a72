"""The recordings that the writer makes have the quirks of the published ones."""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sensorium_data.errors import BadArgument, TargetExists
from sensorium_data.testing import REAL_LENGTHS, describe_sensorium2023, write_sensorium2023

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.testing import TrialTruth

STREAMS = ("videos", "responses", "behavior", "pupil_center")


def digests(path: Path) -> dict[str, str]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path.parent).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def arrays(session: Path, stream: str, truth: tuple[TrialTruth, ...]) -> list[tuple[TrialTruth, NDArray[Any]]]:
    return [(t, np.load(session / "data" / stream / f"{t.trial_id}.npy")) for t in truth if not t.missing]


def test_another_seed_writes_another_recording(tmp_path: Path) -> None:
    one, other = (digests(write_sensorium2023(tmp_path / str(seed), seed=seed, withhold=False)) for seed in (0, 1))
    same = {name for name in one if one[name] == other.get(name)}
    assert not [name for name in same if "/data/" in name or "/statistics/" in name]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_stream_is_padded_as_published(tmp_path: Path, dtype: Any) -> None:
    session = write_sensorium2023(tmp_path, n_neurons=7, dtype=dtype, n_padding=3)
    truth = describe_sensorium2023()
    padded = max(t.n_valid for t in truth) + 3
    leading = {"videos": (36, 64), "responses": (7,), "behavior": (2,), "pupil_center": (2,)}
    for stream in STREAMS:
        for trial, values in arrays(session, stream, truth):
            assert values.shape == (*leading[stream], padded)
            assert values.dtype == dtype
            if stream == "responses" and trial.withheld:
                assert (values == 0).all()
            else:
                assert np.isfinite(values[..., : trial.n_valid]).all()
                assert np.isnan(values[..., trial.n_valid :]).all()


def test_behaviour_goes_on_past_the_film_when_asked(tmp_path: Path) -> None:
    session = write_sensorium2023(tmp_path, behavior_tail="values")
    truth = describe_sensorium2023()
    assert all(np.isfinite(values).all() for _, values in arrays(session, "behavior", truth))
    assert all(np.isnan(values[:, t.n_valid :]).all() for t, values in arrays(session, "pupil_center", truth))


def test_the_mouse_is_plausible(tmp_path: Path) -> None:
    session = write_sensorium2023(tmp_path, n_neurons=40, withhold=False, lengths=REAL_LENGTHS, frame_shape=(9, 16))
    truth = describe_sensorium2023(withhold=False, lengths=REAL_LENGTHS)
    responses = np.concatenate([v[:, : t.n_valid].ravel() for t, v in arrays(session, "responses", truth)])
    assert -1e-7 < responses.min() < 0, "deconvolved traces have tiny negatives"
    assert 0.4 < (responses <= 0).mean() < 0.95, "and are sparse"
    dilation, speed = np.concatenate([v[:, : t.n_valid] for t, v in arrays(session, "behavior", truth)], axis=1)
    assert dilation.min() > 0
    assert speed.min() == 0
    assert (speed == 0).mean() > 0.5
    assert speed.max() > 1
    gaze = np.concatenate([v[:, : t.n_valid] for t, v in arrays(session, "pupil_center", truth)], axis=1)
    assert np.abs(gaze.mean(axis=1) - (140, 150)).max() < 10


def test_responses_depend_on_the_film(tmp_path: Path) -> None:
    plan = {"n_repeats": 12, "withhold": False}
    session = write_sensorium2023(tmp_path, n_neurons=60, **plan)  # type: ignore[arg-type]
    shown: dict[str, list[NDArray[Any]]] = {}
    for trial, values in arrays(session, "responses", describe_sensorium2023(**plan)):  # type: ignore[arg-type]
        if trial.tier == "oracle":
            shown.setdefault(trial.film, []).append(values[:, : trial.n_valid])
    one, other = shown.values()
    halves = [np.mean(repeats, axis=0).ravel() for repeats in (one[::2], one[1::2], other)]
    same, different = (np.corrcoef(halves[0], half)[0, 1] for half in halves[1:])
    assert same > different + 0.1


def test_films_are_integers_in_disguise_but_for_one(tmp_path: Path) -> None:
    truth = describe_sensorium2023()
    whole = write_sensorium2023(tmp_path / "whole")
    films = [(t, v[..., : t.n_valid]) for t, v in arrays(whole, "videos", truth)]
    assert all((v == np.rint(v)).all() and v.min() >= 0 and v.max() <= 255 for _, v in films)
    fractional = write_sensorium2023(tmp_path / "fractional", fractional=True)
    off = [t.tier for t, v in arrays(fractional, "videos", truth) if (np.nan_to_num(v) % 1 == 0.25).any()]
    assert off == ["train"]
    assert not any((np.nan_to_num(v) > 255).any() for _, v in arrays(fractional, "videos", truth))


def test_repeats_are_equal_nudged_or_cut(tmp_path: Path) -> None:
    plan = {"n_repeats": 4}
    session = write_sensorium2023(tmp_path, **plan)  # type: ignore[arg-type]
    shown: dict[str, list[NDArray[Any]]] = {}
    for trial, values in arrays(session, "videos", describe_sensorium2023(**plan)):  # type: ignore[arg-type]
        shown.setdefault(trial.film, []).append(values[..., : trial.n_valid])
    kinds: Counter[str] = Counter()
    for films in shown.values():
        whole = max(films, key=lambda film: film.shape[-1])
        for film in films:
            gap = np.abs(film - whole[..., : film.shape[-1]])
            assert gap.max() <= 1
            assert np.count_nonzero(gap) <= 16
            kinds["nudged" if gap.any() else "equal"] += 1
            kinds["cut"] += film.shape != whole.shape
    assert kinds["nudged"] > 0
    assert kinds["cut"] == 1


def test_statistics_are_over_the_training_clips_and_end_with_them(tmp_path: Path) -> None:
    session = write_sensorium2023(tmp_path, behavior_tail="values", behavior_nan=True)
    truth = describe_sensorium2023()
    expect: dict[str, Callable[..., Any]] = {
        "mean": np.nanmean, "std": np.nanstd, "min": np.nanmin, "max": np.nanmax, "median": np.nanmedian,
    }  # fmt: skip
    for stream in STREAMS:
        train = np.stack([values for t, values in arrays(session, stream, truth) if t.tier == "train"])
        for name, measure in expect.items():
            shipped = np.load(session / "meta" / "statistics" / stream / "all" / f"{name}.npy")
            assert shipped.shape == train.shape[1:]
            assert shipped.dtype == train.dtype
            np.testing.assert_allclose(shipped[..., :30], measure(train[..., :30], axis=0), rtol=1e-12, atol=1e-12)
            assert np.isnan(shipped[..., 30:]).all()


def test_lost_eyes_are_nan_in_two_trials(tmp_path: Path) -> None:
    session = write_sensorium2023(tmp_path, behavior_nan=True)
    for stream in ("behavior", "pupil_center"):
        found = arrays(session, stream, describe_sensorium2023())
        assert sorted(t.tier for t, v in found if np.isnan(v[:, : t.n_valid]).any()) == ["oracle", "train"]


def test_tables_are_as_published(tmp_path: Path) -> None:
    for holes in (False, True):
        session = write_sensorium2023(tmp_path / str(holes), n_neurons=30, holes=holes)
        tiers = np.load(session / "meta" / "trials" / "tiers.npy")
        n_files = len(list((session / "data" / "videos").iterdir()))
        assert tiers.dtype == "<U16"
        assert (len(tiers) - n_files, int((tiers == "none").sum())) == ((2, 2) if holes else (0, 0))
        assert (session / "meta" / "trials" / "trial_idx.npy").exists() is not holes
        units = np.load(session / "meta" / "neurons" / "unit_ids.npy")
        assert units.dtype == np.int64
        assert (np.diff(units) > 0).all()
        assert (np.diff(units) > 1).any()
        places = np.load(session / "meta" / "neurons" / "cell_motor_coordinates.npy")
        assert (places.shape, places.dtype) == ((30, 3), np.int64)
        assert np.unique(places[:, 2]).tolist() == list(range(200, 426, 25))
    trial_idx = np.load(tmp_path / "False" / session.name / "meta" / "trials" / "trial_idx.npy")
    assert trial_idx.tolist() == [str(t.trial_id) for t in describe_sensorium2023()]


@pytest.mark.parametrize("method", ["stored", "deflated"])
def test_a_zip_holds_the_folder_and_litter(tmp_path: Path, method: Any) -> None:
    folder = write_sensorium2023(tmp_path / "folder")
    packed = write_sensorium2023(tmp_path / "zip", zipped=method)
    assert [path.name for path in packed.parent.iterdir()] == [folder.name + ".zip"]
    with zipfile.ZipFile(packed) as archive:
        files = [info for info in archive.infolist() if not info.is_dir()]
        ours = {info.filename: hashlib.sha256(archive.read(info)).hexdigest() for info in files}
    litter = {name for name in ours if name.startswith("__MACOSX/")}
    assert litter
    assert {name: sha for name, sha in ours.items() if name not in litter} == digests(folder)
    kind = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}[method]
    assert {info.compress_type for info in files} == {kind}
    assert {info.date_time for info in files} == {(1980, 1, 1, 0, 0, 0)}, "the clock must not reach the bytes"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    session = write_sensorium2023(tmp_path)
    before = digests(session)
    with pytest.raises(TargetExists, match="is there already"):
        write_sensorium2023(tmp_path, seed=1, zipped="stored")
    assert digests(session) == before


BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": "a/b"}, "name is 'a/b'"),
    ({"name": ".."}, "name is '..'"),
    ({"n_neurons": 0}, "n_neurons is 0, expected 1 or more"),
    ({"n_train": 0}, "n_train is 0, expected 1 or more"),
    ({"n_repeats": 0}, "n_repeats is 0, expected 1 or more"),
    ({"n_padding": -1}, "n_padding is -1, expected 0 or more"),
    ({"seed": -1}, "seed is -1, expected 0 or more"),
    ({"dtype": "float16"}, "dtype `float16` is unknown"),
    ({"behavior_tail": "zeros"}, "behavior_tail `zeros` is unknown"),
    ({"zipped": "lzma"}, "zipped `lzma` is unknown"),
    ({"frame_shape": (3, 64)}, "frame_shape is"),
    ({"lengths": {"natural": 30}}, "lengths: `natural` is no kind"),
    ({"lengths": {"Gabor": 1}}, "is 1, expected 2 or more"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[f"{next(iter(a))}-{i}" for i, (a, _) in enumerate(BAD)])
def test_bad_arguments_write_nothing(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        write_sensorium2023(tmp_path, **arguments)
    assert list(tmp_path.iterdir()) == []
