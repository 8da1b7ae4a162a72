"""Every preset with every precision keeps what the design promises, proven against the source."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.conversion import check_store, pipeline
from sensorium_data.conversion.recipe import Recipe
from sensorium_data.conversion.run import run_tasks
from sensorium_data.schemas import ConvertOptions, Precision, Preset
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

DTYPES = ("float32", "float64")
SPECIFIED = {"bytes", "blosc", "crc32c", "sharding_indexed", "vlen-utf8", "zstd"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    some: dict[str, Any] = {"n_neurons": 6, "n_train": 2, "n_repeats": 1, "frame_shape": (8, 12)}
    return {
        "float32": write_sensorium2023(folder / "a", dtype="float32", **some),
        "float64": write_sensorium2023(folder / "b", dtype="float64", behavior_nan=True, **some),
        "fractional": write_sensorium2023(folder / "c", fractional=True, **some),
    }


def holds(dtype: str, precision: str, signal: str) -> str:
    """Return the kind of equality that the design promises."""
    if signal == "video":
        return "bit-exact"
    if precision == "float16" and signal == "responses":
        return "rounded"
    return "bit-exact" if precision == "source" or dtype == "float32" else "rounded"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("precision", get_args(Precision))
@pytest.mark.parametrize("preset", get_args(Preset))
def test_what_is_stored_is_what_was_promised(
    tmp_path: Path, sources: dict[str, Path], preset: Preset, precision: Precision, dtype: str
) -> None:
    target = tmp_path / "s.zarr"
    sd.convert(sources[dtype], target, preset=preset, precision=precision)
    report = check_store(target, against=sources[dtype])
    assert report.ok
    assert {e.name for e in report.equality} == {"video", "responses", "pupil", "running", "gaze"}
    recorded = {signal.name: signal.rounding for signal in sd.open_session(target).document.signals}
    for equality in report.equality:
        assert equality.holds == holds(dtype, precision, equality.name), equality.name
        assert equality.n_values > 0
        if equality.name == "video":
            continue
        rounding = recorded[equality.name]
        assert rounding.exact is (equality.holds != "rounded")
        assert equality.max_abs_error == rounding.max_abs_error
        half = precision == "float16" and equality.name == "responses"
        stored = "float16" if half else dtype if precision == "source" else "float32"
        assert (rounding.source_dtype, rounding.stored_dtype) == (dtype, stored)


@pytest.mark.parametrize("precision", get_args(Precision))
def test_fractional_films_are_kept_in_floats(tmp_path: Path, sources: dict[str, Path], precision: Precision) -> None:
    sd.convert(sources["fractional"], tmp_path / "s.zarr", precision=precision)
    report = check_store(tmp_path / "s.zarr", against=sources["fractional"])
    assert report.ok
    # Quarters of a grey level survive float32.
    video = next(equality for equality in report.equality if equality.name == "video")
    assert video.holds == ("bit-exact" if precision == "source" else "rounded-exact")
    assert video.max_abs_error == 0


def test_float64_that_float32_can_hold_is_rounded_exactly(tmp_path: Path) -> None:
    source = write_sensorium2023(tmp_path / "source", n_neurons=6, n_train=3, n_repeats=2, frame_shape=(8, 12))
    for stream in ("responses", "behavior", "pupil_center"):
        for path in (source / "data" / stream).iterdir():
            np.save(path, np.load(path).astype(np.float32).astype(np.float64))
    sd.convert(source, tmp_path / "s.zarr")
    report = check_store(tmp_path / "s.zarr", against=source)
    assert report.ok
    kinds = {equality.name: (equality.holds, equality.max_abs_error) for equality in report.equality}
    assert kinds.pop("video") == ("bit-exact", 0.0)
    assert set(kinds.values()) == {("rounded-exact", 0.0)}
    assert all(signal.rounding.exact for signal in sd.open_session(tmp_path / "s.zarr").document.signals)


def codecs_of(node: Any) -> set[str]:
    """Return the names of all codecs in the metadata of an array, those inside shards too."""
    found = set()
    for codec in node.get("codecs", []):
        found.add(codec["name"])
        inner = codec.get("configuration", {})
        found |= codecs_of(inner) | codecs_of({"codecs": inner.get("index_codecs", [])})
    return found


def test_a_portable_store_names_only_codecs_of_the_specification(tmp_path: Path, sources: dict[str, Path]) -> None:
    sd.convert(sources["float64"], tmp_path / "s.zarr", preset="portable")
    named: set[str] = set()
    for path in (tmp_path / "s.zarr").rglob("zarr.json"):
        named |= codecs_of(json.loads(path.read_text("utf-8")))
    assert named <= SPECIFIED
    assert {"blosc", "sharding_indexed", "vlen-utf8"} <= named


def test_a_fast_store_packs_nothing(tmp_path: Path, sources: dict[str, Path]) -> None:
    sd.convert(sources["float64"], tmp_path / "s.zarr", preset="fast")
    for path in (tmp_path / "s.zarr").rglob("zarr.json"):
        assert codecs_of(json.loads(path.read_text("utf-8"))) <= {"bytes", "crc32c", "sharding_indexed", "vlen-utf8"}


@pytest.mark.parametrize("packs", [True, False])
def test_compact_packs_responses_where_it_pays_and_says_so_where_not(tmp_path: Path, packs: bool) -> None:
    source = write_sensorium2023(
        tmp_path / "source", n_neurons=40, n_train=3, n_repeats=1, frame_shape=(8, 12), dtype="float32"
    )
    rng = np.random.default_rng(0)
    for path in (source / "data" / "responses").iterdir():
        values = np.load(path)
        if not (values == 0).all():
            shape = values.shape
            bits = rng.integers(0, 2**31, shape, np.uint32) & np.uint32(0xBFFFFFFF)
            made = np.round(rng.random(shape)) if packs else bits.view(np.float32)
            values[...] = np.where(np.isnan(values), values, made)
        np.save(path, values)
    report = sd.convert(source, tmp_path / "s.zarr")
    noted = [note.text for note in report.notes if note.code == "packing-not-worth-it"]
    assert report.codec == ("pcodec" if packs else "raw")
    assert len(noted) == (not packs)
    assert all("raw" in text for text in noted)
    assert check_store(tmp_path / "s.zarr", against=source).ok


def test_everything_that_a_cluster_is_sent_pickles(
    tmp_path: Path, sources: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def pickled(function: Any, tasks: Any, **options: Any) -> Any:
        sent = pickle.loads(pickle.dumps((function, list(tasks))))
        assert sent == (function, list(tasks))
        seen.append(options["stage"])
        return pickle.loads(pickle.dumps(run_tasks(sent[0], sent[1], **options)))

    monkeypatch.setattr(pipeline, "run_tasks", pickled)
    sd.convert(sources["float64"], tmp_path / "s.zarr")
    assert seen == ["scan", "write"]
    assert check_store(tmp_path / "s.zarr", against=sources["float64"]).ok
    recipe = Recipe("a", "b", "c", ConvertOptions(), "d")
    assert pickle.loads(pickle.dumps(recipe)) == recipe
