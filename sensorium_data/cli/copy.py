"""`sensorium-data copy STORE TARGET`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sensorium_data.cli.options import PLACE, json_option, quiet_option, source_option, storage_option
from sensorium_data.cli.output import emit_json, out, progress_bars

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.schemas import CopyReport

__all__ = ["command"]

WORDS = {"digest": "every file read back and equal to its digest", "size": "sizes alone were asked for"}


def _text(report: CopyReport) -> str:
    from sensorium_data.spelling import human_bytes

    whole = f"{report.n_objects:,} files, {human_bytes(report.store_bytes)}"
    if report.status == "planned":
        return f"would copy {report.source} ({report.key}, {whole}) to {report.target}"
    if report.status == "skipped":
        return f"{report.status:8} {report.target} is left as it is"
    sent = f"{report.n_sent:,} sent ({human_bytes(report.sent_bytes)})"
    lines = [f"{report.status:8} {report.target}: session {report.key}, {whole}, {sent}; {WORDS[report.verify]}"]
    lines.append(f"open it  sensorium_data.open_session({report.target!r})")
    return "\n".join(lines)


@click.command(
    "copy",
    epilog="""\b
Examples:
  sensorium-data copy mouse-F.zarr s3://bucket/stores/mouse-F.zarr
  sensorium-data copy s3://bucket/stores/mouse-F.zarr mouse-F.zarr
  sensorium-data copy mouse-F.zarr gs://bucket/mouse-F.zarr --existing replace
  sensorium-data copy mouse-F.zarr az://container/mouse-F.zarr --dry-run

Exit codes: 0, 2, 4 no such store or bucket, 5 the store is damaged, 6 a place failed, 7 something is
there already, 130 interrupted, run again to resume.""",
)
@click.argument("store", type=PLACE)
@click.argument("target", type=PLACE)
@click.option("--existing", type=click.Choice(["error", "skip", "resume", "replace"]), default="error", show_default=True,
              help="What to do with a store that is there: with resume, mend it where it is the same.")  # fmt: skip
@click.option("--verify", type=click.Choice(["digest", "size"]), default="digest", show_default=True,
              help="Read every file back once it is there, or ask for its size alone.")  # fmt: skip
@storage_option
@source_option
@click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")
@quiet_option
@json_option
def command(
    store: str | Path, target: str | Path, existing: str, verify: str, storage_options: dict[str, Any] | None,
    source_options: dict[str, Any] | None, dry_run: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Copy a session store to a bucket, from one, or between folders, verified by digest.

    STORE and TARGET are paths or URLs. The copy appears when it is whole: its root is written last. What was interrupted
    goes on when the same command is run again; files that are there with the right digest are not sent again.
    """
    from sensorium_data.copying import copy_store, plan_copy

    given: dict[str, Any] = {"existing": existing, "verify": verify}
    given |= {"storage_options": storage_options, "source_options": source_options}
    if dry_run:
        done = plan_copy(store, target, **given)
    else:
        with progress_bars(quiet=quiet or as_json) as report:
            done = copy_store(store, target, report=report, **given)
    if as_json:
        emit_json(done.model_dump(mode="json"))
    else:
        out(_text(done))
