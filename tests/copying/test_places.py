"""Copies between folders and buckets: the same bytes, in every direction, and nothing that is in the way is touched."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sensorium_data.copying import copy_store, plan_copy
from sensorium_data.errors import BadArgument, SensoriumError, StorageFailed, TargetExists
from tests.copying.places import files, memory, objects, put, remove

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sensorium_data.progress import Progress


def test_every_direction(store: Path, tmp_path: Path) -> None:
    first, second = memory(), memory()
    seen: list[Progress] = []
    report = copy_store(store, first, report=seen.append)
    assert (report.status, report.n_sent, report.n_objects) == ("copied", len(files(store)), len(files(store)))
    assert report.sent_bytes == report.store_bytes == sum(map(len, files(store).values()))
    assert (seen[-1].stage, seen[-1].done) == ("copy", seen[-1].total)
    assert copy_store(first, second).status == "copied"
    assert copy_store(second, tmp_path / "back.zarr").status == "copied"
    assert copy_store(tmp_path / "back.zarr", tmp_path / "again.zarr").status == "copied"
    assert files(store) == objects(first) == objects(second)
    assert files(store) == files(tmp_path / "back.zarr") == files(tmp_path / "again.zarr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.zarr", "back.zarr", "cache"]
    assert not list((tmp_path / "cache" / "copies").iterdir())


@pytest.mark.parametrize("where", ["bucket", "folder"])
def test_existing(store: Path, other: Path, tmp_path: Path, where: str) -> None:
    target = memory() if where == "bucket" else str(tmp_path / "copy.zarr")

    def there() -> dict[str, bytes]:
        return objects(target) if where == "bucket" else files(tmp_path / "copy.zarr")

    copy_store(store, target)
    for word, code in (("error", "target-exists"), ("resume", "target-differs")):
        with pytest.raises(TargetExists) as caught:
            copy_store(other, target, existing=word)  # type: ignore[arg-type]
        assert caught.value.code == code
    assert copy_store(other, target, existing="skip").status == "skipped"
    same = copy_store(store, target, existing="resume")
    assert (same.status, same.n_sent) == ("up-to-date", 0)
    assert there() == files(store)
    assert copy_store(other, target, existing="replace").status == "copied"
    assert there() == files(other)


def test_a_plan_writes_nothing(store: Path, tmp_path: Path) -> None:
    target = memory()
    planned = plan_copy(store, target)
    assert (planned.status, planned.n_objects, planned.n_sent) == ("planned", len(files(store)), 0)
    assert plan_copy(store, tmp_path / "copy.zarr").status == "planned"
    assert objects(target) == {}
    assert not (tmp_path / "copy.zarr").exists()
    copy_store(store, target)
    with pytest.raises(TargetExists):
        plan_copy(store, target)
    assert plan_copy(store, target, existing="skip").status == "skipped"


def test_what_is_no_store_is_left(store: Path) -> None:
    target = memory("data")
    put(f"{target}/notes.txt", b"mine")
    put(f"{target}/alone.txt/zarr.json", b"{}")
    for where in (target, f"{target}/notes.txt", f"{target}/alone.txt"):
        with pytest.raises(TargetExists) as caught:
            copy_store(store, where, existing="replace")
        assert caught.value.code == "not-a-store"
    assert objects(target) == {"notes.txt": b"mine", "alone.txt/zarr.json": b"{}"}


def test_nesting_is_refused(store: Path) -> None:
    target = memory("mouse.zarr")
    copy_store(store, target)
    bucket = target.rsplit("/", 1)[0]
    for source, where, code in (
        (target, target, "target-inside-source"),
        (target, f"{target}/inner", "target-inside-source"),
        (target, bucket, "source-inside-target"),
        (store, f"{target}/signals/inner.zarr", "target-inside-store"),
    ):
        with pytest.raises(BadArgument) as caught:
            copy_store(source, where, existing="replace")
        assert caught.value.code == code
    assert objects(target) == files(store)


def test_a_web_server_is_not_written_to(store: Path) -> None:
    with pytest.raises(StorageFailed) as caught:
        copy_store(store, "https://127.0.0.1/mouse.zarr")
    assert caught.value.code == "read-only"


def test_options_that_nobody_takes(store: Path, tmp_path: Path) -> None:
    for options in ({"existing": "maybe"}, {"verify": "never"}, {"storage_options": {"key": "k"}}):
        with pytest.raises(BadArgument):
            copy_store(store, tmp_path / "copy.zarr", **options)
    assert not (tmp_path / "copy.zarr").exists()


def test_a_full_disk(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("sensorium_data.copying.front.shutil.disk_usage", lambda _: usage)
    with pytest.raises(StorageFailed) as caught:
        copy_store(store, tmp_path / "copy.zarr")
    assert caught.value.code == "disk-full"
    assert not (tmp_path / "copy.zarr").exists()


def test_sizes_alone(store: Path) -> None:
    target = memory()
    assert copy_store(store, target, verify="size").verify == "size"
    assert objects(target) == files(store)


def test_leftovers_go(store: Path, other: Path) -> None:
    target = memory()
    copy_store(other, target)
    put(f"{target}/signals/responses/values/c/7/0", b"left over")
    remove(f"{target}/zarr.json")  # as an interrupted copy leaves it
    assert copy_store(store, target).status == "resumed"
    assert objects(target) == files(store)


def test_mended_in_place(store: Path) -> None:
    target = memory()
    copy_store(store, target)
    key = "signals/responses/values/c/0/0"
    put(f"{target}/{key}", bytes(len(files(store)[key])))
    remove(f"{target}/trials/start/c/0")
    report = copy_store(store, target, existing="resume")
    assert (report.status, report.n_sent) == ("resumed", 2)
    assert objects(target) == files(store)


def test_a_folder_that_is_damaged(store: Path, tmp_path: Path) -> None:
    copy_store(store, tmp_path / "copy.zarr")
    (tmp_path / "copy.zarr/trials/start/c/0").write_bytes(b"")
    with pytest.raises(TargetExists) as caught:
        copy_store(store, tmp_path / "copy.zarr", existing="resume")
    assert caught.value.code == "target-damaged"
    assert [problem.where for problem in caught.value.problems] == ["trials/start/c/0"]


@pytest.fixture(scope="module")
def keys(store: Path) -> list[str]:
    return sorted(files(store))


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_goes_on_from_anything(store: Path, other: Path, keys: list[str], data: st.DataObject) -> None:
    """Whatever part of this or another copy is there, and however damaged, the next run makes it whole."""
    target, want, also = memory(), files(store), files(other)
    for key in data.draw(st.sets(st.sampled_from([key for key in keys if key != "zarr.json"]))):
        kind = data.draw(st.sampled_from(["right", "other", "short", "spoilt"]))
        spoilt = {"right": want[key], "other": also.get(key, b"?"), "short": want[key][:-1]}
        put(f"{target}/{key}", spoilt.get(kind, bytes(len(want[key]))))
    n_right = sum(objects(target).get(key) == want[key] for key in keys)
    report = copy_store(store, target)
    assert report.n_sent == len(want) - n_right
    assert objects(target) == want


def test_two_at_once(store: Path, setting: Callable[..., None]) -> None:
    target = memory()
    setting(n_requests=2)
    seen: list[SensoriumError] = []

    def another(progress: Progress) -> None:
        if progress.done == 3:
            with pytest.raises(TargetExists) as caught:
                copy_store(store, target)
            seen.append(caught.value)

    copy_store(store, target, report=another)
    assert [error.code for error in seen] == ["target-busy"]
    assert objects(target) == files(store)
