"""One presentation as xarray: what was published of a trial, each stream at its own times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensorium_data.clock import TickClock, same_clock

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.views import Session

__all__ = ["own_dims", "presentation"]

FACTS = ("trial_id", "tier", "stimulus", "variant", "responses_withheld", "missing")


def presentation(session: Session, row: int) -> xr.Dataset:
    """Return what was published of one trial, loaded.

    Parameters
    ----------
    session : Session
    row : int
        Of the trial table.
    """
    import xarray as xr

    handle = session.handle
    static = session.document.identity.modality == "static"
    streams = _streams(session, row)
    apart, time_dims = own_dims(handle), _time_dims(handle)
    data: dict[str, xr.Variable] = {}
    coords: dict[str, Any] = {}
    for name, (variable, times) in streams.items():
        channels = session.channels(name) if name in handle.signals else {}
        for dim in apart.intersection(channels):
            variable = _renamed(variable, dim, f"{name}_{dim}")
            channels = {f"{name}_{dim}": (f"{name}_{dim}", channels[dim][1])}
        if static:
            variable = variable.isel(time=0) if "time" in variable.dims else variable
        elif times is not None:
            dim = time_dims[name]
            variable = _renamed(variable, "time", dim)
            coords[dim] = (dim, times, {"units": "s"})
        data[name], coords = variable, coords | channels
    return xr.Dataset(data, coords, {name: handle.trials[name][row].item() for name in FACTS})


def _time_dims(handle: SessionHandle) -> dict[str, str]:
    """Return what the time of each stream is called: of a session, not of a trial, so that all trials look alike.

    Streams that are always sampled together share `time`: all of a published trial, or the signals of one clock. Every
    other has `time_<name>`; so has a film among signals with true clocks, whose samples its frames meet by chance.
    """
    clocks = handle.clocks
    published = all(isinstance(clock, TickClock) and clock.grid == handle.grid for clock in clocks.values())
    first = next(iter(clocks.values()), None)
    shared = published or all(first is not None and same_clock(first, clock) for clock in clocks.values())
    dims = {name: "time" if shared else f"time_{name}" for name in clocks}
    return dims | {"video": "time" if published else "time_video"}


def own_dims(handle: SessionHandle) -> set[str]:
    """Return the dims whose labels differ between signals, or which are those of a film: each signal has its own."""
    labels: dict[str, set[tuple[str, ...]]] = {}
    for signal in handle.signals.values():
        for dim in set(signal.dims[1:]) - {"neuron"}:
            labels.setdefault(dim, set()).add(tuple(channel.name for channel in signal.channels))
    n_axes = len(handle.document.stimuli.frame_shape)
    film = ("channel", "y", "x")[3 - n_axes :]
    return {dim for dim, found in labels.items() if len(found) > 1 or dim in film}


def _streams(session: Session, row: int) -> dict[str, tuple[xr.Variable, NDArray[np.float64] | None]]:
    """Return film and signals that have samples in a trial, each with the times of its samples."""
    import xarray as xr

    handle = session.handle
    streams: dict[str, tuple[xr.Variable, NDArray[np.float64] | None]] = {}
    if (frames := handle.frames(row)) is not None:
        film = session.frames[frames]
        times = handle.film_times_s(row)
        pixels, dims = film.to_numpy(), film.dims[1:]
        if times is None:
            streams["image"] = (xr.Variable(dims, pixels[0], {"units": "grey levels"}), None)
        else:
            streams["video"] = (xr.Variable(("time", *dims), pixels, {"units": "grey levels"}), times)
    for name in handle.signals:
        if (rows := handle.rows(name, row)) is not None:
            streams[name] = (session.samples(name)[rows].variable.load(), handle.clocks[name].times_s(rows))
    return streams


def _renamed(variable: xr.Variable, old: str, new: str) -> xr.Variable:
    variable.dims = tuple(new if dim == old else dim for dim in variable.dims)
    return variable
