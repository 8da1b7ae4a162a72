"""Items that were filled together: rows of one batch, which need not be put together again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253  # the loaders are torch's face

from sensorium_data.loaders.collate import collate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensorium_data.loaders.dataset import WindowDataset
    from sensorium_data.loaders.fill import Spec
    from sensorium_data.loaders.transforms.base import Item
    from sensorium_data.windows import Served

__all__ = ["Items", "array_of", "tensors_of"]


def tensors_of(spec: Spec) -> dict[str, torch.Tensor]:
    """Return fresh tensors of a spec."""
    return {name: torch.empty(shape, dtype=dtype) for name, (shape, dtype) in spec.items()}


def array_of(tensor: torch.Tensor) -> NDArray[Any]:
    """Return the memory of a tensor as an array; bfloat16 as uint16, for numpy has no such type."""
    seen = tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor
    array: NDArray[Any] = seen.numpy()
    return array


class Items(list[Any]):
    """Items that are rows of one batch, which `collate` then need not put together again.

    Attributes
    ----------
    batch : dict
    """

    batch: Item

    @classmethod
    def of_one_session(cls, dataset: WindowDataset, placed: Sequence[Served], n_samples: int) -> Items:
        """Fill windows of one session."""
        lead = (len(placed),) if dataset.static else (len(placed), n_samples)
        tensors = tensors_of(dataset.filler.spec(placed[0].session, lead))
        arrays = {name: array_of(tensor) for name, tensor in tensors.items()}
        dataset.filler.fill({name: a[:, None] if dataset.static else a for name, a in arrays.items()}, placed)
        names = [dataset.names(one) for one in placed]
        self = cls(dataset.named({name: t[row] for name, t in tensors.items()}) | own for row, own in enumerate(names))
        self.batch = dataset.named(tensors) | collate(names)
        return self
