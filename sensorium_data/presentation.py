"""One presentation as xarray: what was published of a trial, each stream at its own times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

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
    shared = _one_clock([times for _, times in streams.values() if times is not None])
    data: dict[str, xr.Variable] = {}
    coords: dict[str, Any] = {}
    coloured = any("channel" in variable.dims for name, (variable, _) in streams.items() if name == session.document.identity.film)
    for name, (variable, times) in streams.items():
        channels = session.channels(name) if name in handle.signals else {}
        if coloured and "channel" in channels:  # of the film are other channels than of the pupil
            variable = _renamed(variable, "channel", f"{name}_channel")
            channels = {f"{name}_channel": (f"{name}_channel", channels["channel"][1])}
        if static:
            variable = variable.isel(time=0) if "time" in variable.dims else variable
        elif times is not None:
            dim = "time" if shared else f"time_{name}"
            variable = _renamed(variable, "time", dim)
            coords[dim] = (dim, times, {"units": "s"})
        data[name], coords = variable, coords | channels
    return xr.Dataset(data, coords, {name: handle.trials[name][row].item() for name in FACTS})


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
