"""What metrics of torch share: torchmetrics itself, or how to get it, and batches as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch  # noqa: TID253  # metrics of torch: nothing else imports this module

from sensorium_data.errors import BadArgument

try:
    from torchmetrics import Metric
    from torchmetrics.utilities import dim_zero_cat
except ImportError as error:
    message = 'these metrics need torchmetrics: pip install "torchmetrics>=1.5"'
    raise ImportError(message) from error

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["Metric", "arrays_of", "dim_zero_cat", "ids_of", "refuse_nothing"]


def refuse_nothing(n: Tensor | NDArray[Any]) -> None:
    """Refuse to make a score of no samples."""
    if not n.any():
        raise BadArgument("no sample yet", hint="call `update` first", code="no-samples")


def arrays_of(preds: Tensor, target: Tensor, n_neurons: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return responses and predictions as (sample, neuron)."""
    if preds.shape != target.shape or preds.ndim < 1 or preds.shape[-1] != n_neurons:
        seen = f"preds {tuple(preds.shape)} and target {tuple(target.shape)}"
        raise BadArgument(f"{seen}, expected (…, {n_neurons}) both", code="bad-shape")
    flat = (values.detach().cpu().to(torch.float64).reshape(-1, n_neurons).numpy() for values in (target, preds))
    responses, predictions = flat
    return responses, predictions


def ids_of(stimulus: Tensor, target: Tensor) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return film and frame of each sample; ids of one part are films of one frame."""
    leading = tuple(target.shape[:-1])
    ids = stimulus.detach().cpu()
    if ids.is_floating_point() or tuple(ids.shape) not in (leading, (*leading, 2)):
        seen = f"stimulus is {ids.dtype} of shape {tuple(ids.shape)}"
        raise BadArgument(f"{seen}, expected integers {leading} or {(*leading, 2)}", code="bad-stimulus")
    both = (
        ids.reshape(-1, 2) if ids.ndim == target.ndim else torch.stack([ids.reshape(-1), ids.new_zeros(ids.numel())], 1)
    )
    return both[:, 0].numpy().astype(np.int64), both[:, 1].numpy().astype(np.int64)
