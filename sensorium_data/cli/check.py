"""`sensorium-data check STORE [--against SOURCE]` and `sensorium-data check SOURCE`."""

from __future__ import annotations

import os.path
import stat
from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click

from sensorium_data.cli.options import PLACE, json_option, quiet_option, source_option, storage_option
from sensorium_data.cli.output import emit_json, out, progress_bars
from sensorium_data.errors import SourceInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sensorium_data.progress import Report
    from sensorium_data.schemas import CheckReport, Finding

__all__ = ["as_lines", "command"]

WORDS = {
    "bit-exact": "equal to the bit",
    "rounded-exact": "equal to the bit; rounding changed nothing",
    "rounded": "equal to the bit after the recorded rounding, by at most {error:.3g}",
    "differs": "NOT equal",
}


SHOWN = 20  # findings printed of one code; a wrong source can have one for each of 700 trials
REFUSALS = "refused"  # the audit that looks for everything that `convert` would refuse
REST = "…"  # where the library says how many more findings a check has than it keeps
AGAINST_TEXTS = {
    "against-source": "The source can be read, and is the recording that the store was made from.",
    "against-trials": "Source and store have the same trials, of the same tiers.",
    "against-values": "Film and signals of every trial are those of the source, to the bit or as rounded.",
    "against-tables": "Tables of neurons and trials are those of the source.",
    "against-statistics": "Statistics that came with the source are kept untouched.",
    "against-document": "The session document says what the source says.",
}


def _finding_lines(findings: Sequence[Finding]) -> list[str]:
    """Return a line for each finding, at most 20 of a code, what is done about it, and how many more there are."""
    lines: list[str] = []
    seen: Counter[str] = Counter()
    for finding, after in zip_longest(findings, findings[1:]):
        seen[finding.code] += finding.where != REST
        if seen[finding.code] <= SHOWN or finding.where == REST:
            lines.append(f"{finding.severity:8} {finding.where}: {finding.what} [{finding.code}]")
        # Said once of findings in a row.
        if finding.action and (after is None or after.action != finding.action):
            lines.append(f"{'':8} {finding.action}")
    more = {code: n - SHOWN for code, n in seen.items() if n > SHOWN}
    return lines + [f"… and {n:,} more [{code}]; --json lists all" for code, n in more.items()]


def as_lines(report: CheckReport) -> list[str]:
    """Return the outcome of a check in lines for people."""
    lines = _finding_lines(report.findings)
    lines += [
        f"{'equal' if e.holds != 'differs' else 'differs':8} {e.name}: {e.n_values:,} values "
        + WORDS[e.holds].format(error=e.max_abs_error)
        for e in report.equality
    ]
    n_errors = sum(finding.severity == "error" for finding in report.findings)
    verdict = "sound" if report.ok else f"wrong: {n_errors} error{'s' * (n_errors != 1)}"
    lines.append(f"checked  {report.target}: {len(report.checks)} checks, {verdict}")
    return lines


def _audit_lines(report: CheckReport) -> list[str]:
    """Return the outcome of an audit in lines for people."""
    count = Counter(finding.severity for finding in report.findings if finding.where != REST)
    found = ", ".join(f"{n} {word}{'s' * (n != 1)}" for word in ("error", "warning", "note") if (n := count[word]))
    verdict = "can be converted" if report.ok else "cannot be converted"
    if REFUSALS not in report.checks:  # with --select, which may not have looked
        verdict = "whether it can be converted was not asked"
    n = len(report.checks)
    last = f"audited  {report.target}: {n} audit{'s' * (n != 1)}, {found or 'nothing found'}; {verdict}"
    return [*_finding_lines(report.findings), last]


def _list(*, as_json: bool) -> None:
    from sensorium_data.conversion.against import AGAINST_CODES
    from sensorium_data.conversion.audit_faults import AUDITS
    from sensorium_data.store.check import CHECKS, check_codes

    check_codes()  # fills the registry
    rows: list[dict[str, Any]] = [{"code": c.code, "severity": c.severity, "text": c.text} for c in CHECKS.values()]
    for code in AGAINST_CODES:
        text = AGAINST_TEXTS.get(code, "The store agrees with the source.")
        rows.append({"code": code, "severity": "error", "text": f"With --against: {text}"})
    for audit in AUDITS:
        row = {"code": audit.code, "severity": audit.severity, "text": f"Of a source: {audit.text}"}
        rows.append(row | {"action": audit.action, "faults": audit.faults, "in_files": audit.in_files})
    if as_json:
        emit_json(rows)
    else:
        out("\n".join(_row_line(row) for row in rows))


def _row_line(row: dict[str, Any]) -> str:
    outside = f" ({row['action']})" if not row.get("in_files", True) else ""
    return f"{row['code']:20} {row['severity']:8} {row['text']}{outside}"


def _is_source(path: str | Path, options: Mapping[str, Any] | None) -> bool:
    """True for what can only be a published recording: a folder without the root of a Zarr store, or a zip."""
    if isinstance(path, str):
        return _is_source_at(path, options)
    if os.path.isdir(path):  # noqa: PTH112  # Path.is_dir raises where a folder is closed or a name too long
        return not os.path.lexists(path / "zarr.json")
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            return False
        with path.open("rb") as file:
            return file.read(2) == b"PK"
    except OSError:
        return False  # whatever is wrong with the path, opening it as a store says so


def _is_source_at(url: str, options: Mapping[str, Any] | None) -> bool:
    """True for a zip at a URL, and for any other place where no root of a Zarr store is."""
    from sensorium_data.remote import Location, open_objects

    place = Location(url, options)
    return place.name.endswith(".zip") or open_objects(place).head("zarr.json") is None


def _audit(
    source: str | Path, codes: list[str] | None, reader: str | None, options: Mapping[str, Any] | None, report: Report
) -> CheckReport:
    from sensorium_data.conversion import audit_source

    try:
        return audit_source(source, codes=codes, reader=reader, storage_options=options, report=report)
    except SourceInvalid as error:
        if error.code != "not-a-session":
            raise
        hint = f"{error.hint}; a session store would have a readable zarr.json"
        raise SourceInvalid(error.message, hint=hint, code=error.code) from None


@click.command(
    "check",
    epilog="""\b
Examples:
  sensorium-data check mouse-F.zarr
  sensorium-data check mouse-F.zarr --against dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20.zip
  sensorium-data check mouse-F.zarr --select digests --json
  sensorium-data check dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20.zip
  sensorium-data check s3://bucket/stores/mouse-F.zarr
  sensorium-data check mouse-F.zarr --against mouse-F
  sensorium-data check --list

Exit codes: 0 sound, 5 wrong, 4 no such store or source.""",
)
@click.argument("path", type=PLACE, required=False, metavar="STORE|SOURCE")  # --list needs none
@click.option(
    "--against",
    type=PLACE,
    metavar="SOURCE",
    help="Compare every value of a store with this folder or zip, of this machine or at a URL.",
)
@click.option("--select", multiple=True, metavar="CODE", help="Run only this check; may be given more than once.")
@click.option("--reader", metavar="NAME", help="Reader of a source; by default the one that recognises the content.")
@storage_option
@source_option
@click.option("--list", "list_checks", is_flag=True, help="List the checks and stop.")
@quiet_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, path: str | Path | None, against: str | Path | None, select: tuple[str, ...], reader: str | None,
    storage_options: dict[str, Any] | None, source_options: dict[str, Any] | None, list_checks: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Check a store: schema, shapes, clocks, the digest of every chunk, statistics recomputed.

    With --against, every published value is rebuilt and compared to the bit, or to the bit after the recorded rounding.

    A published folder or zip is audited instead, before any conversion: the known faults that its files show, what would
    keep it from being converted, and what is done about each. Nothing is written. A name in the catalog is the file that
    was downloaded, or else is read where it is published.
    """
    from sensorium_data.cli.recordings import source_meant

    if list_checks:
        _list(as_json=as_json)
        return
    if path is None:
        raise click.UsageError("Missing argument 'STORE' or 'SOURCE'.", ctx)
    path = source_meant(path)
    source = _is_source(path, storage_options)
    if source and against is not None:
        raise click.UsageError("--against compares a store with a source; the first path is a source itself", ctx)
    if reader is not None and not source:
        raise click.UsageError("--reader is for sources; the path is no published folder or zip", ctx)
    against = None if against is None else source_meant(against)
    codes = list(select) or None
    with progress_bars(quiet=quiet or as_json) as report:
        if source:
            outcome = _audit(path, codes, reader, storage_options, report)
        else:
            from sensorium_data.conversion import check_store

            options = {"storage_options": storage_options, "source_options": source_options}
            outcome = check_store(path, against=against, codes=codes, report=report, **options)
    if as_json:
        emit_json(outcome.model_dump(mode="json"))
    else:
        out("\n".join(_audit_lines(outcome) if source else as_lines(outcome)))
    if not outcome.ok:
        ctx.exit(5)
