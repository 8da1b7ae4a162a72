"""A recording at a URL becomes the store that the same file on the disk becomes, byte for byte, whatever happens on the way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import sensorium_data as sd
from sensorium_data.conversion import audit_source, plan_only
from sensorium_data.errors import Interrupted, NotFound, SourceInvalid, StorageFailed
from sensorium_data.settings import settings
from sensorium_data.sources import remotezips
from sensorium_data.store.publish import scratch_path
from tests.conversion.remotes import FORMS, SECRET, all_forms, at, contents, holds_no_secret, impatient, stops, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.sources.webserver import Web

    Run = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.once


@pytest.fixture
def web() -> Iterator[Web]:
    with impatient() as web:
        yield web


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return all_forms(tmp_path_factory.mktemp("made"))


@pytest.mark.parametrize("small", [1 << 20, 4000])
@pytest.mark.parametrize("form", FORMS)
def test_it_becomes_the_store_that_the_zip_on_the_disk_becomes(
    web: Web, made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, small: int
) -> None:
    monkeypatch.setattr(remotezips, "SMALL", small)
    url, target = at(web, made[form]), tmp_path / "there.zarr"
    report = sd.convert(url, target)
    assert contents(target) == contents(made[form].with_name("here.zarr"))
    assert report.status == "converted"
    assert [path.name for path in tmp_path.iterdir()] == ["there.zarr"]
    assert holds_no_secret(tmp_path)
    if small == 1 << 20:
        size = made[form].stat().st_size
        assert web.gets <= 2 + size // (256 << 10) + 8
        assert web.sent <= size + remotezips.TAIL + (1 << 20)


def test_interrupted_it_goes_on_and_no_secret_was_written(web: Web, made: dict[str, Path], tmp_path: Path) -> None:
    form, target = "2023-deflated", tmp_path / "there.zarr"
    url = at(web, made[form])
    with pytest.raises(Interrupted):
        sd.convert(url, target, report=stops(1))
    scratch = scratch_path(target)
    recipe = json.loads((scratch / "recipe.json").read_text())
    assert recipe["source"] == url.partition("?")[0]
    assert holds_no_secret(scratch)
    # Another signature is another way to the same object.
    done = sd.convert(url.replace(SECRET, "another"), target)
    assert done.status == "resumed"
    assert contents(target) == contents(made[form].with_name("here.zarr"))


def test_interrupted_and_replaced_it_is_begun_anew(web: Web, made: dict[str, Path], tmp_path: Path) -> None:
    form, target = "2023-stored", tmp_path / "there.zarr"
    url = at(web, made[form])
    with pytest.raises(Interrupted):
        sd.convert(url, target, report=stops(1))
    other = write(tmp_path / "other", form, seed=1)
    at(web, other)
    assert sd.convert(url, target).status == "converted"
    sd.convert(other, tmp_path / "here.zarr")
    assert contents(target) == contents(tmp_path / "here.zarr")


@pytest.mark.parametrize("tags", ["strong", "weak", ""])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_replaced_half_way_it_is_an_error_and_never_mixed(
    web: Web, made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, tags: str
) -> None:
    monkeypatch.setattr(remotezips, "SMALL", 0)
    form, target = "2023-stored", tmp_path / "there.zarr"
    web.tags = tags
    url = at(web, made[form])
    sd.convert(url, tmp_path / "first.zarr")
    n_requests, web.n_ranges = web.n_ranges, 0
    # A server that names no tags tells two objects of one size by nothing: what is read of them has the wrong checksum.
    other = write(tmp_path / "other", form, seed=1, n_neurons=30 if tags else 31)

    def before(number: int) -> None:
        if number == int(share * n_requests):
            at(web, other)

    web.before = before
    with pytest.raises(StorageFailed) as caught:
        sd.convert(url, target)
    assert (caught.value.code, caught.value.exit_code) == ("changed-remote", 6)
    assert not target.exists()
    web.before = None
    assert sd.convert(url, target).status == "converted"
    sd.convert(other, tmp_path / "here.zarr")
    assert contents(target) == contents(tmp_path / "here.zarr")


def test_replaced_where_nothing_tells_it_is_an_error_all_the_same(
    web: Web, made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remotezips, "SMALL", 0)
    web.tags = ""
    url = at(web, made["2023-stored"])
    other = write(tmp_path / "other", "2023-stored", seed=1)
    assert other.stat().st_size == made["2023-stored"].stat().st_size

    def before(number: int) -> None:
        if number == 60:
            at(web, other)

    web.before = before
    with pytest.raises(SourceInvalid, match="CRC-32"):
        sd.convert(url, tmp_path / "there.zarr")
    assert not (tmp_path / "there.zarr").exists()


def test_bodies_that_end_early_and_bytes_that_come_wrong_are_read_again(
    web: Web, made: dict[str, Path], tmp_path: Path
) -> None:
    form, target = "2022-deflated", tmp_path / "there.zarr"
    url, wrong = at(web, made[form]), [True]

    def change(number: int, data: bytes) -> bytes:
        if number > 3 and len(data) > 5000 and wrong:
            wrong.clear()
            return data[:3000] + bytes(200) + data[3200:]
        return data

    web.cut, web.change = 1, change
    sd.convert(url, target)
    assert not wrong
    assert contents(target) == contents(made[form].with_name("here.zarr"))


def test_bytes_that_stay_wrong_are_a_problem_with_a_name(web: Web, made: dict[str, Path], tmp_path: Path) -> None:
    path = made["2023-stored"]
    data = path.read_bytes()
    at_responses = data.index(b"data/responses/3.npy") + 3000
    url = at(web, path)
    web.files[f"in/{path.name}"] = data[:at_responses] + b"wrong" + data[at_responses + 5 :]
    with pytest.raises(SourceInvalid, match="CRC-32") as caught:
        sd.convert(url, tmp_path / "x.zarr")
    assert [(p.code, p.where) for p in caught.value.problems] == [("zip-crc", "data/responses/3.npy")]
    assert SECRET not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["absent", "denied", "ranges", "html", "offline"])
def test_what_cannot_be_read_is_said_before_anything_is_written(
    web: Web, made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    url, name = at(web, made["2023-stored"]), made["2023-stored"].name
    error: Any = StorageFailed
    if kind == "absent":
        web.files.clear()
        error, code = NotFound, "no-such-source"
    elif kind == "denied":
        web.key, code = "closed", "access-denied"
    elif kind == "ranges":
        web.ranges, code = False, "ranges-ignored"
    elif kind == "html":
        web.files[f"in/{name}"] = b"<!DOCTYPE html><title>Sign in</title>" * 9000
        error, code = SourceInvalid, "not-a-zip"
    else:
        monkeypatch.setenv("SENSORIUM_DATA_OFFLINE", "1")
        settings.cache_clear()
        code = "offline"
    for verb in (sd.convert, plan_only):
        with pytest.raises(error) as caught:
            verb(url, tmp_path / "x.zarr")
        assert caught.value.code == code
        assert SECRET not in f"{caught.value} {caught.value.hint}"
    with pytest.raises(error):
        audit_source(url)
    assert list(tmp_path.iterdir()) == []
