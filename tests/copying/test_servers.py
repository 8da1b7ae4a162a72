"""Copies to real servers: every make of bucket, credentials that are wrong, buckets that are not there or not listed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sensorium_data.conversion import check_store
from sensorium_data.copying import copy_store, plan_copy
from sensorium_data.errors import NotFound, StorageFailed
from tests.copying.places import files, objects

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers.nginx import Nginx
    from tests.servers.seaweed import Seaweed

Run = tuple[int, str, str]


def bucket(request: pytest.FixtureRequest, make: str) -> tuple[str, dict[str, Any]]:
    server = request.getfixturevalue(make)
    if make == "azurite":
        return f"az://{server.create_container()}", server.storage_options
    scheme = {"seaweed": "s3", "gcs": "gs"}[make]
    return f"{scheme}://{server.create_bucket()}", server.storage_options


@pytest.mark.parametrize("make", ["seaweed", "azurite", "gcs"])
def test_there_and_back(request: pytest.FixtureRequest, store: Path, other: Path, tmp_path: Path, make: str) -> None:
    where, options = bucket(request, make)
    target = f"{where}/stores/mouse.zarr"
    assert copy_store(store, target, storage_options=options).status == "copied"
    assert objects(target, options) == files(store)
    again = copy_store(store, target, existing="resume", storage_options=options)
    assert (again.status, again.n_sent) == ("up-to-date", 0)
    assert check_store(target, storage_options=options).ok
    assert copy_store(target, tmp_path / "back.zarr", storage_options=options).status == "copied"
    assert files(tmp_path / "back.zarr") == files(store)
    assert copy_store(other, target, existing="replace", storage_options=options).status == "copied"
    assert objects(target, options) == files(other)


@pytest.mark.parametrize("make", ["azurite", "gcs"])
def test_no_such_bucket(request: pytest.FixtureRequest, store: Path, make: str) -> None:
    _, options = bucket(request, make)
    scheme = {"azurite": "az", "gcs": "gs"}[make]
    with pytest.raises(NotFound, match="no such bucket `nowhere-at-all`"):
        copy_store(store, f"{scheme}://nowhere-at-all/mouse.zarr", storage_options=options)


def test_large_files_go_by_a_file(
    seaweed: Seaweed, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensorium_data.copying.places.IN_MEMORY", 1000)
    where, options = f"s3://{seaweed.create_bucket()}", seaweed.storage_options
    copy_store(store, f"{where}/a.zarr", storage_options=options)  # the source's own files
    copy_store(f"{where}/a.zarr", f"{where}/b.zarr", storage_options=options, source_options=options)  # spooled
    assert objects(f"{where}/b.zarr", options) == files(store)


def test_credentials(seaweed: Seaweed, store: Path) -> None:
    where = seaweed.create_bucket()
    target = f"s3://{where}/mouse.zarr"
    wrong = seaweed.options_at(seaweed.endpoint, key=seaweed.key, secret="not-this-one")
    nobody = seaweed.options_at(seaweed.endpoint)
    for act in (copy_store, plan_copy):
        for options in (wrong, nobody):
            with pytest.raises(StorageFailed) as caught:
                act(store, target, storage_options=options)
            assert caught.value.code == "access-denied"
            assert "not-this-one" not in f"{caught.value!r} {caught.value} {caught.value.hint}"
    with pytest.raises(StorageFailed) as caught:  # it may be read by anybody, and written by nobody
        copy_store(store, f"s3://{seaweed.unlisted}/mouse.zarr", storage_options=nobody)
    assert caught.value.code == "access-denied"
    assert objects(target, seaweed.storage_options) == {}


def test_a_bucket_that_is_not_listed(seaweed: Seaweed, store: Path, other: Path) -> None:
    where = seaweed.create_bucket()
    target = f"s3://{where}/mouse.zarr"
    who = seaweed.options_at(seaweed.endpoint, key=seaweed.unlisting_key, secret=seaweed.unlisting_secret)
    assert copy_store(store, target, storage_options=who).status == "copied"
    assert objects(target, seaweed.storage_options) == files(store)
    assert copy_store(store, target, existing="resume", storage_options=who).status == "up-to-date"
    assert check_store(target, storage_options=who).ok
    assert copy_store(other, target, existing="replace", storage_options=who).status == "copied"
    assert check_store(target, storage_options=who).ok


def test_from_a_web_server(nginx: Nginx, store: Path, recording: Path, tmp_path: Path) -> None:
    url, folder = nginx.new_folder()
    copy_store(store, folder / "mouse.zarr")
    assert check_store(f"{url}/mouse.zarr", against=recording).ok
    assert copy_store(f"{url}/mouse.zarr", tmp_path / "copy.zarr").status == "copied"
    assert files(tmp_path / "copy.zarr") == files(store)


def words_of(options: dict[str, Any], kind: str = "storage") -> list[str]:
    return [word for name, value in options.items() for word in (f"--{kind}-option", f"{name}={json.dumps(value)}")]


def test_verbs(seaweed: Seaweed, store: Path, tmp_path: Path, run: Callable[..., Run]) -> None:
    where, options = f"s3://{seaweed.create_bucket()}/stores", seaweed.storage_options
    target, given = f"{where}/mouse.zarr", words_of(options)
    code, out, _ = run("copy", store, target, *given, "--dry-run")
    assert (code, out.startswith("would copy ")) == (0, True)
    assert objects(where, options) == {}
    code, out, err = run("copy", store, target, *given, "--json")
    assert (code, json.loads(out)["status"], err) == (0, "copied", "")
    assert run("copy", store, target, *given)[0] == 7
    code, out, _ = run("copy", target, f"{where}/again.zarr", *given, *words_of(options, "source"))
    assert (code, out.startswith("copied   s3://")) == (0, True)
    code, out, _ = run("ls", f"{where}/", *given, "--json")
    assert [row["store"] for row in json.loads(out)] == [f"{where}/again.zarr", target]
    code, out, _ = run("info", target, *given, "--json")
    assert json.loads(out)["identity"]["key"] == json.loads(run("info", store, "--json")[1])["identity"]["key"]
    assert run("check", target, *given)[0] == 0
    assert run("copy", target, tmp_path / "back.zarr", *given)[0] == 0
    assert files(tmp_path / "back.zarr") == files(store)


def test_what_cannot_be_listed_says_so(nginx: Nginx, seaweed: Seaweed, run: Callable[..., Run]) -> None:
    assert "error[no-listing]" in run("ls", nginx.new_folder()[0])[2]
    nobody = words_of(seaweed.options_at(seaweed.endpoint))
    code, _, err = run("ls", f"s3://{seaweed.unlisted}/stores", *nobody)
    assert (code, "a bucket that may not be listed answers so" in err) == (6, True)


def test_an_option_is_a_pair(store: Path, run: Callable[..., Run]) -> None:
    code, _, err = run("copy", store, "s3://bucket/x.zarr", "--storage-option", "very-secret")
    assert (code, "expected KEY=VALUE" in err, "very-secret" in err) == (2, True, False)


KILLED = """
import json, os, signal, sys
from sensorium_data.copying import copy_store
from sensorium_data.remote.files import FileObjects
store, target, options, at, after = json.loads(sys.argv[1])
n, before = 0, FileObjects._put
def put(self, *given):
    global n
    n += 1
    if n == at and not after:
        os.kill(os.getpid(), signal.SIGKILL)
    before(self, *given)
    if n >= at and after:
        os.kill(os.getpid(), signal.SIGKILL)
FileObjects._put = put
copy_store(store, target, storage_options=options)
"""


@pytest.mark.sweep
def test_killed_anywhere(seaweed: Seaweed, store: Path, full: bool) -> None:
    """Killed at any write: there is no root, and the next run sends only what is not there."""
    where, options, n_files = seaweed.create_bucket(), seaweed.storage_options, len(files(store))
    points = list(range(1, n_files + 1, max(1, n_files // 50))) if full else [1, n_files // 2, n_files]
    for at in points:
        target = f"s3://{where}/{at}.zarr"
        words = json.dumps([str(store), target, options, at, at % 2 == 1 and at < n_files])
        done = subprocess.run([sys.executable, "-c", KILLED, words], capture_output=True, text=True, check=False)
        assert done.returncode == -9, done.stderr
        left = objects(target, options)
        assert "zarr.json" not in left
        report = copy_store(store, target, storage_options=options)
        assert report.n_sent <= n_files - len(left)  # what was on its way may have arrived since
        assert objects(target, options) == files(store)
