"""Audit a published recording before it is converted: which known faults its files show, and what is done about each.

Nothing is written. Every fault that would keep the recording from being converted is among the findings, as an error.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sensorium_data.conversion.audit_faults import AUDITS, NOTED, REFUSED, Audit, chosen_audits
from sensorium_data.conversion.audit_looks import LOOKS
from sensorium_data.conversion.audit_trials import Evidence, read_trials
from sensorium_data.conversion.finite import infinite_tables
from sensorium_data.errors import SourceInvalid, listed
from sensorium_data.progress import Progress, Report, ignore
from sensorium_data.schemas import CheckReport, Finding
from sensorium_data.sources.members import located, open_members
from sensorium_data.sources.registry import source_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from sensorium_data.errors import Problem
    from sensorium_data.remote import Location
    from sensorium_data.sources import RawSession

__all__ = ["audit_source"]

KEPT = 1000  # findings of one code
REST = "…"
SERIOUS = ("error", "warning", "note")


def audit_source(
    source: str | Path | Location, *, reader: str | None = None, codes: Sequence[str] | None = None,
    storage_options: Mapping[str, Any] | None = None, report: Report = ignore,
) -> CheckReport:  # fmt: skip
    """Look for the known faults of published recordings; nothing is written.

    Parameters
    ----------
    source : str, Path or URL
        Folder or zip of one recording.
    reader : str, optional
        Name of a reader; by default the one that recognises the content.
    codes : sequence of str, optional
        Only these audits; all by default. What cannot be read is reported in any case.
    storage_options : mapping, optional
        How to get into the bucket that the source lies in, as its fsspec file system takes it.
    report : callable
        Receives `Progress` records.

    Returns
    -------
    CheckReport
        ``ok`` where `convert` with its default options would take the recording. Each finding says in ``action`` what
        the toolkit does about it.

    Raises
    ------
    NotFound
        Nothing is at the path, or no such reader is installed.
    SourceInvalid
        No reader recognises the source, or it is no folder and no zip.
    StorageFailed
        The server of a URL cannot be reached or lets nobody in.
    BadArgument
        A code that no audit has.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.testing import write_sensorium2023
    >>> found = audit_source(write_sensorium2023(tempfile.mkdtemp(), n_neurons=4, n_train=2, frame_shape=(8, 12)))
    >>> found.ok, [f.what for f in found.findings if f.code == "padding"]
    (True, ['padded to 36 samples; valid lengths: 17 of 30, 4 of 32, 3 of 31, 2 of 24, 1 of 29'])
    """
    audits = chosen_audits(codes)
    source = located(source, storage_options)
    report(Progress("read", 0, 1, "sources", str(source)))
    try:
        members = open_members(source)
        raw = source_for(members, reader).open(members)
    except SourceInvalid as error:
        if not error.problems:
            raise
        # What cannot be opened shows nothing else.
        audits, findings = [REFUSED], [_refused(problem) for problem in error.problems]
    else:
        report(Progress("read", 1, 1, "sources", str(source)))
        findings = list(_findings(raw, audits, report))
    checks = tuple(audit.code for audit in audits)
    return CheckReport(target=str(source), checks=checks, findings=tuple(_capped(findings)))


def _findings(raw: RawSession, audits: Sequence[Audit], report: Report) -> Iterator[Finding]:
    """Yield what is found, the errors first."""
    complete = REFUSED in audits
    reads = any(audit.reads_trials for audit in audits)
    evidence = Evidence(raw, read_trials(raw, responses=complete, report=report) if reads else ())
    yield from (_refused(problem) for seen in evidence.seen for problem in seen.problems)
    if complete:
        yield from (_refused(problem) for problem in (*infinite_tables(raw, raw.statistics), *evidence.by_ids[0]))
    looks = [audit for audit in audits if audit is not REFUSED]
    for done, audit in enumerate(sorted(looks, key=lambda audit: SERIOUS.index(audit.severity))):
        report(Progress("check", done, len(looks), "checks", audit.code))
        if audit is NOTED:
            yield from _noted(evidence)
            continue
        yield from (_finding(audit, audit.code, *remark) for remark in LOOKS[audit.code](evidence))
    report(Progress("check", len(looks), len(looks), "checks"))


def _refused(problem: Problem) -> Finding:
    lets_in = "--" in problem.what
    action = REFUSED.action + ("; the option named here lets it in" if lets_in else "; are the files as published?")
    return _finding(REFUSED, problem.code, problem.where, problem.what, action)


def _noted(evidence: Evidence) -> Iterator[Finding]:
    """Yield what the reader noted of the recording and of its trials, but for what has an audit of its own."""
    own = {audit.code for audit in AUDITS}
    for note in (*evidence.raw.notes, *evidence.by_ids[1]):
        yield _finding(NOTED, note.code, evidence.raw.identity.name, note.text)
    met: dict[str, list[int]] = {}
    for seen in evidence.seen:
        for code in seen.notes:
            met.setdefault(code, []).append(seen.trial.trial_id)
    for code, trials in met.items():
        if code not in own:
            where = f"trial {trials[0]}" if len(trials) == 1 else f"{len(trials)} trials ({listed(trials)})"
            yield _finding(NOTED, code, where, evidence.raw.note_texts.get(code, code))


def _finding(audit: Audit, code: str, where: str, what: str, action: str = "") -> Finding:
    # Names in an archive can hold what no document may: halves of surrogate pairs.
    where, what = (text.encode("utf-8", "backslashreplace").decode() for text in (where, what))
    action = action or audit.action
    return Finding(code=code, severity=audit.severity, where=where or "?", what=what or "?", action=action)


def _capped(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield at most 1,000 findings of a code, and how many more there are."""
    seen: Counter[str] = Counter()
    for finding in findings:
        seen[finding.code] += 1
        if seen[finding.code] <= KEPT:
            yield finding
        elif seen[finding.code] == KEPT + 1:
            more = sum(other.code == finding.code for other in findings) - KEPT
            yield finding.model_copy(update={"where": REST, "what": f"and {more} more"})
