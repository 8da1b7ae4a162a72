"""`sensorium-data evaluate MODEL_OR_FILE STORE...`."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sensorium_data.cli.options import PATH, PLACE, json_option, quiet_option, storage_option
from sensorium_data.cli.output import emit_json, out, progress_bars, say
from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sensorium_data.evaluation.asked import Asked
    from sensorium_data.evaluation.files import Existing
    from sensorium_data.evaluation.joining import Neurons
    from sensorium_data.evaluation.outcome import Evaluation
    from sensorium_data.evaluation.predictions import TrialPrediction

__all__ = ["command"]

SCORES, NEURONS, FIGURE = "scores.json", "neurons.csv", "scores.png"


@click.command(
    "evaluate",
    epilog="""\b
Examples:
  sensorium-data evaluate runs/first stores/29515-10-12.zarr
  sensorium-data evaluate runs/first 'stores/*.zarr' --tier oracle --out scores/
  sensorium-data evaluate live_main.parquet.brotli stores/*.zarr --tier live_test_main --json
  sensorium-data evaluate runs/first mouse.zarr --preset mouse-mean --figure scores.png

Exit codes: 0, 2, 4 no such model, store or tier, 5 withheld responses, or predictions that do not
fit, 6 nothing can be written, or read, 7 a file is there already.""",
)
@click.argument("model", metavar="MODEL_OR_FILE", type=PLACE)
@click.argument("stores", metavar="STORE...", nargs=-1, type=PLACE, required=True)
@click.option("--tier", "tiers", multiple=True, metavar="TIER", help="Tier to score; may be given more than once.  [default: those of role validation]")  # fmt: skip
@click.option("--preset", metavar="NAME", help="Definition of the scores.  [default: s23-server for films, s22 for images]")  # fmt: skip
@click.option("--neurons", type=click.Choice(["all", "common"]), default="all", show_default=True,
              help="Every neuron must be predicted; or those are scored that were.")  # fmt: skip
@click.option("--weights", type=PATH, metavar="FILE", help="Of a published model that is named, as `sensorium2022-cnn`.")  # fmt: skip
@click.option("--device", metavar="NAME", help="Where the model runs, as `cpu` or `cuda`.")
@click.option("--bootstrap", "n_bootstrap", type=click.IntRange(0, 100_000), default=1000, show_default=True,
              help="Draws for the intervals over neurons; 0 for none.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draws.")
@click.option("--out", "target", type=PATH, metavar="DIR|FILE.json",
              help=f"Write the scores as JSON; into a folder also {NEURONS} and {FIGURE}.")  # fmt: skip
@click.option("--figure", type=PATH, metavar="FILE", help="Draw distributions and traces: .png, .pdf or .svg.")
@click.option("--existing", type=click.Choice(["error", "replace"]), default="error", show_default=True,
              help="What to do with files that are there.")  # fmt: skip
@storage_option
@quiet_option
@json_option
def command(
    model: str | Path, stores: tuple[str | Path, ...], tiers: tuple[str, ...], preset: str | None, neurons: Neurons,
    weights: Path | None, device: str | None, n_bootstrap: int, seed: int, target: Path | None, figure: Path | None,
    existing: Existing, storage_options: dict[str, Any] | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Score a model, or a file of predictions, on recorded responses.

    MODEL_OR_FILE is the folder of a run or checkpoint, or a submission of 2022 or 2023. Predictions are joined to the
    responses by session, trial and neuron. Tiers whose responses are withheld are refused. Nothing is written unless
    --out or --figure names a place.
    """
    from sensorium_data.evaluation.asked import ask
    from sensorium_data.evaluation.scoring import score

    files = _Files.of(target, figure, existing)
    files.require_free()
    asked = ask(stores, tier=tiers or None, preset=preset, storage_options=storage_options)
    with progress_bars(quiet=quiet or as_json) as report, _told():
        predictions = _predictions(model, asked, weights, device)
        done = score(
            predictions, asked, neurons=neurons, n_bootstrap=n_bootstrap, seed=seed, source=str(model), report=report
        )
    files.write(done)
    _tell(done, as_json=as_json)


@contextmanager
def _told() -> Iterator[None]:
    """Say warnings as notes, in a line each."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(each.message) for each in seen):
        say(f"note    {text}")


def _predictions(
    model: str | Path, asked: Asked, weights: Path | None, device: str | None
) -> Iterable[TrialPrediction]:
    """Return the predictions of a model or in a file, one trial at a time."""
    handles = [each.handle for each in asked.recordings]
    if Path(model).is_file():
        if weights is not None or device is not None:
            what = f"{model} is a file of predictions: --weights and --device are for models"
            raise BadArgument(what, hint="leave them out", code="usage")
        from sensorium_data.evaluation.submissions.reading import read_submission

        return read_submission(model, handles)
    try:
        from sensorium_data.zoo.loading import load
        from sensorium_data.zoo.predicting import predictions
    except ImportError as error:
        raise _extra(error) from None
    loaded = load(model, weights)
    tiers = list(dict.fromkeys(each.tier for each in asked.tiers))
    return predictions(loaded, handles, tier=tiers, device=device)


def _extra(error: ImportError) -> BadArgument:
    """Return a package that is missing as an error: the message of the library names the extra that has it."""
    what, _, command = str(error).partition(": ")
    return BadArgument(what, hint=command or "pip install 'sensorium-data[all]'", code="missing-extra")


@dataclass(frozen=True, slots=True)
class _Files:
    """What is to be written, and where; nothing where nothing was asked for."""

    scores: Path | None
    neurons: Path | None
    figure: Path | None
    existing: Existing
    optional: bool  # the figure of a folder, which is left out without matplotlib

    @classmethod
    def of(cls, target: Path | None, figure: Path | None, existing: Existing) -> _Files:
        if target is None or target.suffix.lower() == ".json":
            return cls(target, None, figure, existing, optional=False)
        drawn = figure or target / FIGURE
        return cls(target / SCORES, target / NEURONS, drawn, existing, optional=figure is None)

    def require_free(self) -> None:
        """Refuse before the work what could not be written after it."""
        from sensorium_data.evaluation.figures import require_format
        from sensorium_data.evaluation.files import require_free

        for path in filter(None, (self.scores, self.neurons, self.figure)):
            require_free(path, self.existing)
        if self.figure is not None:
            require_format(self.figure)

    def write(self, done: Evaluation) -> None:
        """Write what was asked for, each file beside its place and renamed."""
        from sensorium_data.evaluation.figures import draw
        from sensorium_data.evaluation.files import write_neurons, write_report

        if self.neurons is not None:
            say(f"write   {write_neurons(done, self.neurons, existing=self.existing)}")
        if self.scores is not None:
            say(f"write   {write_report(done.report, self.scores, existing=self.existing)}")
        if self.figure is not None:
            try:
                say(f"write   {draw(done, self.figure, existing=self.existing)}")
            except ImportError as error:
                if not self.optional:
                    raise _extra(error) from None
                say(f"no {FIGURE}: {error}")


def _tell(done: Evaluation, *, as_json: bool) -> None:
    from sensorium_data.cli.scores import lines_of

    if as_json:
        emit_json(done.report.model_dump(mode="json"))
    else:
        out("\n".join(lines_of(done.report)))
