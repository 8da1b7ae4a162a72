"""What is fetched is what was asked for: digests, pins, pages in the place of files."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sensorium_data.catalogs import Catalog
from sensorium_data.catalogs.fetch import download
from sensorium_data.catalogs.looks import refuse_impostor
from sensorium_data.errors import DataInvalid, StorageFailed, TargetExists
from tests.catalogs.made import entry, file, names_in, one, sha256
from tests.catalogs.publisher import breaking

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensorium_data.schemas.download import DownloadReport
    from tests.catalogs.publisher import Publisher

MD5 = "0123456789abcdef0123456789abcdef"
PAGES = {
    "annex-pointer": f"/annex/objects/MD5E-s123456--{MD5}.zip\n".encode(),
    "annex-pointer link": f"../../.git/annex/objects/Qz/1k/MD5E-s123456--{MD5}.zip/MD5E-s123456--{MD5}.zip".encode(),
    "lfs-pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 123456\n",
    "html-page": b"\n<!DOCTYPE html><html><head><title> Sign\n in </title></head></html>",
    "html-page bare": b"<html><body>504 Gateway Time-out</body></html>",
    "xml-error": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>No.</Message></Error>",
    "not-a-zip": b"\x00" * 10_000,
}


def codes(report: DownloadReport) -> list[str]:
    return [failure.error.code for failure in report.failures]


@pytest.mark.parametrize("page", PAGES)
def test_what_came_instead_is_said_by_name(publisher: Publisher, tmp_path: Path, page: str) -> None:
    publisher.says["mouse.zip"] = (200, {}, PAGES[page])
    done = download(f"{publisher.url}/mouse.zip", tmp_path)
    assert codes(done) == [page.partition(" ")[0]]
    assert done.exit_code == 5
    if "pointer" in page:
        assert "123,456 bytes" in done.failures[0].error.message
    if "annex" in page:
        assert MD5 in done.failures[0].error.message
    assert names_in(tmp_path) == []


def test_a_page_does_not_cost_what_is_here(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files["mouse.zip"] = data
    known = one("mouse.zip", f"{publisher.url}/mouse.zip", size=len(data))
    publisher.each = breaking(200_000, 0, 0, 0)
    assert codes(download("mouse", tmp_path, catalog=known)) == ["unreachable"]
    publisher.says["mouse.zip"] = (200, {}, PAGES["html-page"])
    assert codes(download("mouse", tmp_path, catalog=known)) == ["html-page"]
    publisher.says.clear()
    (done,) = download("mouse", tmp_path, catalog=known).files
    assert (done.status, done.sha256) == ("resumed", sha256(data))


def test_texts_may_look_like_texts() -> None:
    refuse_impostor(b"<!doctype html>", "page.html", "x")
    refuse_impostor(b"\x1b[31m", "mouse.tar", "x")
    with pytest.raises(DataInvalid, match="titled “a b”"):
        refuse_impostor(b"<html><title>a\x1b \n b</title>", "mouse.tar", "x")


@pytest.mark.parametrize("known", [{"sha256": "0" * 64}, {"md5": "0" * 32}, {"size": 7}])
def test_what_differs_from_the_catalog_is_not_kept(
    publisher: Publisher, data: bytes, tmp_path: Path, known: dict[str, Any]
) -> None:
    publisher.files |= {"a/mouse.zip": data, "b/mouse.zip": data}
    urls = [f"{publisher.url}/{place}/mouse.zip" for place in "ab"]
    done = download("mouse", tmp_path, catalog=one("mouse.zip", *urls, **known))
    (failure,) = done.failures
    assert failure.error.code == ("size-mismatch" if "size" in known else "digest-mismatch")
    assert [problem.where for problem in failure.error.problems] == urls
    assert all("expected" in problem.what for problem in failure.error.problems)
    assert names_in(tmp_path) == []


def test_the_first_mirror_that_has_it_is_taken(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files |= {"wrong/mouse.zip": data[::-1] + data, "right/mouse.zip": data}
    publisher.says["page/mouse.zip"] = (200, {}, PAGES["html-page"])
    publisher.says["down/mouse.zip"] = (500, {}, b"")
    urls = [f"{publisher.url}/{place}/mouse.zip" for place in ("gone", "page", "down", "wrong", "right")]
    (done,) = download("mouse", tmp_path, catalog=one("mouse.zip", *urls, sha256=sha256(data))).files
    assert (done.status, done.url, done.sha256) == ("fetched", urls[-1], sha256(data))


def test_pins(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files["mouse.zip"] = data
    known = one("mouse.zip", f"{publisher.url}/mouse.zip")
    assert download("mouse", tmp_path, catalog=known).ok
    (pin,) = json.loads((tmp_path / "sensorium-data.lock.json").read_text())["files"]
    assert (pin["sha256"], pin["size"], pin["licence"]) == (sha256(data), len(data), "CC0")
    assert pin["etag"] == publisher.tag(data)
    publisher.files["mouse.zip"] = other = b"PK\x03\x04" + data
    publisher.asked.clear()
    assert download("mouse", tmp_path, catalog=known).files[0].status == "have"
    assert publisher.asked == []
    (tmp_path / "mouse.zip").unlink()
    assert codes(download("mouse", tmp_path, catalog=known)) == ["digest-changed"]
    publisher.files["mouse.zip"] = b"PK\x03\x04" + data[:3:-1]  # as long as the first
    assert codes(download("mouse", tmp_path, catalog=known)) == ["digest-changed"]
    assert names_in(tmp_path) == []
    publisher.files["mouse.zip"] = other
    (done,) = download("mouse", tmp_path, catalog=known, existing="replace").files
    assert (done.status, done.sha256) == ("fetched", sha256(other))
    assert download("mouse", tmp_path, catalog=known).files[0].status == "have"


def test_a_file_that_is_there_and_not_known(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files["mouse.zip"] = data
    url = f"{publisher.url}/mouse.zip"
    (tmp_path / "mouse.zip").write_bytes(data)
    assert codes(download("mouse", tmp_path, catalog=one("mouse.zip", url, sha256="0" * 64))) == ["digest-mismatch"]
    for known in ({"sha256": sha256(data)}, {}):
        (done,) = download("mouse", tmp_path, catalog=one("mouse.zip", url, **known)).files
        assert (done.status, done.sha256, done.bytes_fetched) == ("have", sha256(data), 0)
    (tmp_path / "mouse.zip").write_bytes(data[:-1] + b"!")
    os.utime(tmp_path / "mouse.zip", ns=(1, 1))
    assert codes(download("mouse", tmp_path, catalog=one("mouse.zip", url))) == ["digest-changed"]
    assert publisher.gets() == []
    (tmp_path / "page.zip").write_bytes(PAGES["html-page"])
    assert codes(download("mouse", tmp_path, catalog=one("page.zip", url))) == ["html-page"]


def test_existing_error_touches_nothing(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("mine")
    known = Catalog([entry("mouse", *(file(f"{name}.zip", f"{publisher.url}/{name}.zip") for name in "ab"))])
    with pytest.raises(TargetExists) as caught:
        download("mouse", tmp_path, catalog=known, existing="error")
    assert [problem.where for problem in caught.value.problems] == [str(tmp_path / "a.zip")]
    assert publisher.asked == []


@pytest.mark.parametrize("pinned", [True, False])
def test_refresh(publisher: Publisher, data: bytes, tmp_path: Path, pinned: bool) -> None:
    publisher.files["mouse.zip"] = data
    known = one("mouse.zip", f"{publisher.url}/mouse.zip")
    if pinned:
        download("mouse", tmp_path, catalog=known)
    else:
        (tmp_path / "mouse.zip").write_bytes(data)

    def refreshed() -> str:
        (done,) = download("mouse", tmp_path, catalog=known, existing="refresh").files
        assert done.sha256 == sha256(publisher.files["mouse.zip"])
        return done.status

    assert refreshed() == "have"
    (tmp_path / "mouse.zip").write_bytes(data[:-1] + b"!")
    assert refreshed() == "fetched"  # it was damaged here
    publisher.files["mouse.zip"] = b"PK\x03\x04" + data
    assert refreshed() == "fetched"  # it was replaced there
    assert refreshed() == "have"


def test_offline_says_all_that_lacks(
    publisher: Publisher, data: bytes, tmp_path: Path, setting: Callable[[str, object], None]
) -> None:
    publisher.files["a.zip"] = data
    known = Catalog([entry("mouse", *(file(f"{name}.zip", f"{publisher.url}/{name}.zip") for name in "abc"))])
    download(f"{publisher.url}/a.zip", tmp_path)
    publisher.asked.clear()
    with pytest.raises(StorageFailed) as caught:
        download("mouse", tmp_path, catalog=known, offline=True)
    assert (caught.value.code, [problem.where for problem in caught.value.problems]) == ("offline", ["b.zip", "c.zip"])
    setting("offline", 1)
    with pytest.raises(StorageFailed, match="network is switched off"):
        download("mouse", tmp_path, catalog=known)
    assert download(f"{publisher.url}/a.zip", tmp_path).files[0].status == "have"
    assert publisher.asked == []


def test_dry_run_writes_nothing(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files["mouse.zip"] = data
    done = download(f"{publisher.url}/mouse.zip", tmp_path / "to", dry_run=True)
    assert [(each.status, each.bytes) for each in done.files] == [("planned", len(data))]
    assert done.bytes_to_come == len(data)
    assert publisher.gets() == []
    assert not (tmp_path / "to").exists()


def test_there_must_be_room(publisher: Publisher, tmp_path: Path) -> None:
    publisher.says["mouse.zip"] = (200, {}, b"")
    known = one("mouse.zip", f"{publisher.url}/mouse.zip", size=10**18)
    with pytest.raises(StorageFailed, match="are free") as caught:
        download("mouse", tmp_path, catalog=known)
    assert caught.value.code == "no-room"
    assert publisher.gets() == []


def test_a_full_disk_keeps_what_came(
    publisher: Publisher, data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.files["mouse.zip"] = data
    real, left = os.write, [200_000]

    def full(handle: int, piece: Any) -> int:
        if stat.S_ISREG(os.fstat(handle).st_mode):  # not the pipes of others
            if left[0] <= 0:
                raise OSError(28, "No space left on device")
            left[0] -= len(piece)
        return real(handle, piece)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        (failure,) = download(f"{publisher.url}/mouse.zip", tmp_path).failures
    assert (failure.error.code, failure.exit_code) == ("disk-full", 6)
    (done,) = download(f"{publisher.url}/mouse.zip", tmp_path).files
    assert (done.status, done.sha256) == ("resumed", sha256(data))


def test_files_of_any_file_system(data: bytes, tmp_path: Path) -> None:
    import fsspec

    fsspec.filesystem("memory").pipe_file("/lab/mouse.zip", data)
    (tmp_path / "there").mkdir()
    (tmp_path / "there/mouse.zip").write_bytes(data)
    (tmp_path / "there/page.zip").write_bytes(PAGES["html-page"])
    for n, url in enumerate(("memory://lab/mouse.zip", (tmp_path / "there/mouse.zip").as_uri())):
        (done,) = download(url, tmp_path / str(n)).files
        assert (done.status, done.sha256) == ("fetched", sha256(data))
        part = tmp_path / f"{n}/mouse.zip.part"
        assert Path(tmp_path / f"{n}/mouse.zip").read_bytes() == data
        assert not part.exists()
    assert codes(download((tmp_path / "there/page.zip").as_uri(), tmp_path / "2")) == ["html-page"]
    assert codes(download("memory://lab/none.zip", tmp_path / "2")) == ["no-such-object"]
    assert names_in(tmp_path / "2") == []
