"""Conversions whose store goes to a URL: built here, sent whole, and gone on with after an interruption."""

from __future__ import annotations

import json
import shutil
import uuid
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

import sensorium_data as sd
from sensorium_data.conversion import check_store, convert_all, plan_only
from sensorium_data.errors import BadArgument, StorageFailed, TargetExists
from sensorium_data.settings import settings
from sensorium_data.testing import write_sensorium2023
from tests.servers.fixtures import seaweed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sensorium_data.progress import Progress
    from tests.servers.seaweed import Seaweed

pytestmark = pytest.mark.once

__all__ = ["seaweed"]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    return write_sensorium2023(folder, n_neurons=4, n_train=3, n_repeats=2, frame_shape=(6, 9))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SENSORIUM_DATA_CACHE", str(tmp_path / "cache"))
    settings.cache_clear()
    yield tmp_path / "cache"
    settings.cache_clear()


@pytest.fixture
def target() -> str:
    return f"memory://{uuid.uuid4().hex}/mouse.zarr"


def objects(url: str) -> list[str]:
    fs, path = fsspec.core.url_to_fs(url)
    return [str(each) for each in fs.find(path)]


def left(cache: Path) -> list[str]:
    """Return what conversions and copies have left below the cache folder."""
    return [p.name for name in ("conversions", "copies") if (cache / name).is_dir() for p in (cache / name).iterdir()]


def values(where: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = sd.open_session(where).document.model_dump(mode="json")
    found["provenance"].pop("converted_at")
    return found


def test_the_same_store(recording: Path, target: str, tmp_path: Path, cache: Path) -> None:
    seen: list[Progress] = []
    report = sd.convert(recording, target, report=seen.append)
    here = sd.convert(recording, tmp_path / "here.zarr")
    assert (report.status, report.target) == ("converted", target)
    assert report.model_copy(update={"target": ""}).n_variants == here.n_variants
    assert {"publish", "copy"} <= {progress.stage for progress in seen}
    assert check_store(target, against=recording).ok
    assert values(target) == values(tmp_path / "here.zarr")
    assert left(cache) == []


def test_existing(recording: Path, target: str) -> None:
    sd.convert(recording, target)
    with pytest.raises(TargetExists):
        sd.convert(recording, target)
    assert sd.convert(recording, target, existing="skip").status == "skipped"
    same = sd.convert(recording, target, existing="resume")
    assert (same.status, same.store_bytes > 0, same.response_bytes > 0) == ("up-to-date", True, True)
    with pytest.raises(TargetExists) as caught:
        sd.convert(recording, target, existing="resume", precision="float16")
    assert caught.value.code == "target-differs"
    again = sd.convert(recording, target, existing="replace", precision="float16")
    assert (again.status, again.options.precision) == ("converted", "float16")
    assert check_store(target, against=recording).ok


def test_stopped_while_it_was_sent(recording: Path, target: str, cache: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.stage == "copy" and progress.done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sd.convert(recording, target, report=stop)
    assert f"{target}/zarr.json".split("://")[1] not in [path.lstrip("/") for path in objects(target)]
    assert len(left(cache)) == 2
    stages: set[str] = set()
    report = sd.convert(recording, target, report=lambda progress: stages.add(progress.stage))
    assert report.status == "resumed"
    assert "write" not in stages  # the store was built already
    assert check_store(target, against=recording).ok
    assert left(cache) == []


def test_stopped_and_then_otherwise(recording: Path, target: str, cache: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.stage == "copy" and progress.done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sd.convert(recording, target, report=stop)
    report = sd.convert(recording, target, precision="float16")
    assert (report.status, report.options.precision) == ("converted", "float16")
    assert check_store(target, against=recording).ok
    assert left(cache) == []


def test_a_plan_writes_nothing(recording: Path, target: str, cache: Path) -> None:
    planned = plan_only(recording, target)
    assert (planned.status, planned.target) == ("planned", target)
    assert objects(target) == []
    assert not cache.exists()


def test_many(recording: Path, tmp_path: Path) -> None:
    folder = f"memory://{uuid.uuid4().hex}/stores"
    shutil.copytree(recording, tmp_path / "in" / recording.name)
    done = convert_all(str(tmp_path / "in" / "*"), folder)
    assert [(each.status, each.target) for each in done.sessions] == [("converted", f"{folder}/29515-10-12.zarr")]
    assert [each.status for each in convert_all(recording, folder).sessions] == ["up-to-date"]


def test_what_cannot_be(recording: Path, target: str) -> None:
    with pytest.raises(BadArgument) as caught:
        sd.convert(recording, target, client=object())
    assert caught.value.code == "cluster-to-url"
    with pytest.raises(BadArgument):
        convert_all(recording, target, client=object())
    with pytest.raises(StorageFailed) as failed:
        sd.convert(recording, "https://127.0.0.1/mouse.zarr")
    assert failed.value.code == "read-only"


def test_to_a_bucket(recording: Path, seaweed: Seaweed, cache: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    pytest.importorskip("s3fs", reason="no client of S3")
    target = f"s3://{seaweed.create_bucket()}/mouse.zarr"
    options = seaweed.storage_options
    given = [word for name, value in options.items() for word in ("--storage-option", f"{name}={json.dumps(value)}")]
    wrong = [word.replace(seaweed.secret, "not-this-one") for word in given]
    for more in ([], ["--dry-run"]):
        code, out, err = run("convert", recording, target, *wrong, *more)
        assert (code, "error[access-denied]" in err, "not-this-one" in out + err) == (6, True, False)
    code, out, _ = run("convert", recording, target, *given, "--dry-run")
    assert (code, f"would write {target}" in out) == (0, True)
    assert run("convert", recording, target, *given)[0] == 0
    assert run("convert", recording, target, *given)[0] == 7
    assert run("check", target, "--against", recording, *given)[0] == 0
    for file in (path for path in cache.rglob("*") if path.is_file()):
        assert seaweed.secret.encode() not in file.read_bytes()
