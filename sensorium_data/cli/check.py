"""`sensorium-data check STORE [--against SOURCE]`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensorium_data.cli.options import json_option, quiet_option, store_argument
from sensorium_data.cli.output import emit_json, progress_bars

if TYPE_CHECKING:
    from sensorium_data.schemas import CheckReport

__all__ = ["as_lines", "command"]

WORDS = {
    "bit-exact": "equal to the bit",
    "rounded-exact": "equal to the bit; rounding changed nothing",
    "rounded": "equal to the bit after the recorded rounding, by at most {error:.3g}",
    "differs": "NOT equal",
}


def as_lines(report: CheckReport) -> list[str]:
    """Return the outcome of a check in lines for people."""
    lines = [f"{f.severity:8} {f.where}: {f.what} [{f.code}]" for f in report.findings]
    lines += [
        f"{'equal' if e.holds != 'differs' else 'differs':8} {e.name}: {e.n_values:,} values "
        + WORDS[e.holds].format(error=e.max_abs_error)
        for e in report.equality
    ]
    n_errors = sum(finding.severity == "error" for finding in report.findings)
    verdict = "sound" if report.ok else f"wrong: {n_errors} error{'s' * (n_errors != 1)}"
    lines.append(f"checked  {report.target}: {len(report.checks)} checks, {verdict}")
    return lines


@click.command(
    "check",
    epilog="""\b
Examples:
  sensorium-data check mouse-F.zarr
  sensorium-data check mouse-F.zarr --against dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20.zip
  sensorium-data check mouse-F.zarr --select digests --json

Exit codes: 0 sound, 5 wrong, 4 no such store or source.""",
)
@store_argument
@click.option("--against", type=click.Path(path_type=Path), metavar="SOURCE", help="Compare every value with this folder or zip.")
@click.option("--select", multiple=True, metavar="CODE", help="Run only this check; may be given more than once.")
@click.option("--list", "list_checks", is_flag=True, help="List the checks and stop.")
@quiet_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, store: Path, against: Path | None, select: tuple[str, ...], list_checks: bool, quiet: bool, as_json: bool
) -> None:  # fmt: skip
    """Check a store: schema, shapes, clocks, the digest of every chunk, statistics recomputed.

    With --against, every published value is rebuilt and compared to the bit, or to the bit after the recorded rounding.
    """
    from sensorium_data.conversion import check_store
    from sensorium_data.store.check import CHECKS, check_codes

    if list_checks:
        check_codes()
        rows = [{"code": c.code, "severity": c.severity, "text": c.text} for c in CHECKS.values()]
        if as_json:
            emit_json(rows)
        else:
            click.echo("\n".join(f"{row['code']:18} {row['severity']:8} {row['text']}" for row in rows))
        return
    with progress_bars(quiet=quiet or as_json) as report:
        outcome = check_store(store, against=against, codes=list(select) or None, report=report)
    if as_json:
        emit_json(outcome.model_dump(mode="json"))
    else:
        click.echo("\n".join(as_lines(outcome)))
    if not outcome.ok:
        ctx.exit(5)
