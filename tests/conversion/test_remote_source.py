"""A recording at a URL becomes the store that the same file on the disk becomes, byte for byte, whatever happens on the way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import sensorium_data as sd
from sensorium_data.conversion import audit_source, check_store, plan_only
from sensorium_data.conversion.collection import plan_all
from sensorium_data.conversion.patterns import expand
from sensorium_data.errors import BadArgument, Interrupted, NotFound, SourceInvalid, StorageFailed
from sensorium_data.remote import Location
from sensorium_data.settings import settings
from sensorium_data.sources import remotezips
from sensorium_data.store.publish import scratch_path
from sensorium_data.testing import write_sensorium2022, write_sensorium2023
from tests.conversion.clusters import running
from tests.sources.webserver import Web, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sensorium_data.progress import Progress

    Run = Callable[..., tuple[int, str, str]]

FORMS = ["2023-stored", "2023-deflated", "2022-stored", "2022-deflated"]
SECRET = "s3cret"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("SENSORIUM_DATA_N_RETRIES", "1")
    settings.cache_clear()
    with serving() as web:
        yield web
    settings.cache_clear()


def write(folder: Path, form: str, seed: int = 0, n_neurons: int = 30) -> Path:
    year, zipped = form.split("-")
    if year == "2023":
        return write_sensorium2023(
            folder, n_neurons=n_neurons, n_train=12, n_repeats=2, frame_shape=(12, 20), seed=seed,
            zipped=zipped,  # type: ignore[arg-type]
        )  # fmt: skip
    return write_sensorium2022(folder, n_neurons=30, n_train=40, seed=seed, zipped=zipped)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Recordings of both years, stored and deflated, and beside each the store that comes of it here."""
    made = {form: write(tmp_path_factory.mktemp(form), form) for form in FORMS}
    for path in made.values():
        sd.convert(path, path.with_name("here.zarr"))
    return made


def at(web: Web, path: Path) -> str:
    """Serve a file and return where, signed."""
    web.files[f"in/{path.name}"] = path.read_bytes()
    return f"{web.url}/in/{path.name}?signature={SECRET}"


def contents(store: Path) -> dict[str, bytes]:
    """Return every file, with the time of the conversion blanked."""
    files = {path.relative_to(store).as_posix(): path.read_bytes() for path in store.rglob("*") if path.is_file()}
    root = json.loads(files["zarr.json"])
    assert root["attributes"]["sensorium_data"]["session"]["provenance"].pop("converted_at")
    return files | {"zarr.json": json.dumps(root).encode()}


def holds_no_secret(folder: Path) -> bool:
    return not any(SECRET.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def stops(after: int) -> Callable[[Progress], None]:
    """Return a callback that ends a conversion when so many shards are written."""

    def report(progress: Progress) -> None:
        if progress.stage == "write" and progress.done >= after:
            raise Interrupted("enough")

    return report


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
    web.before = lambda number: at(web, other) and None if number == 60 else None
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


def test_every_verb_takes_a_url(web: Web, made: dict[str, Path], tmp_path: Path) -> None:
    path = made["2022-stored"]
    url, store = at(web, path), path.with_name("here.zarr")
    assert plan_only(url, tmp_path / "x.zarr") == plan_only(path, tmp_path / "x.zarr")
    here, there = audit_source(path), audit_source(url)
    assert there.target == url.partition("?")[0]
    assert there.findings == here.findings
    assert check_store(store, against=url).ok
    assert sd.convert(url, store, existing="resume").status == "up-to-date"
    assert not check_store(store, against=at(web, write(tmp_path, "2022-stored", seed=1))).ok


def test_storage_options_let_one_in_and_are_not_written(web: Web, made: dict[str, Path], tmp_path: Path) -> None:
    form, target = "2023-deflated", tmp_path / "there.zarr"
    url = at(web, made[form])
    web.key = SECRET
    options = {"headers": {"X-Key": SECRET}}
    with pytest.raises(StorageFailed, match="denied"):
        sd.convert(url, target)
    assert plan_only(url, target, storage_options=options).status == "planned"
    assert audit_source(url, storage_options=options).ok
    with pytest.raises(Interrupted):
        sd.convert(url, target, storage_options=options, report=stops(1))
    assert holds_no_secret(tmp_path)
    with pytest.raises(StorageFailed, match="denied"):
        sd.convert(url, target)
    assert sd.convert(url, target, storage_options=options).status == "resumed"
    assert contents(target) == contents(made[form].with_name("here.zarr"))
    with pytest.raises(BadArgument, match="storage_options"):
        sd.convert(made[form], tmp_path / "x.zarr", storage_options=options)


def test_several_sources_may_lie_here_and_there(web: Web, made: dict[str, Path], tmp_path: Path) -> None:
    url = at(web, made["2023-stored"])
    web.key = SECRET
    options = {"headers": {"X-Key": SECRET}}
    sources: list[str | Path] = [url, made["2022-stored"], f"{web.url}/in/absent.zip?signature={SECRET}"]
    planned = plan_all(sources, tmp_path / "out", storage_options=options)
    assert [session.status for session in planned.sessions] == ["planned", "planned"]
    report = sd.convert_all(sources, tmp_path / "out", storage_options=options)
    assert [session.status for session in report.sessions] == ["converted", "converted"]
    (failure,) = report.failures
    assert (failure.source, failure.error.code) == (f"{web.url}/in/absent.zip", "no-such-source")
    assert SECRET not in report.model_dump_json()
    for session, form in zip(report.sessions, ("2023-stored", "2022-stored"), strict=True):
        stored = contents(tmp_path / "out" / f"{session.key}.zarr")
        assert stored == contents(made[form].with_name("here.zarr"))
    with pytest.raises(BadArgument, match="every source is on this machine"):
        sd.convert_all([made["2022-stored"]], tmp_path / "out", storage_options=options)


def test_a_url_is_no_pattern_and_taken_once(tmp_path: Path) -> None:
    url = "https://example.org/a[1]*.zip"
    assert expand([url, url, f"{url}?x=1"], tmp_path) == [Location(url), Location(f"{url}?x=1")]


def test_workers_of_a_cluster_read_it_themselves(web: Web, made: dict[str, Path], tmp_path: Path) -> None:
    form = "2023-deflated"
    url = at(web, made[form])
    web.key = SECRET
    options = {"headers": {"X-Key": SECRET}}
    with running(tmp_path / "cluster") as cluster:
        sd.convert(url, tmp_path / "out" / "one.zarr", client=cluster.client, storage_options=options)
        done = sd.convert_all([url], tmp_path / "all", client=cluster.client, storage_options=options)
    assert [session.status for session in done.sessions] == ["converted"]
    wanted = contents(made[form].with_name("here.zarr"))
    assert contents(tmp_path / "out" / "one.zarr") == wanted
    assert contents(tmp_path / "all" / f"{done.sessions[0].key}.zarr") == wanted
    assert holds_no_secret(tmp_path)


def test_commands_take_a_url(web: Web, made: dict[str, Path], tmp_path: Path, run: Run) -> None:
    form, target = "2023-stored", tmp_path / "there.zarr"
    url = at(web, made[form])
    said = []
    for words in (
        ("convert", url, target, "--dry-run"),
        ("convert", url, target),
        ("convert", url, at(web, made["2022-stored"]), tmp_path / "stores"),
        ("check", url),
        ("check", target, "--against", url),
    ):
        code, out, err = run(*words)
        assert code == 0, (words, out, err)
        said.append(out + err)
    assert contents(target) == contents(made[form].with_name("here.zarr"))
    assert f"audited  {url.partition('?')[0]}" in said[3]
    assert not [text for text in said if SECRET in text]
    code, _, err = run("convert", f"{web.url}/in/absent.zip?{SECRET}", tmp_path / "x.zarr")
    assert (code, SECRET in err) == (4, False)
    assert f"{web.url}/in/absent.zip: no such zip" in err
