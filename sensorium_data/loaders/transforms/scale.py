"""Streams of an item, scaled: what has no value becomes NaN, and signals become the channels of one array."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch  # noqa: TID253  # the loaders are torch's face

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from sensorium_data.loaders.transforms.base import Item
    from sensorium_data.scales import Scale

__all__ = ["Lazy", "as_numpy", "scaled_into", "vectors", "vectors_into", "width"]

T = TypeVar("T")


def scaled_into(out: NDArray[Any], item: Item, name: str, scale: Scale, first: int) -> NDArray[np.bool_]:
    """Write a scaled stream of an item, and return where it has values.

    Frames of integers that the item masks become NaN: in floating point, that is what is missing.

    Parameters
    ----------
    out : (time, …) float
        The channels of a sample may have been given an axis.
    item : dict
    name : str
        Of the stream.
    scale : Scale
    first : int
        The first frame's number in its trial.

    Returns
    -------
    (time,) bool
    """
    values, mask = as_numpy(item[name]), as_numpy(item["mask"][name])
    good = scale.into(out, values.reshape(out.shape), first)
    if values.dtype.kind != "f" and not mask.all():
        out[~mask] = np.nan
    return mask & good


def vectors(
    item: Item, scales: Mapping[str, Scale], names: Sequence[str], first: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the scaled channels of some signals together, and where all of them have values.

    Parameters
    ----------
    item : dict
    scales : mapping of str to Scale
    names : sequence of str
        Of signals of a channel or a few, (time,) or (time, channel).
    first : int
        The first frame's number in its trial.

    Returns
    -------
    (channel, time) float32, (time,) bool
    """
    shapes = [tuple(item[name].shape) for name in names]
    out = np.empty((width(shapes), shapes[0][0]), np.float32)
    return out, vectors_into(out, item, scales, names, first)


def vectors_into(
    out: NDArray[np.float32], item: Item, scales: Mapping[str, Scale], names: Sequence[str], first: int
) -> NDArray[np.bool_]:
    """Write what `vectors` returns, (channel, time), and return where all of them have values, (time,)."""
    masks, row = [], 0
    for name in names:
        rows = slice(row, row := row + width([tuple(item[name].shape)]))
        masks.append(scaled_into(out[rows].T, item, name, scales[name], first))
    known: NDArray[np.bool_] = np.logical_and.reduce(masks)
    return known


def width(shapes: Iterable[Sequence[int]]) -> int:
    """Return how many channels signals of these shapes have together, (time,) or (time, channel)."""
    return sum(1 if len(shape) == 1 else shape[1] for shape in shapes)


def as_numpy(tensor: torch.Tensor) -> NDArray[Any]:
    """Return a tensor as numpy, without a copy where numpy has its dtype."""
    array: NDArray[Any] = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array


class Lazy(Generic[T]):
    """A value that is made when it is first asked for, once, whichever thread asks; called, it returns the value.

    Examples
    --------
    >>> made = Lazy(list)
    >>> made() is made()
    True
    """

    __slots__ = ("_lock", "_made", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = Lock()
        self._made: list[T] = []

    def __call__(self) -> T:
        """Return the value."""
        if not self._made:
            with self._lock:
                if not self._made:
                    self._made.append(self._make())
        return self._made[0]
