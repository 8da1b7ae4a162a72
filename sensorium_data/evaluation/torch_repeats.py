"""Scores of repeated stimuli as torchmetrics; see `torch_metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch  # noqa: TID253  # metrics of torch: nothing else imports this module

from sensorium_data.errors import BadArgument, near_miss
from sensorium_data.evaluation.repeataccumulator import RepeatAccumulator
from sensorium_data.evaluation.stimulusgroups import grouped, occurrences
from sensorium_data.evaluation.torch_inputs import Metric, arrays_of, dim_zero_cat, ids_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from sensorium_data.evaluation.repeataccumulator import RepeatMetric
    from sensorium_data.evaluation.samples import NanPolicy

__all__ = ["NeuronRepeats"]

# Without the normalised correlation: which presentation a sample is cannot be told across ranks.
REPEAT_METRICS: tuple[RepeatMetric, ...] = (
    "correlation_to_average",
    "explainable_variance",
    "feve",
    "oracle_jackknife",
    "oracle_conservative",
    "signal_to_noise",
)
PIECES = 16  # updates that lie side by side before their rows are merged


class NeuronRepeats(Metric):
    """A score of repeated stimuli; a few numbers for each stimulus and neuron, gathered and merged across ranks.

    Parameters
    ----------
    n_neurons : int
    metric : str
        The function's name: "correlation_to_average", "explainable_variance", "feve", "oracle_jackknife",
        "oracle_conservative" or "signal_to_noise". Not "normalized_correlation", for which presentations must be told
        apart: `RepeatAccumulator` has it.
    nan : {"propagate", "omit", "raise"}
        As for the function.
    **kwargs
        Of every `torchmetrics.Metric`, which refuses what it does not know.

    Raises
    ------
    BadArgument
        Options that are none; at an update, arrays that do not fit; at `compute`, nothing seen.

    Examples
    --------
    >>> metric = NeuronRepeats(2, metric="oracle_jackknife")
    >>> target = torch.tensor([[0.0, 5.0], [2.0, 5.0], [10.0, 5.0], [12.0, 5.0]])
    >>> metric.update(target, target, stimulus=torch.tensor([0, 0, 1, 1]))
    >>> metric.compute().round(decimals=4)
    tensor([0.9231, 0.0000], dtype=torch.float64)
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    ids: list[Tensor]
    counts: list[Tensor]
    rows: list[Tensor]
    error: Tensor

    def __init__(self, n_neurons: int, *, metric: RepeatMetric, nan: NanPolicy = "propagate", **kwargs: object) -> None:
        super().__init__(**kwargs)
        if metric not in REPEAT_METRICS:
            hint = near_miss(str(metric), REPEAT_METRICS)
            raise BadArgument(f"metric is {metric!r}", hint=hint, code="no-such-metric")
        self.n_neurons, self.metric, self.nan = n_neurons, metric, nan
        self._empty()  # refuses options that are none
        for name in ("ids", "counts", "rows"):
            self.add_state(name, [], dist_reduce_fx="cat")
        self.add_state("error", torch.zeros(n_neurons, dtype=torch.float64), dist_reduce_fx="sum")
        self._no_rows()

    def update(self, preds: Tensor, target: Tensor, *, stimulus: Tensor) -> None:
        """Take in predictions and responses, (…, neuron) both, and integer ids, (…) or (…, 2) for film and frame."""
        predictions, responses = preds, target
        seen = self._empty()
        arrays = arrays_of(predictions, responses, self.n_neurons)
        seen.update(*arrays, stimulus=ids_of(stimulus, responses))
        self._append(seen)
        if len(self.ids) > PIECES:
            whole = self._merged()
            self.error = torch.zeros_like(self.error)
            for held in (self.ids, self.counts, self.rows):
                held.clear()
            self._append(whole)

    def compute(self) -> Tensor:
        """Return the score of all samples of all ranks, (neuron,) float64."""
        return torch.as_tensor(self._merged().value(self.metric), device=self.device)

    def reset(self) -> None:
        """Forget all samples."""
        super().reset()
        self._no_rows()

    def _empty(self) -> RepeatAccumulator:
        transform = "anscombe" if self.metric == "signal_to_noise" else "none"
        return RepeatAccumulator(nan=self.nan, transform=transform)  # type: ignore[arg-type]  # one of the two

    def _no_rows(self) -> None:
        # A rank without samples takes part in gathering all the same, with no rows of the right width.
        n_counts = self.n_neurons if self.nan == "omit" else 1
        self.ids.append(torch.zeros(0, 2, dtype=torch.int64, device=self.device))
        self.counts.append(torch.zeros(0, n_counts, dtype=torch.int64, device=self.device))
        self.rows.append(torch.zeros(0, 3, self.n_neurons, dtype=torch.float64, device=self.device))

    def _append(self, seen: RepeatAccumulator) -> None:
        state = seen.state()
        rows = np.stack([state["stimulus_mean"], state["stimulus_m2"], state["predicted"][0]], axis=1)
        ids = np.stack([state["stimulus_0"], state["stimulus_1"]], axis=1)
        self.ids.append(torch.as_tensor(ids, device=self.device))
        self.counts.append(torch.as_tensor(state["stimulus_n"], device=self.device))
        self.rows.append(torch.as_tensor(rows, device=self.device))
        self.error = self.error + torch.as_tensor(state["error"], device=self.device)

    def _merged(self) -> RepeatAccumulator:
        """Return an accumulator of all rows; a stimulus has as many as updates and ranks have met it."""
        ids, counts, rows = (dim_zero_cat(held).cpu().numpy() for held in (self.ids, self.counts, self.rows))
        whole = self._empty()
        if not len(ids):
            return whole
        before = occurrences(grouped(tuple(ids.T)))
        for turn in range(int(before.max()) + 1):
            now = before == turn
            error = self.error.cpu().numpy() if turn == 0 else np.zeros(self.n_neurons)
            whole.merge(RepeatAccumulator.from_state(self._state(ids[now], counts[now], rows[now], error)))
        return whole

    def _state(
        self, ids: NDArray[Any], counts: NDArray[Any], rows: NDArray[Any], error: NDArray[Any]
    ) -> dict[str, NDArray[Any]]:
        names = ("stimulus_0", "stimulus_1", "stimulus_n", "stimulus_mean", "stimulus_m2", "predicted", "error")
        values = (ids[:, 0], ids[:, 1], counts, rows[:, 0], rows[:, 1], rows[None, :, 2], error)
        return self._empty().state() | dict(zip(names, values, strict=True))
