"""Which neurons are meant: positions, unit ids, areas, depths and masks become rows of the neuron table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sensorium_data.errors import BadArgument, NoSuchItem, counted, listed, near_miss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Names", "Neurons", "Wanted", "chosen_rows", "depth_column", "names_of"]

Neurons: TypeAlias = "int | slice | ArrayLike"
Names: TypeAlias = "str | Iterable[str]"
Columns: TypeAlias = "Mapping[str, NDArray[Any]]"
NEAR = 2  # unit ids that a hint names on each side of one that is not there


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """What neurons were asked for; what is None was not. Neurons must fit all of it.

    Attributes
    ----------
    neurons : int, slice or (selected,) int, optional
        Positions in the table; negative ones count from its end.
    unit_ids : (selected,) int, optional
        Published numbers.
    area, layer : str or iterable of str, optional
    depth : (float, float), micrometres, optional
        From the first to below the second.
    mask : (neuron,) bool, optional
    """

    neurons: Neurons | None = None
    unit_ids: ArrayLike | None = None
    area: Names | None = None
    depth: tuple[float | None, float | None] | slice | None = None
    layer: Names | None = None
    mask: ArrayLike | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in self.__dataclass_fields__)


def chosen_rows(columns: Columns, wanted: Wanted, where: str) -> NDArray[np.int64]:
    """Return the rows of a neuron table that were asked for, (selected,) int64.

    They come in the order of ``neurons`` or ``unit_ids`` where one of them was given, else in that of the table.

    Parameters
    ----------
    columns : mapping of str to (neuron, …) array
    wanted : Wanted
    where : str
        What errors call the session.

    Raises
    ------
    BadArgument
        A criterion makes no sense, both ``neurons`` and ``unit_ids`` are given, or no neuron fits all criteria.
    NoSuchItem
        A unit id, area, layer or column that is not there.

    Examples
    --------
    >>> table = {"unit_id": np.array([3, 5, 9]), "area": np.array(["V1", "LM", "V1"])}
    >>> chosen_rows(table, Wanted(area="V1"), "mouse")
    array([0, 2])
    >>> chosen_rows(table, Wanted(unit_ids=[9, 5]), "mouse")
    array([2, 1])
    """
    if wanted.neurons is not None and wanted.unit_ids is not None:
        what = f"{where}: neurons and unit_ids both name neurons, and an order to have them in"
        raise BadArgument(what, hint="give one of them", code="two-orders")
    n = len(columns["unit_id"])
    rows, said = np.arange(n), list[str]()
    for name, criterion in CRITERIA.items():
        if (value := getattr(wanted, name)) is None:
            continue
        found = criterion(columns, value, where)
        # The first that is given orders; of neurons and unit_ids, which come first, only one is.
        rows = found if found.dtype != np.bool_ else rows[found[rows]]
        said.append(f"{name} {'leaves' if said else 'keeps'} {len(rows):,}")
        if not len(rows):
            what = f"{where}: no neuron is selected: of {n:,}, {', '.join(said)}"
            raise BadArgument(what, hint=_nearest(columns, name), code="nothing-selected")
    return rows.astype(np.int64)


def depth_column(columns: Columns) -> str | None:
    """Return the column that says how deep neurons lie: `depth`, else `z`, the coordinate along depth; None without."""
    return next((name for name in ("depth", "z") if name in columns), None)


def _positions(columns: Columns, value: Neurons, where: str) -> NDArray[np.int64]:
    n = len(columns["unit_id"])
    if isinstance(value, slice):
        return np.arange(n)[value]
    places = _whole("neurons", value, where)
    outside = places[(places < -n) | (places >= n)]
    if len(outside):
        what = f"{where}: neurons {listed(outside.tolist())} outside {counted(n, 'neuron')}"
        raise BadArgument(
            what, hint=f"positions are 0 to {n - 1}; unit_ids takes published numbers", code="no-such-neuron"
        )
    return _once("neurons", np.where(places < 0, places + n, places), where)


def _published(columns: Columns, value: ArrayLike, where: str) -> NDArray[np.int64]:
    ids = columns["unit_id"]
    asked = _once("unit_ids", _whole("unit_ids", value, where), where)
    order = np.argsort(ids, kind="stable")
    place = np.searchsorted(ids, asked, sorter=order)
    there = order[np.minimum(place, len(ids) - 1)] if len(ids) else np.zeros(len(asked), np.int64)
    unknown = np.flatnonzero(ids[there] != asked) if len(ids) else np.arange(len(asked))
    if len(unknown):
        first = int(place[unknown[0]])
        near = ids[order[max(0, first - NEAR) : first + NEAR]].tolist()
        what = f"{where}: no neuron has unit id {listed(asked[unknown].tolist())} ({len(unknown):,} of {len(asked):,})"
        hint = f"near {asked[unknown[0]]} there are {listed(near)}" if near else "it has no neurons"
        raise NoSuchItem(what, hint=f"{hint}; `session.neurons.unit_id` lists them", code="no-such-neuron")
    return there.astype(np.int64)


def _whole(name: str, value: object, where: str) -> NDArray[np.int64]:
    found = _array(list(value) if isinstance(value, set | frozenset) else value, name, where)
    if found.dtype == np.bool_:
        hint = "`mask` takes true and false for each neuron"
        raise BadArgument(f"{where}: {name} are true and false, expected integers", hint=hint, code="bad-selection")
    if not found.size and found.ndim == 1:
        return np.zeros(0, np.int64)
    if found.dtype.kind not in "iu" or found.ndim > 1:
        what = f"{where}: {name} are {found.dtype} of shape {found.shape}, expected a list of integers"
        raise BadArgument(what, code="bad-selection")
    return np.atleast_1d(found).astype(np.int64)


def _array(value: object, name: str, where: str) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError:
        raise BadArgument(f"{where}: {name} has rows of differing length", code="bad-selection") from None


def _once(name: str, values: NDArray[np.int64], where: str) -> NDArray[np.int64]:
    distinct, times = np.unique(values, return_counts=True)
    if len(twice := distinct[times > 1]):
        raise BadArgument(f"{where}: {name} name {listed(twice.tolist())} more than once", code="bad-selection")
    return values


def _named(column: str) -> Callable[[Columns, Names, str], NDArray[np.bool_]]:
    def criterion(columns: Columns, value: Names, where: str) -> NDArray[np.bool_]:
        if column not in columns:
            raise _no_column(columns, f"`{column}`", where)
        names = names_of(value, column, where)
        known = np.unique(columns[column]).tolist()
        if unknown := [name for name in names if name not in known]:
            what = f"{where}: no neuron has {column} {listed([f'`{name}`' for name in unknown])}"
            raise NoSuchItem(what, hint=near_miss(str(unknown[0]), known), code=f"no-such-{column}")
        return np.isin(columns[column], np.array(names, columns[column].dtype))

    return criterion


def names_of(value: Names, what: str, where: str) -> list[str]:
    """Return one name or several as a list.

    Raises
    ------
    BadArgument
        It is neither.
    """
    if isinstance(value, str):
        return [value]
    names: list[Any] = list(value) if hasattr(value, "__iter__") else [value]
    if not all(isinstance(name, str) for name in names):
        raise BadArgument(f"{where}: {what} is {value!r}, expected a name or several", code="bad-selection")
    return names


def _deep(columns: Columns, value: Any, where: str) -> NDArray[np.bool_]:  # noqa: ANN401  # whatever was given
    if (column := depth_column(columns)) is None:
        raise _no_column(columns, "`depth` or `z`", where)
    if isinstance(value, slice) and value.step is None:
        value = (value.start, value.stop)
    if isinstance(value, tuple | list) and len(value) == 2:  # an open end is as far as it goes
        value = (-np.inf if value[0] is None else value[0], np.inf if value[1] is None else value[1])
    ends = _array(value, "depth", where)
    if ends.shape != (2,) or ends.dtype.kind not in "iuf" or not ends[0] < ends[1]:
        what = f"{where}: depth is {value!r}, expected (from, to) in micrometres, the first below the second"
        raise BadArgument(what, hint="(150, 250); None leaves an end open", code="bad-selection")
    inside: NDArray[np.bool_] = (columns[column] >= ends[0]) & (columns[column] < ends[1])
    return inside


def _masked(columns: Columns, value: ArrayLike, where: str) -> NDArray[np.bool_]:
    mask, n = _array(value, "mask", where), len(columns["unit_id"])
    if mask.dtype != np.bool_ or mask.shape != (n,):
        what = f"{where}: mask is {mask.dtype} of shape {mask.shape}, expected bool of shape ({n},)"
        raise BadArgument(what, hint="one true or false for each neuron of `session.neurons`", code="bad-selection")
    return mask


# In this order; the first two give one.
CRITERIA: dict[str, Callable[[Columns, Any, str], NDArray[Any]]] = {
    "neurons": _positions,
    "unit_ids": _published,
    "area": _named("area"),
    "layer": _named("layer"),
    "depth": _deep,
    "mask": _masked,
}


def _no_column(columns: Columns, names: str, where: str) -> NoSuchItem:
    what = f"{where}: its neuron table has no column {names}"
    hint = f"it has {listed(list(columns), most=20)}; `mask` takes any condition"
    return NoSuchItem(what, hint=hint, code="no-such-column")


def _nearest(columns: Columns, name: str) -> str:
    """Return a hint for a criterion that no neuron fits."""
    column = depth_column(columns)
    if name != "depth" or column is None or not len(columns[column]) or not np.isfinite(columns[column]).any():
        return "`session.neurons` lists what there is"
    return f"`{column}` goes from {np.nanmin(columns[column]):g} to {np.nanmax(columns[column]):g} um"
