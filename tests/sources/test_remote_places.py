"""What lies at a URL instead of a zip is called by its name, and a folder of a bucket is a recording as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sensorium_data.errors import NotFound, SourceInvalid, StorageFailed
from sensorium_data.sources.members import MemberError, Members, open_members
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sources.webserver import Web


def opened(web: Web, data: bytes) -> Members:
    web.files["in/mouse.zip"] = data
    return open_members(f"{web.url}/in/mouse.zip")


PAGES = {
    "a page of HTML": b"<!DOCTYPE html>\n<html><title>Sign in</title>",
    "a git-annex pointer": b"/annex/objects/SHA256E-s9000--0123456789abcdef.zip\n",
    "a git-LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    r"a message in XML \(AccessDenied\)": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
}


@pytest.mark.parametrize("what", PAGES)
def test_what_comes_instead_of_a_zip_is_called_by_its_name(web: Web, tmp_path: Path, what: str) -> None:
    with pytest.raises(SourceInvalid, match=f"is {what}") as caught:
        opened(web, PAGES[what])
    assert (caught.value.code, caught.value.exit_code) == ("not-a-zip", 5)
    (tmp_path / "x.zip").write_bytes(PAGES[what])
    with pytest.raises(SourceInvalid, match=f"is {what}"):
        open_members(tmp_path / "x.zip")


def test_a_page_as_large_as_a_zip(web: Web) -> None:
    with pytest.raises(SourceInvalid, match="a page of HTML") as caught:
        opened(web, b"<html>" + bytes(300_000))
    assert caught.value.code == "not-a-zip"


@pytest.mark.parametrize(("data", "words"), [(b"", "neither a folder nor a zip"), (b"PK" + bytes(90_000), "cut short")])
def test_what_is_no_zip_for_another_reason(web: Web, data: bytes, words: str) -> None:
    with pytest.raises(SourceInvalid, match=words):
        opened(web, data)


def test_a_server_without_ranges_and_places_that_are_closed_or_empty(web: Web) -> None:
    web.files["in/mouse.zip"], url = bytes(200_000), f"{web.url}/in/mouse.zip"
    web.ranges = False
    with pytest.raises(StorageFailed) as caught:
        open_members(url)
    assert (caught.value.code, "download it whole" in caught.value.hint) == ("ranges-ignored", True)
    web.ranges, web.status = True, 403
    with pytest.raises(StorageFailed) as caught:
        open_members(f"{url}?signature=secret")
    assert caught.value.code == "access-denied"
    assert "secret" not in f"{caught.value}{caught.value.hint}"
    web.status = 0
    with pytest.raises(NotFound, match="no such zip") as missing:
        open_members(f"{web.url}/in/absent.zip")
    assert (missing.value.code, missing.value.exit_code) == ("no-such-source", 4)


def test_a_path_made_of_a_url_is_told_from_one_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        open_members(type(tmp_path)("https://example.org/x.zip"))
    assert "given as text" in caught.value.hint


def test_a_folder_of_a_bucket(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    folder = write_sensorium2023(tmp_path, n_neurons=4, n_train=2, n_repeats=1, frame_shape=(8, 12))
    (folder / "config.json").write_text("{}")
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), f"/bucket/{folder.name}", recursive=True)
    try:
        here, there = open_members(folder), open_members(f"memory://bucket/{folder.name}")
        assert (there.root, there.litter, dict(there.sizes)) == (here.root, here.litter, dict(here.sizes))
        assert {n: there.read(n).sha256 for n in there.sizes} == {n: here.read(n).sha256 for n in here.sizes}
        outer = open_members("memory://bucket")
        assert (outer.root, dict(outer.sizes)) == (here.root, dict(here.sizes))
        name = "data/responses/0.npy"
        assert outer.head(name, 200) == here.head(name, 200)
        memory.pipe_file(f"/bucket/{folder.name}/{name}", bytes(here.sizes[name]))
        with pytest.raises(MemberError, match="begins with other bytes"):
            outer.read(name)
        with pytest.raises(NotFound, match="no such zip or folder"):
            open_members("memory://elsewhere/mouse")
    finally:
        memory.rm("/bucket", recursive=True)
