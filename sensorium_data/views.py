"""The xarray face of a session: tables, signals and trials, lazy until values are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, SupportsIndex

from sensorium_data.describe import as_html, as_text
from sensorium_data.handle import SessionHandle
from sensorium_data.store.layout import Paths

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr
    from numpy.typing import NDArray

    from sensorium_data.schemas import Session as SessionDocument

__all__ = ["Session", "open_session"]


class _Signals(Mapping[str, "xr.DataArray"]):
    """The signals of a session by name, made when they are asked for."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, name: str) -> xr.DataArray:
        return self._session[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._session.handle.signals)

    def __len__(self) -> int:
        return len(self._session.handle.signals)

    def __repr__(self) -> str:
        return f"signals: {', '.join(self)}"


class Session:
    """One recording, opened lazily.

    Parameters
    ----------
    handle : SessionHandle
        The opened store.

    Examples
    --------
    >>> import tempfile, sensorium_data as sd
    >>> from sensorium_data.testing import make_session
    >>> session = sd.open_session(make_session(tempfile.mkdtemp(), n_neurons=5))
    >>> session["responses"].dims
    ('time', 'neuron')
    """

    def __init__(self, handle: SessionHandle) -> None:
        self.handle = handle

    def __repr__(self) -> str:
        return as_text(self.handle)

    def _repr_html_(self) -> str:
        return as_html(self.handle)

    @property
    def document(self) -> SessionDocument:
        """The session document: identity, clocks, provenance, licence and citation."""
        return self.handle.document

    @property
    def neurons(self) -> xr.Dataset:
        """Unit ids, positions and every other column, over (neuron,)."""
        return self._table(Paths.neurons, self.handle.neurons)

    @property
    def trials(self) -> xr.Dataset:
        """The trial table over (trial,), with start and stop in seconds beside the exact ticks."""
        table = self._table(Paths.trials, self.handle.trials)
        for name in ("start", "stop"):
            table[f"{name}_s"] = ("trial", self.handle.grid.times_s(self.handle.trials[name]), {"units": "s"})
        return table.set_coords("trial_id")

    @property
    def stimuli(self) -> xr.Dataset:
        """The films or images over (variant,): group, label, length; the pixels are in `frames`."""
        return self._table(Paths.stimuli, self.handle.stimuli)

    @property
    def frames(self) -> xr.DataArray:
        """Every stored frame, (frame, …, y, x), lazy."""
        return self._lazy(Paths.frames, name="frames")

    @property
    def signals(self) -> Mapping[str, xr.DataArray]:
        """The signals by name, lazy."""
        return _Signals(self)

    @property
    def statistics(self) -> xr.DataTree:
        """The shipped statistics (`source`) and the store's own (`train`), lazy."""
        import xarray as xr

        nodes: dict[str, dict[str, xr.DataArray]] = {}
        for path in self.handle.store.array_paths(Paths.statistics):
            group, name = path.removeprefix(Paths.statistics + "/").rsplit("/", 1)
            nodes.setdefault(group, {})[name] = self._lazy(path, name=name)
        return xr.DataTree.from_dict({group: xr.Dataset(arrays) for group, arrays in nodes.items()})

    def __getitem__(self, name: str) -> xr.DataArray:
        """Return a signal, (time, …), lazy, with its exact times in seconds.

        Raises
        ------
        NoSuchItem
            No signal has that name; the hint names near misses.
        """
        signal = self.handle.signal(name)
        coords = {"time": ("time", self.handle.clocks[name].times_s(), {"units": "s"}), **self.channels(name)}
        attrs = {"units": signal.unit} if signal.unit else {}
        return self.samples(name).assign_coords(coords).assign_attrs(attrs)

    def samples(self, name: str) -> xr.DataArray:
        """Return the samples of a signal without their times, (time, …), lazy."""
        return self._lazy(Paths.values(self.handle.signal(name).name), name=name)

    def trial(self, trial_id: SupportsIndex | xr.DataArray) -> xr.Dataset:
        """Return what was published of one presentation: its valid samples, in the stored precision.

        Parameters
        ----------
        trial_id : int
            The published file number, as Python, numpy or one element of `session.trials.trial_id` has it.

        Returns
        -------
        xarray.Dataset
            `video` (time, y, x) and the signals that have samples there, (time, …); of a static session `image`
            ([channel,] y, x) and signals without time. Where signals have clocks of their own, each has a dim of its
            own, `time_<name>`. A trial whose responses are withheld has no `responses`; a missing one has nothing.

        Raises
        ------
        BadArgument
            What was given is no integer.
        NoSuchItem
            No trial has that number.
        StoreInvalid
            Values of it are missing or damaged.
        """
        from sensorium_data.presentation import presentation

        return presentation(self, self.handle.trial_row(trial_id))

    def channels(self, name: str) -> dict[str, Any]:
        """Return the coordinates of a signal's neurons or channels."""
        signal = self.handle.signals[name]
        if "neuron" in signal.dims:
            return {"unit_id": ("neuron", self.handle.neurons["unit_id"])}
        if len(signal.dims) > 1:
            return {signal.dims[1]: (signal.dims[1], [channel.name for channel in signal.channels])}
        return {}

    def _lazy(self, path: str, *, name: str) -> xr.DataArray:
        import xarray as xr

        from sensorium_data.lazy import lazy_variable

        store = self.handle.store
        dims, attrs = store.dims(path), store.metadata[path].get("attributes", {})
        variable = lazy_variable(store, path, dims, attrs)
        found = xr.DataArray(variable, name=name)
        found.encoding = variable.encoding  # xarray leaves it behind
        return found

    def _table(self, group: str, columns: Mapping[str, NDArray[Any]]) -> xr.Dataset:
        import xarray as xr

        store, variables = self.handle.store, {}
        for name, values in columns.items():
            path = f"{group}/{name}"
            variables[name] = (store.dims(path), values, store.metadata[path].get("attributes", {}))
        return xr.Dataset(variables)


def open_session(where: str | Path, *, storage_options: Mapping[str, object] | None = None) -> Session:
    """Open a session store; nothing but its root is read.

    Parameters
    ----------
    where : str or Path
        The store.
    storage_options : mapping, optional
        For remote stores.

    Raises
    ------
    NotFound
        Nothing is there.
    StoreInvalid
        It is no session store, of another layout, or damaged at the root.

    Examples
    --------
    >>> import tempfile, sensorium_data as sd
    >>> from sensorium_data.testing import make_session
    >>> sd.open_session(make_session(tempfile.mkdtemp())).trial(0)["video"].dims
    ('time', 'y', 'x')
    """
    del storage_options
    return Session(SessionHandle(where))
