"""What loaders serve, held against what should be served: to the bit, NaN for NaN."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from sensorium_data.loaders.ring import THREAD_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["copied", "differences", "names_of", "no_reader_threads", "same"]

PATIENCE_S = 60.0  # only reached when something hangs


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Say where two items or batches differ: in names, kinds, shapes, dtypes or any bit of a value."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if (one.shape, one.dtype) != (other.shape, other.dtype):
            return [f"{where}: {tuple(one.shape)} {one.dtype}, {tuple(other.shape)} {other.dtype}"]
        return [] if _bits(one) == _bits(other) else [f"{where}: values"]
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if list(one) != list(other):
            return [f"{where}: {list(one)}, {list(other)}"]
        return [found for name in one for found in differences(one[name], other[name], f"{where}/{name}")]
    if isinstance(one, Sequence) and isinstance(other, Sequence) and not isinstance(one, str):
        if type(one) is not type(other) or len(one) != len(other):
            return [f"{where}: {type(one).__name__} of {len(one)}, {type(other).__name__} of {len(other)}"]
        found = [found for i in range(len(one)) for found in differences(one[i], other[i], f"{where}[{i}]")]
        return found + differences(getattr(one, "extras", ""), getattr(other, "extras", ""), f"{where}+")
    return [] if type(one) is type(other) and one == other else [f"{where}: {one!r}, {other!r}"]


def _bits(tensor: torch.Tensor) -> bytes:
    # A NaN is a NaN: casts and copies need not keep which one.
    if tensor.is_floating_point():
        tensor = torch.where(tensor.isnan(), torch.full_like(tensor, float("nan")), tensor)
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def same(one: Any, other: Any) -> bool:
    return not differences(one, other)


def copied(batches: Iterable[Any]) -> list[Any]:
    """Copies of all batches, in memory of their own."""
    return [_copy(batch) for batch in batches]


def _copy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, Mapping):
        return {name: _copy(one) for name, one in value.items()}
    if hasattr(value, "extras"):
        return type(value)(*map(_copy, value), extras=_copy(value.extras))
    return type(value)(map(_copy, value)) if isinstance(value, tuple | list) else value


def names_of(batch: Any) -> list[tuple[str, int, int]]:
    """Session, trial and start frame of each window of a batch."""
    trials, starts = batch["trial_id"].tolist(), batch["start_frame"].tolist()
    sessions = batch["session"] if isinstance(batch["session"], tuple | list) else [batch["session"]] * len(trials)
    return list(zip(sessions, trials, starts, strict=True))


def no_reader_threads() -> None:
    """Wait until no thread of a loader is left."""
    for thread in threading.enumerate():
        if thread.name.startswith(THREAD_NAME):
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
