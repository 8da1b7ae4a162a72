"""The scores as torchmetrics: the accumulators' numbers in tensors that are gathered and reduced across ranks.

Updates take ``(preds, target)``, the order of every torchmetrics metric, which is the other way round than in the
functions of this package. All numbers are made in float64 on the CPU, and held as float64 on the metric's device. As
torchmetrics does with any result of one number, the score of one neuron comes as a scalar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch  # noqa: TID253  # metrics of torch: nothing else imports this module

from sensorium_data.evaluation.accumulators import CorrelationAccumulator, PoissonAccumulator
from sensorium_data.evaluation.correlations import EPS
from sensorium_data.evaluation.pairmoments import PairMoments
from sensorium_data.evaluation.torch_inputs import Metric, arrays_of, refuse_nothing

if TYPE_CHECKING:
    from torch import Tensor

    from sensorium_data.evaluation.likelihood import Reduction
    from sensorium_data.evaluation.samples import NanPolicy

__all__ = ["NeuronCorrelation", "NeuronPoissonLoss"]

FIELDS = ("n", "mean_x", "mean_y", "m2_x", "m2_y", "product")


class NeuronCorrelation(Metric):
    """`correlation` of each neuron; six numbers a neuron, merged across ranks.

    Parameters
    ----------
    n_neurons : int
    eps : float, 0 or more, unit of the responses
    nan : {"propagate", "omit", "raise"}
        As for `correlation`.
    **kwargs
        Of every `torchmetrics.Metric`, which refuses what it does not know.

    Raises
    ------
    BadArgument
        Options that are none; at an update, arrays that do not fit; at `compute`, nothing seen.

    Examples
    --------
    >>> metric = NeuronCorrelation(2)
    >>> metric.update(torch.tensor([[[10.0, 0.0], [30.0, 0.0]]]), torch.tensor([[[1.0, 1.0], [2.0, 2.0]]]))
    >>> metric.update(torch.tensor([[20.0, 0.0]]), torch.tensor([[3.0, 3.0]]))
    >>> metric.compute().round(decimals=6)
    tensor([0.5000, 0.0000], dtype=torch.float64)
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    moments: Tensor

    def __init__(self, n_neurons: int, *, eps: float = EPS, nan: NanPolicy = "propagate", **kwargs: object) -> None:
        super().__init__(**kwargs)
        CorrelationAccumulator(eps=eps, nan=nan)  # refuses options that are none
        self.n_neurons, self.eps, self.nan = n_neurons, eps, nan
        empty = torch.zeros(len(FIELDS), n_neurons, dtype=torch.float64)
        self.add_state("moments", empty, dist_reduce_fx=merged_moments)

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Take in predictions and responses, (…, neuron) both."""
        seen = CorrelationAccumulator(eps=self.eps, nan=self.nan)
        seen.update(*arrays_of(preds, target, self.n_neurons))
        state = seen.state()
        rows = torch.as_tensor(np.stack([state[name] for name in FIELDS]).astype(np.float64), device=self.device)
        self.moments = merged_moments(torch.stack([self.moments, rows]))

    def compute(self) -> Tensor:
        """Return the correlation of all samples of all ranks, (neuron,) float64."""
        moments = _moments(self.moments)
        refuse_nothing(moments.n)
        return torch.as_tensor(moments.correlation(self.eps), device=self.device)


class NeuronPoissonLoss(Metric):
    """`poisson_loss` of each neuron; two numbers a neuron, added up across ranks.

    Parameters
    ----------
    n_neurons : int
    eps : float, 0 or more, unit of the responses
    reduction : {"mean", "sum"}
        Over samples.
    nan : {"propagate", "omit", "raise"}
        As for `poisson_loss`.
    **kwargs
        Of every `torchmetrics.Metric`, which refuses what it does not know.

    Raises
    ------
    BadArgument
        Options that are none; at an update, arrays that do not fit; at `compute`, nothing seen.

    Examples
    --------
    >>> metric = NeuronPoissonLoss(2)
    >>> metric.update(torch.tensor([[1.0, 1.0], [1.0, 3.0]]), torch.tensor([[0.0, 0.0], [2.0, 0.0]]))
    >>> metric.compute().round(decimals=6)
    tensor([1., 2.], dtype=torch.float64)
    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False
    sums: Tensor

    def __init__(
        self,
        n_neurons: int,
        *,
        eps: float = EPS,
        reduction: Reduction = "mean",
        nan: NanPolicy = "propagate",
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        PoissonAccumulator(eps=eps, reduction=reduction, nan=nan)  # refuses options that are none
        self.n_neurons, self.eps, self.reduction, self.nan = n_neurons, eps, reduction, nan
        self.add_state("sums", torch.zeros(2, n_neurons, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Take in predictions and responses, (…, neuron) both."""
        seen = PoissonAccumulator(eps=self.eps, nan=self.nan)
        seen.update(*arrays_of(preds, target, self.n_neurons))
        state = seen.state()
        rows = np.stack([state["n"].astype(np.float64), state["n"] * state["mean"]])
        self.sums = self.sums + torch.as_tensor(rows, device=self.device)

    def compute(self) -> Tensor:
        """Return the loss over all samples of all ranks, (neuron,) float64; a mean is NaN where nothing was left."""
        n, total = self.sums[0], self.sums[1]
        refuse_nothing(n)
        return total / n if self.reduction == "mean" else total


def merged_moments(parts: Tensor) -> Tensor:
    """Return the moments of all parts together, (part, field, neuron) to (field, neuron)."""
    whole = _moments(parts[0])
    for part in parts[1:]:
        whole = whole.merge(_moments(part))
    rows = np.stack([np.asarray(getattr(whole, name), np.float64) for name in FIELDS])
    return torch.as_tensor(rows, device=parts.device)


def _moments(rows: Tensor) -> PairMoments:
    n, *others = rows.detach().cpu().numpy()
    return PairMoments(n.astype(np.int64), *others)
