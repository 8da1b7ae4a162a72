"""The xarray face of a session: tables, signals and trials, lazy until values are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, SupportsIndex

from sensorium_data.handle import SessionHandle
from sensorium_data.store.layout import Paths
from sensorium_data.viewing.describe import as_html, as_text
from sensorium_data.viewing.selecting import Wanted, chosen_rows
from sensorium_data.viewing.tables import neuron_table, stimulus_table, trial_table

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr
    from numpy.typing import ArrayLike

    from sensorium_data.resample import Method
    from sensorium_data.schemas import Session as SessionDocument
    from sensorium_data.viewing.selecting import Names, Neurons
    from sensorium_data.viewing.spans import Number, Span

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
        return neuron_table(self.handle)

    @property
    def trials(self) -> xr.Dataset:
        """The trial table over (trial,), with start and stop in seconds beside the exact ticks."""
        return trial_table(self.handle)

    @property
    def stimuli(self) -> xr.Dataset:
        """The films or images over (variant,): group, label, length; the pixels are in `frames`."""
        return stimulus_table(self.handle)

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
        from sensorium_data.viewing.presentation import presentation

        return presentation(self, self.handle.trial_row(trial_id))

    def select(
        self,
        neurons: Neurons | None = None,
        unit_ids: ArrayLike | None = None,
        area: Names | None = None,
        depth: tuple[float | None, float | None] | slice | None = None,
        layer: Names | None = None,
        mask: ArrayLike | None = None,
    ) -> Session:
        """Return the session with some of its neurons: what is read has these alone.

        A neuron must fit all that is given. The order is that of ``neurons`` or ``unit_ids``, else the table's.

        Parameters
        ----------
        neurons : int, slice or (selected,) int, optional
            Positions in `session.neurons`; of a selection, positions in the selection.
        unit_ids : (selected,) int, optional
            Published numbers.
        area, layer : str or iterable of str, optional
            Names in the columns `area` and `layer`.
        depth : (float, float), micrometres, optional
            From the first to below the second, in the column `depth`, or in `z` where there is none.
        mask : (neuron,) bool, optional

        Raises
        ------
        BadArgument
            A criterion makes no sense, `neurons` and `unit_ids` are both given, or no neuron is left.
        NoSuchItem
            A unit id, area, layer or column that is not there; the hint names near ones.

        Examples
        --------
        >>> import tempfile, sensorium_data as sd
        >>> from sensorium_data.testing import make_session
        >>> session = sd.open_session(make_session(tempfile.mkdtemp(), n_neurons=5))
        >>> session.select([3, 0])["responses"].sizes["neuron"]
        2
        """
        wanted = Wanted(neurons, unit_ids, area, depth, layer, mask)
        if not wanted:
            return self
        rows = chosen_rows(self.handle.neurons, wanted, self.document.identity.key)
        return Session(self.handle.select(rows))

    def resample(
        self,
        rate_hz: Number | None = 30.0,
        window: Span | None = None,
        signals: Names | None = None,
        *,
        method: Method | Mapping[str, Method] = "linear",
        lag_s: Number | Mapping[str, Number] = 0,
        offsets_s: Mapping[str, ArrayLike] | None = None,
    ) -> xr.Dataset:
        """Put signals and film on one regular clock, lazily: what is looked at is read, and nothing else.

        Parameters
        ----------
        rate_hz : float, str or Fraction, hertz, optional
            None takes that of the film, else the one that all signals share.
        window : (float, float), seconds, or Intervals with one interval, optional
            Half-open, in seconds of the session; ends that `session.trials` has are exact. By default from the first
            sample of any of the streams to the end of the last.
        signals : str or iterable of str, optional
            Names of signals, and `video`; by default all.
        method : {"linear", "previous", "nearest", "mean"} or mapping by signal
            A film always shows the frame that is on the screen.
        lag_s : float, str or Fraction, seconds, or mapping by stream
            What stands at time t is the stream at t + lag.
        offsets_s : mapping of signal to (channel,) float, seconds, optional
            When each neuron or channel is really sampled, counted from the signal's clock.

        Returns
        -------
        xarray.Dataset
            Each stream over (time, …) at start + k / rate below the stop. A missing value is NaN, of a film 0; the
            coordinates `mask_<name>` (time,) say where all values of a stream are there.

        Raises
        ------
        BadArgument
            The rate is none, or cannot be told; the window is empty, reversed or outside; the images of a static
            recording have no rate.
        NoSuchItem
            No signal of that name; the hint names near misses.

        Examples
        --------
        >>> import tempfile, sensorium_data as sd
        >>> from sensorium_data.testing import make_session
        >>> session = sd.open_session(make_session(tempfile.mkdtemp(), n_neurons=5))
        >>> session.resample(60, window=(1, 3), signals=["responses", "pupil"]).sizes["time"]
        120
        """
        from sensorium_data.viewing.resampled import resampled

        return resampled(self, rate_hz, window, signals, method=method, lag_s=lag_s, offsets_s=offsets_s)

    def channels(self, name: str) -> dict[str, Any]:
        """Return the coordinates of a signal's neurons or channels."""
        signal = self.handle.signals[name]
        if "neuron" in signal.dims:
            return {"unit_id": ("neuron", self.handle.neurons["unit_id"])}
        if len(signal.dims) > 1:
            return {signal.dims[1]: (signal.dims[1], [channel.name for channel in signal.channels])}
        return {}

    def _lazy(self, path: str, *, name: str) -> xr.DataArray:
        from sensorium_data.viewing.lazy import lazy_array

        return lazy_array(self.handle, path, name)


def open_session(where: str | Path, *, storage_options: Mapping[str, object] | None = None) -> Session:
    """Open a session store, on this machine or at a URL; nothing but its root is read.

    Of one at a URL root and sidecar are fetched; of the rest the chunks that are looked at, each run by one request.

    Parameters
    ----------
    where : str or Path
        The store: a path, or ``s3://``, ``gs://``, ``az://``, ``https://`` or another URL that fsspec knows.
    storage_options : mapping, optional
        How to get in at a URL, as fsspec's file system for it takes them; else by profile, environment, or as anybody.

    Raises
    ------
    NotFound, StoreInvalid
        Nothing is there; or no session store, one of another layout, or one that is damaged at the root.
    StorageFailed, BadArgument
        The URL cannot be reached, or lets nobody in; or it, or what it needs, is not known here.

    Examples
    --------
    >>> import tempfile, sensorium_data as sd
    >>> from sensorium_data.testing import make_session
    >>> sd.open_session(make_session(tempfile.mkdtemp())).trial(0)["video"].dims
    ('time', 'y', 'x')
    """
    return Session(SessionHandle(where, storage_options=storage_options))
