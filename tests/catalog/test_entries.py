"""The catalog of the package says what the readers know, and no entry of any catalog can name a place outside its folder."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sensorium_data.catalogs import catalog
from sensorium_data.catalogs.entries import COLLECTIONS, bundled
from sensorium_data.schemas import ROLES, CatalogDocument, CatalogFile, Entry
from sensorium_data.sources import sensorium2022_facts, sensorium2023_facts
from sensorium_data.sources.registry import installed_sources

ENTRIES = [entry for document in bundled() for entry in document.entries]
RECORDINGS = [entry for entry in ENTRIES if entry.reader != "none"]
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=-]*(/[A-Za-z0-9_][A-Za-z0-9_.+=-]*)*", re.ASCII)


def _of(collection: str) -> list[Entry]:
    return [entry for entry in ENTRIES if entry.collection == collection]


def _name(entry: Entry) -> str:
    return entry.name


def _file(**changed: Any) -> CatalogFile:
    return CatalogFile.model_validate_json(
        json.dumps({"name": "a.zip", "urls": ["https://example.org/a.zip"]} | changed)
    )


def _entry(**changed: Any) -> Entry:
    least = {"name": "a", "title": "A", "collection": "mine", "kind": "recording", "reader": "none", "licence": "CC0"}
    more = {"citation": "nobody", "homepage": "https://example.org/", "files": []}
    return Entry.model_validate_json(json.dumps(least | more | changed))


def test_collections_are_the_packaged_files() -> None:
    packaged = {each.name for each in (files("sensorium_data.catalogs") / "data").iterdir()}
    assert packaged == {f"{name}.json" for name in COLLECTIONS}
    assert all({entry.collection for entry in each.entries} == {each.name} for each in bundled())
    assert catalog().collections == COLLECTIONS


def test_mice_of_2023_are_those_of_the_reader() -> None:
    mice = _of("sensorium2023")
    assert {e.key: e.mouse for e in mice} == {key: m.letter for key, m in sensorium2023_facts.MICE.items()}
    assert sum(e.n_neurons or 0 for e in mice) == 78_853
    assert {e.licence for e in mice} == {sensorium2023_facts.LICENCE.name}
    assert {e.licence_url for e in mice} == {sensorium2023_facts.LICENCE.url}
    for citation in sensorium2023_facts.CITATIONS:
        assert all(citation.text in e.citation and (citation.url or "") in e.citation for e in mice)
    homes = {e.mouse: e.homepage.rpartition("/")[2] for e in mice}
    assert homes == dict.fromkeys("ABCDE", "Sensorium2023Data") | dict.fromkeys("FGHIJ", "sensorium_2023_dataset")


def test_mice_of_2022_are_those_of_the_reader() -> None:
    mice = _of("sensorium2022")
    assert {e.key: e.mouse for e in mice} == sensorium2022_facts.MICE
    assert {e.licence for e in mice} == {sensorium2022_facts.LICENCE.name}
    assert {tier.name for e in mice if e.mouse is None for tier in e.tiers} == {"train", "validation", "test"}
    colour = _of("franke2022")
    assert len(colour) == 10
    assert {e.doi for e in colour} == {sensorium2022_facts.COLOUR_CITATIONS[0].doi}
    assert all(sensorium2022_facts.COLOUR in e.files[0].name for e in colour)


@pytest.mark.parametrize("entry", RECORDINGS, ids=_name)
def test_recording_has_its_one_zip(entry: Entry) -> None:
    assert entry.reader in installed_sources()
    assert entry.name == f"{entry.collection}-{entry.key}"
    (file,) = entry.files
    pattern = r"(dynamic|static)\d+-\d+-\d+-(Video|GrayImageNet|ColorImageNet)-[0-9a-f]{32}\.zip"
    assert re.fullmatch(pattern, file.name)
    (url,) = file.urls
    assert re.fullmatch(rf"https://gin\.g-node\.org/\w+/\w+/raw/master/(imagenet%20scans/)?{file.name}", url)
    assert url.startswith(entry.homepage.partition("/src/")[0])
    assert {tier.name for tier in entry.tiers} <= ROLES.keys()


def test_a_token_goes_to_one_host_and_no_reader_is_promised() -> None:
    assert all(entry.reader == "none" for entry in ENTRIES if entry not in RECORDINGS)
    asking = {e.collection: e.credentials for e in ENTRIES if e.credentials is not None}
    assert {name: (c.environment, c.hosts) for name, c in asking.items()} == {
        "enigma-mouse": ("HF_TOKEN", ("huggingface.co",))
    }
    hosts = {urlsplit(url).hostname for e in ENTRIES for file in e.files for url in file.urls}
    assert hosts == {"gin.g-node.org", "huggingface.co", "bossdb-open-data"}


BAD_NAMES = [
    *("../a.zip", "a/../../b", "a/..", ".", "..", "/etc/passwd", "//host/share", "a//b", "a/", "", " ", "a b"),
    *(
        "..\\a",
        "a\\b",
        "C:a",
        "c:/a",
        "a:b",
        ".hidden",
        "a/.hidden",
        "~root",
        "-rf",
        "a\n",
        "a\0",
        "a\x1b[2J",
        "é",
        "a\u202eb",
    ),
    *("con", "NUL.zip", "a/com1.txt", "a./b", "a.", "x.part", "x.part.json", "x.PART", "x.lock", "a/" + "b" * 201),
    "/".join(["b" * 100] * 11),
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_file_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        _file(name=name)


@given(st.from_regex(PLAIN, fullmatch=True) | st.text("abCON./\\:~- \n\0", max_size=12))
def test_accepted_file_names_stay_below_their_folder_everywhere(name: str) -> None:
    try:
        _file(name=name)
    except ValidationError:
        return
    parts = name.split("/")
    for path in (PurePosixPath(name), PureWindowsPath(name)):
        assert not path.is_absolute()
        assert (path.drive, path.root) == ("", "")
        assert list(path.parts) == parts
    assert not any(part.startswith(".") or part.endswith((".", " ")) for part in parts)


@pytest.mark.parametrize("name", ["a.zip", "data/a-1_b+c=d.tar.gz", "console/connect.npy", "a..b"])
def test_plain_file_names_are_accepted(name: str) -> None:
    assert _file(name=name).name == name


BAD_URLS = [
    *("ftp://a/b", "javascript:alert(1)", "data:,a", "a.zip", "/etc/passwd", "https://", "https:///a", "s3:///key"),
    *(
        "https://me:secret@example.org/a",
        "https://me@example.org/a",
        "s3://key:secret@bucket/a",
        "https://exa mple.org/a",
    ),
    *("https://example.org/a?X-Amz-Signature=1", "https://a.org/a?sig=1&se=2", "https://a.org/a?access_token=1"),
    *("https://example.org/a?AWSAccessKeyId=1", "https://example.org/a?api_key=1", "https://example.org/a\n"),
    *("s3://bucket/a.zip::file:///etc/passwd", "https://a.org/../b", "https://a.org/%2e%2e/b", "https://a.org/b#c"),
    *("file://host/share", "https://[::1/a", "https://a.org:x/b", "HTTPS://a.org/b"),
]


@pytest.mark.parametrize("url", BAD_URLS, ids=ascii)
def test_urls_that_are_more_than_a_place_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        _file(urls=["https://example.org/a.zip", url])


@pytest.mark.parametrize(
    "url",
    [
        *("https://a.org/b%20c/d.zip?download=1", "http://127.0.0.1:8000/a", "s3://bucket/a", "gs://bucket/a"),
        *("az://container/a", "hf://datasets/user/repo/a.tar", "file:///data/a.zip"),
    ],
)
def test_urls_of_known_schemes_are_accepted(url: str) -> None:
    assert _file(urls=[url]).urls == (url,)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"files": [{"name": n, "urls": ["s3://b/a"]} for n in ("a.zip", "A.zip")]}, "cannot tell apart: a.zip"),
        ({"files": [{"name": n, "urls": ["s3://b/a"]} for n in ("a", "a/b")]}, "one name: a"),
        ({"name": "nul"}, "a device"),
        (
            {
                "files": [{"name": "a", "urls": ["https://a.org/a"]}],
                "credentials": {"environment": "A_TOKEN", "how": "ask", "hosts": ["a.org", "evil.org"]},
            },
            "no file is on: evil.org",
        ),
    ],
)
def test_entries_whose_parts_do_not_fit_are_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        _entry(**changed)


@pytest.mark.parametrize("variable", ["AWS_SECRET_ACCESS_KEY", "PATH", "HOME", "TOKEN", "hf_token", "A_TOKEN2"])
def test_only_tokens_are_asked_for(variable: str) -> None:
    credentials = {"environment": variable, "how": "ask", "hosts": ["a.org"]}
    with pytest.raises(ValidationError, match="pattern"):
        _entry(files=[{"name": "a", "urls": ["https://a.org/a"]}], credentials=credentials)


@pytest.mark.parametrize("text", ["\x1b[2Jgone", "two\nlines", "right\u202eto left", "bell\x07", ""])
def test_texts_cannot_write_on_a_terminal(text: str) -> None:
    for field in ("title", "licence", "citation"):
        with pytest.raises(ValidationError, match=field):
            _entry(**{field: text})


def test_size_is_known_where_all_sizes_are() -> None:
    def sized(*sizes: int | None) -> int | None:
        return _entry(files=[{"name": f"f{i}", "urls": ["s3://b/a"], "size": s} for i, s in enumerate(sizes)]).size

    assert (sized(3, 4), sized(3, None), sized(0), sized()) == (7, None, 0, None)


def test_documents_of_another_version_and_names_given_twice() -> None:
    entry = _entry().model_dump(mode="json")
    for changed, said in (({"catalog": 2}, "install a newer"), ({"entries": [entry, entry]}, "given twice: a")):
        document = {"catalog": 1, "name": "mine", "entries": [entry]} | changed
        with pytest.raises(ValidationError, match=said):
            CatalogDocument.model_validate_json(json.dumps(document))
