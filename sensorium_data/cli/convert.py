"""`sensorium-data convert SOURCE TARGET`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensorium_data.cli.options import PATH, json_option, quiet_option
from sensorium_data.cli.output import emit_json, out, progress_bars, say
from sensorium_data.errors import StorageFailed

if TYPE_CHECKING:
    from sensorium_data.schemas import ConvertReport

__all__ = ["command", "summary"]


def _free(target: Path) -> int:
    folder = next((parent for parent in target.absolute().parents if parent.is_dir()), Path())
    return shutil.disk_usage(folder).free


def _as_zip(source: Path) -> str:
    """Return how big a zip is on the disk: sizes of sources are those of their unpacked files."""
    from sensorium_data.describe import human_bytes

    return f" ({human_bytes(source.stat().st_size)} as a zip)" if source.is_file() else ""


def summary(report: ConvertReport, source: Path) -> str:
    """Return the outcome of a conversion in a few lines.

    Parameters
    ----------
    report : ConvertReport
    source : Path
        What was converted.
    """
    from sensorium_data.describe import human_bytes

    share = report.store_bytes / max(1, report.source_bytes)
    trials = f"{report.n_trials} trials ({report.n_withheld} withheld, {report.n_missing} missing)"
    films = f"{report.n_variants} films in {report.n_groups} groups"
    published = f"{human_bytes(report.source_bytes)} published{_as_zip(source)}"
    stored = f"{human_bytes(report.store_bytes)} stored ({share:.1%})"
    responses = f"responses {human_bytes(report.response_bytes)} ({report.codec})"
    lines = [f"{report.status:8} {report.target}: {report.n_neurons:,} neurons, {trials}, {films}"]
    lines += [f"size     {published}, {stored}, {responses}"]
    lines += [f"note     {note.text}" for note in report.notes]
    lines.append(f"open it  sensorium_data.open_session({report.target!r})")
    return "\n".join(lines)


def _read_line(planned: ConvertReport, source: Path, target: Path, verb: str) -> str:
    from sensorium_data.describe import human_bytes

    return (
        f"{verb} {planned.reader} recording {planned.key}: {planned.n_neurons:,} neurons, {planned.n_trials} trials, "
        f"{human_bytes(planned.source_bytes)}{_as_zip(source)}; {human_bytes(_free(target))} free at the target"
    )


def _require_writable(target: Path) -> None:
    """Raise StorageFailed where the target could not be made: a plan that cannot come true is none."""
    # Folders that are missing are made; what counts is the first that is there.
    folder = next(parent for parent in target.absolute().parents if os.path.lexists(parent))
    if not folder.is_dir():
        hint = "choose another target"
        raise StorageFailed(f"{folder}: a part of the path is a file; {target} cannot be below it", hint=hint)
    if not os.access(folder, os.W_OK | os.X_OK):
        hint = "get access or choose another target"
        raise StorageFailed(f"{folder}: cannot be written, and {target} would be made there", hint=hint)


def _plan_lines(planned: ConvertReport, source: Path, target: Path) -> list[str]:
    """Return what a conversion would do, in lines for people."""
    if planned.status != "planned":
        return [f"would leave {target} as it is ({planned.status})"]
    verb = "would replace" if os.path.lexists(target) else "would write"
    return [_read_line(planned, source, target, "would read"), f"{verb} {target}"]


@click.command(
    "convert",
    epilog="""\b
Examples:
  sensorium-data convert dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20.zip mouse-F.zarr
  sensorium-data convert mouse-F/ mouse-F.zarr --precision source --existing replace
  sensorium-data convert mouse-F.zip mouse-F.zarr --dry-run

Exit codes: 0, 2, 4, 5, 6, 7, 130 (see `sensorium-data --help`).""",
)
@click.argument("source", type=PATH)
@click.argument("target", type=PATH)
@click.option("--reader", metavar="NAME", help="Reader to use; by default the one that recognises the content.")
@click.option("--preset", type=click.Choice(["compact", "fast", "portable"]), default="compact", show_default=True,
              help="Smallest; uncompressed; or codecs that every implementation of Zarr reads.")  # fmt: skip
@click.option("--precision", type=click.Choice(["float32", "source", "float16"]), default="float32", show_default=True,
              help="How floating-point streams are stored; float16 concerns responses alone.")  # fmt: skip
@click.option("--existing", type=click.Choice(["error", "skip", "resume", "replace"]), default="error", show_default=True,
              help="What to do with a store that is there.")  # fmt: skip
@click.option(
    "--allow-nan", is_flag=True, help="Let NaN in the valid part of film and responses, and infinity, through."
)
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

    common = {"reader": reader, "preset": preset, "precision": precision, "existing": existing, "allow_nan": allow_nan}
    planned = plan_only(source, target, **common)  # type: ignore[arg-type]  # click.Choice keeps to the literals
    if dry_run:
        if planned.status == "planned":
            _require_writable(target)
        if as_json:
            emit_json(planned.model_dump(mode="json"))
        else:
            out("\n".join(_plan_lines(planned, source, target)))
        return
    if planned.status == "planned":
        say(_read_line(planned, source, target, "read"))
    with progress_bars(quiet=quiet or as_json) as report:
        done = convert(source, target, report=report, **common)  # type: ignore[arg-type]
    if as_json:
        emit_json(done.model_dump(mode="json"))
    else:
        out(summary(done, source))
