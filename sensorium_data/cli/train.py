"""`sensorium-data train RECIPE STORE... --run DIR`."""

from __future__ import annotations

import shlex
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from sensorium_data.cli.options import PATH, PLACE, json_option, quiet_option, storage_option
from sensorium_data.cli.output import emit_json, out, say, table
from sensorium_data.cli.trainplan import Planned, chosen_recipe, plan_lines, plan_training
from sensorium_data.cli.trainprogress import asked_to_stop, notes, training_progress
from sensorium_data.errors import BadArgument, DataInvalid, Interrupted, SensoriumError, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sensorium_data.schemas.run import RunBest, TrainReport
    from sensorium_data.zoo.runs import RunFolder
    from sensorium_data.zoo.training import TrainingResult

__all__ = ["command", "summary"]


def summary(report: TrainReport, stores: Sequence[str | Path]) -> str:
    """Return the outcome of training in a few lines, and what to do next.

    Parameters
    ----------
    report : TrainReport
    stores : sequence of path or URL
        That were trained on.
    """
    share = report.wait_s / report.train_s if report.train_s else 0.0
    ended = {"patience": "no better score any more", "max_epochs": "as many as the recipe has", None: ""}
    rows = [
        ("finished", f"{report.run}: {counted(report.n_epochs, 'epoch')}, {ended[report.ended_by]}"),
        ("best", f"{_score(report.best, report.recipe.validation.tier)}; {report.first_score or 0:.4f} before training"),
        ("time", f"{_time(report.train_s)} of training and {_time(report.validation_s)} of scoring, {share:.1%} of training waiting for data"),
        ("model", f"{report.run}/model"),
        ("curves", f"{report.run}/curves.csv"),
    ]  # fmt: skip
    named = " ".join(shlex.quote(str(store)) for store in stores)
    return f"{table(rows)}\nnext: sensorium-data evaluate {shlex.quote(str(report.run))} {named}"


def _score(best: RunBest | None, tier: str) -> str:
    if best is None:
        return "no score"
    how = "all samples" if best.preset is None else f"preset {best.preset}"
    return f"correlation {best.score:.4f} ({how}, tier {tier}) in epoch {best.epoch}"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{seconds:.1f} s" if seconds < 60 else f"{minutes // 60} h {minutes % 60} min" if minutes > 59 else f"{minutes} min {rest} s"  # fmt: skip


def _list(*, as_json: bool) -> None:
    """Print the recipes that are shipped."""
    from sensorium_data.zoo.training.recipes import load_recipe, recipes

    found = [load_recipe(name) for name in recipes()]
    if as_json:
        emit_json([recipe.model_dump(mode="json") for recipe in found])
        return
    out(table([("recipe", "model", "what it is"), *((one.name, one.model.name, one.description) for one in found)]))


def _settings(settings: Sequence[str], epochs: int | None, seed: int | None) -> list[str]:
    named = (("schedule.max_epochs", epochs), ("seed", seed))
    return [*settings, *(f"{key}={value}" for key, value in named if value is not None)]


@click.command(
    "train",
    epilog="""\b
Examples:
  sensorium-data train --list
  sensorium-data train demo-ln3d mouse.zarr --run runs/first
  sensorium-data train sensorium2023-factorised3d stores/*.zarr --run runs/new-five --dry-run
  sensorium-data train mine.toml mouse.zarr --run runs/second --set optimiser.learning_rate=0.01
  sensorium-data train mine.toml mouse.zarr --run runs/second --resume
  torchrun --nproc-per-node 2 -m -- sensorium_data train mine.toml stores/*.zarr --run runs/third

Exit codes: 0, 2 recipe, sessions and model do not fit together, 4 no such recipe, store or tier, 5 not a
recipe, or the loss is no number any more, 6 nothing can be written, or read, 7 the folder holds something,
130 interrupted, --resume goes on.""",
)
@click.argument("recipe", required=False, metavar="RECIPE")
@click.argument("stores", nargs=-1, type=PLACE, metavar="STORE...")
@click.option("--run", "folder", type=PATH, metavar="DIR", help="Folder of the run: everything is written there.")
@click.option("--resume", is_flag=True, help="Go on with the run that is there; begin where there is none.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE",
              help="Change a value of the recipe, as optimiser.learning_rate=0.01; may be given more than once.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(min=1), help="The same as --set schedule.max_epochs=N.")
@click.option("--seed", type=click.IntRange(min=0), help="The same as --set seed=N.")
@click.option("--list", "listing", is_flag=True, help="List the recipes that are shipped.")
@click.option("--dry-run", is_flag=True, help="Say what would be trained; write nothing.")
@storage_option
@quiet_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, recipe: str | None, stores: tuple[str | Path, ...], folder: Path | None, resume: bool, device: str,
    settings: tuple[str, ...], epochs: int | None, seed: int | None, listing: bool, dry_run: bool,
    storage_options: dict[str, Any] | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Train the model of a recipe on session stores.

    RECIPE is the name of one that is shipped, or a TOML file. STORE is a session store, here or at a URL, or a pattern.
    The folder of the run holds recipe, recordings and versions that the numbers follow from, the curves, the state to go
    on from, and the best model. Ctrl-C stops after the step that is being made, and --resume goes on with the next one to the
    same numbers.
    """
    with _torch():
        if listing:
            _list(as_json=as_json)
            return
        if recipe is None or not stores:
            missing = "'RECIPE'" if recipe is None else "'STORE...'"
            raise click.MissingParameter(ctx=ctx, param_hint=missing, param_type="argument")
        if folder is None and not dry_run:
            raise click.MissingParameter(ctx=ctx, param_hint="'--run'", param_type="option")
        with _first_rank_tells(ctx) as is_first:
            made, given = chosen_recipe(recipe, _settings(settings, epochs, seed))
            planned = plan_training(made, given, stores, storage_options, None if device == "auto" else device)
            run = _Run(planned, stores, folder, resume, quiet or as_json or not is_first, as_json, is_first)
            if dry_run:
                run.plan()
            else:
                run.train()


@contextmanager
def _torch() -> Iterator[None]:
    """Say which extra is missing."""
    try:
        yield
    except ImportError as error:
        what, _, install = str(error).partition(": ")
        raise BadArgument(what, hint=install or "pip install 'sensorium-data[torch]'", code="missing-extra") from None


@contextmanager
def _first_rank_tells(ctx: click.Context) -> Iterator[bool]:
    """Yield whether this process is the first of those that train together; the others fail in silence."""
    from sensorium_data.loaders.ranks import find_ranks

    is_first = find_ranks().rank == 0
    try:
        yield is_first
    except SensoriumError as error:
        if is_first:
            raise
        ctx.exit(error.exit_code)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the command."""

    planned: Planned
    stores: Sequence[str | Path]
    folder: Path | None
    resume: bool
    quiet: bool
    as_json: bool
    is_first: bool

    def plan(self) -> None:
        """Say what would be trained."""
        if self.folder is not None:
            from sensorium_data.zoo.runs.beginning import require_beginning

            require_beginning(self.folder, self.planned.recipe, self.planned.data, resume=self.resume)
        if not self.is_first:
            return
        if self.as_json:
            emit_json(self.planned.report(self.folder).model_dump(mode="json"))
        else:
            out("\n".join(plan_lines(self.planned, self.folder, "would train")))

    def train(self) -> None:
        """Train, and say what has come of it."""
        from sensorium_data.zoo.runs.beginning import Follower, begin, is_begun

        folder, planned = self.folder, self.planned
        assert folder is not None  # noqa: S101  # the command has seen to it
        if not self.is_first:
            self._result(Follower(folder))
            return
        goes_on = self.resume and is_begun(folder)
        with begin(
            folder, planned.recipe, planned.data, resume=self.resume, device=planned.device, given=planned.given
        ) as run:
            for line in plan_lines(planned, folder, "go on with" if goes_on else "train"):
                say(line)
            with _kept(run):
                result = self._result(run)
        done = _outcome(planned, folder, result, resumed=goes_on)
        if self.as_json:
            emit_json(done.model_dump(mode="json"))
        else:
            out(summary(done, self.stores))

    def _result(self, run: Any) -> TrainingResult:  # noqa: ANN401  # RunFolder or Follower
        from sensorium_data.zoo.training import train

        planned = self.planned
        n_epochs = planned.recipe.schedule.max_epochs
        with training_progress(quiet=self.quiet, n_epochs=n_epochs) as report, notes(), asked_to_stop() as stop:
            return train(
                planned.recipe, planned.sessions, run=run, device=planned.device, resume=self.resume, report=report,
                stop=stop,
            )  # fmt: skip


def _outcome(planned: Planned, folder: Path, result: TrainingResult, *, resumed: bool) -> TrainReport:
    from sensorium_data.schemas.run import RunBest

    best = RunBest(epoch=result.best_epoch, score=result.best_score, preset=planned.recipe.validation.preset)
    times = {name: sum(getattr(row, name) for row in result.history) for name in ("train_s", "validation_s", "wait_s")}
    return planned.report(
        folder, status="finished", resumed=resumed, n_epochs=result.history[-1].epoch, ended_by=result.ended_by,
        best=best, first_score=result.history[0].validation_score, **times,
    )  # fmt: skip


@contextmanager
def _kept(run: RunFolder) -> Iterator[None]:
    """Note in the run's folder what ends training, and say what is there now."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as seen:
        with suppress(SensoriumError):
            run.interrupt()
        where = seen.message if isinstance(seen, Interrupted) else "stopped at once"
        raise Interrupted(f"interrupted: {where}", hint="the same command with `--resume` goes on") from None
    except DataInvalid as error:
        raise _failed(run, error, _hint(run, error)) from None
    except SensoriumError as error:
        raise _failed(run, error, error.hint) from None


def _hint(run: RunFolder, error: DataInvalid) -> str:
    if error.code == "loss-not-finite":
        return f"{error.hint}: {_there(run)}"
    if str(run.state) in error.message:  # of a state, nobody has another copy
        return (
            f"remove {run.state}, and `--resume` begins again; before that, copy the best model so far: {_there(run)}"
        )
    return error.hint


def _failed(run: RunFolder, error: SensoriumError, hint: str) -> SensoriumError:
    with suppress(SensoriumError):  # what ended it is said, and not that a full disk takes no note of it
        run.fail(error)
    return type(error)(error.message, hint=hint, problems=error.problems, code=error.code)


def _there(run: RunFolder) -> str:
    best = run.best()
    score = "" if best is None else f", correlation {best.score:.4f} of epoch {best.epoch}"
    return f"{run.model}{score}"
