"""Which trials of some sessions windows are cut from: those that meet a condition and are in the mask."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import BadArgument, listed, near_miss
from sensorium_data.windows.conditions import check_conditions, column_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.streams import Streams
    from sensorium_data.windows.conditions import Condition, Test
    from sensorium_data.windows.faults import Faults

__all__ = ["Chosen", "check_present", "check_required", "check_sessions", "choose"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The trials of a session that windows are cut from, and what decided.

    Attributes
    ----------
    trials : (trial,) bool
        Never one that is missing.
    meeting : tuple of (trial,) bool
        For each condition the trials that meet it, missing ones and those outside the mask as well; for no condition
        at all the one that every trial meets.
    mask : (trial,) bool, or None
    """

    trials: NDArray[np.bool_]
    meeting: tuple[NDArray[np.bool_], ...]
    mask: NDArray[np.bool_] | None


def check_sessions(streams: Sequence[Streams], faults: Faults) -> None:
    """Note sessions that are there twice.

    Raises
    ------
    BadArgument
        There are none, so nothing else can be said.
    """
    if not streams:
        raise BadArgument("no session is given", hint="name session stores", code="no-sessions")
    places: dict[str, str] = {}
    stores: dict[str, str] = {}
    for each in streams:
        place = os.path.realpath(each.handle.where)
        if place in places:
            faults.add("store-twice", "sessions", f"{each.handle.where} is given twice", "name each store once")
        elif each.key in stores:
            what = f"{stores[each.key]} and {each.handle.where} both hold session `{each.key}`"
            faults.add("key-twice", "sessions", what, "leave one of them out")
        places[place] = stores[each.key] = each.handle.where


def choose(
    streams: Sequence[Streams],
    conditions: Sequence[Condition] | None,
    trials: Mapping[str, ArrayLike] | None,
    faults: Faults,
) -> list[Chosen]:
    """Return the chosen trials of each session; what is wrong with conditions or masks is noted."""
    handles = [each.handle for each in streams]
    check_conditions(conditions or (), handles, faults)
    masks: list[NDArray[np.bool_] | None] = [None] * len(streams)
    if isinstance(trials, Mapping):
        masks = [_mask(each, trials, faults) for each in streams]
    elif trials is not None:
        hint = 'a split gives one: groups.masks(...)["train"]'
        faults.add("bad-mask", "trials", f"is {type(trials).__name__}, expected masks by session key", hint)
    if faults:
        return []
    return [_choose(handle, conditions, mask) for handle, mask in zip(handles, masks, strict=True)]


def _choose(handle: SessionHandle, conditions: Sequence[Condition] | None, mask: NDArray[np.bool_] | None) -> Chosen:
    n = len(handle.trials["trial_id"])
    meeting = tuple(_meeting(handle, condition, n) for condition in ([()] if conditions is None else conditions))
    found = ~handle.trials["missing"].astype(np.bool_) & np.logical_or.reduce(meeting)
    return Chosen(found if mask is None else found & mask, meeting, mask)


def _meeting(handle: SessionHandle, condition: Condition, n: int) -> NDArray[np.bool_]:
    found = np.ones(n, np.bool_)
    for test in condition:
        found &= _holds(handle, test, n)
    return found


def _holds(handle: SessionHandle, test: Test, n: int) -> NDArray[np.bool_]:
    values = column_of(handle, test.column)
    return np.zeros(n, np.bool_) if values is None else test.holds(values)


def _mask(streams: Streams, trials: Mapping[str, ArrayLike], faults: Faults) -> NDArray[np.bool_] | None:
    n, where = len(streams.handle.trials["trial_id"]), f"trials[{streams.key!r}]"
    if streams.key not in trials:
        hint = near_miss(streams.key, [str(key) for key in trials]) if trials else ""
        faults.add("no-such-session", "trials", f"has no mask for session `{streams.key}`", hint, unknown=True)
        return None
    mask: NDArray[Any] = np.asarray(trials[streams.key])
    if mask.dtype != np.bool_ or mask.shape != (n,):
        what = (
            f"is {mask.dtype} of shape {mask.shape}, expected bool of shape ({n},), one for each row of the trial table"
        )
        faults.add("bad-mask", where, what)
        return None
    return mask


# -- required streams


def check_required(streams: Sequence[Streams], require: Sequence[str] | None, faults: Faults) -> None:
    """Note required streams that a session does not have."""
    served = sorted({name for each in streams for name in each})
    for name in require or ():
        lacking = [each.key for each in streams if name not in each]
        if len(lacking) == len(streams):
            faults.add("no-such-stream", "require", f"no stream `{name}`", near_miss(name, served), unknown=True)
        elif lacking:
            what = f"stream `{name}` is not in {listed(lacking)}"
            hint = "leave these sessions out, or do not require it: then it is required where it is there"
            faults.add("stream-missing", "require", what, hint)


def check_present(
    streams: Sequence[Streams], chosen: Sequence[Chosen], require: Sequence[str] | None, faults: Faults
) -> None:
    """Note required streams that no chosen trial has."""
    for name in require or ():
        if any((one.trials & ~each[name].absent).any() for each, one in zip(streams, chosen, strict=True)):
            continue
        withheld = any(_withheld(each, one, name) for each, one in zip(streams, chosen, strict=True))
        what = f"stream `{name}` is {'withheld' if withheld else 'absent'} in every chosen trial"
        hint = "leave `require` out: what is withheld is then served as NaN, with mask False"
        faults.add("stream-absent", "require", what, hint)


def _withheld(streams: Streams, chosen: Chosen, name: str) -> bool:
    return name == "responses" and bool((chosen.trials & streams.handle.trials["responses_withheld"]).any())
