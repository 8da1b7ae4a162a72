"""What a fixed small budget of training makes of each model, beside the ceiling and the linear model; and whether it waits.

Sessions are assembled from real parts with known true means, so the best that any model could reach is known. A model of
the zoo, made small, is trained for as many epochs as the linear one on the same windows, and scored with the preset of the
benchmark. Waiting is the share of the time of training in which the model had no batch to work on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from assembled import SHARED, Assembled, films, images
from measuring import Figure, show
from recordings import Size, make_recording
from trainingrecipes import film_recipes, image_recipes, published

import sensorium_data as sd
from sensorium_data.zoo.predicting import predictions
from sensorium_data.zoo.training import train

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sensorium_data.progress import Progress
    from sensorium_data.schemas.recipe import Recipe
    from sensorium_data.zoo.training import EpochRecord

CLEARLY = 1.2  # times the correlation of the linear model
WAIT = 0.05
REAL = Size(neurons=2000, trials=20)  # of the published model: an epoch of it is a minute on two cores


@dataclass(frozen=True, slots=True)
class Bench:
    """What was asked for."""

    shared: Path
    folder: Path
    neurons: int
    film_trials: int
    film_epochs: int
    image_trials: int
    image_epochs: int
    seed: int
    device: str | None
    verbose: bool

    def tell(self, progress: Progress) -> None:
        """Say each epoch, where that was asked for."""
        if self.verbose and progress.unit == "epoch":
            print(progress.text, file=sys.stderr, flush=True)


def of_films(bench: Bench) -> list[Figure]:
    """Return what models of films make of the assembled mouse."""
    made = films(bench.shared, bench.folder, bench.neurons, bench.film_trials)
    return _compared(bench, "films", made, film_recipes(bench.film_epochs, bench.seed))


def of_images(bench: Bench) -> list[Figure]:
    """Return what models of images make of the assembled mouse."""
    made = images(bench.shared, bench.folder, bench.neurons, bench.image_trials)
    return _compared(bench, "images", made, image_recipes(bench.image_epochs, bench.seed))


def _compared(bench: Bench, kind: str, made: Assembled, recipes: Sequence[Recipe]) -> list[Figure]:
    how = f"{made.tier}, {made.preset}"
    figures, scores = [Figure(f"{kind} ceiling: {how}", (made.ceiling(),), "r")], []
    for recipe in recipes:
        name = f"{kind} {recipe.model.name}"
        if bench.verbose:
            print(name, file=sys.stderr)
        result = train(recipe, made.store, device=bench.device, report=bench.tell)
        scores.append(made.score(predictions(result.model, made.store, tier=made.tier)))
        figures.append(Figure(f"{name}: {how}", (scores[-1],), "r"))
        figures.append(Figure(f"{name} parameters", (result.model.n_parameters()["total"],)))
        figures += _times(name, result.history)
    ratio = f"{kind} {recipes[-1].model.name} / {recipes[0].model.name}"
    figures.append(Figure(ratio, (scores[-1] / scores[0],), "", CLEARLY if kind == "films" else None, at_least=True))
    return figures


def _times(name: str, history: Sequence[EpochRecord]) -> list[Figure]:
    train_s, wait_s = (sum(getattr(row, part) for row in history) for part in ("train_s", "wait_s"))
    whole = train_s + sum(row.validation_s for row in history)
    return [
        Figure(f"{name} epochs", (float(history[-1].epoch),)),
        Figure(f"{name} training and its scoring", (whole,), "s"),
        Figure(f"{name} waits for data", (wait_s / train_s,), "share", WAIT),
    ]


def loading(bench: Bench) -> list[Figure]:
    """Return how long the published model waits in an epoch of a mouse of 2,000 neurons, the first batch included."""
    store = bench.folder / "real.zarr"
    if not store.exists():
        sd.convert(make_recording(bench.folder, REAL), store)
    result = train(published(bench.seed), store, device=bench.device, report=bench.tell)
    (row,) = result.history[1:]
    name = f"published factorised3d, {REAL.neurons:,} neurons"
    step = Figure(f"{name}: a step", (row.train_s / row.n_steps,), "s")
    return [step, Figure(f"{name} waits for data", (row.wait_share,), "share", WAIT)]


SECTIONS: dict[str, Callable[[Bench], list[Figure]]] = {"films": of_films, "images": of_images, "loading": loading}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="the folder of `fixtures` and `real`")
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS), help="parts to run")
    parser.add_argument("--source", type=Path, help="keep sessions below this folder and use those that are there")
    parser.add_argument("--neurons", type=int, default=160)
    parser.add_argument("--film-trials", type=int, default=240)
    parser.add_argument("--film-epochs", type=int, default=60)
    parser.add_argument("--image-trials", type=int, default=3000)
    parser.add_argument("--image-epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", help="where to compute; by default a GPU where there is one")
    parser.add_argument("--verbose", action="store_true", help="say each epoch")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="sensorium-bench-") as scratch:
        bench = Bench(
            given.shared, given.source or Path(scratch), given.neurons, given.film_trials, given.film_epochs,
            given.image_trials, given.image_epochs, given.seed, given.device, given.verbose,
        )  # fmt: skip
        for name in given.only:
            figures += SECTIONS[name](bench)
    facts = {
        "neurons": bench.neurons,
        "seed": bench.seed,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    show(figures, as_json=given.json, facts=facts)


if __name__ == "__main__":
    main()
