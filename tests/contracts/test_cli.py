"""`cli/` is the command line rendered: reference, manual pages, completions, transcripts of real runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import click
import pytest
from click.shell_completion import get_completion_class

from sensorium_data.cli.app import VERBS, cli

if TYPE_CHECKING:
    from pathlib import Path

Rendered = Callable[[str, str], None]
PROGRAM = "sensorium-data"
ENVIRONMENT = {"SENSORIUM_DATA_THREADS": "1", "PYTHONHASHSEED": "0", "COLUMNS": "100", "NO_COLOR": "1"}


def _help(*words: str) -> str:
    context = click.Context(cli, info_name=PROGRAM, max_content_width=100, terminal_width=100)
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
    assert {line.split(",")[1] for line in done.stdout.splitlines()} == {"convert", "check"}


def test_manual_pages(rendered: Rendered) -> None:
    man = pytest.importorskip("click_man.core")
    context = click.Context(cli, info_name=PROGRAM)
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
    text = re.sub(r"\b\d[\d.,]* [kMG]?B (?=stored|\(pcodec\)|free)", "… ", text)
    text = re.sub(r"\(\d+\.\d%\)", "(…%)", text)
    text = re.sub(r"(?<=\.zarr, )\d[\d.]* [kMG]?B", "…", text)
    text = re.sub(r"(compact +)\d[\d.]* [kMG]?B", r"\1…", text)
    return re.sub(r"\b20\d\d-\d\d-\d\d", "YYYY-MM-DD", text)


TRANSCRIPTS: dict[str, list[str]] = {
    "convert": [
        "sensorium-data convert mouse.zip mouse.zarr --dry-run",
        "sensorium-data convert mouse.zip mouse.zarr",
        "sensorium-data ls",
        "sensorium-data info mouse.zarr",
        "sensorium-data stats mouse.zarr",
        "sensorium-data check mouse.zarr --against mouse.zip",
        "sensorium-data convert mouse.zip mouse.zarr --existing resume",
    ],
    "errors": [
        "sensorium-data conver mouse.zip mouse.zarr",
        "sensorium-data convert mous.zip mouse.zarr",
        "sensorium-data convert broken broken.zarr",
        "sensorium-data convert mouse.zip mouse.zarr",
        "sensorium-data check broken",
        "sensorium-data schema sesion",
        "sensorium-data info mouse.zar",
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
