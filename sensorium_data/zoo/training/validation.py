"""The score that the schedule watches: the correlation of responses and predictions, on trials that are not trained on.

Trials are whole, so that the number is that of the test. What was published of films watched a random stretch of 30 frames
of each trial instead, another one in every epoch (formats page, 3.2): `validation.window = 80` with the preset `s23-head`
comes near to it. Predictions and responses are in the units that the model is trained in.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import torch  # noqa: TID253  # models are torch's

from sensorium_data.errors import BadArgument
from sensorium_data.evaluation.correlations import EPS
from sensorium_data.evaluation.pairmoments import PairMoments
from sensorium_data.evaluation.presets import preset
from sensorium_data.loaders import WindowDataset, collate
from sensorium_data.zoo.training.feeding import feed, predicted
from sensorium_data.zoo.training.material import options_of
from sensorium_data.zoo.training.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from sensorium_data.evaluation.presets import Preset
    from sensorium_data.schemas.recipe import Recipe
    from sensorium_data.views import Session
    from sensorium_data.zoo.contract import Model
    from sensorium_data.zoo.training.distributed import Group

__all__ = ["Validation", "moments_of"]

SCALING = {"official": "official", "fitted": "per_neuron"}
MOMENTS = tuple(field.name for field in fields(PairMoments))


class Validation:
    """Scores a model as it is, on all ranks together.

    Parameters
    ----------
    recipe : Recipe
    sessions : mapping of str to Session
        By key.
    group : Group
        Each rank takes its share of the batches; all get the same score.

    Raises
    ------
    BadArgument
        A tier without responses, or one of which no session has a trial.
    NotFound
        No such tier or preset.
    """

    def __init__(self, recipe: Recipe, sessions: Mapping[str, Session], group: Group) -> None:
        asked = recipe.validation
        self._group, self._missing, self._tier = group, recipe.data.missing, asked.tier
        self._precision = Precision(recipe.precision, group.device)
        stride = None if asked.window == "trial" else asked.window
        self._dataset = WindowDataset(
            list(sessions.values()),
            tier=asked.tier,
            window=asked.window,
            stride=stride,
            **options_of(recipe.data, sessions),
        )
        self._preset = _preset(recipe, static=self._dataset.static)
        self._batches = list(_batches(self._dataset, asked.batch_size))

    def score(self, model: Model) -> float:
        """Return the correlation of each neuron over all samples, and of these the mean over neurons, or as a preset says.

        Parameters
        ----------
        model : Model
            Left in the mode that it was in.
        """
        was_training = model.training
        model.eval()
        found = {key: nothing(model.sessions[key].n_neurons) for key in self._dataset.keys}
        try:
            with torch.no_grad():
                for batch in self._loaded():
                    found[batch["session"]] = found[batch["session"]].merge(self._moments(model, batch))
        finally:
            model.train(was_training)
        each = {key: self._correlation(key, moments) for key, moments in found.items()}
        whole = np.concatenate(list(each.values()))
        known = self._preset is not None and np.isfinite(whole).all()  # a preset may count as 0 what is no number
        return self._group.same(self._preset.mean(each).value if self._preset and known else float(whole.mean()))

    def _correlation(self, key: str, own: PairMoments) -> NDArray[np.float64]:
        """Return the correlation of each neuron of a session over the trials of all ranks."""
        packed = torch.from_numpy(np.stack([getattr(own, name) for name in MOMENTS]).astype(np.float64))
        ranks = self._group.gather(packed.to(self._group.device)).cpu().numpy()
        whole = reduce(PairMoments.merge, [PairMoments(one[0].astype(np.int64), *one[1:]) for one in ranks])
        if not whole.n.all():
            what = f"{key}: no sample of tier `{self._tier}` counts"
            hint = "validation.preset leaves none of its trials: they are too short"
            raise BadArgument(what, hint=hint, code="nothing-to-validate")
        return whole.correlation(EPS if self._preset is None else self._preset.eps)

    def _loaded(self) -> Iterator[Mapping[str, Any]]:
        """Go through this rank's batches, the next one read while one is computed."""
        mine = self._batches[self._group.rank :: self._group.world_size]
        with ThreadPoolExecutor(1) as reader:
            ahead = [reader.submit(self._read, indices) for indices in mine[:1]]
            for indices in [*mine[1:], None]:
                if not ahead:
                    return
                batch = ahead.pop().result()
                if indices is not None:
                    ahead.append(reader.submit(self._read, indices))
                yield batch

    def _read(self, indices: list[int]) -> Mapping[str, Any]:
        batch: Mapping[str, Any] = collate(self._dataset.__getitems__(indices))
        return batch

    def _moments(self, model: Model, batch: Mapping[str, Any]) -> PairMoments:
        fed = feed(model, batch, missing=self._missing)
        with self._precision.forward():
            made = predicted(model, fed)
        chosen = fed.valid.all(dim=-1)
        if self._preset is not None and model.modality == "dynamic":
            chosen = chosen & _window(self._preset, model.n_lost_frames, chosen.shape[1]).to(chosen.device)
        return moments_of(fed.responses[chosen], made[chosen])


def _preset(recipe: Recipe, *, static: bool) -> Preset | None:
    """Return the preset of a recipe, if it can be applied to what a model answers while it is trained.

    Raises
    ------
    BadArgument
        It correlates each trial for itself, or films in other units than those that are trained in.
    NotFound
        No such preset.
    """
    if recipe.validation.preset is None:
        return None
    found, trained = preset(recipe.validation.preset), SCALING[recipe.data.normalisation]
    what = ""
    if found.per_trial:
        what = "correlates each trial for itself, training watches all trials end to end"
    elif found.scaling != trained and not static:  # of images, a factor for each neuron changes no correlation
        what = f"is of {found.scaling} responses, the recipe trains in {trained} ones"
    if what:
        hint = "leave validation.preset out: then all samples count, in the units that are trained in"
        raise BadArgument(f"validation.preset: `{found.name}` {what}", hint=hint, code="bad-preset")
    return found


def _batches(dataset: WindowDataset, batch_size: int) -> Iterator[list[int]]:
    """Deal windows to batches: of one session, and of one length."""
    windows = dataset.windows
    kinds = np.stack([windows.session, windows.n_samples], axis=1)
    for kind in np.unique(kinds, axis=0):
        places = np.flatnonzero((kinds == kind).all(axis=1)).tolist()
        yield from (places[first : first + batch_size] for first in range(0, len(places), batch_size))


def _window(preset: Preset, n_lost: int, n_answered: int) -> Tensor:
    """Return which of the answered frames a preset counts, (time,) bool."""
    start, stop = preset.window(n_lost + n_answered)
    counted: Tensor = torch.zeros(n_lost + n_answered, dtype=torch.bool)
    counted[start:stop] = True
    return counted[n_lost:]


def moments_of(responses: Tensor, predictions: Tensor) -> PairMoments:
    """Return the moments of (sample, neuron) values, computed where they are: `PairMoments.of` on a GPU."""
    if not len(responses):
        return nothing(responses.shape[1])
    (x, mean_x), (y, mean_y) = _deviations(responses.double()), _deviations(predictions.double())
    n = np.full(x.shape[1], len(x), np.int64)
    sums = torch.stack([mean_x, mean_y, *((one * other).sum(0) for one, other in ((x, x), (y, y), (x, y)))])
    return PairMoments(n, *sums.cpu().numpy())


def nothing(n_neurons: int) -> PairMoments:
    """Return the moments of no sample."""
    return PairMoments(np.zeros(n_neurons, np.int64), *np.zeros((5, n_neurons)))


def _deviations(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return deviations from the mean, exactly 0 of what is constant, and the mean."""
    first = values[0]
    values = values - first
    mean = values.mean(0)
    return values - mean, first + mean
