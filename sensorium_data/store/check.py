"""Checks of a store: functions in a registry, each with a stable code and a severity; messages are data."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

from sensorium_data.errors import BadArgument, SensoriumError, StorageFailed, near_miss
from sensorium_data.progress import Progress, Report, ignore
from sensorium_data.schemas import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensorium_data.store.opened import OpenStore

__all__ = ["CHECKS", "Check", "Remark", "check_codes", "register", "run_checks", "unreadable"]

KEPT = 1000  # findings of one check; a spoilt disk can have one for each of ten thousand chunks
# What arithmetic and indexing raise on values that are not what a store holds.
UNFIT = (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, TypeError, ValueError)

Remark: TypeAlias = tuple[str, str]  # where, what


@dataclass(frozen=True, slots=True)
class Check:
    """A check: what it looks at, how bad a finding is, and whether it reads every value."""

    code: str
    severity: Severity
    function: Callable[[OpenStore], Iterator[Remark]]
    thorough: bool

    @property
    def text(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]


CHECKS: dict[str, Check] = {}


def register(
    code: str, severity: Severity = "error", *, thorough: bool = False
) -> Callable[[Callable[[OpenStore], Iterator[Remark]]], Callable[[OpenStore], Iterator[Remark]]]:
    """Put a function into the registry under a stable code.

    Parameters
    ----------
    code : str
        Never changes once released.
    severity : {"error", "warning", "note"}
    thorough : bool
        It decodes every value of the store.
    """

    def enter(function: Callable[[OpenStore], Iterator[Remark]]) -> Callable[[OpenStore], Iterator[Remark]]:
        CHECKS[code] = Check(code, severity, function, thorough)
        return function

    return enter


def check_codes(*, thorough: bool = True) -> list[str]:
    """Return the codes of all checks, or of those that do not decode every value."""
    _load()
    return [check.code for check in CHECKS.values() if thorough or not check.thorough]


def _load() -> None:
    # The modules register their checks when they are imported, and checks run in this order.
    for name in ("structure", "digests", "values"):
        import_module(f"sensorium_data.store.check_{name}")


def run_checks(store: OpenStore, codes: list[str] | None = None, report: Report = ignore) -> list[Finding]:
    """Run checks on a store and return what they found, 1,000 findings a check at most.

    Parameters
    ----------
    store : OpenStore
    codes : list of str, optional
        Which checks; all by default.
    report : callable

    Raises
    ------
    BadArgument
        A code that no check has.
    """
    chosen = codes if codes is not None else check_codes()
    _load()
    for code in chosen:
        if code not in CHECKS:
            raise BadArgument(f"no check `{code}`", hint=near_miss(code, list(CHECKS)), code="no-such-check")
    findings: list[Finding] = []
    for done, code in enumerate(chosen):
        report(Progress("check", done, len(chosen), "checks", code))
        findings += _findings(CHECKS[code], store)
    report(Progress("check", len(chosen), len(chosen), "checks"))
    return findings


def _findings(check: Check, store: OpenStore) -> list[Finding]:
    found: list[Finding] = []
    n = 0
    try:
        for n, (where, what) in enumerate(check.function(store), start=1):
            if n <= KEPT:
                found.append(_finding(check, check.severity, where, what))
    except SensoriumError as error:
        if isinstance(error, StorageFailed) and store.identity:
            raise  # what cannot be reached is not known to be wrong
        # Its message begins with the store, which is where.
        found.append(_finding(check, "error", str(store.path), error.message.removeprefix(f"{store.path}: ")))
    except UNFIT as error:
        # A check meets values that nobody thought of: that is damage to name, and the other checks still run.
        what = f"is such that the check cannot be made ({type(error).__name__}: {error})"
        found.append(_finding(check, "error", str(store.path), what))
    if n > KEPT:
        found.append(_finding(check, check.severity, "…", f"and {n - KEPT} more"))
    return found


def unreadable(error: OSError) -> str:
    """Return why a file cannot be read; a network that fails is no fault of the store, and is raised."""
    if isinstance(error, StorageFailed):
        raise error
    return error.strerror or "it is not there"


def _finding(check: Check, severity: Severity, where: str, what: str) -> Finding:
    # What is damaged can hold characters that no document may: halves of surrogate pairs.
    where, what = (text.encode("utf-8", "backslashreplace").decode() for text in (where, what))
    return Finding(code=check.code, severity=severity, where=where or "?", what=what or "?")
