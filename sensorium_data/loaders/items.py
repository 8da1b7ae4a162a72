"""Items that were filled together: rows of one batch, which need not be put together again."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253  # the loaders are torch's face

from sensorium_data.loaders.collate import collate
from sensorium_data.loaders.fill import MASK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sensorium_data.loaders.dataset import WindowDataset
    from sensorium_data.loaders.pool import BufferPool, Spec
    from sensorium_data.loaders.transforms.base import Item
    from sensorium_data.windows import Served

__all__ = ["Items", "array_of", "item_of", "named", "tensors_of"]

LARGE = 1 << 16  # bytes: less than that the system gives faster than a pool


def tensors_of(spec: Spec, pool: BufferPool | None = None) -> dict[str, torch.Tensor]:
    """Return tensors of a spec, unspecified numbers in them: the large ones from a pool, where there is one."""
    if pool is None:
        return {name: torch.empty(shape, dtype=dtype) for name, (shape, dtype) in spec.items()}
    large = {name: one for name, one in spec.items() if prod(one[0]) * one[1].itemsize >= LARGE}
    lent = pool.take(large).lend() if large else {}
    return {name: lent[name] if name in lent else torch.empty(one[0], dtype=one[1]) for name, one in spec.items()}


def array_of(tensor: torch.Tensor) -> NDArray[Any]:
    """Return the memory of a tensor as an array; bfloat16 as uint16, for numpy has no such type."""
    seen = tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor
    array: NDArray[Any] = seen.numpy()
    return array


def named(tensors: Mapping[str, torch.Tensor]) -> Item:
    """Return tensors by name, masks under `mask`."""
    values = {name: tensor for name, tensor in tensors.items() if not name.startswith(MASK)}
    return values | {"mask": {name: tensors[MASK + name] for name in values}}


def item_of(dataset: WindowDataset, placed: Served, n_samples: int, pool: BufferPool | None = None) -> Item:
    """Return the tensors of one window before any transform, padded to ``n_samples``, and what it is."""
    lead = () if dataset.static else (n_samples,)
    tensors = tensors_of(dataset.filler.spec(placed.session, lead), pool)
    alone = (None, None) if dataset.static else (None,)  # the one window of a batch
    dataset.filler.fill({name: array_of(tensor)[alone] for name, tensor in tensors.items()}, (placed,))
    return named(tensors) | dataset.names(placed)


class Items(list[Any]):
    """Items that are rows of one batch, which `collate` then need not put together again."""

    _batch: Item
    _rows: list[Item]

    @classmethod
    def of_one_session(cls, dataset: WindowDataset, placed: Sequence[Served], n_samples: int) -> Items:
        """Fill windows of one session."""
        lead = (len(placed),) if dataset.static else (len(placed), n_samples)
        tensors = tensors_of(dataset.filler.spec(placed[0].session, lead))
        arrays = {name: array_of(tensor) for name, tensor in tensors.items()}
        dataset.filler.fill({name: a[:, None] if dataset.static else a for name, a in arrays.items()}, placed)
        names = [dataset.names(one) for one in placed]
        self = cls(named({name: t[row] for name, t in tensors.items()}) | own for row, own in enumerate(names))
        self._batch = named(tensors) | collate(names)
        self._rows = [item | {"mask": dict(item["mask"])} for item in self]
        return self

    @property
    def batch(self) -> Item | None:
        """The batch, or None where the items are no longer its rows: a `collate_fn` of one's own may have changed them."""
        same = len(self) == len(self._rows) and all(map(_same, self, self._rows))
        return self._batch if same else None


def _same(item: object, row: Item) -> bool:
    """Whether an item has the very tensors of a row, as its entries and those of its mask."""
    if not isinstance(item, dict) or item.keys() != row.keys():
        return False
    return all(
        _same(item[name], value) if isinstance(value, dict) else item[name] is value for name, value in row.items()
    )
