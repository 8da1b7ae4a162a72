"""What a catalog or a link may not bring about: tokens sent elsewhere, secrets written down, files outside the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sensorium_data.catalogs import Catalog
from sensorium_data.catalogs.fetch import download
from sensorium_data.errors import BadArgument, DataInvalid, NoSuchItem, NotFound, StorageFailed, TargetExists
from tests.catalogs.made import entry, file, gate, one, sha256
from tests.catalogs.publisher import breaking

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.catalogs.publisher import Publisher


def test_a_token_goes_to_its_host_alone(
    publisher: Publisher, data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    setting: Callable[[str, object], None],
) -> None:  # fmt: skip
    publisher.files["mouse.zip"], publisher.token = data, "hush-hush"
    url = f"{publisher.url}/mouse.zip"
    gated = Catalog([entry("mouse", file("mouse.zip", url), credentials=gate())])
    monkeypatch.delenv("LAB_TOKEN", raising=False)
    with pytest.raises(StorageFailed, match="no LAB_TOKEN") as caught:
        download("mouse", tmp_path, catalog=gated)
    assert "ask the lab" in str(caught.value)
    assert publisher.asked == []
    monkeypatch.setenv("LAB_TOKEN", "wrong")
    (failure,) = download("mouse", tmp_path, catalog=gated).failures
    assert failure.error.code == "access-denied"
    assert "LAB_TOKEN" in failure.error.hint
    monkeypatch.setenv("LAB_TOKEN", "hush-hush")
    setting("mirrors", f"{publisher.url}=http://localhost:{publisher.port}")  # which the entry does not name
    publisher.asked.clear()
    assert download("mouse", tmp_path, catalog=gated).failures[0].error.code == "access-denied"
    assert {asked.authorization for asked in publisher.asked} == {""}
    setting("mirrors", "")
    done = download("mouse", tmp_path, catalog=gated)
    assert done.files[0].sha256 == sha256(data)
    written = "".join(path.read_text("latin-1") for path in tmp_path.rglob("*") if path.is_file())
    assert "hush-hush" not in written + repr(done) + repr(gated)


def test_the_signature_of_a_url_is_kept_nowhere(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files["mouse.zip"] = data
    publisher.each = breaking(200_000, 0, 0, 0, 0)
    done = download(f"{publisher.url}/mouse.zip?signature=hush", tmp_path)
    texts = [path.read_text("latin-1") for path in tmp_path.iterdir() if path.suffix == ".json"]
    assert len(texts) == 1
    assert "hush" not in "".join(texts) + repr(done)
    assert download(f"{publisher.url}/mouse.zip?signature=other", tmp_path).files[0].status == "resumed"


def test_names_stay_inside(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files |= {"mouse.zip": data, "x/%2e%2e": data}
    url = f"{publisher.url}/mouse.zip"
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = tmp_path / "to"
    folder.mkdir()
    (folder / "deep").symlink_to(outside)
    (folder / "mouse.zip").symlink_to(outside / "mouse.zip")
    for name in ("deep/mouse.zip", "mouse.zip"):
        with pytest.raises(BadArgument, match="outside"):
            download("mouse", folder, catalog=one(name, url))
    tricky = entry("mouse", file("mouse.zip", url))
    object.__setattr__(tricky.files[0], "name", "../outside/mouse.zip")
    with pytest.raises(BadArgument, match="cannot be the name"):
        download("mouse", folder, catalog=Catalog([tricky]))
    with pytest.raises(BadArgument, match="cannot be the name"):
        download(f"{publisher.url}/x/%2e%2e", folder)
    assert list(outside.iterdir()) == []


def test_wrong_calls(publisher: Publisher, tmp_path: Path) -> None:
    url = f"{publisher.url}/mouse.zip"
    with pytest.raises(BadArgument, match="existing"):
        download(url, tmp_path, existing="sikp")  # type: ignore[arg-type]
    with pytest.raises(BadArgument, match="jobs"):
        download(url, tmp_path, jobs=0)
    with pytest.raises(NoSuchItem):
        download("mouse-Z", tmp_path)
    with pytest.raises(BadArgument, match="no name"):
        download([], tmp_path)
    bare = Catalog([entry("mouse")])
    with pytest.raises(NotFound, match="names no files") as caught:
        download("mouse", tmp_path, catalog=bare)
    assert "https://example.org/" in str(caught.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetExists):
        download(url, tmp_path / "file")
    two = Catalog([entry("a", file("m.zip", f"{url}/1")), entry("b", file("m.zip", f"{url}/2"))])
    with pytest.raises(BadArgument, match="two files"):
        download(["a", "b"], tmp_path, catalog=two)
    (tmp_path / "sensorium-data.lock.json").write_text("{")
    with pytest.raises(DataInvalid, match="no lock file"):
        download(url, tmp_path)
