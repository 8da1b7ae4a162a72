"""`sensorium-data download NAME...`."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from sensorium_data.cli.collection import show
from sensorium_data.cli.options import PLACE, json_option, quiet_option
from sensorium_data.cli.output import emit_json, error_text, out, progress_bars, say, table
from sensorium_data.cli.thenconvert import converted, convertible
from sensorium_data.errors import Problem, SensoriumError, counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sensorium_data.progress import Progress, Report
    from sensorium_data.schemas import CollectionReport
    from sensorium_data.schemas.download import DownloadFailure, DownloadReport

__all__ = ["command"]

HEADER = ("status", "size", "file")


def announce(planned: DownloadReport, verb: str) -> Iterator[str]:
    """Yield what is about to be fetched and under which terms, in lines for people.

    Parameters
    ----------
    planned : DownloadReport
    verb : str
    """
    from sensorium_data.spelling import human_bytes

    come = [file for file in planned.files if file.status == "planned"]
    if not come:
        yield f"nothing to fetch: {counted(len(planned.files), 'file')} in {planned.folder}"
    else:
        here = sum(file.bytes_here for file in come)
        size = human_bytes(planned.bytes_to_come) if any(file.bytes is not None for file in come) else ""
        unknown = sum(file.bytes is None for file in come)
        sizes = [size] * bool(size) + [f"{unknown} of unknown size"] * bool(unknown)
        already = f" ({human_bytes(here)} already here)" if here else ""
        free = human_bytes(planned.free_bytes)
        yield f"{verb} {counted(len(come), 'file')}, {', '.join(sizes)}{already}, into {planned.folder}; {free} free"
    licences = {each.licence: each.licence_url for each in planned.terms if each.licence and each.n_files}
    for licence, url in licences.items():
        yield f"terms: {licence}{f', {url}' if url else ''}"
    for each in planned.terms:
        if not each.n_files:
            yield f"not in the catalog: the files of {each.entry}; see {each.homepage}"


def summary(report: DownloadReport, *, converts: bool = False) -> str:
    """Return what has come of every file, and what to do next, in lines for people.

    Parameters
    ----------
    report : DownloadReport
    converts : bool
        The next thing has been done already.
    """
    from sensorium_data.spelling import human_bytes

    rows = [(file.status, "" if file.bytes is None else human_bytes(file.bytes), file.path) for file in report.files]
    lines = [table([HEADER, *rows], right=(1,))]
    if not converts and (first := next(_next(report), "")):
        lines.append(first)
    return "\n".join(lines)


def _next(report: DownloadReport) -> Iterator[str]:
    """Yield the command that converts each file that is there and has a reader."""
    readers = {each.entry: each.reader for each in report.terms}
    for file in report.files:
        if file.status in ("have", "fetched", "resumed") and readers.get(file.entry):
            yield f"next: sensorium-data convert {shlex.quote(file.path)} {file.entry}.zarr"


def _failure_text(failure: DownloadFailure) -> str:
    problems = [Problem(fault.code, fault.where, fault.what) for fault in failure.error.problems]
    error = SensoriumError(failure.error.message, hint=failure.error.hint, problems=problems, code=failure.error.code)
    return error_text(error) if failure.name in error.message else f"{failure.name}:\n{error_text(error)}"


def _told(draw: Report, *, quiet: bool) -> Report:
    """Return what tells of the files: bars on a terminal, a line for each elsewhere."""

    def lines(progress: Progress) -> None:
        if progress.text:
            say(progress.text)

    return draw if quiet or sys.stderr.isatty() else lines


@click.command(
    "download",
    epilog="""\b
Examples:
  sensorium-data download mouse-F --dry-run
  sensorium-data download 'sensorium2023/*' --to raw/ --jobs 2
  sensorium-data download sensorium2022 --convert stores/
  sensorium-data download https://example.org/mouse.zip --to raw/

Exit codes: 0, 2, 4 no such name or file, 5 not the file it should be, 6 network or storage, safe to run
again, 7 would overwrite, 130 interrupted, run again to resume; of several files that of the worst failure.""",
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--to", "folder", type=PLACE, metavar="DIR", help="Folder for the files; by default the cache.")
@click.option("--existing", type=click.Choice(["skip", "error", "refresh", "replace"]), default="skip",
              show_default=True, help="Of files that are there: keep those that are right; refuse; ask whether they "
              "have changed and check them again; fetch them anew.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, 32), default=4, show_default=True, help="Files at the same time.")
@click.option(
    "--convert", "stores", type=PLACE, metavar="DIR|URL", help="Then convert the recordings into this folder."
)
@click.option("--catalog", metavar="FILE_OR_URL", help="A further catalog.")
@click.option("--offline", is_flag=True, help="Ask nothing of the network.")
@click.option("--dry-run", is_flag=True, help="Say what would be fetched; write nothing.")
@quiet_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, names: tuple[str, ...], folder: str | Path | None, existing: str, jobs: int, stores: str | Path | None,
    catalog: str | None, offline: bool, dry_run: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Fetch published files by name: entry, mouse, key, collection or pattern of the catalog, or the URL of a file.

    `sensorium-data ls` lists the catalog. A file appears when it is whole and has the digest that is known of it; that of
    the first download is pinned beside it. What was interrupted goes on where it stopped.
    """
    from sensorium_data.catalogs.fetch import run_plan
    from sensorium_data.catalogs.planned import plan_download

    plan = plan_download(
        names, folder, existing=existing, jobs=jobs, offline=offline or None, catalog=catalog  # type: ignore[arg-type]  # click has checked it
    )  # fmt: skip
    done = plan.report()
    for line in announce(done, "would fetch" if dry_run else "fetch"):
        say(line)
    made = None
    if not dry_run:
        with progress_bars(quiet=quiet or as_json) as draw:
            done = run_plan(plan, _told(draw, quiet=quiet or as_json))
        made = None if stores is None else converted(done, stores, quiet=quiet or as_json)
    elif stores is not None:
        say(f"would then convert {counted(len(convertible(done, planned=True)), 'recording')} into {stores}")
    _show(done, made, converts=stores is not None, as_json=as_json)
    ctx.exit(max(done.exit_code, 0 if made is None else made.exit_code))


def _show(done: DownloadReport, made: CollectionReport | None, *, converts: bool, as_json: bool) -> None:
    """Print what has come of the files, and of the stores where some were to be made."""
    if as_json:
        document = done.model_dump(mode="json")
        stores = None if made is None else made.model_dump(mode="json")
        emit_json({"download": document, "convert": stores} if converts else document)
    else:
        out(summary(done, converts=converts))
    for failure in done.failures:
        say(_failure_text(failure))
    if made is not None and not as_json:
        show(made, as_json=False)
