"""Tables of one's own: columns of any origin (lists, numpy, pandas, xarray) become arrays that a store can hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import Problem
from sensorium_data.masked import MASKED, is_masked
from sensorium_data.sources import RawColumn
from sensorium_data.writing.unicode import NO_UNICODE, is_unicode, rows_without_unicode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

__all__ = ["as_columns", "as_raw", "neuron_columns"]

# Columns of neurons that the store knows, the kinds of numpy dtype they may have, and their unit.
KNOWN = {
    "unit_id": ("iu", None),
    "x": ("fiu", "um"),
    "y": ("fiu", "um"),
    "z": ("fiu", "um"),
    "depth": ("fiu", "um"),
    "area": ("U", None),
    "layer": ("U", None),
}
# A column is a folder of the store: no way out of it, nothing hidden, and none of the names that Zarr keeps for itself.
NAME = re.compile(r"(?!\.|__|zarr\.json$)[^/\\\x00-\x1f]+")
BYTES = 255  # of a name, as file systems have it


def as_columns(
    table: Mapping[str, Any] | None, where: str, problems: list[Problem], *, allow_nan: bool = False
) -> dict[str, NDArray[Any]]:
    """Return the columns of a table, all of one length; what cannot be stored becomes a problem.

    Parameters
    ----------
    table : mapping of str to array-like, optional
        A dict, a pandas DataFrame, an xarray Dataset.
    where : str
        What the table is called in problems.
    problems : list of Problem
        Gets what is wrong.
    allow_nan : bool
        Let infinity through; NaN says that nothing is known, and always may.
    """
    columns: dict[str, NDArray[Any]] = {}
    for given, values in _items(table, where, problems):
        name, at = str(given), f"{where}.{given}"
        if (what := "is given twice" if name in columns else _unfit_name(name)) is not None:
            problems.append(Problem("column-name", at, what))
        elif (column := _column(values, at, problems)) is not None:
            columns[name] = column
            if not allow_nan and column.dtype.kind == "f" and (n := int(np.isinf(column).sum())):
                problems.append(Problem("infinite", at, f"holds {n} infinite values; allow_nan=True lets them in"))
    axes = {dim: name for name, column in columns.items() for dim in _axes(name, column.ndim)}
    for name in axes.keys() & columns.keys():
        what = f"is called as the second axis of `{axes[name]}` will be; call it otherwise"
        problems.append(Problem("column-name", f"{where}.{name}", what))
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {n:,}" for name, n in lengths.items())
        problems.append(Problem("length-mismatch", where, f"has columns of differing length: {said}"))
        return {}
    return columns


def _unfit_name(name: str) -> str | None:
    """Return why a column cannot be called so, if it cannot."""
    if not is_unicode(name):
        return f"has a name with {NO_UNICODE}"
    if len(name.encode()) > BYTES:
        return f"has a name of {len(name.encode())} bytes, a folder's has at most {BYTES}"
    return None if NAME.fullmatch(name) else "has no name that a folder can have"


def _items(table: Mapping[str, Any] | None, where: str, problems: list[Problem]) -> Iterable[tuple[Any, Any]]:
    if table is None:
        return ()
    mapping = getattr(table, "variables", table)  # of xarray: coordinates too
    if not hasattr(mapping, "items"):
        what = f"are {type(table).__name__}, expected columns by name: a dict, a pandas DataFrame"
        problems.append(Problem("no-table", where, what))
        return ()
    return [(name, values) for name, values in mapping.items() if values is not None]


def _column(values: object, where: str, problems: list[Problem]) -> NDArray[Any] | None:
    if is_masked(values):
        problems.append(Problem("masked-array", where, f"is {MASKED}"))
        return None
    try:
        column = _as_array(values)
    except ValueError:  # lists of differing length
        problems.append(Problem("object-dtype", where, "has rows of differing shape"))
        return None
    if column.dtype.kind not in "fiubU" or (column.dtype.kind != "U" and column.dtype.itemsize > 8):
        problems.append(Problem("object-dtype", where, f"{_holds(column)}, expected numbers, bool or text"))
        return None
    if column.ndim == 0:
        problems.append(Problem("length-mismatch", where, "is one value, expected one a row"))
        return None
    if column.dtype.kind == "U" and len(wrong := rows_without_unicode(column)):
        problems.append(Problem("text", where, f"holds {NO_UNICODE}, in {len(wrong)} rows, the first {wrong[0]}"))
        return None
    return column


def _as_array(values: object) -> NDArray[Any]:
    column = np.asarray(values)
    if column.dtype.kind == "T" or (column.dtype.kind == "O" and all(isinstance(v, str) for v in column.flat)):
        column = column.astype(np.str_)  # how numpy and pandas keep text
    if not column.size and column.ndim == 1 and not hasattr(values, "dtype"):
        column = column.astype(np.int64)  # an empty list is of no kind
    return column


def _holds(column: NDArray[Any]) -> str:
    if column.dtype.kind != "O":
        return f"holds {column.dtype}"
    kinds = sorted({type(value).__name__ for value in column.flat})
    text = "; missing text is written ''" if "str" in kinds else ""
    return f"holds Python objects ({', '.join(kinds)}{text})"


def as_raw(name: str, values: NDArray[Any], row: str, unit: str | None = None) -> RawColumn:
    """Return a column as the store takes it; every axis but the first gets a name from the column's.

    Parameters
    ----------
    name : str
        Of the column.
    values : (row, …) array
    row : str
        What a row is: `neuron` or `trial`.
    unit : str, optional
    """
    return RawColumn(values, (row, *_axes(name, values.ndim)), f"{row}s.{name}", unit)


def _axes(name: str, n_axes: int) -> tuple[str, ...]:
    return tuple(f"{name}_axis_{axis}" for axis in range(1, n_axes))


def neuron_columns(
    table: Mapping[str, Any] | None, n_neurons: int | None, problems: list[Problem], *, allow_nan: bool = False
) -> tuple[dict[str, RawColumn], int]:
    """Return the columns of the neuron table and how many neurons there are.

    Parameters
    ----------
    table : mapping, optional
        Without a `unit_id` neurons are numbered from 0.
    n_neurons : int, optional
        Columns of the signals that are neurons.
    problems : list of Problem
        Gets what is wrong.
    allow_nan : bool
        Let infinity through.
    """
    columns = as_columns(table, "neurons", problems, allow_nan=allow_nan)
    if "neuron" in columns:  # a coordinate of that name has one axis, and numbers the rows
        problems.append(Problem("column-name", "neurons.neuron", "is a name of the store's own; call it otherwise"))
    n_rows = len(next(iter(columns.values()))) if columns else n_neurons or 0
    if n_neurons is not None and n_rows != n_neurons:
        what = f"has {n_rows:,} rows, the signals have {n_neurons:,} neurons"
        problems.append(Problem("length-mismatch", "neurons", what))
    columns = {"unit_id": columns.pop("unit_id", np.arange(n_rows)), **columns}
    found = {}
    for name, values in columns.items():
        kinds, unit = KNOWN.get(name, ("fiubU", None))
        if values.dtype.kind not in kinds or (name in KNOWN and values.ndim != 1):
            expected = {"iu": "whole numbers", "U": "text"}.get(kinds, "numbers")
            what = f"holds {values.dtype} of shape {values.shape}, expected {expected}, one a neuron"
            problems.append(Problem("column-type", f"neurons.{name}", what))
        found[name] = as_raw(name, values, "neuron", unit)
    ids, counts = np.unique(columns["unit_id"], return_counts=True)
    if (counts > 1).any():
        what = f"names {int((counts > 1).sum())} units more than once: {ids[counts > 1][:5].tolist()}"
        problems.append(Problem("duplicate-unit-id", "neurons.unit_id", what))
    return found, n_rows
