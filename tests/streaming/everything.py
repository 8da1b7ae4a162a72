"""Every public way of reading a session, as arrays to compare."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
import xarray as xr

from sensorium_data.loaders import WindowDataset, make_loader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    import sensorium_data as sd

Values = dict[str, "NDArray[Any]"]
T = TypeVar("T")
PATIENCE_S = 120.0  # only reached when something hangs


def everything(session: sd.Session) -> Values:
    """Return tables, signals, frames, statistics, trials, views at another rate, and those of some neurons."""
    found: Values = {}
    for name in ("neurons", "trials", "stimuli"):
        found |= of_dataset(name, getattr(session, name))
    found |= of_dataset("signals", dict(session.signals)) | {"frames": session.frames.values}
    for node in session.statistics.subtree:
        found |= of_dataset(f"statistics {node.path}", node.to_dataset())
    for trial_id in session.trials.trial_id.values[:4].tolist():
        found |= of_dataset(f"trial {trial_id}", session.trial(trial_id))
    if session.document.identity.modality == "dynamic":
        found |= of_dataset("at 12.5 Hz", session.resample(12.5))
    some = session.select(unit_ids=session.neurons.unit_id.values[::-2])
    return found | {"some": some["responses"].values}


def of_dataset(name: str, data: xr.Dataset | Mapping[str, xr.DataArray]) -> Values:
    both = data.variables if isinstance(data, xr.Dataset) else data
    return {f"{name}: {key}": np.asarray(value.values) for key, value in both.items()}


def items(sessions: Any, **options: Any) -> Values:
    """Return all windows of a data set, by their numbers, in an order of no meaning."""
    dataset = WindowDataset(sessions, **options)
    order = np.random.default_rng(0).permutation(len(dataset)).tolist()
    return {f"{i}: {name}": value for i in order for name, value in of_item(dataset[i])}


def batches(sessions: Any, **options: Any) -> Values:
    """Return an epoch of a loader."""
    return {
        f"{b}: {name}": value for b, one in enumerate(make_loader(sessions, **options)) for name, value in of_item(one)
    }


def of_item(item: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    for name, value in item.items():
        if isinstance(value, dict):
            yield from of_item(value, f"{before}{name}/")
        elif isinstance(value, list | tuple):
            yield from of_item({f"{name} {k}": one for k, one in enumerate(value)}, before)
        else:
            yield before + name, value.numpy(force=True) if isinstance(value, torch.Tensor) else np.asarray(value)


def same(left: Mapping[str, NDArray[Any]], right: Mapping[str, NDArray[Any]]) -> bool:
    """True where both have the same arrays, to the bit; says where they differ."""
    assert len(left)
    assert list(left) == list(right)
    assert [name for name in left if not _same(left[name], right[name])] == []
    return True


def _same(left: NDArray[Any], right: NDArray[Any]) -> bool:
    if left.dtype.kind == "O":
        return bool(left.tolist() == right.tolist())
    return bool(left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes())


def in_time(work: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """Return what some work returns or raise what it raises; a work that hangs fails."""
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001  # raised below
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(patience_s)
    assert not thread.is_alive(), f"still at work after {patience_s:.0f} s"
    if failed:
        raise failed[0]
    return done[0]
