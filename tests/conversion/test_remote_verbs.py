"""Every verb that takes a recording takes one at a URL, here, on a cluster and on the command line; no secret is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import sensorium_data as sd
from sensorium_data.conversion import audit_source, check_store, plan_only
from sensorium_data.conversion.collection import plan_all
from sensorium_data.conversion.patterns import expand
from sensorium_data.errors import BadArgument, Interrupted, StorageFailed
from sensorium_data.remote import Location
from tests.conversion.clusters import running
from tests.conversion.remotes import SECRET, all_forms, at, contents, holds_no_secret, impatient, stops, write

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
