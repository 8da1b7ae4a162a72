"""`sensorium-data check SOURCE`: which paths are audited, what is printed, and with which exit code it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

from sensorium_data.cli.app import cli
from sensorium_data.cli.check import as_lines
from sensorium_data.conversion.audit_faults import AUDITS
from sensorium_data.errors import SensoriumError
from sensorium_data.schemas import CheckReport, Finding
from sensorium_data.testing import make_session, write_sensorium2023
from tests.conversion.test_bad_input import put

if TYPE_CHECKING:
    from click.testing import Result

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "schemas/v1/check-report.schema.json").read_text("utf-8"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_sensorium2023(tmp_path, n_neurons=4, n_train=2, frame_shape=(8, 12))


def check(*words: object) -> Result:
    return CliRunner().invoke(cli, ["check", *map(str, words)])


def refused(*words: object) -> SensoriumError | SystemExit:
    seen = check(*words).exception
    assert isinstance(seen, SensoriumError | SystemExit)
    return seen


def test_a_source_is_audited(source: Path) -> None:
    done = check(source)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[-1].startswith(f"audited  {source}: ")
    assert lines[-1].endswith("; can be converted")
    assert "padded to 36 samples" in done.stdout
    ragged = [i for i, line in enumerate(lines) if "[repeats-ragged]" in line]
    assert ragged == list(range(ragged[0], ragged[0] + 5)), "those of one code stand together"
    assert lines[ragged[-1] + 1].startswith("         every presentation is a trial"), "and what is done is said once"
    assert done.stderr.splitlines() == ["scan    27 trials", "check   20 checks"]


def test_what_conversion_refuses_ends_with_5(source: Path) -> None:
    put("data/videos/3.npy", (1, 2, 3), np.nan)(source)
    done = check(source, "--quiet")
    assert done.exit_code == 5
    first, second, *_, last = done.stdout.splitlines()
    assert first.startswith("error    data/videos/3.npy: has 1 NaN pixels")
    assert second.startswith("         `convert` refuses the recording and writes nothing")
    assert re.search(r"audits, 1 error, \d+ warnings, \d+ notes; cannot be converted$", last)
    assert done.stderr == ""


def test_json_is_a_check_report(source: Path) -> None:
    done = check(source, "--json", "--select", "repeats-ragged", "--select", "litter")
    document = json.loads(done.stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    report = CheckReport.model_validate_json(done.stdout)
    assert report.checks == ("repeats-ragged", "litter")
    assert [(f.code, bool(f.action)) for f in report.findings] == [("repeats-ragged", True)] * 5


def test_zips_and_folders_around_a_session_are_sources(tmp_path: Path) -> None:
    zipped = write_sensorium2023(tmp_path / "in", n_neurons=2, n_train=1, frame_shape=(8, 12), zipped="stored")
    assert "[litter]" in check(zipped).stdout
    folder = write_sensorium2023(tmp_path / "around", n_neurons=2, n_train=1, frame_shape=(8, 12)).parent
    assert check(folder).exit_code == 0


def test_stores_are_checked_as_ever(tmp_path: Path) -> None:
    store = make_session(tmp_path, n_neurons=3, n_train=1)
    done = check(store)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1].startswith(f"checked  {store}: ")
    against = next(path for path in tmp_path.iterdir() if path != store)
    assert "equal to the bit" in check(store, "--against", against).stdout


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (Path, "no-such-store", "no such store"),
        (lambda path: path.write_text("hello"), "not-a-store", "it has no readable zarr.json"),
        (lambda path: [path.mkdir(), (path / "zarr.json").write_text("{}")], "not-a-store", "no session store"),
        (lambda path: [path.mkdir(), (path / "zarr.json").write_text("")], "not-a-store", "no readable zarr.json"),
    ],
    ids=["missing", "file", "group", "hollow"],
)
def test_what_is_no_source_is_answered_as_a_store(tmp_path: Path, make: Any, code: str, words: str) -> None:
    make(tmp_path / "x")
    seen = refused(tmp_path / "x")
    assert isinstance(seen, SensoriumError)
    assert seen.code == code
    assert words in str(seen)


def test_a_folder_that_is_neither(tmp_path: Path) -> None:
    (tmp_path / "neurons").mkdir()
    (tmp_path / "neurons/x.npy").write_text("x")
    seen = refused(tmp_path)
    assert isinstance(seen, SensoriumError)
    assert (seen.code, seen.exit_code) == ("not-a-session", 5)
    assert "found neurons" in str(seen)
    assert seen.hint.endswith("a session store would have a readable zarr.json")


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--against", "y"], "--against compares a store"), (["--select", "liter"], "no audit `liter`"),
     (["--select", "digests"], "no audit `digests`"), (["--reader", "other"], "no reader `other`")],
)  # fmt: skip
def test_options_that_do_not_fit_a_source(source: Path, words: list[str], said: str) -> None:
    done = CliRunner().invoke(cli, ["check", str(source), *words], standalone_mode=False)
    assert said in str(done.exception)


def test_a_reader_does_not_fit_a_store(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["check", str(tmp_path / "x"), "--reader", "sensorium2023"], standalone_mode=False)
    assert "--reader is for sources" in str(done.exception)


def test_the_list_accounts_for_every_known_fault() -> None:
    rows = json.loads(check("--list", "--json").stdout)
    audits = [row for row in rows if "faults" in row]
    assert sorted({number for row in audits for number in row["faults"]}) == list(range(1, 22))
    assert {row["code"] for row in audits} == {audit.code for audit in AUDITS}
    assert all(row["action"] for row in audits)
    plain = check("--list").stdout
    assert "deeplake             note     Of a source: " in plain
    assert "(not in the files: the published zips are read" in plain


def test_the_page_has_a_row_for_each_audit() -> None:
    page = (ROOT / "docs/audit.md").read_text("utf-8")
    for audit in AUDITS:
        numbers = ", ".join(map(str, audit.faults))
        assert f"| {numbers} | `{audit.code}` | {audit.severity} | {audit.text} | {audit.action} |" in page
    told = re.findall(r"^\| [\d, ]* ?\| `([a-z-]+)` \|", page, flags=re.MULTILINE)
    assert sorted(told) == sorted(audit.code for audit in AUDITS), "and none for what is no audit"


def test_the_blocks_of_the_page_run(tmp_path: Path) -> None:
    page = (ROOT / "docs/audit.md").read_text("utf-8")
    write_sensorium2023(tmp_path, n_neurons=4, n_train=2, frame_shape=(8, 12), zipped="stored")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    assert [language for language, _ in blocks] == ["sh", "python"]
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for language, block in blocks:
        command = ["bash", "-euc", block] if language == "sh" else [sys.executable, "-W", "error", "-c", block]
        how: dict[str, Any] = {"capture_output": True, "text": True, "env": {**os.environ, "PATH": scripts}}
        done = subprocess.run(command, cwd=tmp_path, check=False, **how)
        assert done.returncode == 0, done.stderr
        assert "padded to 36 samples" in done.stdout


def test_many_findings_of_a_code_say_once_what_is_done() -> None:
    def finding(code: str, n: int) -> Finding:
        return Finding(code=code, severity="error", where=f"trial {n}", what="differs", action=f"as {code}")

    found = tuple(finding(code, n) for code in ("a", "b") for n in range(25))
    lines = as_lines(CheckReport(target="x", checks=("a",), findings=found))
    assert [line.strip() for line in lines if "as " in line] == ["as a", "as b"]
    assert lines[20].strip() == "as a"
