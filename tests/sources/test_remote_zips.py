"""A zip at a URL holds what the same zip on a disk holds, in few requests; whatever the server does, never other bytes."""

from __future__ import annotations

import random
import threading
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sensorium_data.errors import SensoriumError, StorageFailed
from sensorium_data.remote import Location
from sensorium_data.settings import settings
from sensorium_data.sources import open_source, remotezips
from sensorium_data.sources.members import MemberError, open_members
from sensorium_data.sources.remotezips import RemoteZipMembers
from sensorium_data.testing import write_sensorium2022, write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sources.webserver import Web

FORMS = ["2023-stored", "2023-deflated", "2022-stored", "2022-deflated"]
ZIP = "in/mouse.zip"


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


def test_members_of_a_location_name_it_without_what_lets_one_in(web: Web, zips: dict[str, Path]) -> None:
    web.key = "secret"
    url = at(web, zips["2022-deflated"])
    members = open_members(Location(f"{url}?token=secret", {"headers": {"X-Key": "secret"}}))
    assert str(members.path) == url
    assert members.path.name == zips["2022-deflated"].name
    assert "secret" not in repr(members.path)
