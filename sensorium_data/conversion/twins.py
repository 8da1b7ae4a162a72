"""No two recordings of a collection may become one store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium_data.conversion.failure import as_text, known
from sensorium_data.errors import BadArgument, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sensorium_data.remote import Location
    from sensorium_data.schemas import ConvertReport

__all__ = ["refuse_twins"]


def refuse_twins(
    named: Sequence[Path | Location], keys: Mapping[int, str], outcomes: Mapping[int, ConvertReport | Exception]
) -> None:
    """Raise BadArgument where two sources would become one store; whatever else is wrong is told along.

    Parameters
    ----------
    named : sequence of Path or Location
        The sources.
    keys : mapping of int to str
        Of those that could be opened, by number.
    outcomes : mapping of int to report or error
        What has come of others already.
    """
    sources: dict[str, list[str]] = {}
    for number, key in keys.items():
        sources.setdefault(key, []).append(str(named[number]))
    twins = {key: paths for key, paths in sources.items() if len(paths) > 1}
    if not twins:
        return
    problems = [
        Problem("duplicate-key", key, f"is the key of {' and of '.join(paths)}") for key, paths in twins.items()
    ]
    for number, outcome in outcomes.items():
        if isinstance(outcome, Exception):
            error = known(outcome)
            problems.append(Problem(error.code, as_text(named[number]), error.message))
    count = "one key is" if len(twins) == 1 else f"{len(twins)} keys are"
    raise BadArgument(
        f"{count} that of more than one source, and each key has one store; nothing was written",
        hint="leave all but one source of a key out, or convert them into folders of their own",
        problems=problems,
        code="duplicate-key",
    )
