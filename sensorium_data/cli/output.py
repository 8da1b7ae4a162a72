"""What people see: bars on a terminal, plain lines when piped, data on standard output and talk on standard error."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from sensorium_data.cli.failures import of_system

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sensorium_data.errors import SensoriumError
    from sensorium_data.progress import Progress, Report

__all__ = [
    "attach_streams",
    "emit_json",
    "error_text",
    "out",
    "progress_bars",
    "say",
    "settle_streams",
    "table",
]

STAGES = {
    "read": "read", "scan": "scan", "write": "write", "check": "check", "publish": "publish", "sessions": "sessions",
    "download": "download", "copy": "copy", "train": "train", "predict": "predict", "score": "score",
}  # fmt: skip


def attach_streams() -> None:
    """Give standard streams that are closed (`2>&-`) a place to write to, and let every name be printed.

    Else the next file that is opened, perhaps a chunk of a store, would be what C libraries take for standard error.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # as long as the process lives
            setattr(sys, name, nowhere)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def settle_streams() -> None:
    """Write what is buffered, or drop it where that fails: Python would fail again on its way out, with code 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _drop(stream)


def _drop(stream: TextIO) -> None:
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def out(text: str) -> None:
    """Print data, on standard output.

    A reader that has enough (`| head`) neither stops the work nor changes its outcome.

    Raises
    ------
    StorageFailed
        The disk behind standard output is full or fails.
    """
    try:
        click.echo(text)
    except BrokenPipeError:
        _drop(sys.stdout)
    except OSError as error:
        _drop(sys.stdout)
        raise of_system(error, "standard output") from None


def say(text: str) -> None:
    """Tell people something, on standard error; that nobody can be told must not stop the work."""
    try:
        click.echo(text, err=True)
    except OSError:
        _drop(sys.stderr)


def error_text(error: SensoriumError) -> str:
    """Return an error as people see it: its code, what was seen, and the next step."""
    hint = f"\nhint: {error.hint}" if error.hint else ""
    return f"error[{error.code}]: {error}{hint}"


def emit_json(value: Any) -> None:  # noqa: ANN401  # whatever JSON can hold
    """Print data for programs, on standard output."""
    out(json.dumps(value, ensure_ascii=False, indent=2))


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return rows as aligned columns; `right` names the columns that are aligned to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.rjust(widths[i]) if i in right else cell.ljust(widths[i]) for i, cell in enumerate(row)).rstrip()
        for row in rows
    )


@contextmanager
def progress_bars(*, quiet: bool, sessions: bool = False) -> Iterator[Report]:
    """Return what draws progress here: bars on a terminal, a line for each stage elsewhere, nothing when quiet.

    With ``sessions``, where there are many, a line for each session takes the place of those for its stages.
    """
    from sensorium_data.progress import ignore
    from sensorium_data.settings import settings

    if quiet or settings().no_progress:
        yield ignore
    elif sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _session_lines if sessions else _lines()


def _session_lines(progress: Progress) -> None:
    if progress.stage == "sessions" and progress.text:
        say(f"{progress.done:>{len(str(progress.total))}}/{progress.total}  {progress.text}")


def _lines() -> Report:
    def report(progress: Progress) -> None:
        if progress.done == progress.total and progress.stage != "read":
            say(f"{STAGES[progress.stage]:8}{progress.total} {progress.unit}")

    return report


@contextmanager
def _bars() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def report(progress: Progress) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(STAGES[progress.stage], total=progress.total, unit=progress.unit)
            elif progress.done == 0:  # the same stage of the next session
                bars.reset(tasks[progress.stage])
            bars.update(tasks[progress.stage], completed=progress.done, total=progress.total, unit=progress.unit)

        yield report
