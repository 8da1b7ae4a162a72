"""Batches made in worker processes: the same ones, in the same order, with our errors as they were raised."""

from __future__ import annotations

from multiprocessing import get_all_start_methods
from time import sleep
from typing import TYPE_CHECKING, Any, NamedTuple

from torch.utils.data import DataLoader, Dataset  # noqa: TID253  # the loaders are torch's face

from sensorium_data.errors import BadArgument, SensoriumError, near_miss
from sensorium_data.loaders.traffic import Traffic, read_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sensorium_data.loaders.dataset import WindowDataset

__all__ = ["by_workers", "check_context"]

LOST = "DataLoader worker (pid"  # how torch begins to speak of a process that is gone
NOTICE_S = 1.0  # a signal takes milliseconds
OF_WORKER = "in DataLoader worker process"  # how it speaks of what one raised


def check_context(context: str) -> str:
    """Return a way to start processes that this system has.

    Raises
    ------
    BadArgument
        It has none of that name.
    """
    known = get_all_start_methods()
    if context in known:
        return context
    what = f"multiprocessing_context is {context!r}"
    raise BadArgument(what, hint=near_miss(str(context), known), code="bad-context")


def by_workers(
    dataset: WindowDataset,
    batches: Sequence[list[int]],
    together: Callable[[Sequence[Any]], Any],
    noted: Callable[[Traffic], None],
    *,
    n_workers: int,
    context: str,
) -> Iterator[Any]:
    """Yield batches in order, made by processes that end with the iterator.

    Parameters
    ----------
    dataset : WindowDataset
    batches : sequence of list of int
        The windows of each.
    together : callable
        Makes a batch of items.
    noted : callable
        Is told what a worker has read for each batch.
    n_workers : int
    context : {"forkserver", "spawn", "fork"}

    Raises
    ------
    SensoriumError
        What a worker raised, with its code and hint; or a worker was killed.
    """
    loader: DataLoader[Any] = DataLoader(
        _Carrying(dataset, together), batch_sampler=batches, collate_fn=_as_it_is,
        num_workers=n_workers, multiprocessing_context=context,
    )  # fmt: skip
    made = iter(loader)
    try:
        while (one := _next(made)) is not _END:
            if isinstance(one, _Failed):
                raise one.error
            batch, read = one
            del one
            noted(read)
            yield batch
            del batch
    finally:
        del made  # whoever keeps the error, and so this frame, does not keep the processes


_END = object()


class _Made(NamedTuple):
    """A batch, and what was read for it."""

    batch: Any
    read: Traffic


class _Failed(NamedTuple):
    """What came instead of a batch."""

    error: BaseException


def _next(made: Iterator[Any]) -> Any:  # noqa: ANN401  # what was made, a failure, or the end
    try:
        return next(made)
    except StopIteration:
        return _END
    except Exception as error:  # noqa: BLE001  # raised by the caller, whose frame holds no process
        return _Failed(_lost(error) or error.with_traceback(None))


def _lost(error: Exception) -> SensoriumError | None:
    """Return what is to be said of a worker that is gone, None where a worker raised something."""
    said = str(error)
    # Batches travel as open files, which only the process that made them can hand over.
    if isinstance(error, OSError | EOFError) and OF_WORKER not in said:
        said = _obituary() or said or type(error).__name__
    elif not said.startswith(LOST):
        return None
    hint = (
        "what it said last stands above; the system kills processes when memory runs out: "
        "fewer workers, or smaller batches; num_workers=0 uses none"
    )
    return SensoriumError(f"a worker process is gone: {' '.join(said.split())}", hint=hint, code="worker-lost")


def _obituary() -> str:
    """Wait for what the system says of a process that has just died: torch raises it from a signal, wherever we are."""
    try:
        sleep(NOTICE_S)  # better here than while the other workers are ended
    except RuntimeError as error:
        return str(error)
    return ""


class _Carrying(Dataset[Any]):
    """A dataset that makes whole batches; our errors come instead of a batch, as torch would keep their text alone."""

    def __init__(self, dataset: WindowDataset, together: Callable[[Sequence[Any]], Any]) -> None:
        self._dataset, self._together = dataset, together

    def __getitems__(self, indices: Sequence[int]) -> Any:  # noqa: ANN401  # a batch, or an error
        try:
            before = read_by(self._dataset.streams)
            batch = self._together(self._dataset.__getitems__(indices))
            return _Made(batch, read_by(self._dataset.streams) - before)
        except SensoriumError as error:
            return _Failed(error.with_traceback(None))
        except StopIteration:  # torch would raise it again, and so end the epoch
            return _Failed(RuntimeError("a part of the work raised StopIteration"))


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401  # a batch, or an error
    return batch
