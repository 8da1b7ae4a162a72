"""`sensorium-data convert` with several recordings: a table, one document, and an exit code for all."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sensorium_data.cli.output import progress_bars
from sensorium_data.conversion import cluster as cluster_module
from sensorium_data.progress import Progress
from sensorium_data.schemas import CollectionReport
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[int, str, str]]

KEYS = ["29510-1-1", "29511-1-1"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "in"
    for key in KEYS:
        write_sensorium2023(
            folder,
            name=f"dynamic{key}-Video-x",
            n_neurons=4,
            n_train=2,
            n_repeats=1,
            frame_shape=(8, 12),
            zipped="stored",
        )
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def zips(place: Path) -> list[Path]:
    return sorted(path.relative_to(place) for path in (place / "in").glob("*.zip"))


def rows(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines()]


def test_a_pattern_and_the_list_it_stands_for_are_one(place: Path, run: Run) -> None:
    code, out, err = run("convert", "in/*.zip", "a")
    assert (code, run("convert", *zips(place), "b")[0]) == (0, 0)
    assert [row[:2] for row in rows(out)] == [
        ["session", "status"],
        *([key, "converted"] for key in KEYS),
        ["2", "sessions"],
    ]
    assert err.splitlines()[0].startswith("read 2 sessions, 8 neurons, ")
    assert err.splitlines()[1:] == [f"{n}/2  {key}: converted" for n, key in enumerate(KEYS, start=1)]
    for folder in ("a", "b"):
        assert sorted(path.name for path in Path(folder).iterdir()) == [f"{key}.zarr" for key in KEYS]
    again = run("convert", "in/*.zip", "a")
    assert [row[1] for row in rows(again[1])[1:-1]] == ["up-to-date"] * 2


def test_a_failure_is_told_after_the_table_and_gives_the_exit_code(place: Path, run: Run) -> None:
    (place / "in/bad.zip").write_bytes(b"PK")
    code, out, err = run("convert", "in/*.zip", "out", "--quiet")
    assert code == 5
    assert rows(out)[-2] == ["in/bad.zip", "failed", "error[zip-damaged]"]
    assert out.endswith("3 sessions in out: 2 converted, 1 failed\n")
    assert "error[zip-damaged]: in/bad.zip" in err
    assert err.splitlines()[-1].startswith("hint: run the same command again")


@pytest.mark.parametrize("dry", [True, False])
def test_json_is_one_document(place: Path, run: Run, dry: bool) -> None:
    (place / "in/bad.zip").write_bytes(b"PK")
    code, out, err = run("convert", "in/*.zip", "out", "--json", *["--dry-run"] * dry)
    report = CollectionReport.model_validate_json(out)
    assert code == report.exit_code == 5
    assert [session.status for session in report.sessions] == ["planned" if dry else "converted"] * 2
    assert [failure.source for failure in report.failures] == ["in/bad.zip"]
    assert "1/3" not in err
    assert Path("out").exists() is not dry


def test_a_dry_run_says_what_cannot_come_true(place: Path, run: Run) -> None:
    (place / "file").write_text("mine")
    code, _, err = run("convert", "in/*.zip", "file/out", "--dry-run")
    assert (code, "a part of the path is a file" in err) == (6, True)
    code, out, err = run("convert", "in/*.zip", "out", "--dry-run")
    assert (code, err) == (0, "")
    assert out.endswith("2 sessions in out: 2 planned\n")


def test_errors_of_the_whole_command(place: Path, run: Run) -> None:
    for words, exit_code, code in (
        (["in/*.tar", "out"], 4, "no-match"),
        ([*zips(place), zips(place)[0], "in/../in/*.zip", "in"], 0, ""),  # named twice is no twin
        ([*zips(place), "in/x.zip", "out"], 4, "no-such-source"),
        (["in/*.zip", zips(place)[0]], 7, "not-a-folder"),
    ):
        ended, out, err = run("convert", *words, "--json")
        assert ended == exit_code, words
        assert f"error[{code}]" in err or not code
        assert json.loads(out)
    shutil.copytree("in", "copy")
    ended, out, err = run("convert", "in/*.zip", "copy/*.zip", "new", "--json")
    assert ended == 2
    assert json.loads(out)["error"]["code"] == "duplicate-key"
    assert f"is the key of {zips(place)[0]} and of copy/{zips(place)[0].name}" in err
    assert not Path("new").exists()


def test_one_plain_source_is_converted_as_ever(place: Path, run: Run) -> None:
    only = zips(place)[0]
    code, out, _ = run("convert", only, "one.zarr")
    assert code == 0
    assert out.startswith("converted one.zarr: 4 neurons")
    code, _, err = run("convert", only, "one.zarr")
    assert code == 7
    assert err.startswith("error[target-exists]: ")
    Path("one.zarr/zarr.json").unlink()
    assert run("convert", only, "one.zarr")[0] == 7


def test_bars_show_the_session_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", drawn := Terminal())
    with progress_bars(quiet=False, sessions=True) as report:
        for number, total in enumerate((2, 7), start=1):
            for done in (0, total):
                report(Progress("scan", done, total, "tasks"))
            report(Progress("sessions", number, 2, "sessions", "x: converted"))
    scanned, sessions = (line for line in drawn.getvalue().splitlines()[-3:] if "/" in line)
    assert "7/7" in scanned
    assert "2/2" in sessions


@pytest.mark.parametrize("sources", [["in/*.zip"], ["in/dynamic29510-1-1-Video-x.zip"]])
@pytest.mark.parametrize(
    ("address", "exit_code", "code"),
    [("tcp://127.0.0.1:1", 6, "cluster-unreachable"), ("127.0.0.1:1", 6, "cluster-unreachable"),
     ("tcp://127.0.0.1", 2, "bad-address"), ("a:b:c", 2, "bad-address"), ("tcp://h:99999", 2, "bad-address")],
)  # fmt: skip
def test_a_cluster_that_is_not_there(
    place: Path, run: Run, monkeypatch: pytest.MonkeyPatch, sources: list[str], address: str, exit_code: int, code: str
) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_S", 0.3)
    ended, out, err = run("convert", *sources, "out", "--scheduler", address, "--json")
    assert ended == exit_code
    error: dict[str, Any] = json.loads(out)["error"]
    assert error["code"] == code
    assert address in error["message"]
    assert "Traceback" not in err
    assert "distributed" not in err
    assert not Path("out").exists()


def test_without_the_package_it_says_which(place: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = run("convert", "in/*.zip", "out", "--scheduler", "tcp://127.0.0.1:1")
    assert code == 2
    assert "error[missing-extra]: " in err
    assert "hint: pip install 'sensorium-data[cluster]'" in err
