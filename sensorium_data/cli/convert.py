"""`sensorium-data convert SOURCE... TARGET`."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sensorium_data.cli.options import PLACE, json_option, quiet_option, source_option, storage_option
from sensorium_data.cli.output import emit_json, out, progress_bars, say
from sensorium_data.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensorium_data.schemas import ConvertReport

__all__ = ["command", "summary"]


def _disk(target: Path | str) -> Path:
    """Return where the store is made: one for a URL is built here before it is sent."""
    if isinstance(target, Path):
        return target
    from sensorium_data.conversion.remotetarget import build_folder
    from sensorium_data.remote import Location

    return build_folder(Location(target)) / "store"


def _free(target: Path) -> int:
    folder = next((parent for parent in target.absolute().parents if parent.is_dir()), Path())
    return shutil.disk_usage(folder).free


def _as_zip(source: str | Path) -> str:
    """Return how big a zip is on the disk: sizes of sources are those of their unpacked files."""
    from sensorium_data.spelling import human_bytes

    here = isinstance(source, Path) and source.is_file()
    return f" ({human_bytes(Path(source).stat().st_size)} as a zip)" if here else ""


def summary(report: ConvertReport, source: str | Path) -> str:
    """Return the outcome of a conversion in a few lines.

    Parameters
    ----------
    report : ConvertReport
    source : str or Path
        What was converted.
    """
    from sensorium_data.spelling import human_bytes

    share = report.store_bytes / max(1, report.source_bytes)
    trials = f"{report.n_trials} trials ({report.n_withheld} withheld, {report.n_missing} missing)"
    films = f"{report.n_variants} stimuli in {report.n_groups} groups"
    published = f"{human_bytes(report.source_bytes)} published{_as_zip(source)}"
    stored = f"{human_bytes(report.store_bytes)} stored ({share:.1%})"
    responses = f"responses {human_bytes(report.response_bytes)} ({report.codec})"
    lines = [f"{report.status:8} {report.target}: {report.n_neurons:,} neurons, {trials}, {films}"]
    lines += [f"size     {published}, {stored}, {responses}"]
    lines += [f"note     {note.text}" for note in report.notes]
    lines.append(f"open it  sensorium_data.open_session({report.target!r})")
    return "\n".join(lines)


def _read_line(planned: ConvertReport, source: str | Path, target: str | Path, verb: str) -> str:
    from sensorium_data.spelling import human_bytes

    where = "at the target" if isinstance(target, Path) else "where it is built"

    return (
        f"{verb} {planned.reader} recording {planned.key}: {planned.n_neurons:,} neurons, {planned.n_trials} trials, "
        f"{human_bytes(planned.source_bytes)}{_as_zip(source)}; {human_bytes(_free(_disk(target)))} free {where}"
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


def _plan_lines(planned: ConvertReport, source: str | Path, target: str | Path) -> list[str]:
    """Return what a conversion would do, in lines for people."""
    if planned.status != "planned":
        return [f"would leave {target} as it is ({planned.status})"]
    verb = "would replace" if os.path.lexists(target) else "would write"
    return [_read_line(planned, source, target, "would read"), f"{verb} {target}"]


def _require_two(ctx: click.Context, param: click.Parameter, value: tuple[str | Path, ...]) -> tuple[str | Path, ...]:
    """Tell the target from the sources: click alone would take the only word for the target."""
    if len(value) < 2 and not ctx.resilient_parsing:
        missing = "'TARGET'" if value else "'SOURCE'"
        raise click.MissingParameter(ctx=ctx, param=param, param_hint=missing, param_type="argument")
    return value


@click.command(
    "convert",
    epilog="""\b
Examples:
  sensorium-data convert dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20.zip mouse-F.zarr
  sensorium-data convert mouse-F/ mouse-F.zarr --precision source --existing replace
  sensorium-data convert mouse-F.zip mouse-F.zarr --dry-run
  sensorium-data convert 'in/*.zip' stores/
  sensorium-data convert https://example.org/dynamic29515-10-12.zip mouse-F.zarr
  sensorium-data convert mouse-F mouse-F.zarr
  sensorium-data convert mouse-F.zip s3://bucket/stores/mouse-F.zarr
  sensorium-data convert 'in/*.zip' stores/ --scheduler tcp://10.0.0.1:8786

Exit codes: 0, 2, 4, 5, 6, 7, 130 (see `sensorium-data --help`); of several sessions that of the
worst failure.""",
)
@click.argument("paths", nargs=-1, type=PLACE, metavar="SOURCE... TARGET", callback=_require_two)
@click.option("--reader", metavar="NAME", help="Reader to use; by default the one that recognises the content.")
@click.option("--preset", type=click.Choice(["compact", "fast", "portable"]), default="compact", show_default=True,
              help="Smallest; uncompressed; or codecs that every implementation of Zarr reads.")  # fmt: skip
@click.option("--precision", type=click.Choice(["float32", "source", "float16"]), default="float32", show_default=True,
              help="How floating-point streams are stored; float16 concerns responses alone.")  # fmt: skip
@click.option("--existing", type=click.Choice(["error", "skip", "resume", "replace"]),
              help="What to do with a store that is there.  [default: error; resume for several recordings]")  # fmt: skip
@click.option(
    "--allow-nan", is_flag=True, help="Let NaN in the valid part of film and responses, and infinity, through."
)
@storage_option
@source_option
@click.option("--scheduler", metavar="ADDRESS", help="Run on the dask.distributed cluster of this scheduler.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")
@quiet_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, paths: tuple[str | Path, ...], reader: str | None, preset: str, precision: str, existing: str | None,
    allow_nan: bool, storage_options: dict[str, Any] | None, source_options: dict[str, Any] | None, scheduler: str | None,
    dry_run: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Turn a published recording into a verified session store, or many into a folder of stores.

    SOURCE is the folder or the zip of one recording, here or at a URL, or its name in the catalog: read in place and
    never written. TARGET is the store to make, here or in a bucket: it appears when it is whole and checked. An
    interrupted conversion goes on when the same command is run again.

    With several sources, or a pattern such as 'in/*.zip', TARGET is a folder and every store is named after the key of
    its session. One that fails is named and does not stop the others.
    """
    from sensorium_data.cli.recordings import source_meant
    from sensorium_data.conversion.patterns import is_pattern

    *named, target = paths
    sources = [source_meant(word) for word in named]
    many = len(sources) > 1 or is_pattern(sources[0])
    choices = {
        "reader": reader,
        "preset": preset,
        "precision": precision,
        "existing": existing or ("resume" if many else "error"),
        "allow_nan": allow_nan,
        "storage_options": storage_options,
        "source_options": source_options,
    }
    run = _Run(target, choices, scheduler, dry_run, quiet or as_json, as_json)
    if many:
        ctx.exit(run.many(sources))
    run.one(sources[0])


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the command: where to, how, and how it is told."""

    target: str | Path
    choices: dict[str, Any]
    scheduler: str | None
    dry_run: bool
    quiet: bool
    as_json: bool

    def one(self, source: str | Path) -> None:
        """Convert one recording."""
        from sensorium_data.conversion import convert, plan_only

        target = self.target
        planned = plan_only(source, target, **self.choices)
        if self.dry_run:
            if planned.status == "planned":
                _require_writable(_disk(target))
            self._tell(planned, "\n".join(_plan_lines(planned, source, target)))
            return
        if planned.status == "planned":
            say(_read_line(planned, source, target, "read"))
        with _cluster(self.scheduler) as client, progress_bars(quiet=self.quiet) as report:
            done = convert(source, target, client=client, report=report, **self.choices)
        self._tell(done, summary(done, source))

    def many(self, sources: list[str | Path]) -> int:
        """Convert several recordings and return what the command ends with."""
        from sensorium_data.cli.collection import announce, show
        from sensorium_data.conversion import convert_all, plan_all

        folder = self.target
        place = folder / "store" if isinstance(folder, Path) else _disk(folder)
        planned = plan_all(sources, folder, **self.choices)
        work = any(session.status == "planned" for session in planned.sessions)
        if self.dry_run:
            if work:
                _require_writable(place)
            show(planned, as_json=self.as_json)
            return planned.exit_code
        if work:
            say(announce(planned, _free(place)))
        with _cluster(self.scheduler) as client, progress_bars(quiet=self.quiet, sessions=True) as report:
            done = convert_all(sources, folder, client=client, report=report, **self.choices)
        show(done, as_json=self.as_json)
        return done.exit_code

    def _tell(self, report: ConvertReport, text: str) -> None:
        if self.as_json:
            emit_json(report.model_dump(mode="json"))
        else:
            out(text)


@contextmanager
def _cluster(scheduler: str | None) -> Iterator[object]:
    """Yield a client of the scheduler, or None where there is none and the threads here do the work."""
    if scheduler is None:
        yield None
        return
    from sensorium_data.conversion.cluster import connect

    with connect(scheduler) as client:
        yield client
