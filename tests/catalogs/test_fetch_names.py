"""One name, several files: what was fetched as one thing is never taken for another."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sensorium_data.catalogs.fetch import download
from sensorium_data.errors import BadArgument, TargetExists
from tests.catalogs.made import names_in, one, sha256

if TYPE_CHECKING:
    from pathlib import Path

    from tests.catalogs.publisher import Publisher


def test_the_same_name_of_another_place_is_refused(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files |= {"a/mouse.zip": data, "b/mouse.zip": data[:-1] + b"."}
    assert download(f"{publisher.url}/a/mouse.zip", tmp_path).ok
    with pytest.raises(TargetExists, match="something else") as found:
        download(f"{publisher.url}/b/mouse.zip", tmp_path)
    assert [problem.code for problem in found.value.problems] == ["same-name"]
    assert "a/mouse.zip, not as" in found.value.problems[0].what
    (done,) = download(f"{publisher.url}/b/mouse.zip", tmp_path, existing="replace").files
    assert done.sha256 == sha256(publisher.files["b/mouse.zip"])


def test_one_file_by_its_url_and_by_its_name(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files["mouse.zip"] = data
    url = f"{publisher.url}/mouse.zip"
    assert download(url, tmp_path).ok
    assert download("mouse", tmp_path, catalog=one("mouse.zip", url)).files[0].status == "have"


def test_a_query_chooses_a_file_and_a_signature_does_not(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files["get.zip"] = data
    (seven,) = download(f"{publisher.url}/get.zip?id=7", tmp_path).files
    assert "id=7" not in seven.model_dump_json()
    with pytest.raises(TargetExists, match="something else"):
        download(f"{publisher.url}/get.zip?id=8", tmp_path)
    (signed,) = download(f"{publisher.url}/get.zip?X-Amz-Signature=a", tmp_path / "b").files
    (again,) = download(f"{publisher.url}/get.zip?X-Amz-Signature=b", tmp_path / "b").files
    assert (signed.status, again.status) == ("fetched", "have")


def test_half_a_file_of_another_program_is_not_taken_for_it(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files["mouse.zip"] = data
    (tmp_path / "mouse.zip").write_bytes(data[:1000])
    (failure,) = download(f"{publisher.url}/mouse.zip", tmp_path).failures
    assert failure.error.code == "size-mismatch"
    assert "has 1,000 bytes" in failure.error.message
    assert (tmp_path / "mouse.zip").read_bytes() == data[:1000]
    (tmp_path / "mouse.zip").write_bytes(data)
    assert download(f"{publisher.url}/mouse.zip", tmp_path).files[0].sha256 == sha256(data)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_folder_that_is_only_read_serves(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files["mouse.zip"] = data
    folder = tmp_path / "shared"
    assert download(f"{publisher.url}/mouse.zip", folder).ok
    for path in folder.iterdir():
        if path.name.startswith(".") or path.suffix == ".lock":
            path.unlink()
    before = names_in(folder), {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert download(f"{publisher.url}/mouse.zip", folder).files[0].status == "have"
    assert (names_in(folder), {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}) == before


def test_a_download_goes_to_a_folder(publisher: Publisher) -> None:
    with pytest.raises(BadArgument, match="folder of this machine"):
        download(f"{publisher.url}/mouse.zip", "s3://bucket/raw")
