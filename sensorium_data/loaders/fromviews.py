"""Lazy xarray views as streams: whatever people made of a session, served frame by frame as the session itself is."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from math import prod
from threading import Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sensorium_data.errors import BadArgument, SlowReadWarning, counted, listed
from sensorium_data.forks import refuse_fork
from sensorium_data.grid import NANOSECOND
from sensorium_data.handle import SessionHandle
from sensorium_data.loaders.viewtimes import clock_of_view
from sensorium_data.resample import output_dtype
from sensorium_data.schemas import ROLES
from sensorium_data.spelling import human_bytes
from sensorium_data.streams import Stream, Streams
from sensorium_data.streams.frames import TrialFrames

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    import xarray as xr
    from numpy.typing import NDArray

    from sensorium_data.clock import TickClock

__all__ = ["streams_of_views"]

BLOCK_BYTES = 32_000_000  # read at once when missing values are looked for
MASK = "mask_"


def streams_of_views(
    views: xr.Dataset | Iterable[xr.Dataset] | Mapping[str, xr.Dataset], *, names: Sequence[str] | None = None
) -> list[Streams]:
    """Return streams that read views through xarray, each view as it is asked for.

    Every variable is a stream, (time, …). Runs of a view without a gap in `time` are its trials. A sample is valid where
    it has no NaN and a coordinate `mask_<variable>`, where there is one, is true.

    Parameters
    ----------
    views : xarray.Dataset, iterable of them, or mapping of name to view
        Over `time`, regular but for gaps, in seconds; without that coordinate samples are counted.
    names : sequence of str, optional
        Of the views; by default their attribute `session`.

    Returns
    -------
    list of Streams

    Raises
    ------
    BadArgument
        No view, what is no view, a view without time or with times that are not regular, or two of one name.

    Warns
    -----
    SlowReadWarning
        Once, saying what it costs.
    """
    named = isinstance(views, Mapping) and not hasattr(views, "data_vars")  # as `SessionSet.resample` gives them
    several = _checked(list(cast("Mapping[str, xr.Dataset]", views).values()) if named else views)
    if named and names is None:
        names = [str(key) for key in cast("Mapping[str, xr.Dataset]", views)]
    keys = _keys(several, names)
    found = [_streams(view, key) for view, key in zip(several, keys, strict=True)]
    searched = sum(stream.n_searched for streams in found for stream in streams.values() if isinstance(stream, _View))
    once = (
        f"; to find what is missing, {human_bytes(searched)} are read once before the first window" if searched else ""
    )
    what = f"{counted(len(found), 'view')} read through xarray, at 13 to 54 times the cost of the sessions themselves{once}"
    warnings.warn(what, SlowReadWarning, stacklevel=3)
    return found


def _checked(views: object) -> list[xr.Dataset]:
    import xarray as xr

    one = isinstance(views, xr.Dataset | xr.DataArray) or not isinstance(views, Iterable)
    found: list[xr.Dataset] = []
    for view in (views,) if one else views:  # type: ignore[attr-defined]  # what has no items was put into a tuple
        if not isinstance(view, xr.Dataset):
            hint = "`array.to_dataset(name=…)` makes a view of one array" if isinstance(view, xr.DataArray) else ""
            raise BadArgument(f"a view is an xarray Dataset, not {type(view).__name__}", hint=hint, code="bad-view")
        found.append(view)
    if not found:
        raise BadArgument("no view is given", hint="give what `session.resample` returns", code="no-sessions")
    return found


def _keys(views: Sequence[xr.Dataset], names: Sequence[str] | None) -> list[str]:
    if names is not None and (isinstance(names, str) or len(names) != len(views)):
        n = "one text" if isinstance(names, str) else counted(len(names), "name")
        raise BadArgument(f"{n} for {counted(len(views), 'view')}", hint="give a list of them", code="bad-view")
    keys = [view.attrs.get("session") for view in views] if names is None else list(names)
    for number, key in enumerate(keys):
        if not isinstance(key, str) or not key:
            what = f"view {number} has no name: its attribute `session` is {key!r}"
            raise BadArgument(what, hint="names=[…] gives a name to each", code="bad-view")
    if twice := [key for key, n in Counter(keys).items() if n > 1]:
        what = f"several views are called {listed(twice)}"
        raise BadArgument(what, hint="names=[…] gives each a name of its own", code="key-twice")
    return [str(key) for key in keys]


def _streams(view: xr.Dataset, key: str) -> Streams:
    if "time" not in view.dims:
        raise BadArgument(f"{key}: the view has no dim `time`", hint="`session.resample` makes one", code="bad-view")
    masks = {f"{MASK}{name}" for name in view.data_vars}
    variables = {str(name): array for name, array in view.data_vars.items() if str(name) not in masks}
    wrong = [name for name, array in variables.items() if "time" not in array.dims or array.dtype.kind not in "fiub"]
    if wrong or not variables:
        what = (
            f"{key}: {listed(wrong)} {'are' if len(wrong) > 1 else 'is'} no numbers over `time`"
            if wrong
            else f"{key}: the view is empty"
        )
        raise BadArgument(what, hint="`view[[…]]` keeps the variables that are", code="bad-view")
    if "image" in variables:  # which is what streams of single images are called
        raise BadArgument(f"{key}: a film is called `video`", hint="view.rename(image='video')", code="bad-view")
    clock = clock_of_view(view, key)
    handle = _Handle(key, clock, str(view.attrs.get("tier", "view")))
    streams = {name: _View(name, view, clock) for name in variables}
    return Streams(handle, TrialFrames(handle, clock.rate), streams)


class _Handle(SessionHandle):
    """What windows and loaders ask of a session, for a view: its runs without a gap as trials."""

    def __init__(self, key: str, clock: TickClock, tier: str) -> None:
        self._args = (key, clock, tier)
        self.where = f"view:{key}"
        n = len(clock.segments)
        start, stop = clock.segments.T.copy()
        zeros, none = np.zeros(n, np.bool_), np.full(n, -1, np.int64)
        self.__dict__["grid"] = clock.grid
        self.__dict__["stimuli"] = {"label": np.zeros(0, np.str_)}
        self.__dict__["trials"] = {
            "trial_id": np.arange(n), "tier": np.full(n, tier), "role": np.full(n, ROLES.get(tier, "none")),
            "variant": none, "stimulus": none, "start": start, "stop": stop, "n_valid": stop - start,
            "responses_withheld": zeros, "missing": zeros, "order": np.arange(n), "segment": np.arange(n),
        }  # fmt: skip

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as what it was made of."""
        return type(self), self._args

    @property
    def document(self) -> Any:  # noqa: ANN401  # as much of a session document as loaders look at
        """What loaders ask of the session document."""
        return SimpleNamespace(
            identity=SimpleNamespace(key=self._args[0], modality="dynamic", film="video"),
            provenance=SimpleNamespace(source_digest="view", options=SimpleNamespace(precision="source")),
        )


class _View(Stream):
    """One variable of a view; bytes stay bytes, other integers become the float that holds them."""

    def __init__(self, name: str, view: xr.Dataset, clock: TickClock) -> None:
        variable = view.variables[name]
        self.name, self._clock = name, clock
        self._values = variable if variable.dims[0] == "time" else variable.transpose("time", ...)
        self.dims = tuple(str(dim) for dim in self._values.dims[1:])
        self.shape = tuple(self._values.shape[1:])
        self.dtype = np.dtype(np.uint8) if variable.dtype == np.uint8 else output_dtype(variable.dtype)
        self.absent = np.zeros(len(clock.segments), np.bool_)
        mask = view.variables.get(f"{MASK}{name}")
        self._given = mask if mask is not None and mask.dims == ("time",) and mask.dtype == np.bool_ else None
        self._found: NDArray[np.bool_] | None = None
        self._lock, self._process = Lock(), os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the lock behind; what was found out goes along, for it took a pass over all values."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a recipe up in another process."""
        self.__dict__.update(state, _lock=Lock(), _process=os.getpid())

    @property
    def n_searched(self) -> int:
        """Bytes that are read to find out which samples are valid."""
        if self._values.dtype.kind != "f":
            return 0
        return int(self._values.nbytes)

    @property
    def _starts(self) -> NDArray[np.int64]:
        """Row of the first sample of each run, and of the end, (run + 1,)."""
        lengths = self._clock.segments[:, 1] - self._clock.segments[:, 0]
        return np.concatenate([[0], np.cumsum(lengths)])

    # -- values

    def fill(self, out: NDArray[Any], mask: NDArray[np.bool_], trial_row: int, first: int) -> None:
        """Write frames [first, first + len(out)) of a run, and where they are valid; past its end there are none."""
        start, stop = self._starts[trial_row : trial_row + 2].tolist()
        n = max(0, min(len(out), stop - start - first))
        self._read(out[:n], mask[:n], start + first)
        out[n:], mask[n:] = self._missing, False

    def validity(self, start_ns: Fraction, first: int, n: int) -> NDArray[np.bool_]:
        """Return which of the samples [first, first + n) counted from a time are valid, (n,) bool."""
        out, mask = np.empty((n, *self.shape), self.dtype), np.empty(n, np.bool_)
        self.at(out, mask, start_ns, first)
        return mask

    def at(self, out: NDArray[Any], mask: NDArray[np.bool_], start_ns: Fraction, first: int = 0) -> None:
        """Write samples [first, first + len(out)), counted from a time in nanoseconds, and where they are valid.

        Raises
        ------
        BadArgument
            The view has no sample at such times: it is not resampled again.
        """
        tick = (start_ns - self._clock.origin_ns) * self._clock.rate / NANOSECOND + first
        if tick.denominator != 1:
            what = f"{self.name}: a view has no sample at {float(start_ns / NANOSECOND):.9f} s"
            raise BadArgument(what, hint="resample the session before the view is made", code="bad-view")
        out[...], mask[...] = self._missing, False
        for row, (start, stop) in zip(self._starts.tolist(), self._clock.segments.tolist(), strict=False):
            lo, hi = max(start, int(tick)), min(stop, int(tick) + len(out))
            if lo < hi:
                at = slice(lo - int(tick), hi - int(tick))
                self._read(out[at], mask[at], row + lo - start)

    @property
    def _missing(self) -> float:
        return np.nan if self.dtype.kind == "f" else 0

    def _read(self, out: NDArray[Any], mask: NDArray[np.bool_], row: int) -> None:
        if self._values.chunks is not None:
            refuse_fork(self._process, "dask")
        rows = slice(row, row + len(out))
        out[...] = self._values[rows].to_numpy()
        mask[...] = True if self._given is None else self._given[rows].to_numpy()
        if self._values.dtype.kind == "f":
            mask &= ~np.isnan(out).any(axis=tuple(range(1, out.ndim)))

    # -- what is valid

    def _valid(self) -> NDArray[np.bool_]:
        """Return which samples are valid, (time,) bool; found out once."""
        with self._lock:
            if self._found is None:
                n = self._values.shape[0]
                found = np.ones(n, np.bool_)
                if self._values.dtype.kind == "f":
                    rows = max(1, BLOCK_BYTES // max(1, prod(self.shape) * self.dtype.itemsize))
                    for first in range(0, n, rows):
                        part = found[first : first + rows]
                        self._read(np.empty((len(part), *self.shape), self.dtype), part, first)
                elif self._given is not None:
                    found = self._given.to_numpy()
                self._found = found
        return self._found

    def usable(self, trial_row: int, n: int, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which of the frames 0 … n - 1 of a run are valid."""
        start, stop = self._starts[trial_row : trial_row + 2].tolist()
        found = np.zeros(n, np.bool_)
        there = min(n, stop - start)
        found[:there] = self._valid()[start : start + there] & allowed[trial_row]
        return found

    def whole(self, allowed: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Return the runs whose every frame is valid."""
        before = np.concatenate([[0], np.cumsum(~self._valid())])[self._starts]
        found: NDArray[np.bool_] = allowed & (np.diff(before) == 0)
        return found
