"""How training is told of while it goes on, two bars on a terminal, a line for each epoch elsewhere; and told to stop."""

from __future__ import annotations

import signal
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sensorium_data.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensorium_data.progress import Progress, Report

__all__ = ["asked_to_stop", "notes", "training_progress"]

LONG = 200  # steps: of an epoch that has more, every tenth of it is told
PARTS = 10
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def training_progress(*, quiet: bool, n_epochs: int) -> Iterator[Report]:
    """Return what tells of steps and epochs: bars on a terminal, lines elsewhere, nothing when quiet.

    Parameters
    ----------
    quiet : bool
    n_epochs : int
        At most.
    """
    from sensorium_data.progress import ignore
    from sensorium_data.settings import settings

    if quiet or settings().no_progress:
        yield ignore
    elif sys.stderr.isatty():
        with _bars(n_epochs) as report:
            yield report
    else:
        yield _line


def _line(progress: Progress) -> None:
    if progress.unit == "epoch":
        say(progress.text)
    elif progress.total >= LONG and progress.done < progress.total and not progress.done % (progress.total // PARTS):
        say(f"{progress.text}: step {progress.done:,} of {progress.total:,}")


@contextmanager
def _bars(n_epochs: int) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {
            "epoch": bars.add_task("epochs", total=n_epochs), "step": bars.add_task("steps", total=None)
        }  # fmt: skip

        def report(progress: Progress) -> None:
            if progress.unit == "epoch":
                bars.console.print(progress.text, highlight=False, markup=False)
                bars.reset(tasks["step"])
            bars.update(tasks[progress.unit], completed=progress.done, total=progress.total)

        yield report


@contextmanager
def notes() -> Iterator[None]:
    """Say warnings as notes, each once, as they come."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        said: set[str] = set()

        def note(message: Warning | str, *_: object, **__: object) -> None:
            if (text := str(message)) not in said:
                said.add(text)
                say(f"note    {text}")

        warnings.showwarning = note
        yield


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Yield what tells whether the user or the system has asked to stop; a second time ends at once."""
    asked: list[int] = []

    def ask(number: int, frame: object) -> None:
        del frame
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        say("stopping after this step; once more stops at once")

    before = {each: signal.signal(each, ask) for each in SIGNALS}
    try:
        yield lambda: bool(asked)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
