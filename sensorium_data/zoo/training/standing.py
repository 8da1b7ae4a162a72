"""Where a training run stands: everything that changes, what an epoch does to it, and how it is kept."""

from __future__ import annotations

from dataclasses import asdict
from math import isnan
from time import perf_counter
from typing import TYPE_CHECKING

from sensorium_data.catalogs.disk import disk_errors
from sensorium_data.errors import DataInvalid, TargetExists
from sensorium_data.progress import Progress
from sensorium_data.schemas.card import ModelScore
from sensorium_data.schemas.run import RunBest
from sensorium_data.zoo.checkpoints import save_pretrained
from sensorium_data.zoo.registry import build
from sensorium_data.zoo.training.material import material_of, require_fit
from sensorium_data.zoo.training.records import EpochRecord
from sensorium_data.zoo.training.schedule import PlateauSchedule
from sensorium_data.zoo.training.state import (
    load_moments,
    load_state,
    load_weights,
    moments_of,
    require_recipe,
    save_state,
    weights_of,
)
from sensorium_data.zoo.training.steps import HINT, Steps, Tally
from sensorium_data.zoo.training.validation import Validation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sensorium_data.progress import Report
    from sensorium_data.schemas.recipe import Recipe
    from sensorium_data.viewing.opening import Opened
    from sensorium_data.zoo.training.distributed import Group
    from sensorium_data.zoo.training.records import Run

__all__ = ["Standing"]

STATE = "training.safetensors"
ALL_SAMPLES = "all-samples"  # what a score without a preset is of


class Standing:
    """A run, between any two of its steps.

    Parameters
    ----------
    recipe : Recipe
    sessions : path, Session, SessionSet, or several of them
    group : Group

    Attributes
    ----------
    model : Model
    schedule : PlateauSchedule
    history : list of EpochRecord
    tally : Tally
        Of the epoch that was begun.
    """

    def __init__(self, recipe: Recipe, sessions: Opened | Iterable[Opened], group: Group) -> None:
        self.recipe, self._group = recipe, group
        self.keep_in(None)
        material = material_of(recipe, sessions)
        self._documents = [session.handle.document for session in material.sessions.values()]
        self.model = build(
            recipe.model.name,
            material.facts,
            recipe.model.config,
            seed=recipe.seed,
            normalisation=material.normalisation,
        ).to(group.device)
        self.model.recipe = recipe.model_dump(mode="json")
        require_fit(self.model, material)
        group.share_weights(self.model)
        self.validation = Validation(recipe, material.sessions, group)
        self.steps = Steps(recipe, material, self.model, group)
        self.schedule = PlateauSchedule(recipe.schedule, recipe.optimiser.learning_rate)
        self.history: list[EpochRecord] = []
        self.tally = Tally()
        self._best = weights_of(self.model)

    def keep_in(self, run: Run | None) -> None:
        """Say where rows, states and the best model go; None writes nothing.

        Parameters
        ----------
        run : RunFolder, optional
        """
        self._run, self._state = (run if self._group.is_first else None), (None if run is None else run.state / STATE)

    @property
    def epoch(self) -> int:
        """The epoch that is trained, from 1."""
        return self.schedule.epoch + 1

    # -- what an epoch does

    def begin(self) -> None:
        """Score the model before its first step.

        Raises
        ------
        TargetExists
            The run has a state, which is to be gone on with.
        """
        if self._run is not None and self._state is not None and self._state.exists():
            what = f"{self._state} is the state of a run that was begun"
            raise TargetExists(what, hint="resume=True goes on with it; another run needs another folder")
        rate, began = self.schedule.learning_rate, perf_counter()
        score = self._score()
        self.schedule.begin(score)
        self._keep_row(score, rate, is_best=True, validation_s=perf_counter() - began)
        self._keep_model()
        self.save()

    def steps_of_epoch(self, stop: Callable[[], bool], report: Report) -> Iterator[bool]:
        """Make the steps that are left of the epoch, and yield after each whether someone wants to stop.

        Parameters
        ----------
        stop : callable
        report : callable
        """
        total = self.tally.n_steps + self.steps.n_steps
        every = self.recipe.save_every_steps
        for wants_to_stop in self.steps.of_epoch(self.epoch, self.schedule.learning_rate, self.tally, stop):
            done = self.tally.n_steps
            if self._group.is_first:
                report(Progress("train", done, total, "step", f"epoch {self.epoch}"))
            if every and done % every == 0 and not wants_to_stop:
                self.save()
            yield wants_to_stop

    def judge(self, report: Report) -> None:
        """Score the model after an epoch, do what the schedule says, and save.

        Raises
        ------
        DataInvalid
            Weights or score are no numbers any more; the state before the epoch stays.
        """
        self._group.share_statistics(self.model)
        rate, began = self.schedule.learning_rate, perf_counter()
        score = self._score()
        verdict = self.schedule.judge(score)
        row = self._keep_row(score, rate, is_best=verdict.is_best, validation_s=perf_counter() - began)
        if verdict.is_best:
            self._best = weights_of(self.model)
            self._keep_model()
        if verdict.restore:
            load_weights(self.model, self._best)
        self.tally = Tally()
        self.save()
        best = " (best)" if verdict.is_best else ""
        text = f"epoch {row.epoch}: loss {row.train_loss or 0:.4f}, correlation {score:.4f}{best}"
        if self._group.is_first:
            report(Progress("train", row.epoch, self.recipe.schedule.max_epochs, "epoch", text))

    def finish(self) -> None:
        """Leave the model as it was when it was best, and say in the run's folder that training has ended."""
        load_weights(self.model, self._best)
        self.model.eval()
        if self._run is not None:
            score = self.history[self.schedule.best_epoch].validation_score
            preset = self.recipe.validation.preset
            self._run.finish(RunBest(epoch=self.schedule.best_epoch, score=score, preset=preset))
        self._group.wait()

    def _score(self) -> float:
        finite = all(bool(one.isfinite().all()) for one in self.model.parameters())
        score = self.validation.score(self.model) if finite else float("nan")
        if isnan(score):
            seen = "predictions" if finite else "weights"
            what = f"{seen} are not finite: epoch {self.epoch - (not self.history)}, after step {self.tally.n_steps}"
            raise DataInvalid(what, hint=HINT, code="loss-not-finite")
        return score

    # -- what is kept

    def _keep_row(self, score: float, rate: float, *, is_best: bool, validation_s: float) -> EpochRecord:
        tally = self.tally
        row = EpochRecord(
            epoch=self.schedule.epoch,
            n_steps=tally.n_steps,
            n_windows=int(tally.n_windows),
            train_loss=tally.loss_sum / tally.n_responses if tally.n_responses else None,
            penalty=tally.penalty_sum / tally.n_batches if tally.n_batches else None,
            validation_score=score,
            learning_rate=rate,
            is_best=is_best,
            train_s=tally.train_s,
            validation_s=validation_s,
            wait_s=tally.wait_s,
        )
        self.history.append(row)
        if self._run is not None:  # before the state: on resume, rows that are too many can be dropped
            self._run.record(row)
        return row

    def _keep_model(self) -> None:
        if self._run is None:
            return
        asked = self.recipe.validation
        score = ModelScore(
            preset=asked.preset or ALL_SAMPLES,
            metric="single_trial_correlation",
            tier=asked.tier,
            value=self.history[-1].validation_score,
        )
        save_pretrained(
            self.model, self._run.model, recipe=self.recipe, scores=[score], data=self._documents, existing="replace"
        )

    def save(self) -> None:
        """Write the state, where there is a run and this rank writes.

        Raises
        ------
        StorageFailed
            It cannot be written; the state before is whole.
        """
        if self._run is None or self._state is None:
            return
        with disk_errors(self._state.parent):
            self._state.parent.mkdir(parents=True, exist_ok=True)
        parts = {
            "model": weights_of(self.model),
            "best": self._best,
            "optimiser": moments_of(self.steps.optimiser, self.model),
        }
        plain = {
            "recipe": self.recipe.model_dump(mode="json"),
            "schedule": self.schedule.state_dict(),
            "loader": self.steps.loader.state_dict(),
            "scaler": self.steps.precision.state_dict(),
            "tally": asdict(self.tally),
            "history": [row.as_dict() for row in self.history],
        }
        save_state(self._state, parts, plain)

    def load(self) -> bool:
        """Go on from the state of the run, and return whether there was one.

        Raises
        ------
        BadArgument
            It is of another recipe, or of other recordings; all differences are named.
        DataInvalid
            It is damaged.
        """
        path = self._state
        if path is None or not self._group.same(path.exists()):
            return False
        parts, plain = load_state(path)
        require_recipe(plain["recipe"], self.recipe)
        self.steps.loader.load_state_dict(plain["loader"])
        self.schedule.load_state_dict(plain["schedule"])
        load_weights(self.model, parts["best"])  # that they fit is checked before anything else is
        self._best = parts["best"]
        load_weights(self.model, parts["model"])
        load_moments(self.steps.optimiser, self.model, parts.get("optimiser", {}))
        self.steps.precision.load_state_dict(plain["scaler"])
        self.tally = Tally(**plain["tally"])
        self.history = [EpochRecord.of(row) for row in plain["history"]]
        if self._run is not None:
            self._run.truncate(self.schedule.epoch)
        return True
