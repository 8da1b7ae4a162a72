"""What people see: bars on a terminal, plain lines when piped, data on standard output and talk on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sensorium_data.progress import Progress, Report

__all__ = ["emit_json", "progress_bars", "say", "table"]

STAGES = {"read": "read", "scan": "scan", "write": "write", "check": "check", "publish": "publish"}


def say(text: str) -> None:
    """Tell people something, on standard error."""
    click.echo(text, err=True)


def emit_json(value: Any) -> None:  # noqa: ANN401  # whatever JSON can hold
    """Print data for programs, on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return rows as aligned columns; `right` names the columns that are aligned to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(widths[i]) if i in right else cell.ljust(widths[i]) for i, cell in enumerate(row)
        ).rstrip()
        for row in rows
    )


@contextmanager
def progress_bars(*, quiet: bool) -> Iterator[Report]:
    """Return what draws progress here: bars on a terminal, a line for each stage elsewhere, nothing when quiet."""
    from sensorium_data.progress import ignore
    from sensorium_data.settings import settings

    if quiet or settings().no_progress:
        yield ignore
    elif sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _lines()


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
                tasks[progress.stage] = bars.add_task(STAGES[progress.stage], unit=progress.unit)
            bars.update(tasks[progress.stage], completed=progress.done, total=progress.total, unit=progress.unit)

        yield report
