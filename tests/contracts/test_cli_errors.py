"""However a command ends, it says so in one way: a code, a next step, an exit code, and with --json one object."""

from __future__ import annotations

import ast
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sensorium_data.cli.failures import of_system
from sensorium_data.errors import NotFound, SensoriumError, StorageFailed
from sensorium_data.schemas import CheckReport

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[int, str, str]]

RESUME = "error[interrupted]: interrupted; run the same command again to resume\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `mouse.zip` and its store, `mouse.zarr`; not to be changed."""
    from sensorium_data import convert
    from sensorium_data.testing import write_sensorium2023

    folder = tmp_path_factory.mktemp("made")
    source = write_sensorium2023(folder, n_neurons=4, n_train=2, n_repeats=1, frame_shape=(8, 12), zipped="deflated")
    convert(source.rename(folder / "mouse.zip"), folder / "mouse.zarr")
    return folder


def process(*words: object, **how: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sensorium_data", *map(str, words)]
    shell = ["sh", "-c", f'exec "$0" "$@" {how.pop("closed", "")}']
    return subprocess.run([*shell, *command], text=True, check=False, stderr=subprocess.PIPE, **how)


def test_debug_adds_the_traceback_and_changes_nothing_else(run: Run) -> None:
    plain, shown = run("info", "nope"), run("--debug", "info", "nope")
    assert plain[0] == shown[0] == 4
    assert shown[2].startswith("Traceback")
    assert shown[2].endswith(plain[2])


@pytest.mark.parametrize(
    ("words", "seen", "hint"),
    [
        (["conver"], "no verb `conver`", "did you mean `convert`? `sensorium-data --help` "),
        (["info", "a", "--jsn"], "no such option `--jsn`", "did you mean `--json`? `sensorium-data info --help` "),
        (["convert", "a"], "missing argument 'TARGET'", "`sensorium-data convert --help` "),
        (["convert", "a", "b", "--preset", "x"], "invalid value for '--preset'", "`sensorium-data convert --help` "),
        (["check"], "missing argument 'STORE'", "`sensorium-data check --help` "),
        (["demo", "--seed", "-1"], "invalid value for '--seed'", "`sensorium-data demo --help` "),
    ],
)
def test_usage_errors(run: Run, words: list[str], seen: str, hint: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error[usage]: {seen}")
    assert f"\nhint: {hint}" in err
    code, out, again = run(*words, "--json")
    error = json.loads(out)["error"]
    assert (code, again) == (2, err)
    assert (error["code"], error["hint"]) == ("usage", err.partition("hint: ")[2].strip())


def test_no_words_are_answered_with_help(run: Run) -> None:
    code, out, err = run()
    assert (code, out) == (2, "")
    assert "Verbs:" in err


@pytest.mark.parametrize(
    ("words", "where", "text"),
    [
        (["convert", "a", "b"], "sensorium_data.conversion.plan_only", RESUME),
        (
            ["convert", "a", "b", "--dry-run"],
            "sensorium_data.conversion.plan_only",
            "error[interrupted]: interrupted\n",
        ),
        (["check", "a.zarr"], "sensorium_data.conversion.check_store", "error[interrupted]: interrupted\n"),
        (["demo"], "sensorium_data.testing.write_sensorium2023", "error[interrupted]: interrupted\n"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_interrupts(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: list[str], where: str, text: str, as_json: bool
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(where, stop)
    code, out, err = run(*words, *["--json"] * as_json)
    assert code == 130
    assert err.endswith(text)
    assert (json.loads(out)["error"]["code"] == "interrupted") if as_json else "error" not in out


@pytest.mark.parametrize(
    ("raises", "code", "exit_code"),
    [
        (lambda: 1 / 0, "bug", 1),
        (lambda: CheckReport(target="", checks=()), "document-invalid", 5),
        (lambda: Path("/dev/null/x").stat(), "not-found", 4),
        (lambda: Path("/dev/null/x").mkdir(), "not-found", 4),
        (lambda: Path("x" * 5000).stat(), "not-found", 4),
        (lambda: Path("/dev/full").write_text("x"), "storage-failed", 6),
    ],
)
def test_what_nobody_caught(
    run: Run, monkeypatch: pytest.MonkeyPatch, raises: Callable[[], object], code: str, exit_code: int
) -> None:
    monkeypatch.setattr("sensorium_data.conversion.check_store", lambda *_, **__: raises())
    ended, out, err = run("check", "a.zarr", "--json")
    assert ended == exit_code
    assert json.loads(out)["error"]["code"] == code
    assert err.startswith(f"error[{code}]: ")
    assert "\nhint: " in err
    assert "Traceback" not in err
    assert "pydantic.dev" not in err


@pytest.mark.parametrize(
    ("number", "kind"),
    [(getattr(errno, name), NotFound) for name in ("ENOENT", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "ELOOP")]
    + [(getattr(errno, name), StorageFailed) for name in ("ENOSPC", "EACCES", "EROFS", "EIO", "EDQUOT", "ESTALE")],
)
def test_the_system_is_quoted_with_the_path(number: int, kind: type[SensoriumError]) -> None:
    told = of_system(OSError(number, os.strerror(number), "some/path"))
    assert isinstance(told, kind)
    assert str(told).startswith("some/path: ")


def test_a_name_that_is_no_text(run: Run, tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.zarr")
    for words in (["info", path], ["convert", path, path], ["ls", path]):
        code, out, err = run(*words, "--json")
        assert code == 2
        assert json.loads(out)["error"]["code"] == "undecodable-name"
        assert "\\xff.zarr: the name is not UTF-8 text" in err


def test_ls_shows_the_good_beside_the_bad(run: Run, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "mouse.zarr", tmp_path / "good.zarr")
    for name, text in {
        "future": '{"attributes": {"sensorium_data": {"layout": 99}}}',
        "hurt": '{"attributes": {"sensorium_data": {"layout": 1, "session": {}}}}',
        "cut": '{"attri',
        "other": "{}",
    }.items():
        (tmp_path / f"{name}.zarr").mkdir()
        (tmp_path / f"{name}.zarr" / "zarr.json").write_text(text)
    code, out, err = run("ls", tmp_path)
    lines = {line.split()[0].rpartition("/")[2]: line.split()[1] for line in out.splitlines()[1:]}
    assert code == 5
    assert lines.pop("good.zarr") == "29515-10-12"
    assert lines.keys() == {"future.zarr", "hurt.zarr", "cut.zarr"}  # and not the other Zarr group
    assert all(f"{shown}: " in err for shown in lines.values())
    assert lines["future.zarr"] == "error[layout-unknown]"
    code, out, _ = run("ls", tmp_path, "--json")
    rows = {row["store"].rpartition("/")[2]: row for row in json.loads(out)}
    assert code == 5
    assert rows["future.zarr"].keys() == {"store", "error"}
    assert {f"error[{row['error']['code']}]" for row in rows.values() if "error" in row} == set(lines.values())


def test_ls_of_a_file(run: Run, made: Path) -> None:
    code, _, err = run("ls", made / "mouse.zip")
    assert code == 4
    assert err.startswith(f"error[not-a-folder]: {made}/mouse.zip: ")


def test_demo_kept_where_it_cannot_be(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "kept/demo.zarr").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    for where, code in {"file": 7, "kept": 7, "file/x": 6}.items():
        ended, out, err = run("demo", "--keep", tmp_path / where)
        assert (ended, out) == (code, "")
        assert "error[bug]" not in err
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    assert run("demo", "--keep", tmp_path)[0] == 6
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full"])
def test_standard_error_is_not_needed(made: Path, tmp_path: Path, closed: str) -> None:
    assert process("check", made / "mouse.zarr", closed=closed, stdout=subprocess.PIPE).returncode == 0
    done = process("convert", made / "mouse.zip", tmp_path / "x.zarr", closed=closed, stdout=subprocess.PIPE)
    assert done.returncode == 0
    assert done.stdout.startswith("converted ")
    assert process("info", tmp_path / "nope", closed=closed, stdout=subprocess.PIPE).returncode == 4


@pytest.mark.parametrize("words", [["--help"], ["info", "mouse.zarr"], ["ls"], ["check", "mouse.zarr", "--json"]])
def test_a_reader_that_has_enough(made: Path, words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = process(*words, stdout=writing, cwd=made)
    finally:
        os.close(writing)
    assert done.returncode == 0
    assert "error" not in done.stderr.lower()
    assert process(*words, closed=">&-", cwd=made).returncode == 0


@pytest.mark.parametrize("words", [["--help"], ["info", "mouse.zarr"], ["info", "mouse.zarr", "--json"]])
def test_output_to_a_full_disk(made: Path, words: list[str]) -> None:
    done = process(*words, closed=">/dev/full", cwd=made)
    assert done.returncode == 6
    assert "the disk is full\nhint: " in done.stderr
    assert "Exception ignored" not in done.stderr


def test_summary_is_python_and_tells_the_zip_from_its_content(run: Run, made: Path, tmp_path: Path) -> None:
    target = tmp_path / """it's "\\" x.zarr"""
    code, out, err = run("convert", made / "mouse.zip", target)
    assert code == 0
    opening = out.partition("sensorium_data.open_session(")[2].rpartition(")")[0]
    assert ast.literal_eval(opening) == str(target)
    size = f"({(made / 'mouse.zip').stat().st_size / 1000:.1f} kB as a zip)"
    assert f" published {size}, " in out
    assert f" {size}; " in err


@pytest.mark.parametrize(
    ("existing", "target", "told"),
    [
        ("error", "new.zarr", "would write {}"),
        ("replace", "new/deep/new.zarr", "would write {}"),
        ("replace", "mouse.zarr", "would replace {}"),
        ("skip", "mouse.zarr", "would leave {} as it is (skipped)"),
        ("resume", "mouse.zarr", "would leave {} as it is (up-to-date)"),
    ],
)
def test_dry_run_says_what_would_become_of_the_target(
    run: Run, made: Path, existing: str, target: str, told: str
) -> None:
    code, out, err = run("convert", made / "mouse.zip", made / target, "--existing", existing, "--dry-run")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == told.format(made / target)
    assert sorted(path.name for path in made.iterdir()) == ["mouse.zarr", "mouse.zip"]


def test_dry_run_says_that_nothing_could_be_written(
    run: Run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    code, _, err = run("convert", made / "mouse.zip", tmp_path / "file/a/x.zarr", "--dry-run")
    assert (code, f"{tmp_path}/file: " in err) == (6, True)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    code, out, err = run("convert", made / "mouse.zip", tmp_path / "a/x.zarr", "--dry-run", "--json")
    assert code == 6
    assert json.loads(out)["error"]["code"] == "storage-failed"
    assert f"{tmp_path}: cannot be written" in err
