"""Check a store from the outside: what `sensorium-data check` does."""

from __future__ import annotations

from pathlib import Path

from sensorium_data.conversion.against import AGAINST_CODES, check_against
from sensorium_data.progress import Report, ignore
from sensorium_data.schemas import CheckReport, Equality
from sensorium_data.store.check import check_codes, run_checks
from sensorium_data.store.opened import OpenStore

__all__ = ["check_store"]


def check_store(
    store: str | Path,
    *,
    against: str | Path | None = None,
    codes: list[str] | None = None,
    report: Report = ignore,
) -> CheckReport:
    """Check a store, and with a source prove every value equal to what was published.

    Parameters
    ----------
    store : str or Path
        The store.
    against : str or Path, optional
        Folder or zip of the same recording.
    codes : list of str, optional
        Only these checks; all by default.
    report : callable
        Receives `Progress` records.

    Returns
    -------
    CheckReport
        What ran, what was found, and which kind of equality holds for each signal.

    Raises
    ------
    NotFound, StoreInvalid, SourceInvalid
        The store or the source cannot be read at all.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.testing import make_session
    >>> check_store(make_session(tempfile.mkdtemp(), n_neurons=4)).ok
    True
    """
    opened = OpenStore(Path(store))
    chosen = codes if codes is not None else check_codes()
    findings = run_checks(opened, chosen, report)
    equality: list[Equality] = []
    if against is not None:
        more, equality = check_against(opened, against, report)
        findings += more
        chosen = [*chosen, *AGAINST_CODES]
    return CheckReport(
        target=str(store),
        against=None if against is None else str(against),
        checks=tuple(chosen),
        findings=tuple(findings),
        equality=tuple(equality),
    )
