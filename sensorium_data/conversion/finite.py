"""Values that are no finite numbers, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import Problem
from sensorium_data.sources.members import MemberError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from sensorium_data.sources import RawSession, RawStatistic

__all__ = ["in_python", "infinite", "infinite_tables", "unfit"]

# How the command line spells an option, and how Python does.
PYTHON = {"--allow-nan": "allow_nan=True", "--precision source": 'precision="source"'}


def infinite(values: NDArray[Any], where: str) -> Iterator[Problem]:
    """Yield a problem where a member holds infinity."""
    if values.dtype.kind == "f" and (n := int(np.isinf(values).sum())):
        yield Problem("infinite", where, f"holds {n} infinite values (--allow-nan lets them in)")


def infinite_tables(raw: RawSession, small_statistics: Iterable[RawStatistic]) -> Iterator[Problem]:
    """Yield the problems of all tables, and of the statistics that no task of their own writes."""
    columns = [*raw.neurons.values(), *raw.trial_variables.values()]
    # Coordinates are three columns of one member.
    tables = {member: [c.values for c in columns if c.member == member] for member in {c.member for c in columns}}
    for member in sorted(tables):
        yield from infinite(np.concatenate([values.reshape(-1) for values in tables[member]]), member)
    for statistic in small_statistics:
        try:
            yield from infinite(raw.statistic(statistic).array, statistic.member)
        except MemberError as error:
            yield error.problem(statistic.member)


def unfit(
    published: NDArray[Any], stored: NDArray[Any], where: str, *, allow_nan: bool, nan_is_fine: bool = False
) -> Iterator[Problem]:
    """Yield the problems of responses that are not finite once they are stored."""
    if (np.isinf(stored) & np.isfinite(published)).any():
        yield Problem("overflow", where, f"has values too large for {stored.dtype}; --precision source keeps them")
        return
    n_nan, n_inf = int(np.isnan(stored).sum()), int(np.isinf(stored).sum())
    if n_nan and not allow_nan and not nan_is_fine:
        yield Problem("nan-in-valid", where, f"has {n_nan} NaN in its valid samples (--allow-nan lets them in)")
    if n_inf and not allow_nan:
        what = f"has {n_inf} values that are infinite as {stored.dtype} (--allow-nan lets them in)"
        yield Problem("infinite", where, what)


def in_python(problem: Problem) -> Problem:
    """Return a problem with the options that it names spelled as Python has them.

    Examples
    --------
    >>> in_python(Problem("infinite", "x", "holds 1 infinite values (--allow-nan lets them in)")).what
    'holds 1 infinite values (allow_nan=True lets them in)'
    """
    what = problem.what
    for option, argument in PYTHON.items():
        what = what.replace(option, argument)
    return replace(problem, what=what)
