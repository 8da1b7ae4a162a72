"""Tables of a store as xarray: columns over their rows, of one session or of several, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.store.layout import Paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from sensorium_data.handle import SessionHandle

__all__ = ["joined", "neuron_table", "stimulus_table", "trial_table"]


def neuron_table(handle: SessionHandle) -> xr.Dataset:
    """Return unit ids, positions and every other column of the selected neurons, over (neuron,)."""
    return _table(handle, Paths.neurons, handle.neurons)


def trial_table(handle: SessionHandle) -> xr.Dataset:
    """Return the trial table over (trial,), with start and stop in seconds beside the exact ticks."""
    table = _table(handle, Paths.trials, handle.trials)
    for name in ("start", "stop"):
        table[f"{name}_s"] = ("trial", handle.grid.times_s(handle.trials[name]), {"units": "s"})
    return table.set_coords("trial_id")


def stimulus_table(handle: SessionHandle) -> xr.Dataset:
    """Return the films or images over (variant,): group, label, length."""
    return _table(handle, Paths.stimuli, handle.stimuli)


def _table(handle: SessionHandle, group: str, columns: Mapping[str, NDArray[Any]]) -> xr.Dataset:
    import xarray as xr

    store, variables = handle.store, {}
    for name, values in columns.items():
        path = f"{group}/{name}"
        variables[name] = (store.dims(path), values, store.metadata[path].get("attributes", {}))
    return xr.Dataset(variables)


def joined(tables: Mapping[str, xr.Dataset], dim: str) -> xr.Dataset:
    """Return tables one after another, with a coordinate `session` that says whose each row is.

    A column that only some have is there with what is missing in it: NaN for numbers, empty text, and for true and
    false, which have no such value, NaN among 1.0 and 0.0. One whose rows are of differing shape cannot be joined; the
    attribute `left_out` names it.

    Parameters
    ----------
    tables : mapping of session key to Dataset
    dim : str
        Of the rows.
    """
    import xarray as xr

    names = list(dict.fromkeys(name for table in tables.values() for name in map(str, table.variables)))
    rows = [table.sizes[dim] for table in tables.values()]
    found, left_out = {}, []
    for name in names:
        columns = [table.variables.get(name) for table in tables.values()]
        there = [column for column in columns if column is not None]
        if len({(column.dims, column.shape[1:]) for column in there}) > 1:
            left_out.append(name)
            continue
        values = _stacked([None if column is None else column.to_numpy() for column in columns], rows)
        attrs = there[0].attrs if all(column.attrs == there[0].attrs for column in there) else {}
        found[name] = (there[0].dims, values, attrs)
    coords = {name for table in tables.values() for name in map(str, table.coords)} & found.keys()
    whose = np.repeat(np.array(list(tables), np.str_), rows)
    dataset = xr.Dataset(found, attrs={"left_out": left_out} if left_out else {}).set_coords(sorted(coords))
    return dataset.assign_coords(session=(dim, whose))


def _stacked(columns: Sequence[NDArray[Any] | None], rows: Sequence[int]) -> NDArray[Any]:
    there = [column for column in columns if column is not None]
    dtype = np.result_type(*there)
    if len(there) < len(columns) and dtype.kind in "iub":
        dtype = np.dtype(np.float64)
    empty: Any = "" if dtype.kind == "U" else np.nan
    shape = there[0].shape[1:]
    return np.concatenate(
        [np.full((n, *shape), empty, dtype) if column is None else column.astype(dtype)
         for column, n in zip(columns, rows, strict=True)]
    )  # fmt: skip
