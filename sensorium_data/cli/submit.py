"""`sensorium-data submit MODEL STORE... --out FILE`, and `sensorium-data submit --check FILE [STORE...]`."""

from __future__ import annotations

import shlex
import shutil
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sensorium_data.cli.options import PATH, PLACE, json_option, quiet_option, storage_option
from sensorium_data.cli.output import emit_json, out, progress_bars, say
from sensorium_data.errors import BadArgument, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sensorium_data.evaluation.predictions import TrialPrediction
    from sensorium_data.schemas.report import Finding
    from sensorium_data.schemas.submission import SubmissionReport

__all__ = ["command", "summary"]

FAULTY = 5


def summary(report: SubmissionReport) -> str:
    """Return the outcome in lines for people.

    Parameters
    ----------
    report : SubmissionReport
    """
    from sensorium_data.spelling import human_bytes

    lines = [line for finding in report.findings for line in _finding_lines(finding)]
    for file in report.files:
        tier = file.tier or "tier unknown"
        mice = f"{len(file.mice)} mice" if len(file.mice) != 1 else "1 mouse"
        lines.append(f"file     {file.name}: {tier}, {counted(file.n_rows, 'trial')} of {mice}")
    size = human_bytes(report.n_bytes)
    if report.status == "checked":
        lines.append(f"checked  {report.path}: {size}, {_verdict(report)}")
    elif report.status == "planned":
        lines.append(f"would write {report.path}: {report.n_values:,} numbers, at most about {size}")
    else:
        lines.append(f"{report.status:8} {report.path}: {size}")
    return "\n".join(lines)


def _finding_lines(finding: Finding) -> list[str]:
    lines = [f"{finding.severity:8} {finding.where}: {finding.what} [{finding.code}]"]
    return [*lines, f"{'':8} {finding.action}"] if finding.action else lines


def _verdict(report: SubmissionReport) -> str:
    n_errors = sum(finding.severity == "error" for finding in report.findings)
    if n_errors:
        return f"wrong: {counted(n_errors, 'error')}"
    if not report.taken:
        return "sound, but not what the server would take or score: see the warnings"
    return "sound"


@click.command(
    "submit",
    epilog="""\b
Examples:
  sensorium-data submit runs/first 'stores/*.zarr' --track main --out main.zip
  sensorium-data submit runs/first 'stores/*.zarr' --track bonus --out bonus.zip --dry-run
  sensorium-data submit runs/images S0.zarr --track 2022 --out sensorium.zip
  sensorium-data submit runs/first mouse-A.zarr --tier oracle --out oracle.parquet.brotli
  sensorium-data submit --check main.zip 'stores/*.zarr'
  sensorium-data submit --check theirs.zip --strict --json

Exit codes: 0, 2, 4 no such model, file or store, 5 a fault in the file, or predictions that make none,
6 storage, 7 the file is there already, 130 interrupted, nothing was written.""",
)
@click.argument("first", type=PLACE, metavar="MODEL|FILE")
@click.argument("stores", nargs=-1, type=PLACE, metavar="[STORE]...")
@click.option(
    "--check", is_flag=True, help="Check FILE, whoever made it; with stores, against their trials and neurons."
)
@click.option("--out", "target", type=PATH, metavar="FILE", help="The file to make; of a track, a zip.")
@click.option(
    "--track", type=click.Choice(["main", "bonus", "2022"]), help="Both files of a track, named as the server wants."
)
@click.option("--tier", metavar="TIER", help="In place of a track: one tier in one file, for scores of your own.")
@click.option("--window", type=click.Choice(["s23-server", "s23-head"]), default="s23-server", show_default=True,
              help="Frames of a film that are sent: 249 of 300, as scored, or 250, as the README says.")  # fmt: skip
@click.option(
    "--weights", type=PATH, metavar="FILE", help="Of a published model that is named, as `sensorium2022-cnn`."
)
@click.option("--device", metavar="NAME", help="Where the model runs, as `cpu` or `cuda`.")
@click.option("--batch-size", type=click.IntRange(min=1), default=8, show_default=True, help="Trials at once.")
@click.option("--existing", type=click.Choice(["error", "replace"]), default="error", show_default=True,
              help="What to do with a file that is there.")  # fmt: skip
@click.option("--strict", is_flag=True, help="With --check: what a server would not take is a fault too.")
@storage_option
@click.option("--dry-run", is_flag=True, help="Say what would be written; predict and write nothing.")
@quiet_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, first: str | Path, stores: tuple[str | Path, ...], check: bool, target: Path | None, track: str | None,
    tier: str | None, window: str, weights: Path | None, device: str | None, batch_size: int, existing: str, strict: bool,
    storage_options: dict[str, Any] | None, dry_run: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Make a submission of a trained model, or check one.

    MODEL is the folder of a run or a checkpoint. Every trial of the tiers is predicted, brought to the scale and the frames
    that were scored, joined by the names of trial and neuron, written, and checked. Whole files appear, or none.

    With --check, FILE is a zip, a Parquet file or a CSV, whoever made it: everything that is wrong with it is named.
    """
    run = _Run(stores, storage_options, quiet=quiet or as_json, as_json=as_json)
    if check:
        _refuse_with_check(ctx, target=target, track=track, tier=tier, weights=weights, device=device, dry_run=dry_run)
        ctx.exit(run.check(Path(first), strict=strict))
    if target is None or not stores or (track is None) == (tier is None):
        what = "a submission is made of stores, for --track or --tier, into the file that --out names"
        raise click.UsageError(f"{what}; --check looks at one that is there", ctx)
    if strict:
        raise click.UsageError("--strict goes with --check", ctx)
    options = {"track": track, "tier": tier, "window": window, "existing": existing}
    ctx.exit(run.make(_Model(first, weights, device, batch_size), target, options, dry_run=dry_run))


def _refuse_with_check(ctx: click.Context, **given: object) -> None:
    if wrong := [f"--{name.replace('target', 'out').replace('_', '-')}" for name, value in given.items() if value]:
        raise click.UsageError(f"--check writes nothing and runs no model: {', '.join(wrong)} does not go with it", ctx)


@dataclass(frozen=True, slots=True)
class _Model:
    """A model as it was named, opened when it is to predict."""

    name: str | Path
    weights: Path | None
    device: str | None
    batch_size: int

    def predictions(self, stores: Sequence[Any], tiers: Sequence[str]) -> Iterator[TrialPrediction]:
        """Return what it says of the trials of some tiers."""
        try:
            from sensorium_data.zoo.loading import load
            from sensorium_data.zoo.predicting import predictions
        except ImportError as error:
            raise _extra(error) from None
        loaded = load(self.name, self.weights)
        return predictions(loaded, stores, tier=tiers, batch_size=self.batch_size, device=self.device)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the command: on which stores, and how it is told."""

    stores: Sequence[str | Path]
    storage_options: dict[str, Any] | None
    quiet: bool
    as_json: bool

    def check(self, path: Path, *, strict: bool) -> int:
        """Check a file, and return what the command ends with."""
        done = self._checked(path, self.stores or None)
        self._tell(done)
        return 0 if done.ok and (done.taken or not strict) else FAULTY

    def _checked(self, path: Path, stores: Any) -> SubmissionReport:  # noqa: ANN401  # whatever names sessions
        from sensorium_data.evaluation.submissions.checking import check_submission

        with progress_bars(quiet=self.quiet) as report, _told(), _extras():
            return check_submission(path, stores, storage_options=self.storage_options, report=report)

    def make(self, model: _Model, target: Path, options: dict[str, Any], *, dry_run: bool) -> int:
        """Make a submission and check it, and return what the command ends with."""
        from sensorium_data.evaluation.submissions.plan import plan_submission
        from sensorium_data.evaluation.submissions.writing import write_submission
        from sensorium_data.viewing.opening import opened

        handles = [session.handle for session in opened(self.stores, self.storage_options).values()]
        planned = plan_submission(target, handles, **options)
        if dry_run:
            self._tell(planned)
            return 0
        say(_announced(planned))
        with progress_bars(quiet=self.quiet) as report, _told(), _extras():
            predictions = model.predictions(handles, [file.tier for file in planned.files])
            done = write_submission(target, predictions, handles, report=report, **options)
        checked = self._checked(target, handles)
        self._tell(checked.model_copy(update={"status": done.status, "window": done.window, "n_values": done.n_values}))
        if not self.as_json:
            words = " ".join(shlex.quote(str(word)) for word in (target, *self.stores))
            out(f"{'checked':8} {_verdict(checked)}; again at any time: sensorium-data submit --check {words}")
        return 0 if checked.ok else FAULTY

    def _tell(self, report: SubmissionReport) -> None:
        if self.as_json:
            emit_json(report.model_dump(mode="json"))
        else:
            out(summary(report))


def _announced(planned: SubmissionReport) -> str:
    from sensorium_data.spelling import human_bytes

    folder = next(parent for parent in Path(planned.path).absolute().parents if parent.is_dir())
    n_trials = sum(file.n_rows for file in planned.files)
    tiers = ", ".join(file.tier for file in planned.files)
    free = human_bytes(shutil.disk_usage(folder).free)
    return f"predict {counted(n_trials, 'trial')} of {tiers}: about {human_bytes(planned.n_bytes)}; {free} free"


@contextmanager
def _told() -> Iterator[None]:
    """Say warnings as notes, in a line each."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(each.message) for each in seen):
        say(f"note     {text}")


@contextmanager
def _extras() -> Iterator[None]:
    """Raise a package that is missing as an error of the command."""
    try:
        yield
    except ImportError as error:
        raise _extra(error) from None


def _extra(error: ImportError) -> BadArgument:
    """Return a package that is missing as an error: the message of the library names the extra that has it."""
    what, _, command = str(error).partition(": ")
    return BadArgument(what, hint=command or "pip install 'sensorium-data[all]'", code="missing-extra")
