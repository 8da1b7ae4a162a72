"""`cli/` is the command line rendered: reference, manual pages, completions, transcripts of real runs."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.shell_completion import get_completion_class
from click.testing import CliRunner

from sensorium_data.cli.app import VERBS, cli
from sensorium_data.cli.check import as_lines
from sensorium_data.cli.options import PATH, PLACE
from sensorium_data.cli.output import progress_bars
from sensorium_data.conversion.against import AGAINST_CODES
from sensorium_data.progress import Progress
from sensorium_data.schemas import CheckReport, Finding

if TYPE_CHECKING:
    from pathlib import Path

Rendered = Callable[[str, str], None]
PROGRAM = "sensorium-data"
ENVIRONMENT = {"SENSORIUM_DATA_THREADS": "1", "PYTHONHASHSEED": "0", "COLUMNS": "100", "NO_COLOR": "1"}


def _context(**more: Any) -> click.Context:
    # With the names of the help option: a command keeps those of the first context that asks for them.
    return click.Context(cli, info_name=PROGRAM, **{**cli.context_settings, **more})


def _help(*words: str) -> str:
    context = _context(terminal_width=100)
    if not words:
        return cli.get_help(context)
    command = cli.get_command(context, words[0])
    assert command is not None
    return command.get_help(click.Context(command, parent=context, info_name=words[0], terminal_width=100))


def test_reference(rendered: Rendered) -> None:
    parts = ["# Command reference", "", "Rendered from the code; `pytest --accept` writes it.", ""]
    for words in ((), *((verb,) for verb in VERBS)):
        parts += [f"## {' '.join((PROGRAM, *words))}", "", "```text", _help(*words), "```", ""]
    rendered("cli/reference.md", "\n".join(parts).rstrip() + "\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions(rendered: Rendered, shell: str) -> None:
    kind = get_completion_class(shell)
    assert kind is not None
    source = kind(cli, {}, PROGRAM, "_SENSORIUM_DATA_COMPLETE")
    # click asks the installed bash for its version when it renders; the script itself does not depend on it.
    text = source.source_template % source.source_vars()
    name = {"bash": "sensorium-data.bash", "zsh": "_sensorium-data", "fish": "sensorium-data.fish"}[shell]
    rendered(f"cli/completions/{name}", text.strip() + "\n")


def test_completion_knows_the_verbs() -> None:
    environment = {
        **os.environ,
        "_SENSORIUM_DATA_COMPLETE": "bash_complete",
        "COMP_WORDS": "sensorium-data c",
        "COMP_CWORD": "1",
    }
    command = [sys.executable, "-c", "from sensorium_data.cli.app import cli; cli(prog_name='sensorium-data')"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert {line.split(",")[1] for line in done.stdout.splitlines()} == {verb for verb in VERBS if verb.startswith("c")}


def test_manual_pages(rendered: Rendered) -> None:
    man = pytest.importorskip("click_man.core")
    context = _context()
    pages = {f"{PROGRAM}.1": context}
    for verb in VERBS:
        command = cli.get_command(context, verb)
        assert command is not None
        pages[f"{PROGRAM}-{verb}.1"] = click.Context(command, parent=context, info_name=verb)
    for name, page in pages.items():
        # The date is left to the changelog: a page that changes every day says nothing when it does.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # click-man's, of click 8.5
            text = man.generate_man_page(page, version="", date="sensorium-data")
        rendered(f"cli/man/{name}", "\n".join(line.rstrip() for line in text.splitlines()).strip() + "\n")


def _run(folder: Path, line: str) -> str:
    environment = {**os.environ, **ENVIRONMENT}
    words = line.split()[1:]
    done = subprocess.run(
        [sys.executable, "-m", "sensorium_data", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    talk = "".join(f"! {text}\n" for text in done.stderr.splitlines())
    return f"$ {line}\n{done.stdout}{talk}" + (f"[exit {done.returncode}]\n" if done.returncode else "")


def _stable(text: str, folder: Path) -> str:
    """Blank what changes from day to day and from one release of a codec to the next; the rest must not change."""
    text = text.replace(str(folder.resolve()), "FOLDER").replace(str(folder), "FOLDER")
    text = re.sub(r"\b\d[\d.,]* [kMG]?B (?=stored|\(pcodec\)|free|as a zip)", "… ", text)
    text = re.sub(r"\(\d+\.\d%\)", "(…%)", text)
    text = re.sub(r"(?<=\.zarr, )\d[\d.]* [kMG]?B", "…", text)
    text = re.sub(r"(compact +)\d[\d.]* [kMG]?B", r"\1…", text)
    return re.sub(r"\b20\d\d-\d\d-\d\d", "YYYY-MM-DD", text)


TRANSCRIPTS: dict[str, list[str]] = {
    "audit": [
        "sensorium-data check mouse.zip",
        "sensorium-data check mouse.zip --select litter --json",
        "sensorium-data check broken",
    ],
    "catalog": [
        "sensorium-data ls sensorium2023",
        "sensorium-data ls dynamic295*",
        "sensorium-data info mouse-F",
        "sensorium-data info mose-F",
    ],
    "convert": [
        "sensorium-data convert mouse.zip mouse.zarr --dry-run",
        "sensorium-data convert mouse.zip mouse.zarr",
        "sensorium-data ls .",
        "sensorium-data info mouse.zarr",
        "sensorium-data stats mouse.zarr",
        "sensorium-data check mouse.zarr --against mouse.zip",
        "sensorium-data convert mouse.zip mouse.zarr --existing resume",
    ],
    "errors": [
        "sensorium-data conver mouse.zip mouse.zarr",
        "sensorium-data convert mouse.zip mouse.zarr --exsting skip",
        "sensorium-data convert mous.zip mouse.zarr",
        "sensorium-data convert broken broken.zarr",
        "sensorium-data convert mouse.zip mouse.zarr",
        "sensorium-data check broken",
        "sensorium-data schema sesion",
        "sensorium-data ls mouse.zip",
        "sensorium-data info mouse.zar",
        "sensorium-data info mouse.zar --json",
    ],
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sensorium_data import convert
    from sensorium_data.testing import write_sensorium2023

    folder = tmp_path_factory.mktemp("transcripts")
    zipped = write_sensorium2023(folder, n_neurons=8, frame_shape=(8, 12), zipped="deflated")
    zipped.rename(folder / "mouse.zip")
    broken = write_sensorium2023(folder, n_neurons=8, frame_shape=(8, 12))
    broken.rename(folder / "broken")
    (folder / "broken/data/responses/2.npy").write_bytes(b"\x93NUMPY")
    (folder / "broken/data/videos/3.npy").unlink()
    convert(folder / "mouse.zip", folder / "kept.zarr")
    return folder


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcripts(rendered: Rendered, recordings: Path, name: str) -> None:
    if name == "errors" and not (recordings / "mouse.zarr").exists():
        (recordings / "kept.zarr").rename(recordings / "mouse.zarr")
    elif name == "convert":
        import shutil

        shutil.rmtree(recordings / "kept.zarr", ignore_errors=True)
    text = "".join(_run(recordings, line) + "\n" for line in TRANSCRIPTS[name])
    head = "Real runs, on a small mouse made by `sensorium_data.testing`; lines that begin with `!` are standard error.\n\n"
    body = _stable(text, recordings).rstrip()
    rendered(f"cli/transcripts/{name}.md", f"# {name}\n\n{head}```console\n{body}\n```\n")


def test_the_library_answers_for_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [command for verb in VERBS if (command := cli.get_command(_context(), verb)) is not None]
    assert {p.type for c in commands for p in c.params if isinstance(p.type, click.Path)} == {PATH, PLACE}
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    assert PATH.convert(str(tmp_path), None, None) == tmp_path


def test_bars_know_their_total_from_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", drawn := Terminal())
    with progress_bars(quiet=False) as report:
        report(Progress("publish", 0, 1, "stores"))
    assert "0/1" in drawn.getvalue()
    assert "/100" not in drawn.getvalue()


def test_check_lists_its_codes_without_a_store() -> None:
    told, listed = (CliRunner().invoke(cli, ["check", "--list", *more]) for more in (["--json"], []))
    assert told.exit_code == listed.exit_code == 0
    codes = {row["code"] for row in json.loads(told.stdout)}
    assert codes >= {"digests", *AGAINST_CODES}
    assert {line.split()[0] for line in listed.stdout.splitlines()} == codes


def test_check_shows_twenty_findings_of_a_code() -> None:
    def finding(code: str, where: str) -> Finding:
        return Finding(code=code, severity="error", where=where, what="differs")

    many = [finding(code, f"trial {n}") for n in range(30) for code in ("against-values", "against-trials")]
    capped = [*(finding("digests", f"chunk {n}") for n in range(20)), finding("digests", "…"), finding("films", "1")]
    report = CheckReport(target="x", checks=("digests",), findings=(*many, *capped))
    lines = as_lines(report)
    assert [sum(code in line for line in lines[:-1]) for code in ("values", "trials", "digests", "films")] == [
        21,
        21,
        21,
        1,
    ]
    assert "… and 10 more [against-values]; --json lists all" in lines
    assert lines[-1].endswith("wrong: 82 errors")
