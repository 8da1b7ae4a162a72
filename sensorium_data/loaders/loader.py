"""Batches of windows, made by threads of this process, in an order that follows from seed and epoch alone."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch  # noqa: TID253  # the loaders are torch's face
from torch.utils.data import IterableDataset, get_worker_info  # noqa: TID253

from sensorium_data.errors import BadArgument, counted
from sensorium_data.loaders.blocks import blocks_of
from sensorium_data.loaders.collate import collate, collate_mixed
from sensorium_data.loaders.making import make_batch
from sensorium_data.loaders.pool import BufferPool
from sensorium_data.loaders.ranks import Share, find_ranks
from sensorium_data.loaders.ring import run_in_order
from sensorium_data.loaders.schedule import Schedule
from sensorium_data.loaders.state import LoaderState
from sensorium_data.loaders.traffic import Traffic, read_by
from sensorium_data.loaders.workers import by_workers, check_context
from sensorium_data.settings import settings
from sensorium_data.windows.asked import whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sensorium_data.loaders.dataset import WindowDataset
    from sensorium_data.loaders.ranks import LastStep
    from sensorium_data.loaders.schedule import Batches, Order
    from sensorium_data.windows import Windows

__all__ = ["WindowLoader"]

MOST_THREADS = 2  # more than two do not read faster from a disk of this machine


class WindowLoader(IterableDataset[Any]):
    """Batches of the windows of a dataset, epoch after epoch.

    Each `iter` is an epoch of its own, with its random starts and its order; the first after `load_state_dict` goes on
    with what is left of the saved one. Batches are made ahead by threads of this process
    into memory that is used again once no tensor on it lives. Use it as it is, or as
    ``torch.utils.data.DataLoader(loader, batch_size=None)``. Worker processes of such a DataLoader have copies of it, which
    begin where this one stands: call `set_epoch` before each of their epochs, and keep the count of batches yourself.

    Parameters
    ----------
    dataset : WindowDataset
    batch_size : int, windows
    order : {"round_robin", "proportional", "longest", "shortest", "mixed"}
        How sessions follow each other: each in turn until its windows are used; all batches in a random order; in turn
        as often as the longest, or the shortest, has batches; or windows of all sessions in one batch.
    shuffle : bool, optional
        By default where starts are random or all trials are training trials.
    seed : int
    clips_per_block : int
        Windows of one trial that are drawn together, in one batch or in successive ones of its session; 1 is truly random.
        Random starts are then of a part of the trials in each epoch, and of all in `clips_per_block` of them.
    drop_last : bool
        Leave out batches that are not full.
    last_step : {"drop", "wrap"}
        What becomes of a last step with fewer batches than there are ranks: left out, or filled from the beginning.
    rank, world_size : int, optional
        By default what `torch.distributed` or ``torchrun`` say, else the only one.
    num_workers : int
        Processes that make batches instead of threads: slower here, for transforms that hold the interpreter.
    multiprocessing_context : {"forkserver", "spawn", "fork"}
        How they are started.
    n_threads : int, optional
        By default 2, or as many cores as there are if fewer; 0 makes batches when they are asked for.
    n_ahead : int, batches
        Made beyond the one that is asked for.
    pin_memory : bool, optional
        Page-locked batches; by default where CUDA is.

    Raises
    ------
    BadArgument
        An option out of its range.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.loaders import WindowDataset
    >>> from sensorium_data.testing import make_session
    >>> dataset = WindowDataset(make_session(tempfile.mkdtemp(), n_neurons=5), window=12)
    >>> loader = WindowLoader(dataset, batch_size=4, seed=1)
    >>> [tuple(batch["responses"].shape) for batch in loader]
    [(4, 12, 5), (2, 12, 5)]
    """

    def __init__(
        self,
        dataset: WindowDataset,
        *,
        batch_size: int = 8,
        order: Order = "round_robin",
        shuffle: bool | None = None,
        seed: int = 0,
        clips_per_block: int = 1,
        drop_last: bool = False,
        last_step: LastStep = "drop",
        rank: int | None = None,
        world_size: int | None = None,
        num_workers: int = 0,
        multiprocessing_context: str = "forkserver",
        n_threads: int | None = None,
        n_ahead: int = 2,
        pin_memory: bool | None = None,
    ) -> None:
        batch_size, seed = whole("batch_size", batch_size, least=1), whole("seed", seed)
        self.dataset, self.ranks = dataset, find_ranks(rank, world_size)
        shuffled = dataset.windows.training if shuffle is None else shuffle
        self.schedule = Schedule(
            dataset.sizes, batch_size, order=order, shuffle=shuffled, seed=seed, drop_last=drop_last
        )
        self._last_step: LastStep = last_step
        self._num_workers, self._context = whole("num_workers", num_workers), check_context(multiprocessing_context)
        usual = min(MOST_THREADS, settings().n_threads)
        self._n_threads = usual if n_threads is None else whole("n_threads", n_threads)
        self._n_ahead = whole("n_ahead", n_ahead)
        self._pool = BufferPool(pin=torch.cuda.is_available() if pin_memory is None else pin_memory)
        self._state = LoaderState(
            seed=seed, batch_size=batch_size, order=order, shuffle=shuffled, drop_last=drop_last,
            clips_per_block=whole("clips_per_block", clips_per_block, least=1), fingerprint=dataset.fingerprint(),
        )  # fmt: skip
        self._next = self._state
        self._starts = np.concatenate([[0], np.cumsum(dataset.sizes)])  # of each session's windows
        self._elsewhere = Traffic()  # what was given, and what workers have read for it
        self._refuse_idle_ranks()

    def _refuse_idle_ranks(self) -> None:
        if not len(self.share()):
            what = f"an epoch has {len(self.schedule.epoch(0))} batches, fewer than the {self.ranks.world_size} ranks"
            raise BadArgument(what, hint='last_step="wrap" gives each rank one all the same', code="too-many-ranks")

    # -- where it stands

    @property
    def epoch(self) -> int:
        """The epoch of the next `iter`."""
        return self._next.epoch

    def set_epoch(self, epoch: int) -> None:
        """Begin with an epoch in the next `iter`.

        Parameters
        ----------
        epoch : int
        """
        self._state = self._next = replace(self._state, epoch=whole("epoch", epoch), n_consumed=0)

    def state_dict(self) -> dict[str, object]:
        """Return where the loader stands: epoch, and the batches that all ranks together have had of it."""
        return self._state.state_dict()

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on, in the next `iter`, where a state was saved, on any number of ranks.

        Raises
        ------
        BadArgument
            The state is of another data set, seed or layout; every difference is named.
        """
        if not isinstance(state, Mapping):
            what = f"a state is what `state_dict` returned, not {type(state).__name__}"
            raise BadArgument(what, hint="load it with torch.load or json.load first", code="state-mismatch")
        self._state = self._next = self._state.resumed(state)

    def share(self) -> Share:
        """Return which batches this rank takes in the next `iter`, and how many are dropped or wrapped at its end."""
        return self._share(self._next)

    def _share(self, state: LoaderState) -> Share:
        return Share(len(self.schedule.epoch(state.epoch)), state.n_consumed, self.ranks, self._last_step)

    def __len__(self) -> int:
        """Return the batches of the next `iter`."""
        return len(self.share())

    def __repr__(self) -> str:
        windows = counted(self.schedule.batch_size, "window")
        return (
            f"WindowLoader: epoch {self.epoch}, {len(self):,} × {windows}, {self.schedule.order}, of {self.dataset!r}"
        )

    @property
    def traffic(self) -> Traffic:
        """What was read for its dataset so far, batches made ahead included; by `num_workers` as well, batch by batch.

        A copy in a worker process of a DataLoader of your own counts there.
        """
        return self._elsewhere + read_by(self.dataset.streams)

    # -- batches

    def __iter__(self) -> Iterator[Any]:
        """Go through the epoch, or what is left of it."""
        began, share = self._next, self.share()
        self._state, self._next = began, replace(began, epoch=began.epoch + 1, n_consumed=0)
        n_clips = began.clips_per_block
        windows = self.dataset.windows.of_epoch(began.epoch, n_clips)
        batches = self.schedule.epoch(began.epoch, blocks_of(windows, self.dataset.sizes, n_clips))
        worker = get_worker_info()
        if worker is not None:
            steps = range(worker.id, len(share), worker.num_workers)
            return self._by_threads(windows, batches, [share[step] for step in steps])
        make = self._by_workers if self._num_workers else self._by_threads
        return self._counted(make(windows, batches, list(share)), began, share, batches)

    def _counted(self, made: Iterator[Any], began: LoaderState, share: Share, batches: Batches) -> Iterator[Any]:
        n_steps = 0
        for batch in made:  # enumerate() would hold on to the last batch
            self._note(Traffic(n_batches=1, n_windows=batches.n_windows(share[n_steps])))
            n_steps += 1  # noqa: SIM113
            self._state = began.after(share, n_steps)
            yield batch
            del batch  # its memory is used again as soon as the caller is done with it
        self._state = began.after(share, len(share))

    def _note(self, more: Traffic) -> None:
        self._elsewhere += more

    def _indices(self, batches: Batches, b: int) -> NDArray[np.int64]:
        batch = batches[b]
        indices: NDArray[np.int64] = self._starts[batch.sessions] + batch.windows
        return indices

    def _by_threads(self, windows: Windows, batches: Batches, mine: Sequence[int]) -> Iterator[Any]:
        mixed = self.schedule.order == "mixed"
        make = partial(make_batch, self.dataset, windows, mixed=mixed, pool=self._pool, n_threads=self._n_threads)
        works = (make(self._indices(batches, b)) for b in mine)
        return run_in_order(works, n_threads=self._n_threads, n_ahead=self._n_ahead)

    def _by_workers(self, windows: Windows, batches: Batches, mine: Sequence[int]) -> Iterator[Any]:
        dataset = copy(self.dataset)
        dataset.windows = windows
        together = partial(collate_mixed, apart=dataset.per_neuron) if self.schedule.order == "mixed" else collate
        chosen = [self._indices(batches, b).tolist() for b in mine]
        return by_workers(dataset, chosen, together, self._note, n_workers=self._num_workers, context=self._context)


def whole(name: str, value: int, least: int = 0) -> int:
    """Return a count, or say what was given instead."""
    number = whole_number(value)
    if number is None or number < least:
        code = f"bad-{name.replace('_', '-')}"
        raise BadArgument(f"{name} is {value!r}, expected an integer of {least} or more", code=code)
    return number
