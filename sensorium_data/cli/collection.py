"""What people see when `convert` is given several recordings: a table of all, and every failure after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium_data.cli.output import emit_json, error_text, out, say, table
from sensorium_data.errors import Problem, SensoriumError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sensorium_data.schemas import CollectionReport, ConvertReport, Failure, Note

__all__ = ["announce", "show"]

HEADER = ("session", "status", "size", "notes")
SHOWN = 3  # codes of notes in a row of the table
AGAIN = "run the same command again: sessions that are done are left as they are, the others are gone on with"


def announce(planned: CollectionReport, free_bytes: int) -> str:
    """Return in a line what is about to be done.

    Parameters
    ----------
    planned : CollectionReport
        From `plan_all`.
    free_bytes : int
        At the target.
    """
    from sensorium_data.spelling import human_bytes

    work = [session for session in planned.sessions if session.status == "planned"]
    sizes = (
        f"{human_bytes(sum(session.source_bytes for session in work))}; {human_bytes(free_bytes)} free at the target"
    )
    return f"read {_sessions(len(work))}, {sum(session.n_neurons for session in work):,} neurons, {sizes}"


def show(report: CollectionReport, *, as_json: bool) -> None:
    """Print what has come of a collection, or what would.

    Parameters
    ----------
    report : CollectionReport
    as_json : bool
        As one document, on standard output.
    """
    if as_json:
        emit_json(report.model_dump(mode="json"))
    else:
        out("\n".join(_lines(report)))
    for failure in report.failures:
        say(_failure_text(failure))
    if report.failures and any(session.status != "planned" for session in report.sessions):
        say(f"hint: {AGAIN}")


def _sessions(n: int) -> str:
    return f"{n} session" + ("" if n == 1 else "s")


def _lines(report: CollectionReport) -> Iterator[str]:
    rows = [_row(session) for session in report.sessions]
    rows += [
        (failure.key or failure.source, "failed", "", f"error[{failure.error.code}]") for failure in report.failures
    ]
    if rows:
        yield table([HEADER, *rows], right=(2,))
    statuses = [session.status for session in report.sessions] + ["failed"] * len(report.failures)
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    yield f"{_sessions(len(statuses))} in {report.folder}: {counts}"


def _row(session: ConvertReport) -> tuple[str, ...]:
    from sensorium_data.spelling import human_bytes

    size = human_bytes(session.source_bytes if session.status == "planned" else session.store_bytes)
    return session.key, session.status, size, _codes(session.notes)


def _codes(notes: Iterable[Note]) -> str:
    codes = list(dict.fromkeys(note.code for note in notes))
    return ", ".join([*codes[:SHOWN], *["…"] * (len(codes) > SHOWN)])


def _failure_text(failure: Failure) -> str:
    problems = [Problem(fault.code, fault.where, fault.what) for fault in failure.error.problems]
    error = SensoriumError(failure.error.message, hint=failure.error.hint, problems=problems, code=failure.error.code)
    # Most messages begin with what they are about.
    return error_text(error) if failure.source in error.message else f"{failure.source}:\n{error_text(error)}"
