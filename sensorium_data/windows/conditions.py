"""Conditions on the trial table: which trials are meant, said by tier or by any of their columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sensorium_data.errors import listed, near_miss
from sensorium_data.sharing import tier_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.windows.faults import Faults

__all__ = ["Condition", "Test", "Tier", "check_conditions", "column_of", "columns_of", "read_conditions"]

Tier: TypeAlias = "str | Mapping[str, object] | Iterable[str | Mapping[str, object]] | None"
Scalar: TypeAlias = "str | bool | int | float"
SHOWN = 6  # values that a description names


@dataclass(frozen=True, slots=True)
class Test:
    """What one column must be.

    Attributes
    ----------
    column : str
    wanted : tuple of values, range or slice
        One of the values, one of the integers, or half-open from start to below stop.
    """

    __test__ = False  # not one of pytest's

    column: str
    wanted: tuple[Scalar, ...] | range | slice

    @property
    def text(self) -> bool:
        """True where text is wanted."""
        return isinstance(self.wanted, tuple) and any(isinstance(value, str) for value in self.wanted)

    def holds(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where a column is as wanted, (trial,) bool."""
        if is_text(values) != self.text:
            return np.zeros(len(values), np.bool_)
        if isinstance(self.wanted, slice):
            found = np.ones(len(values), np.bool_)
            if self.wanted.start is not None:
                found &= values >= self.wanted.start
            if self.wanted.stop is not None:
                found &= values < self.wanted.stop
            return found
        if isinstance(self.wanted, range):
            return _within(values, self.wanted)
        if len(self.wanted) == 1:  # the usual case, and ten times as quick
            return np.asarray(values == self.wanted[0])
        return np.isin(values, np.array(self.wanted))

    def __str__(self) -> str:
        return f"{self.column} {self.wanted_text}"

    @property
    def wanted_text(self) -> str:
        """What is wanted, for people."""
        if isinstance(self.wanted, slice):
            start, stop = self.wanted.start, self.wanted.stop
            ends = ([f"from {start} on"] if start is not None else []) + ([f"below {stop}"] if stop is not None else [])
            return ", ".join(ends) or "any number"
        if isinstance(self.wanted, range):
            return f"in {self.wanted}"
        said = [f"`{value}`" if isinstance(value, str) else str(value) for value in self.wanted]
        return listed(said, SHOWN, " or ") or "one of none"


Condition: TypeAlias = tuple[Test, ...]  # all of them hold


def is_text(values: NDArray[Any]) -> bool:
    """True for a column of text."""
    return values.dtype.kind in "UTO"


def _within(values: NDArray[Any], wanted: range) -> NDArray[np.bool_]:
    ascending = wanted if wanted.step > 0 else wanted[::-1]
    if not len(ascending):
        return np.zeros(len(values), np.bool_)
    inside = (values >= ascending[0]) & (values <= ascending[-1])
    wide = values[inside].astype(np.float64 if values.dtype.kind == "f" else np.int64)  # int8 cannot take 1000 away
    inside[inside] = (wide - ascending[0]) % ascending.step == 0
    return inside


# -- reading what was asked


def read_conditions(tier: Tier, faults: Faults) -> tuple[Condition, ...] | None:
    """Return what was asked as conditions of which one must hold, or None for every trial.

    Parameters
    ----------
    tier : str, mapping, iterable of either, or None
    faults : Faults
        Gets what is wrong.
    """
    if tier is None:
        return None
    if not isinstance(tier, Iterable):
        faults.add("bad-tier", "tier", f"{tier!r} is no name of a tier and no condition", "tier=None means every trial")
        return ()
    several = [tier] if isinstance(tier, (str, Mapping)) else list(tier)
    if not several:
        faults.add("bad-tier", "tier", "is empty, so it chooses no trial", "tier=None means every trial")
    return tuple(_read_condition(one, faults) for one in several)


def _read_condition(one: object, faults: Faults) -> Condition:
    if isinstance(one, str):
        return (Test("tier", (str(one),)),)
    if not isinstance(one, Mapping):
        hint = 'a condition is a mapping of column to value, as {"tier": "train", "label": "NaturalVideo"}'
        faults.add("bad-tier", "tier", f"{one!r} is no name of a tier and no condition", hint)
        return ()
    tests = (_read_test(column, value, faults) for column, value in one.items())
    return tuple(test for test in tests if test is not None)


def _read_test(column: object, value: object, faults: Faults) -> Test | None:
    where = f"tier: column `{column}`"
    if not isinstance(column, str):
        faults.add("no-such-column", where, "is no name of a column")
        return None
    if isinstance(value, slice):
        ends = (value.start, value.stop)
        if value.step is not None or any(
            isinstance(end, str) or not _is_scalar(end) for end in ends if end is not None
        ):
            hint = "slice(5, 90) is from 5 to below 90; for steps take a range"
            faults.add("bad-condition", where, f"{value} is no half-open run of numbers", hint)
            return None
        return Test(column, slice(*(None if end is None else _plain(end) for end in ends)))
    if isinstance(value, range):
        return Test(column, value)
    values = _several(value)
    if values is None or len({isinstance(each, str) for each in values}) > 1:
        hint = "give a value, a list of values, a range, or a slice"
        faults.add("bad-condition", where, f"{value!r} is nothing to compare it with", hint)
        return None
    return Test(column, values)


def _is_scalar(value: object) -> bool:
    return isinstance(value, (str, bool, int, float, np.bool_, np.integer, np.floating))


def _plain(value: Any) -> Scalar:  # noqa: ANN401  # of numpy or of Python
    plain: Scalar = value.item() if isinstance(value, np.generic) else value
    return plain


def _several(value: object) -> tuple[Scalar, ...] | None:
    """Return the values that were given, or None where there are other things among them."""
    value = _item(value)
    several = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    plain = [_item(each) for each in several]
    if isinstance(value, (Mapping, bytes)) or not all(_is_scalar(each) for each in plain):
        return None
    return tuple(sorted(plain, key=str)) if isinstance(value, (set, frozenset)) else tuple(plain)


def _item(value: Any) -> Any:  # noqa: ANN401  # whatever was given
    """Return what an array without axes holds, of numpy or xarray, or the value itself."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


# -- the columns of a session


def _label(handle: SessionHandle) -> NDArray[Any]:
    labels: NDArray[Any] = np.append(handle.stimuli["label"].astype(np.str_), "")  # the last is what -1 means
    return np.asarray(labels[handle.trials["variant"]])


def _start_s(handle: SessionHandle) -> NDArray[Any]:
    return handle.grid.times_s(handle.trials["start"])


def _stop_s(handle: SessionHandle) -> NDArray[Any]:
    return handle.grid.times_s(handle.trials["stop"])


_DERIVED = {"label": _label, "start_s": _start_s, "stop_s": _stop_s}


def columns_of(handle: SessionHandle) -> list[str]:
    """Return the names of what trials of a session can be chosen by."""
    return sorted({*handle.trials, *_DERIVED})


def column_of(handle: SessionHandle, name: str) -> NDArray[Any] | None:
    """Return a column of the trial table, (trial,), or None where the session has none of that name.

    `label` is that of the film or image that a trial shows, `start_s` and `stop_s` are in seconds; columns that a table
    has itself come first.
    """
    if name in handle.trials:
        return handle.trials[name]
    return _DERIVED[name](handle) if name in _DERIVED else None


def check_conditions(conditions: Sequence[Condition], handles: Sequence[SessionHandle], faults: Faults) -> None:
    """Note columns and values that no session has."""
    for test in {str(test): test for condition in conditions for test in condition}.values():
        found = [values for handle in handles if (values := column_of(handle, test.column)) is not None]
        where = f"tier: column `{test.column}`"
        if not found:
            known = sorted({name for handle in handles for name in columns_of(handle)})
            what = f"no trial table has a column `{test.column}`"
            faults.add("no-such-column", "tier", what, near_miss(test.column, known), unknown=True)
        elif any(values.ndim != 1 for values in found):
            faults.add("bad-condition", where, "has several values a trial; conditions compare one")
        elif not any(is_text(values) == test.text for values in found):
            holds = "text" if is_text(found[0]) else "numbers"
            faults.add("bad-condition", where, f"holds {holds}, and cannot be {test.wanted_text}")
        elif test.text:
            _check_text(test, found, faults)


def _check_text(test: Test, found: Sequence[NDArray[Any]], faults: Faults) -> None:
    known = {str(value) for values in found if is_text(values) for value in np.unique(values)}
    for value in dict.fromkeys(test.wanted if isinstance(test.wanted, tuple) else ()):
        if value not in known:
            hint = near_miss(str(value), sorted(known, key=tier_rank))
            code = f"no-such-{test.column.replace('_', '-')}"
            faults.add(code, "tier", f"no trial has {test.column} `{value}`", hint, unknown=True)
