"""`sensorium-data check STORE [--against SOURCE]`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from sensorium_data.cli.options import PATH, json_option, quiet_option
from sensorium_data.cli.output import emit_json, out, progress_bars

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sensorium_data.schemas import CheckReport, Finding

__all__ = ["as_lines", "command"]

WORDS = {
    "bit-exact": "equal to the bit",
    "rounded-exact": "equal to the bit; rounding changed nothing",
    "rounded": "equal to the bit after the recorded rounding, by at most {error:.3g}",
    "differs": "NOT equal",
}


SHOWN = 20  # findings printed of one code; a wrong source can have one for each of 700 trials
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
    """Return a line for each finding, at most 20 of a code, and how many more there are."""
    lines: list[str] = []
    seen: Counter[str] = Counter()
    for finding in findings:
        seen[finding.code] += finding.where != REST
        if seen[finding.code] <= SHOWN or finding.where == REST:
            lines.append(f"{finding.severity:8} {finding.where}: {finding.what} [{finding.code}]")
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


def _list(*, as_json: bool) -> None:
    from sensorium_data.conversion.against import AGAINST_CODES
    from sensorium_data.store.check import CHECKS, check_codes

    check_codes()  # fills the registry
    rows = [{"code": c.code, "severity": c.severity, "text": c.text} for c in CHECKS.values()]
    for code in AGAINST_CODES:
        text = AGAINST_TEXTS.get(code, "The store agrees with the source.")
        rows.append({"code": code, "severity": "error", "text": f"With --against: {text}"})
    if as_json:
        emit_json(rows)
    else:
        out("\n".join(f"{row['code']:18} {row['severity']:8} {row['text']}" for row in rows))


@click.command(
    "check",
    epilog="""\b
Examples:
  sensorium-data check mouse-F.zarr
  sensorium-data check mouse-F.zarr --against dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20.zip
  sensorium-data check mouse-F.zarr --select digests --json
  sensorium-data check --list

Exit codes: 0 sound, 5 wrong, 4 no such store or source.""",
)
@click.argument("store", type=PATH, required=False)  # --list needs none
@click.option("--against", type=PATH, metavar="SOURCE", help="Compare every value with this folder or zip.")
@click.option("--select", multiple=True, metavar="CODE", help="Run only this check; may be given more than once.")
@click.option("--list", "list_checks", is_flag=True, help="List the checks and stop.")
@quiet_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, store: Path | None, against: Path | None, select: tuple[str, ...], list_checks: bool, quiet: bool, as_json: bool
) -> None:  # fmt: skip
    """Check a store: schema, shapes, clocks, the digest of every chunk, statistics recomputed.

    With --against, every published value is rebuilt and compared to the bit, or to the bit after the recorded rounding.
    """
    if list_checks:
        _list(as_json=as_json)
        return
    if store is None:
        raise click.UsageError("Missing argument 'STORE'.", ctx)
    from sensorium_data.conversion import check_store

    with progress_bars(quiet=quiet or as_json) as report:
        outcome = check_store(store, against=against, codes=list(select) or None, report=report)
    if as_json:
        emit_json(outcome.model_dump(mode="json"))
    else:
        out("\n".join(as_lines(outcome)))
    if not outcome.ok:
        ctx.exit(5)
