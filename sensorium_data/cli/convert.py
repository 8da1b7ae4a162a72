"""`sensorium-data convert SOURCE TARGET`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensorium_data.cli.options import json_option, quiet_option
from sensorium_data.cli.output import emit_json, progress_bars, say

if TYPE_CHECKING:
    from sensorium_data.schemas import ConvertReport

__all__ = ["command", "summary"]


def _free(target: Path) -> int:
    folder = next((parent for parent in target.absolute().parents if parent.is_dir()), Path())
    return shutil.disk_usage(folder).free


def summary(report: ConvertReport) -> str:
    """Return the outcome of a conversion in a few lines."""
    from sensorium_data.describe import human_bytes

    share = report.store_bytes / max(1, report.source_bytes)
    lines = [
        f"{report.status:8} {report.target}: {report.n_neurons:,} neurons, {report.n_trials} trials "
        f"({report.n_withheld} withheld, {report.n_missing} missing), {report.n_variants} films in {report.n_groups} groups",
        f"size     {human_bytes(report.source_bytes)} published, {human_bytes(report.store_bytes)} stored "
        f"({share:.1%}), responses {human_bytes(report.response_bytes)} ({report.codec})",
    ]
    lines += [f"note     {note.text}" for note in report.notes]
    lines.append(f'open it  sensorium_data.open_session("{report.target}")')
    return "\n".join(lines)


@click.command(
    "convert",
    epilog="""\b
Examples:
  sensorium-data convert dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20.zip mouse-F.zarr
  sensorium-data convert mouse-F/ mouse-F.zarr --precision source --existing replace
  sensorium-data convert mouse-F.zip mouse-F.zarr --dry-run

Exit codes: 0, 2, 4, 5, 6, 7, 130 (see `sensorium-data --help`).""",
)
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--reader", metavar="NAME", help="Reader to use; by default the one that recognises the content.")
@click.option("--preset", type=click.Choice(["compact", "fast", "portable"]), default="compact", show_default=True,
              help="Smallest; uncompressed; or codecs that every implementation of Zarr reads.")  # fmt: skip
@click.option("--precision", type=click.Choice(["float32", "source", "float16"]), default="float32", show_default=True,
              help="How floating-point streams are stored; float16 concerns responses alone.")  # fmt: skip
@click.option("--existing", type=click.Choice(["error", "skip", "resume", "replace"]), default="error", show_default=True,
              help="What to do with a store that is there.")  # fmt: skip
@click.option("--allow-nan", is_flag=True, help="Let NaN in the valid part of film and responses, and infinity, through.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")
@quiet_option
@json_option
def command(
    source: Path, target: Path, reader: str | None, preset: str, precision: str, existing: str, allow_nan: bool,
    dry_run: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Turn a published recording into a verified session store.

    SOURCE is the folder or the zip of one recording, read in place and never written. TARGET is the store to make: it
    appears when it is whole and checked. An interrupted conversion goes on when the same command is run again.
    """
    from sensorium_data.conversion import convert, plan_only
    from sensorium_data.describe import human_bytes

    common = {"reader": reader, "preset": preset, "precision": precision, "existing": existing, "allow_nan": allow_nan}
    planned = plan_only(source, target, **common)  # type: ignore[arg-type]  # click.Choice keeps to the literals
    if planned.status == "planned":
        say(
            f"{'would read' if dry_run else 'read'} {planned.reader} recording {planned.key}: {planned.n_neurons:,} neurons, "
            f"{planned.n_trials} trials, {human_bytes(planned.source_bytes)}; {human_bytes(_free(target))} free at the target"
        )
    if dry_run:
        if as_json:
            emit_json(planned.model_dump(mode="json"))
        return
    with progress_bars(quiet=quiet or as_json) as report:
        done = convert(source, target, report=report, **common)  # type: ignore[arg-type]
    if as_json:
        emit_json(done.model_dump(mode="json"))
    else:
        click.echo(summary(done))
