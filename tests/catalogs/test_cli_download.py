"""What people see of a download: what will come, what has come, under which terms, and what to do next."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from sensorium_data.catalogs.locks import lock_of_file, locked
from sensorium_data.schemas.download import DownloadReport
from tests.catalogs.made import entry, file, names_in, sha256
from tests.catalogs.publisher import breaking

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.catalogs.publisher import Publisher

    Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lab(publisher: Publisher, data: bytes, tmp_path: Path) -> Path:
    """Return a catalog of two mice, of which one has a file, and of one that only has a homepage."""
    publisher.files["lab-1.zip"] = data
    mice = [entry(f"lab-{n}", file(f"lab-{n}.zip", f"{publisher.url}/lab-{n}.zip")) for n in (1, 2)]
    entries = [each.model_dump(mode="json") for each in (*mice, entry("lab-3"))]
    path = tmp_path / "lab.json"
    path.write_text(json.dumps({"catalog": 1, "name": "lab", "entries": entries}))
    return path


def test_the_whole_way(run: Run, lab: Path, data: bytes, tmp_path: Path) -> None:
    to = tmp_path / "raw"
    code, out, err = run("download", "lab-1", "--catalog", lab, "--to", to, "--dry-run")
    assert (code, out.split()[:6]) == (0, ["status", "size", "file", "planned", "400.0", "kB"])
    assert err.startswith(f"would fetch 1 file, 400.0 kB, into {to}; ")
    assert "terms: CC0, https://example.org/cc0\n" in err
    assert not to.exists()
    code, out, err = run("download", "lab-1", "--catalog", lab, "--to", to)
    assert code == 0
    assert f"fetched  400.0 kB  {to}/lab-1.zip" in out
    assert out.endswith(f"next: sensorium-data convert {to}/lab-1.zip lab-1.zarr\n")
    assert "lab-1.zip: fetched\n" in err
    code, out, err = run("download", "lab-1", "--catalog", lab, "--to", to, "--offline", "--quiet")
    assert (code, out.split()[3]) == (0, "have")
    assert err.startswith(f"nothing to fetch: 1 file in {to}\n")
    assert json.loads((to / "sensorium-data.lock.json").read_text())["files"][0]["sha256"] == sha256(data)


def test_json_is_the_document(run: Run, lab: Path, tmp_path: Path) -> None:
    code, out, err = run("download", "lab*", "--catalog", lab, "--to", tmp_path / "raw", "--json")
    report = DownloadReport.model_validate_json(out)
    assert [each.status for each in report.files] == ["fetched", "failed"]
    assert (code, report.exit_code, report.failures[0].error.code) == (4, 4, "no-such-object")
    assert [each.n_files for each in report.terms] == [1, 1, 0]
    assert "the files of lab-3; see https://example.org/" in err
    assert "error[no-such-object]" in err


@pytest.mark.parametrize(
    ("words", "code", "seen"),
    [
        (["nobody"], 4, "error[no-such-entry]"),
        (["lab-1", "--existing", "sikp"], 2, "error[usage]"),
        (["lab-1", "--offline"], 6, "error[offline]"),
        (["lab-3"], 4, "error[no-files]"),
        (["lab-2"], 4, "error[no-such-object]"),
        ([], 2, "error[usage]"),
    ],
)
def test_exit_codes(run: Run, lab: Path, tmp_path: Path, words: list[str], code: int, seen: str) -> None:
    ended, _, err = run("download", *words, "--catalog", lab, "--to", tmp_path / "raw")
    assert (ended, seen in err) == (code, True)


def test_what_is_here_already_is_said(run: Run, publisher: Publisher, lab: Path, tmp_path: Path, setting: Any) -> None:
    setting("n_retries", 0)
    publisher.each = breaking(200_000)
    words = ("download", "lab-1", "--catalog", lab, "--to", tmp_path / "raw")
    assert run(*words)[0] == 6
    code, out, err = run(*words)
    assert re.match(r"fetch 1 file, \d\d\d\.\d kB \(\d\d\d\.\d kB already here\), into ", err)
    assert (code, out.split()[3]) == (0, "resumed")


def test_cache(run: Run, publisher: Publisher, lab: Path, tmp_path: Path, setting: Any) -> None:
    folder = tmp_path / "cache"
    assert run("cache", "path") == (0, f"{folder}\n", "")
    assert run("cache", "ls")[0] == 0
    assert run("download", "lab-1", "--catalog", lab)[0] == 0
    mine = folder / "downloads/lab/mine.txt"
    mine.write_text("mine")
    (folder / "streams/abc").mkdir(parents=True)
    (folder / "streams/abc/root").write_bytes(b"x" * 10_000)
    setting("n_retries", 0)
    publisher.each = breaking(200_000)
    assert run("download", f"{publisher.url}/lab-1.zip")[0] == 6
    code, out, _ = run("cache", "ls", "--json")
    items = json.loads(out)["items"]
    assert [(each["kind"], each["whole"]) for each in items] == [
        ("download", False),
        ("download", True),
        ("stream", True),
    ]
    assert items[1]["name"] == "lab/lab-1.zip"
    target = folder / "downloads/lab/lab-1.zip"
    with locked(lock_of_file(target), lambda: None):
        code, _, err = run("cache", "clear")
        assert (code, "error[target-busy]" in err, target.exists()) == (7, True, True)
    assert run("cache", "clear", "nobody")[0] == 4
    code, out, _ = run("cache", "clear", "--dry-run")
    assert (code, target.exists()) == (0, True)
    assert "would be removed" in out
    assert run("cache", "clear", "lab")[0] == 0
    assert (target.exists(), mine.exists(), (folder / "streams/abc").exists()) == (False, True, True)
    assert run("cache", "clear")[0] == 0
    assert names_in(folder) == ["downloads/lab/mine.txt", "downloads/lab/sensorium-data.lock.json"]
    assert run("cache", "path", "x")[0] == 2
    publisher.files["lab-1.zip"] = b"PK\x03\x04another"
    assert "error[digest-changed]" in run("download", "lab-1", "--catalog", lab)[2]
