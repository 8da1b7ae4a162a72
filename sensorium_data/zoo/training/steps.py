"""The steps of one epoch: gradients of some batches are added up, of each session one as published, then a step is made."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253  # models are torch's

from sensorium_data.errors import DataInvalid
from sensorium_data.zoo.training.feeding import feed, predicted
from sensorium_data.zoo.training.loss import loss_of, loss_scale
from sensorium_data.zoo.training.precision import Precision
from sensorium_data.zoo.training.seeds import seed_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sensorium_data.schemas.recipe import Recipe
    from sensorium_data.zoo.contract import Model
    from sensorium_data.zoo.training.distributed import Group
    from sensorium_data.zoo.training.material import Material

__all__ = ["Steps", "Tally"]

HINT = "a lower optimiser.learning_rate or a clip_norm may keep it finite; the state before is kept, and the best model so far"
SUMMED = ("n_windows", "n_batches", "loss_sum", "n_responses", "penalty_sum")


@dataclass(slots=True)
class Tally:
    """What was done so far in an epoch, by all ranks.

    Attributes
    ----------
    n_steps, n_batches, n_windows, n_responses : int
    loss_sum : float
        Over valid responses, without scale.
    penalty_sum : float
        Over batches.
    train_s, wait_s : float, seconds
        Of this rank.
    """

    n_steps: int = 0
    n_batches: float = 0
    n_windows: float = 0
    n_responses: float = 0
    loss_sum: float = 0.0
    penalty_sum: float = 0.0
    train_s: float = 0.0
    wait_s: float = 0.0


class Steps:
    """Makes the steps of epochs.

    Parameters
    ----------
    recipe : Recipe
    material : Material
    model : Model
    group : Group
    """

    def __init__(self, recipe: Recipe, material: Material, model: Model, group: Group) -> None:
        self._recipe, self._model, self._group = recipe, model, group
        self.loader, self._n_trials = material.loader, material.n_trials
        self._parameters = [one for one in model.parameters() if one.requires_grad]
        self.optimiser = optimiser_of(recipe, self._parameters)
        self.precision = Precision(recipe.precision, group.device)
        self._keys = list(material.sessions)
        n_batches = len(self._keys) if recipe.accumulate == "sessions" else recipe.accumulate
        # Of this rank: where the ranks do not divide them, a step has a few more.
        self._n_batches = -(-n_batches // group.world_size)
        self._place = 0

    @property
    def n_steps(self) -> int:
        """Steps of the next epoch, or of what is left of one."""
        return -(-len(self.loader) // self._n_batches)

    def of_epoch(self, epoch: int, learning_rate: float, tally: Tally, stop: Callable[[], bool]) -> Iterator[bool]:
        """Make the steps that are left of an epoch, and yield after each whether someone wants to stop.

        Parameters
        ----------
        epoch : int
            From 1.
        learning_rate : float
        tally : Tally
            Added to.
        stop : callable
            Asked after each step, on every rank.

        Raises
        ------
        DataInvalid
            The loss is not finite; epoch, step and session are named, and no step is made.
        """
        if self.loader.epoch >= epoch:  # the state was saved after the last step of this one
            return
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        consumed = self.loader.state_dict()["n_consumed"]
        self._place = int(str(consumed)) + self._group.rank
        self._model.train()
        batches, began = iter(self.loader), perf_counter()
        while (made := self._gradients(batches, epoch, tally)) is not None:
            wants_to_stop = self._together(made, stop(), epoch, tally)
            self._group.sum_gradients(self._parameters)
            self.precision.step(self.optimiser, self._parameters, self._recipe.clip_norm)
            tally.n_steps += 1
            tally.train_s += perf_counter() - began
            yield wants_to_stop
            began = perf_counter()
        tally.train_s += perf_counter() - began

    def _gradients(self, batches: Iterator[Any], epoch: int, tally: Tally) -> list[list[float]] | None:
        """Add the gradients of the batches of a step; return the numbers of each, or None after the last."""
        made = []
        for _ in range(self._n_batches):
            began = perf_counter()
            batch = next(batches, None)
            tally.wait_s += perf_counter() - began
            if batch is None:
                break
            seed_batch(self._recipe.seed, epoch, self._place)
            self._place += self._group.world_size
            made.append(self._backward(batch))
        return torch.stack(made).tolist() if made else None

    def _backward(self, batch: Mapping[str, Any]) -> torch.Tensor:
        """Add the gradients of one batch: of its loss, scaled, and of the model's penalty for its session."""
        recipe, model = self._recipe, self._model
        fed = feed(model, batch, missing=recipe.data.missing)
        n_all, n_tier = self._n_trials[fed.session]
        scale = loss_scale(recipe.loss, fed.n_windows, n_all=n_all, n_tier=n_tier)
        with self.precision.forward():
            made = predicted(model, fed)
        loss = loss_of(recipe.loss, made, fed.responses, fed.valid, scale)
        penalty = model.regularizer(fed.session)
        objective = loss.objective + penalty
        self.precision.backward(objective)
        told = (objective.detach(), loss.total, loss.n_valid, penalty.detach())
        names = torch.tensor([self._keys.index(fed.session), fed.n_windows], device=objective.device)
        return torch.stack([*(each.double() for each in told), *names.double()])

    def _together(self, made: list[list[float]], stop: bool, epoch: int, tally: Tally) -> bool:
        """Add up the numbers of a step over all ranks, and refuse what is not finite; return whether any wants to stop."""
        of_batches = torch.tensor(made, dtype=torch.float64)
        bad = (~of_batches[:, 0].isfinite()).nonzero().flatten().tolist()
        sums = of_batches[:, 1:4].sum(0).tolist()
        row = [of_batches[:, 5].sum().item(), len(made), *sums, made[bad[0]][4] if bad else -1.0, float(stop)]
        ranks = self._group.gather(torch.tensor(row, dtype=torch.float64, device=self._group.device)).cpu()
        if (named := int(ranks[:, 5].max())) >= 0:
            self.optimiser.zero_grad(set_to_none=True)
            where = f"epoch {epoch}, step {tally.n_steps + 1}, session {self._keys[named]}"
            raise DataInvalid(f"the loss is not finite: {where}", hint=HINT, code="loss-not-finite")
        for name, number in zip(SUMMED, ranks[:, :5].sum(0).tolist(), strict=True):
            setattr(tally, name, getattr(tally, name) + number)
        return bool(ranks[:, 6].any())


def optimiser_of(recipe: Recipe, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimiser of a recipe."""
    asked = recipe.optimiser
    kind = torch.optim.AdamW if asked.name == "adamw" else torch.optim.Adam
    return kind(parameters, lr=asked.learning_rate, betas=asked.betas, eps=asked.eps, weight_decay=asked.weight_decay)
