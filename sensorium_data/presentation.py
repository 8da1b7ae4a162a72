"""One presentation as xarray: what was published of a trial, each stream at its own times."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.clock import TickClock
from sensorium_data.grid import Grid

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.views import Session

__all__ = ["presentation"]

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
    shared = _one_grid(handle) and _one_clock([times for _, times in streams.values() if times is not None])
    apart = _own_dims(handle)
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
            dim = "time" if shared else f"time_{name}"
            variable = _renamed(variable, "time", dim)
            coords[dim] = (dim, times, {"units": "s"})
        data[name], coords = variable, coords | channels
    return xr.Dataset(data, coords, {name: handle.trials[name][row].item() for name in FACTS})


def _one_grid(handle: SessionHandle) -> bool:
    """True where film and signals tick alike, so that a trial may have one `time`: of a session, not of a trial.

    A trial in which all streams but one have no samples has the names that the others have.
    """
    grids: set[object] = {
        clock.grid if isinstance(clock, TickClock) else clock.times_ns.tobytes() for clock in handle.clocks.values()
    }
    stimuli = handle.document.stimuli
    if not stimuli.n_variants or handle.document.identity.modality == "static":
        return len(grids) < 2
    # As `film_times_s` has it; a single image in a session of time has no clock to share.
    film = handle.grid.rate if stimuli.rate is None else Fraction(stimuli.rate.numerator, stimuli.rate.denominator)
    return len(grids) < 2 and all(isinstance(grid, Grid) and grid.rate == film for grid in grids)


def _own_dims(handle: SessionHandle) -> set[str]:
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
            values = session[name][rows]
            streams[name] = (values.variable.load(), values["time"].to_numpy())
    return streams


def _renamed(variable: xr.Variable, old: str, new: str) -> xr.Variable:
    variable.dims = tuple(new if dim == old else dim for dim in variable.dims)
    return variable


def _one_clock(times: list[NDArray[np.float64]]) -> bool:
    return all(np.array_equal(times[0], other) for other in times[1:])
