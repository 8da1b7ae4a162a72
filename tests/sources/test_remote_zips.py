"""A zip at a URL holds what the same zip on a disk holds, in few requests; whatever the server does, never other bytes."""

from __future__ import annotations

import random
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sensorium_data.errors import NotFound, SensoriumError, SourceInvalid, StorageFailed
from sensorium_data.remote import Location
from sensorium_data.settings import settings
from sensorium_data.sources import open_source, readahead, remotezips
from sensorium_data.sources.members import MemberError, open_members
from sensorium_data.sources.readahead import ReadAhead
from sensorium_data.sources.remotezips import RemoteZipMembers
from sensorium_data.testing import write_sensorium2022, write_sensorium2023
from tests.sources.webserver import Web, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMS = ["2023-stored", "2023-deflated", "2022-stored", "2022-deflated"]
ZIP = "in/mouse.zip"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("SENSORIUM_DATA_N_RETRIES", "1")
    settings.cache_clear()
    with serving() as web:
        yield web
    settings.cache_clear()


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Recordings of both years, stored and deflated."""
    made = {}
    for form in FORMS:
        year, zipped = form.split("-")
        write: Any = write_sensorium2023 if year == "2023" else write_sensorium2022
        size = {"n_train": 3, "n_repeats": 1} if year == "2023" else {"n_train": 9}
        made[form] = write(tmp_path_factory.mktemp(form), n_neurons=7, frame_shape=(12, 20), zipped=zipped, **size)
    return made


def at(web: Web, path: Path) -> str:
    """Serve a file and return where."""
    web.files[f"in/{path.name}"] = path.read_bytes()
    return f"{web.url}/in/{path.name}"


def opened(web: Web, data: bytes) -> RemoteZipMembers:
    web.files[ZIP] = data
    members = open_members(f"{web.url}/{ZIP}")
    assert isinstance(members, RemoteZipMembers)
    return members


@pytest.mark.parametrize("small", [1 << 20, 3000, 0])
@pytest.mark.parametrize("form", FORMS)
def test_it_holds_what_the_zip_on_the_disk_holds(
    web: Web, zips: dict[str, Path], monkeypatch: pytest.MonkeyPatch, form: str, small: int
) -> None:
    monkeypatch.setattr(remotezips, "SMALL", small)
    here, there = open_members(zips[form]), open_members(at(web, zips[form]))
    assert (there.root, there.litter, dict(there.sizes)) == (here.root, here.litter, dict(here.sizes))
    assert there.fingerprint() != here.fingerprint()
    names = list(here.sizes)
    random.Random(form).shuffle(names)
    for name in names:
        for n_bytes in (1, 128, 4096):
            assert there.head(name, n_bytes) == here.head(name, n_bytes), name
    for name in names:
        one, other = here.read(name), there.read(name)
        assert (one.sha256, bytes(one.data)) == (other.sha256, bytes(other.data)), name


@pytest.mark.parametrize("form", FORMS)
def test_few_requests_and_no_byte_twice(web: Web, zips: dict[str, Path], form: str) -> None:
    url, size = at(web, zips[form]), zips[form].stat().st_size
    members = open_members(url)
    assert [method for method, *_ in web.asked].count("HEAD") == 1
    assert web.gets <= 2
    for name in members.sizes:
        members.read(name)
    assert len(members.sizes) > 60
    assert web.gets <= 2 + size // (256 << 10) + 3
    assert web.sent <= size + remotezips.TAIL + (256 << 10)


def test_large_members_take_a_request_each_and_their_headers_are_asked_for_side_by_side(
    web: Web, zips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remotezips, "SMALL", 3000)
    path = zips["2023-stored"]
    url = at(web, path)
    together, most, lock = 0, 0, threading.Lock()
    gate = threading.Event()

    def before(_: int) -> None:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
            if together >= 4:
                gate.set()
        if web.gets > 3:
            gate.wait(2)
        with lock:
            together -= 1

    web.before = before
    _, raw = open_source(url)
    web.before = None
    assert 4 <= most <= settings().n_requests
    with zipfile.ZipFile(path) as archive:
        large = [info for info in archive.infolist() if info.compress_size > 3000]
    n_small = len(archive.infolist()) - len(large)
    assert len(large) > 15
    assert web.gets <= 2 + len(large) + n_small
    web.asked.clear()
    for name, size in raw.members.sizes.items():
        if size > 3000:
            raw.members.head(name, 4096)
            assert len(raw.members.read(name).data) == size
    assert web.gets == len([info for info in large if "__MACOSX" not in info.filename])


def test_sizes_of_64_bits_comments_and_bytes_before_the_zip(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)  # above it a zip has the records of 64 bits
    path = tmp_path / "x.zip"
    path.write_bytes(b"#!/bin/sh\n" * 100)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"c" * 65535
        for number in range(5):
            with archive.open(
                f"é{number}/data/videos/0.npy" if not number else f"é0/data/{number}", "w", force_zip64=True
            ) as file:
                file.write(bytes([number]) * 5000)
    assert b"PK\x06\x06" in path.read_bytes()
    here, there = open_members(path), opened(web, path.read_bytes())
    assert dict(there.sizes) == dict(here.sizes)
    assert len(there.sizes) == 5
    assert {n: there.read(n).sha256 for n in there.sizes} == {n: here.read(n).sha256 for n in here.sizes}


def test_a_local_header_longer_than_expected_costs_one_more_request(web: Web, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("data/a.npy")
        info.extra = b"\x99\x99\xe0\x2e" + bytes(12000)
        archive.writestr(info, b"abc" * 500)
        info.extra = b""  # the directory says nothing of it
    members = opened(web, path.read_bytes())
    assert bytes(members.read("data/a.npy").data) == b"abc" * 500


def test_bodies_that_end_too_early_are_asked_for_again(web: Web, zips: dict[str, Path]) -> None:
    url = at(web, zips["2023-deflated"])
    web.cut = 1
    members = open_members(url)
    web.cut = 1
    name = "data/responses/0.npy"
    assert members.read(name).sha256 == open_members(zips["2023-deflated"]).read(name).sha256
    assert web.cut == 0


def flipped(data: bytes) -> bytes:
    return bytes(value ^ 0x55 for value in data)


@pytest.mark.parametrize("small", [1 << 20, 0])
def test_wrong_bytes_are_read_once_more(
    web: Web, zips: dict[str, Path], monkeypatch: pytest.MonkeyPatch, small: int
) -> None:
    monkeypatch.setattr(remotezips, "SMALL", small)
    members, name = open_members(at(web, zips["2023-stored"])), "data/responses/0.npy"
    first = web.n_ranges
    web.change = lambda number, data: data[:400] + flipped(data[400:]) if number == first else data
    assert members.read(name).sha256 == open_members(zips["2023-stored"]).read(name).sha256
    assert web.n_ranges == first + 2


def test_wrong_bytes_that_stay_wrong_are_named(web: Web, zips: dict[str, Path]) -> None:
    members = open_members(at(web, zips["2023-stored"]))
    web.change = lambda _, data: data[:400] + flipped(data[400:])
    with pytest.raises(MemberError, match="CRC-32") as caught:
        members.read("data/behavior/0.npy")
    assert caught.value.problem_code == "zip-crc"
    web.change = None
    assert len(members.read("data/behavior/0.npy").data) == members.sizes["data/behavior/0.npy"]


def test_a_beginning_that_was_wrong_is_found_when_the_member_is_read(
    web: Web, zips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remotezips, "SMALL", 0)
    members, name = open_members(at(web, zips["2023-stored"])), "data/responses/0.npy"
    web.change = lambda _, data: data[:-600] + flipped(data[-600:])
    members.head(name, 4096)
    web.change = None
    with pytest.raises(MemberError, match="begins with other bytes"):
        members.read(name)
    assert members.read(name).data[:100] == members.head(name, 100)


@pytest.mark.parametrize("tags", ["strong", "weak", ""])
def test_another_object_half_way_is_an_error(web: Web, zips: dict[str, Path], tags: str, tmp_path: Path) -> None:
    web.tags = tags
    members = open_members(at(web, zips["2023-stored"]))
    other = write_sensorium2023(
        tmp_path, n_neurons=8, n_train=3, n_repeats=1, frame_shape=(12, 20), zipped="stored", seed=1
    )
    web.files[f"in/{other.name}"] = other.read_bytes()
    with pytest.raises(StorageFailed, match="was replaced while it was read") as caught:
        members.read("data/responses/0.npy")
    assert caught.value.code == "changed-remote"


def test_one_that_is_shorter_now_is_an_error(web: Web, zips: dict[str, Path]) -> None:
    members = open_members(at(web, zips["2023-stored"]))
    web.files[f"in/{zips['2023-stored'].name}"] = b"PK" * 200
    with pytest.raises(StorageFailed) as caught:
        members.read("meta/trials/tiers.npy")
    assert caught.value.code == "changed-remote"


def test_a_member_of_another_name_than_its_own_header_says(web: Web, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/a.npy", b"1")
    data = path.read_bytes()
    at = data.rindex(b"data/a.npy")
    with pytest.raises(MemberError, match="another name"):
        opened(web, data[:at] + b"data/b.npy" + data[at + 10 :]).read("data/b.npy")


PAGES = {
    "a page of HTML": b"<!DOCTYPE html>\n<html><title>Sign in</title>",
    "a git-annex pointer": b"/annex/objects/SHA256E-s9000--0123456789abcdef.zip\n",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    r"an error in XML \(AccessDenied\)": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
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


def test_a_server_without_ranges_and_places_that_are_closed_or_empty(web: Web, zips: dict[str, Path]) -> None:
    url = at(web, zips["2023-stored"])
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


@hypothesis_settings(suppress_health_check=list(HealthCheck), max_examples=80, deadline=None)
@given(st.data())
def test_any_damaged_byte_is_harmless_or_a_readable_error(web: Web, tmp_path: Path, data: Any) -> None:
    contents = {"data/videos/0.npy": b"video" * 300, "data/responses/0.npy": b"resp" * 300, "meta/t.npy": b"t" * 9}
    path = tmp_path / "sound.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in contents.items():
            archive.writestr(zipfile.ZipInfo(name), value, data.draw(st.sampled_from([0, 8])))
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    try:
        members = opened(web, whole[:place] + bytes([data.draw(st.integers(0, 255))]) + whole[place + 1 :])
        seen = {name: bytes(members.read(name).data) for name in members.sizes}
    except (SensoriumError, MemberError):
        return
    # Not even a name may be another one: the member's own header is held against the directory.
    assert seen.items() <= contents.items()


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_is_read_ahead_is_what_lies_there(data: Any) -> None:
    whole: bytes = data.draw(st.binary(min_size=1, max_size=300))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), min_size=2, max_size=30)))
    spans = [pair for pair in pairwise(cuts) if data.draw(st.booleans())] or [(0, len(whole))]
    asked: list[tuple[int, int]] = []
    failing = data.draw(st.sets(st.integers(0, 40), max_size=3))

    def fetch(start: int, stop: int) -> bytes:
        asked.append((start, stop))
        if len(asked) in failing:
            raise OSError("once")
        return whole[start:stop]

    kept = data.draw(st.integers(0, 400))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readahead, "FIRST", data.draw(st.integers(1, 50)))
        patch.setattr(readahead, "MOST", data.draw(st.integers(50, 200)))
        ahead = ReadAhead(spans, fetch, largest=data.draw(st.integers(0, 60)), kept=kept)
        for number in data.draw(st.lists(st.integers(0, len(spans) - 1), max_size=40)):
            n_before = len(asked)
            try:
                assert bytes(ahead.take(number)) == whole[slice(*spans[number])]
            except OSError:
                assert len(asked) in failing
            assert len(asked) - n_before <= 1
            held = sum(run.stop - run.start for run in ahead._runs.values())
            assert held == ahead._n_bytes
            assert held <= kept or len(ahead._runs) == 1
            if data.draw(st.booleans()):
                ahead.forget(data.draw(st.integers(0, len(spans) - 1)))


def test_taken_in_order_it_takes_few_requests_and_here_and_there_few_bytes() -> None:
    spans = [(n * 1000, (n + 1) * 1000) for n in range(24_000)]
    asked: list[int] = []

    def fetch(start: int, stop: int) -> bytes:
        asked.append(stop - start)
        return bytes(stop - start)

    ahead = ReadAhead(spans, fetch)
    for number in range(24_000):
        ahead.take(number)
    assert sum(asked) == 24_000_000
    assert len(asked) <= 8
    asked.clear()
    ahead = ReadAhead(spans, fetch)
    for number in range(0, 24_000, 2400):
        ahead.take(number)
    assert sum(asked) <= 10 * readahead.FIRST


def test_threads_that_want_the_same_wait_for_one_request() -> None:
    spans = [(n * 10, (n + 1) * 10) for n in range(1000)]
    whole = random.Random(0).randbytes(10_000)
    asked: list[tuple[int, int]] = []
    all_here = threading.Barrier(8)

    def fetch(start: int, stop: int) -> bytes:
        asked.append((start, stop))
        return whole[start:stop]

    ahead = ReadAhead(spans, fetch)

    def take(seed: int) -> None:
        numbers = list(range(1000))
        random.Random(seed).shuffle(numbers)
        all_here.wait()
        for number in numbers:
            assert bytes(ahead.take(number)) == whole[slice(*spans[number])]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, range(8)))
    assert sum(stop - start for start, stop in asked) == 10_000


def test_members_of_a_location_name_it_without_what_lets_one_in(web: Web, zips: dict[str, Path]) -> None:
    web.key = "secret"
    url = at(web, zips["2022-deflated"])
    members = open_members(Location(f"{url}?token=secret", {"headers": {"X-Key": "secret"}}))
    assert str(members.path) == url
    assert members.path.name == zips["2022-deflated"].name
    assert "secret" not in repr(members.path)
