"""An opened store as numpy sees it: tables, clocks, and the samples of one trial. What loaders need, and no xarray."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.cached import cached_property
from sensorium_data.clock_documents import clock_of, trial_grid
from sensorium_data.errors import BadArgument, NoSuchItem, StoreInvalid, counted, near_miss
from sensorium_data.grid import NANOSECOND
from sensorium_data.remote import Location, placed
from sensorium_data.schemas import ExplicitClock, Stimulus, Trial
from sensorium_data.store.layout import Paths
from sensorium_data.store.opened import OpenStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.clock import Clock
    from sensorium_data.grid import Grid
    from sensorium_data.schemas import Session as SessionDocument
    from sensorium_data.schemas import Signal

__all__ = ["SessionHandle"]


class SessionHandle:
    """A session store, opened; pickles as its path and its selection, and reopens in each process.

    Parameters
    ----------
    where : str or Path
        The store: a path, or a URL (``s3://``, ``gs://``, ``az://``, ``https://``).
    selected : (selected,) int64, optional
        Rows of the neuron table to keep, in the order to keep them in; None keeps all. What is read of the store has
        these neurons alone.
    storage_options : mapping, optional
        How to get in, for a URL: what fsspec's file system for it takes. They go along where the handle is pickled, and are
        never shown.

    Attributes
    ----------
    where : str
    selected : (selected,) int64 or None
        Not to be changed; None where all neurons are kept as they were stored.

    Raises
    ------
    NotFound
        Nothing is there.
    StoreInvalid
        It is no session store, of another layout, or damaged at the root.
    StorageFailed
        A URL cannot be reached, or lets nobody in.
    BadArgument
        It is a URL that cannot be used; or the rows are not those of neurons, or one is named twice.
    """

    selected: NDArray[np.int64] | None = None

    def __init__(
        self,
        where: str | Path | Location,
        selected: NDArray[np.int64] | None = None,
        *,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        place = placed(where, storage_options)
        self.store = OpenStore(place)
        self.where = str(place) if isinstance(place, Location) else str(where)
        if selected is not None:
            self.selected = _of_table(selected, self.document.neurons.n, self.where)

    def __reduce__(self) -> tuple[Callable[..., SessionHandle], tuple[object, ...]]:
        """Pickle as a recipe: no open file crosses a process."""
        place = self.store.path if isinstance(self.store.path, Location) else self.where
        return _reopened, (type(self), place, self.selected, self.store.identity)

    def select(self, rows: NDArray[np.int64]) -> SessionHandle:
        """Return the same session with some of its neurons.

        Parameters
        ----------
        rows : (selected,) int
            Rows of `neurons`, each once, in the order to keep them in.

        Raises
        ------
        BadArgument
            The rows are none, not those of neurons, or one is named twice.
        """
        kept = _of_table(rows, len(self.neurons["unit_id"]), self.where)
        other: SessionHandle = object.__new__(type(self))
        # The store is opened once, however many selections are made; what does not speak of neurons is shared.
        other.__dict__.update({name: value for name, value in self.__dict__.items() if name != "neurons"})
        before = self.selected
        other.selected = before if kept is None else (kept if before is None else _frozen(before[kept]))
        return other

    @property
    def n_neurons(self) -> int:
        """How many neurons are kept."""
        return self.document.neurons.n if self.selected is None else len(self.selected)

    @property
    def document(self) -> SessionDocument:
        """What the root of the store says about the recording."""
        return self.store.session

    @cached_property
    def trials(self) -> dict[str, NDArray[Any]]:
        """Columns of the trial table, each (trial, …)."""
        return self.store.table(Paths.trials, Trial.model_fields)

    @cached_property
    def neurons(self) -> dict[str, NDArray[Any]]:
        """Columns of the neuron table, each (neuron, …); of the selected neurons alone."""
        columns = self.store.table(Paths.neurons, ["unit_id"])
        if self.selected is None:
            return columns
        return {name: values[self.selected] for name, values in columns.items()}

    @cached_property
    def stimuli(self) -> dict[str, NDArray[Any]]:
        """Columns of the table of films, each (variant,)."""
        return self.store.table(Paths.stimuli, Stimulus.model_fields)

    @cached_property
    def signals(self) -> dict[str, Signal]:
        """Documents of the signals, by name."""
        return {signal.name: signal for signal in self.document.signals}

    @cached_property
    def clocks(self) -> dict[str, Clock]:
        """Clock of each signal."""
        return {name: self._clock(signal) for name, signal in self.signals.items()}

    def _clock(self, signal: Signal) -> Clock:
        explicit = isinstance(signal.clock, ExplicitClock)
        return clock_of(signal.clock, self.store.values(Paths.times(signal.name)) if explicit else None)

    def signal(self, name: str) -> Signal:
        """Return the document of a signal.

        Raises
        ------
        NoSuchItem
            With near misses.
        """
        if name not in self.signals:
            hint = near_miss(name, list(self.signals))
            raise NoSuchItem(f"{self.where}: no signal `{name}`", hint=hint, code="no-such-signal")
        return self.signals[name]

    def trial_row(self, trial_id: object) -> int:
        """Return the row of a trial in the table.

        Parameters
        ----------
        trial_id : int
            The published number; numpy integers and arrays of one integer will do.

        Raises
        ------
        BadArgument
            What was given is no integer.
        NoSuchItem
            No trial has that published number.
        """
        number, numbers = _whole_number(trial_id), self.trials["trial_id"]
        found = np.flatnonzero(numbers == number)
        if not len(found):
            message = f"{self.where}: no trial {number}"
            raise NoSuchItem(message, hint=_numbering(numbers), code="no-such-trial")
        return int(found[0])

    @cached_property
    def grid(self) -> Grid:
        """The ticks that start and stop of the trials are counted in."""
        return trial_grid(self.document)

    def rows(self, name: str, row: int) -> slice | None:
        """Return where a signal's samples of a trial are, or None where it has none (missing, withheld, in a gap)."""
        ends = (self.trials[end][row : row + 1] for end in ("start", "stop"))
        first, last = self.clocks[name].intervals(self.grid, *ends)[0].tolist()
        return slice(first, last) if first < last else None

    def film_times_s(self, row: int) -> NDArray[np.float64] | None:
        """Return the times at which a trial's frames are shown, (time,) float64 seconds; None for images."""
        rate, frames = self.document.stimuli.rate, self.frames(row)
        if frames is None or (rate is None and self.document.identity.modality == "static"):
            return None
        frame_rate = self.grid.rate if rate is None else Fraction(rate.numerator, rate.denominator)
        start, n_frames = int(self.trials["start"][row]), frames.stop - frames.start
        if frame_rate == self.grid.rate:
            return self.grid.times_s(start + np.arange(n_frames))
        first = self.grid.ns(start) / NANOSECOND
        return np.array([float(first + k / frame_rate) for k in range(n_frames)])

    def frames(self, row: int) -> slice | None:
        """Return where the frames of a trial's film are in `stimuli/frames`, or None for a missing trial."""
        variant = int(self.trials["variant"][row])
        if variant < 0:
            return None
        first = int(self.stimuli["first_frame"][variant])
        return slice(first, first + int(self.stimuli["n_frames"][variant]))


def _reopened(
    kind: type[SessionHandle], place: str | Location, selected: NDArray[np.int64] | None, identity: str
) -> SessionHandle:
    """Open a session in another process; of one at a URL, only the very store that was opened before."""
    handle = kind(place, selected)
    if identity and handle.store.identity != identity:
        what = f"{handle.where}: was replaced since the session was opened"
        raise StoreInvalid(what, hint="open the session again", code="store-changed")
    return handle


def _of_table(rows: NDArray[np.int64], n: int, where: str) -> NDArray[np.int64] | None:
    """Return rows of a table of n neurons, or None where they are all of them in order."""
    found = np.asarray(rows)
    if found.ndim != 1 or found.dtype.kind not in "iu" or not found.size:
        said = f"{found.dtype} of shape {found.shape}"
        raise BadArgument(f"{where}: rows of neurons are a list of integers, not {said}", code="neuron-rows")
    if (outside := found[(found < 0) | (found >= n)]).size:
        raise BadArgument(f"{where}: row {outside[0]} is none of {counted(n, 'neuron')}", code="neuron-rows")
    if len(np.unique(found)) < len(found):
        raise BadArgument(f"{where}: a neuron is named twice", code="neuron-rows")
    kept = _frozen(found.astype(np.int64))
    return None if np.array_equal(kept, np.arange(n)) else kept


def _frozen(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    rows.flags.writeable = False
    return rows


def _whole_number(trial_id: object) -> int:
    one = trial_id.item() if getattr(trial_id, "ndim", None) == 0 and hasattr(trial_id, "item") else trial_id
    # True and 0.0 equal trials 1 and 0 for Python; who passes them means something else.
    if isinstance(one, int) and not isinstance(one, bool):
        return one
    what = f"a trial is named by the integer it was published under, not by {type(trial_id).__name__} {trial_id!r}"
    raise BadArgument(what, hint="`session.trials.trial_id` lists them", code="trial-number")


def _numbering(numbers: NDArray[Any]) -> str:
    if not len(numbers):
        return "the session has no trials"
    first, last = int(numbers.min()), int(numbers.max())
    holes = ", with holes" if len(np.unique(numbers)) <= last - first else ""
    return f"trials are numbered {first} to {last}{holes}"
