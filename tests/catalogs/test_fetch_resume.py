"""A download that is interrupted goes on where it stopped, and only as a part of the very same file."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_data.catalogs.fetch import download
from sensorium_data.catalogs.partial import Expected, Note
from sensorium_data.catalogs.streamed import condition
from tests.catalogs.made import names_in, one, sha256
from tests.catalogs.publisher import Broken, Publisher, breaking, whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def broken_off(publisher: Publisher, data: bytes, folder: Path, at: int = 200_000) -> int:
    """Leave a part of `mouse.zip` behind, and return how long it is."""
    publisher.files["mouse.zip"] = data

    def each(path: str, n: int) -> None:
        if n >= at:
            raise Broken

    publisher.each = each
    done = download(f"{publisher.url}/mouse.zip", folder)
    assert [failure.error.code for failure in done.failures] == ["unreachable"]
    publisher.each = whole
    publisher.asked.clear()
    assert names_in(folder) == ["mouse.zip.part", "mouse.zip.part.json"]
    return (folder / "mouse.zip.part").stat().st_size


@pytest.fixture(autouse=True)
def _no_repetition(setting: Callable[[str, object], None]) -> None:
    setting("n_retries", 0)


def test_what_broke_off_goes_on_within_one_run(
    publisher: Publisher, data: bytes, tmp_path: Path, setting: Callable[[str, object], None]
) -> None:
    setting("n_retries", 2)
    publisher.files["mouse.zip"] = data
    publisher.each = breaking(100_000, 100_000, 100_000)  # more often than it may fail without getting on
    (done,) = download(f"{publisher.url}/mouse.zip", tmp_path).files
    assert (done.status, done.bytes_fetched, done.sha256) == ("fetched", len(data), sha256(data))
    starts = [int(asked.range[6:-1]) for asked in publisher.gets()[1:]]
    assert len(starts) == 3
    assert starts == sorted(set(starts))
    assert {asked.condition for asked in publisher.gets()[1:]} == {publisher.tag(data)}


def test_what_is_on_the_disk_is_not_asked_for_again(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    n = broken_off(publisher, data, tmp_path)
    assert n >= 150_000
    (done,) = download(f"{publisher.url}/mouse.zip", tmp_path).files
    assert [(asked.range, asked.status) for asked in publisher.gets()] == [(f"bytes={n}-", 206)]
    assert (done.status, done.bytes_fetched, done.sha256) == ("resumed", len(data) - n, sha256(data))
    assert (tmp_path / "mouse.zip").read_bytes() == data
    assert names_in(tmp_path) == ["mouse.zip"]


@pytest.mark.parametrize("tags", ["strong", "weak", ""])
def test_validators(publisher: Publisher, data: bytes, tmp_path: Path, tags: str) -> None:
    publisher.tags = tags
    broken_off(publisher, data, tmp_path)
    (done,) = download(f"{publisher.url}/mouse.zip", tmp_path).files
    assert publisher.gets()[0].condition == (publisher.tag(data) if tags == "strong" else publisher.date(data))
    assert (done.status, done.sha256) == ("resumed", sha256(data))


def test_without_validators_it_goes_on_only_when_the_digest_is_known(
    publisher: Publisher, data: bytes, tmp_path: Path
) -> None:
    publisher.tags, publisher.dates = "", False
    broken_off(publisher, data, tmp_path)
    (done,) = download(f"{publisher.url}/mouse.zip", tmp_path).files
    assert (publisher.gets()[0].range, done.status, done.sha256) == ("", "fetched", sha256(data))
    known = one("mouse.zip", f"{publisher.url}/mouse.zip", sha256=sha256(data))
    publisher.each = breaking(200_000)
    assert not download("mouse", tmp_path / "known", catalog=known).ok
    (done,) = download("mouse", tmp_path / "known", catalog=known).files
    assert (done.status, done.sha256) == ("resumed", sha256(data))


@pytest.mark.parametrize("same_size", [True, False])
@pytest.mark.parametrize("obeys", [True, False])
def test_a_file_that_was_replaced_begins_anew(
    publisher: Publisher, data: bytes, tmp_path: Path, same_size: bool, obeys: bool,
    setting: Callable[[str, object], None], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    broken_off(publisher, data, tmp_path)
    other = data[::-1] if same_size else data[:300_000]
    publisher.files["mouse.zip"] = other = b"PK\x03\x04" + other[4:]
    setting("n_retries", 1)
    if not obeys:  # a server that does not know If-Range; it still says which version it sends
        monkeypatch.setattr(Note, "validator", "")
        monkeypatch.setattr("sensorium_data.catalogs.streamed.condition", lambda _, size, *__: "" if size else None)
    (done,) = download(f"{publisher.url}/mouse.zip", tmp_path).files
    assert (done.status, done.sha256) == ("fetched", sha256(other))


@pytest.mark.parametrize("damage", ["missing", "torn", "of another", "a folder", "foreign"])
def test_a_part_of_nobody_knows_what_begins_anew(
    publisher: Publisher, data: bytes, tmp_path: Path, damage: str
) -> None:
    broken_off(publisher, data, tmp_path)
    note = tmp_path / "mouse.zip.part.json"
    text = note.read_text()
    note.unlink()
    if damage == "torn":
        note.write_text(text[: len(text) // 2])
    elif damage == "of another":
        note.write_text(json.dumps(json.loads(text) | {"url": "https://example.org/mouse.zip"}))
    elif damage == "a folder":
        note.mkdir()
    elif damage == "foreign":
        note.write_text(json.dumps({"mine": True}))
    done = download(f"{publisher.url}/mouse.zip", tmp_path)
    if damage == "a folder":
        assert [failure.error.code for failure in done.failures] == ["storage-failed"]
        return
    assert publisher.gets()[0].range == ""
    assert (done.files[0].status, done.files[0].sha256) == ("fetched", sha256(data))


def test_a_part_that_is_longer_than_the_file_begins_anew(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    broken_off(publisher, data, tmp_path)
    with (tmp_path / "mouse.zip.part").open("ab") as part:
        part.write(data)
    (done,) = download(f"{publisher.url}/mouse.zip", tmp_path).files
    assert (done.status, done.sha256) == ("fetched", sha256(data))


def test_a_part_that_is_whole_needs_no_request(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    n = broken_off(publisher, data, tmp_path)
    with (tmp_path / "mouse.zip.part").open("ab") as part:
        part.write(data[n:])
    (done,) = download(f"{publisher.url}/mouse.zip", tmp_path).files
    assert (publisher.gets(), done.status, done.bytes_fetched) == ([], "resumed", 0)
    assert done.sha256 == sha256(data)


def test_a_part_that_was_damaged_is_begun_anew_when_the_digest_tells(
    publisher: Publisher, data: bytes, tmp_path: Path
) -> None:
    publisher.files["mouse.zip"] = data
    known = one("mouse.zip", f"{publisher.url}/mouse.zip", sha256=sha256(data))
    publisher.each = breaking(200_000)
    assert not download("mouse", tmp_path, catalog=known).ok
    with (tmp_path / "mouse.zip.part").open("r+b") as part:
        part.seek(1000)
        part.write(b"wrong")
    (done,) = download("mouse", tmp_path, catalog=known).files
    assert (done.status, done.sha256) == ("fetched", sha256(data))
    assert [asked.status for asked in publisher.gets()] == [200, 206, 200]


def test_a_mirror_goes_on_where_the_publisher_broke_off(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files |= {"a/mouse.zip": data, "b/mouse.zip": data}
    urls = [f"{publisher.url}/{place}/mouse.zip" for place in "ab"]

    def each(path: str, n: int) -> None:
        if path.startswith("a/") and n >= 200_000:
            raise Broken

    publisher.each = each
    (done,) = download("mouse", tmp_path, catalog=one("mouse.zip", *urls, sha256=sha256(data))).files
    assert done.url == urls[1]
    assert [asked.status for asked in publisher.gets("b/")] == [206]
    assert (done.bytes_fetched, done.sha256) == (len(data), sha256(data))


def test_a_server_without_ranges_ends(
    publisher: Publisher, data: bytes, tmp_path: Path, setting: Callable[[str, object], None]
) -> None:
    setting("n_retries", 2)
    publisher.ranges = False
    publisher.files["mouse.zip"] = data

    def each(path: str, n: int) -> None:
        if n >= 300_000:
            raise Broken

    publisher.each = each
    done = download(f"{publisher.url}/mouse.zip", tmp_path)
    assert [failure.error.code for failure in done.failures] == ["unreachable"]
    assert len(publisher.gets()) == 3  # the first, and two that got no further


def test_a_link_in_place_of_the_part_is_not_followed(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files["mouse.zip"] = data
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder = tmp_path / "to"
    folder.mkdir()
    for name in ("mouse.zip.part", "mouse.zip.part.json", "mouse.zip.lock"):
        (folder / name).symlink_to(victim)
    done = download(f"{publisher.url}/mouse.zip", folder)
    assert not done.ok
    assert victim.read_text() == "mine"
    os.unlink(folder / "mouse.zip.lock")  # noqa: PTH108  # the link itself
    assert not download(f"{publisher.url}/mouse.zip", folder).ok
    assert victim.read_text() == "mine"


EXPECTED = st.builds(Expected, size=st.none() | st.integers(0, 9), sha256=st.sampled_from([None, "0" * 64, "1" * 64]))
NOTES = st.builds(
    Note,
    url=st.sampled_from(["https://a.org/x", "https://b.org/x"]),
    size=st.none() | st.integers(0, 9),
    etag=st.sampled_from(["", '"a"', 'W/"a"']),
    modified=st.sampled_from(["", "yesterday"]),
    expected=EXPECTED,
)


@given(st.none() | NOTES, st.integers(0, 12), EXPECTED)
def test_nothing_goes_on_that_could_not_be_told_to_be_another(note: Note | None, size: int, expected: Expected) -> None:
    bound = condition(note, size, "https://a.org/x", expected)
    if bound is None:
        return
    assert note is not None
    assert size > 0
    assert note.size is None or size <= note.size
    assert note.expected == expected
    assert expected.has_digest or (note.url == "https://a.org/x" and bound and not bound.startswith("W/"))
