"""Catalogs of others: read from files and URLs, refused where they ask for more than files."""

from __future__ import annotations

import json
import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from sensorium_data.catalogs import catalog
from sensorium_data.catalogs.user import MOST_BYTES, read_catalog
from sensorium_data.errors import DataInvalid, NotFound
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def entry(name: str = "lab-1", **changed: Any) -> dict[str, Any]:
    files = [{"name": f"{name}.zip", "urls": [f"https://example.org/{name}.zip"], "size": 12}]
    least = {"name": name, "title": "Of the lab", "collection": "lab", "kind": "recording", "reader": "sensorium2023"}
    terms = {"licence": "CC0", "citation": "nobody", "homepage": "https://example.org/", "files": files}
    return least | terms | changed


def document(*entries: dict[str, Any], **changed: Any) -> str:
    return json.dumps({"catalog": 1, "name": "lab", "entries": list(entries)} | changed)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "lab.json"
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_a_file_joins_the_catalog_of_the_package(written: Callable[[str], Path]) -> None:
    path = written(document(entry(mouse="K")))
    for where in (path, str(path)):
        joined = catalog(where)
        assert list(joined) == [*catalog(), "lab-1"]
        assert joined.collections[-1] == "lab"
        assert list(joined.find("mouse-K")) == list(joined.find("lab")) == list(joined.find("LAB-1.zip")) == ["lab-1"]
    assert len(catalog(path, path)) == len(catalog()) + 1


def test_a_url_is_fetched(written: Callable[[str], Path], served: str) -> None:
    written(document(entry()))
    assert "lab-1" in catalog(f"{served}/lab.json")
    with pytest.raises(NotFound, match="no such catalog") as caught:
        catalog(f"{served}/other.json?signature=hidden")
    assert "hidden" not in str(caught.value)


def test_a_url_that_is_too_long_or_none(tmp_path: Path, served: str) -> None:
    with (tmp_path / "long.json").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(DataInvalid, match="longer than a catalog may be") as caught:
        catalog(f"{served}/long.json")
    assert caught.value.code == "catalog-too-long"
    (tmp_path / "page.json").write_text("<html>sign in</html>")
    (tmp_path / "empty.json").write_text("")
    for name in ("page", "empty"):
        with pytest.raises(DataInvalid, match="is no catalog"):
            catalog(f"{served}/{name}.json")


def test_settings_name_further_catalogs(
    tmp_path: Path, served: str, monkeypatch: pytest.MonkeyPatch, fresh_settings: None
) -> None:
    (tmp_path / "one.json").write_text(document(entry("one-1", collection="one")))
    (tmp_path / "two.json").write_text(document(entry("two-1", collection="two")))
    monkeypatch.setenv("SENSORIUM_DATA_CATALOGS", f"{tmp_path}/one.json {served}/two.json")
    assert catalog().collections[-2:] == ("one", "two")


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", ["catalog"]),
        ("[", ["catalog"]),
        ("[]", ["catalog"]),
        ("[" * 100_000, ["catalog"]),
        ('{"catalog": 1, "name": "lab"}', ["entries"]),
        (document(entry(colour="red"), entry(kind="film")), ["entries.0.colour", "entries.1.kind"]),
        (document(entry(files=[{"name": "../a", "urls": ["https://a.org/a"]}])), ["entries.0.files.0.name"]),
        (document(entry(files=[{"name": "a", "urls": ["https://me:pw@a.org/a"]}])), ["entries.0.files.0.urls"]),
    ],
)
def test_what_is_no_catalog_is_told_with_all_its_faults(
    written: Callable[[str], Path], text: str, places: list[str]
) -> None:
    with pytest.raises(DataInvalid, match="is no catalog") as caught:
        read_catalog(written(text))
    assert caught.value.code == "catalog-invalid"
    assert [problem.where for problem in caught.value.problems] == places
    assert "me:pw" not in str(caught.value)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing.json", "missing/lab.json", "pipe", "."):
        with pytest.raises(NotFound) as caught:
            read_catalog(tmp_path / name)
        assert caught.value.code == "no-such-catalog"
    with (tmp_path / "long.json").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(DataInvalid, match="longer than"):
        read_catalog(tmp_path / "long.json")


def test_a_stranger_gets_no_token(written: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    asks = {"environment": "HF_TOKEN", "how": "ask", "hosts": ["example.org"]}
    with pytest.raises(DataInvalid, match="would be sent it") as caught:
        catalog(written(document(entry("lab-1", credentials=asks), entry("lab-2"), entry("lab-3", credentials=asks))))
    assert caught.value.code == "catalog-untrusted"
    assert [(p.code, p.where) for p in caught.value.problems] == [
        ("catalog-credentials", "lab-1"),
        ("catalog-credentials", "lab-3"),
    ]
    assert "hf_secret" not in json.dumps(caught.value.as_dict())


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest/meta-data", "http://[fe80::1]/a", "http://[::ffff:169.254.169.254]/a"],
)
def test_addresses_of_the_link_are_refused(written: Callable[[str], Path], url: str) -> None:
    with pytest.raises(DataInvalid, match="address of this link"):
        read_catalog(written(document(entry(files=[{"name": "a", "urls": ["https://a.org/a", url]}]))))


def test_files_of_this_machine_are_for_catalogs_of_this_machine(written: Callable[[str], Path], served: str) -> None:
    path = written(document(entry(files=[{"name": "a", "urls": ["file:///etc/passwd"]}])))
    assert read_catalog(path).entries[0].files[0].urls == ("file:///etc/passwd",)
    with pytest.raises(DataInvalid) as caught:
        read_catalog(f"{served}/lab.json")
    assert [problem.code for problem in caught.value.problems] == ["catalog-local-file"]


@pytest.mark.parametrize(
    ("changed", "codes"),
    [
        ({"name": "sensorium2023-29515-10-12"}, {"catalog-name"}),
        ({"name": "f"}, {"catalog-name"}),
        ({"name": "mouse-f"}, {"catalog-name"}),
        ({"name": "sensorium2023"}, {"catalog-name"}),
        ({"collection": "sensorium2023"}, {"catalog-collection"}),
        ({"name": "dynamic29515-10-12", "collection": "s0"}, {"catalog-name", "catalog-collection"}),
    ],
)
def test_names_of_the_package_keep_their_meaning(
    written: Callable[[str], Path], changed: dict[str, str], codes: set[str]
) -> None:
    with pytest.raises(DataInvalid, match="its names are taken") as caught:
        catalog(written(document(entry(**changed))))
    assert {problem.code for problem in caught.value.problems} == codes


def test_two_further_catalogs_with_one_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(document(entry(), name=name))
    with pytest.raises(DataInvalid, match="catalog `b`"):
        catalog(tmp_path / "a.json", tmp_path / "b.json")
