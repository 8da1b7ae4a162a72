"""Where a loader stands: an epoch, and the global batches consumed in it; to be resumed on any number of ranks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from typing import TYPE_CHECKING, cast

from sensorium_data.errors import BadArgument, Problem, counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from sensorium_data.loaders.ranks import Share

__all__ = ["VERSION", "LoaderState", "digest"]

VERSION = 1
KINDS = {"b": "<i8", "i": "<i8", "u": "<i8", "f": "<f8"}
CODE = "state-mismatch"
PLACE = ("epoch", "n_consumed")  # what a state may differ in


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderState:
    """A place in the sequence of batches, and what this sequence follows from.

    Parameters
    ----------
    epoch : int
    n_consumed : int
        Global batches of this epoch that all ranks together have consumed.
    seed, batch_size : int
    order : str
    shuffle, drop_last : bool
    clips_per_block : int
        1 in states of before there were blocks.
    fingerprint : mapping of str to str
        Digest of each thing that the batches rest on: the data set, its windows, the layout (see `digest`).

    Examples
    --------
    >>> state = LoaderState(seed=0, batch_size=8, order="mixed", shuffle=True, drop_last=False, fingerprint={"data": "1f"})
    >>> saved = {**state.state_dict(), "n_consumed": 12}
    >>> state.resumed(saved).n_consumed
    12
    """

    epoch: int = 0
    n_consumed: int = 0
    seed: int
    batch_size: int
    order: str
    shuffle: bool
    drop_last: bool
    clips_per_block: int = 1
    fingerprint: Mapping[str, str]

    def state_dict(self) -> dict[str, object]:
        """Return the state as plain numbers, text and one dict, for `torch.save` or JSON."""
        return {"version": VERSION, **_plain(self)}

    def after(self, share: Share, n_steps: int) -> LoaderState:
        """Return the state after some steps of a share of this epoch; after the last one, the next epoch begins.

        Parameters
        ----------
        share : Share
        n_steps : int
        """
        if n_steps >= len(share):
            return replace(self, epoch=self.epoch + 1, n_consumed=0)
        return replace(self, n_consumed=share.consumed(n_steps))

    def resumed(self, saved: Mapping[str, object]) -> LoaderState:
        """Return this state at the place of a saved one.

        Parameters
        ----------
        saved : mapping
            What `state_dict` returned, on whatever number of ranks.

        Raises
        ------
        BadArgument
            It is no state, or that of another data set, layout, seed, order or batch size; names all differences.
        """
        saved = {"clips_per_block": 1, **saved}
        problems = _shape_problems(saved, self) or _differences(saved, self)
        if problems:
            raise BadArgument(
                f"the saved state does not fit this loader: {counted(len(problems), 'difference')}",
                hint="make the loader as it was when the state was saved, or begin without the state",
                problems=problems,
                code=CODE,
            )
        return replace(self, epoch=cast("int", saved["epoch"]), n_consumed=cast("int", saved["n_consumed"]))


def digest(*values: str | int | NDArray[np.generic]) -> str:
    """Return the fingerprint of some values: equal for equal values, on every machine.

    Parameters
    ----------
    *values : str, int or array
        Arrays of numbers: kind, shape and values count, not how many bytes hold a number.

    Returns
    -------
    str
        16 hexadecimal digits.

    Raises
    ------
    BadArgument
        An array of something else than numbers.

    Examples
    --------
    >>> import numpy as np
    >>> digest("train", np.array([1, 2])) == digest("train", np.array([1, 2], np.uint8))
    True
    >>> digest("a", "b") == digest("ab")
    False
    """
    found = sha256()
    for value in values:
        head, data = _bytes(value)
        # Lengths first: two values cannot be read as one.
        found.update(f"{head} {len(data)}\n".encode())
        found.update(data)
    return found.hexdigest()[:16]


def _bytes(value: str | int | NDArray[np.generic]) -> tuple[str, bytes]:
    if isinstance(value, str | int):
        return type(value).__name__, str(value).encode()
    if value.dtype.kind not in KINDS:
        raise BadArgument(f"an array of {value.dtype} has no fingerprint, expected numbers")
    return f"{KINDS[value.dtype.kind]} {value.shape}", value.astype(KINDS[value.dtype.kind]).tobytes()


def _plain(state: LoaderState) -> dict[str, object]:
    return asdict(replace(state, fingerprint=dict(state.fingerprint)))


def _shape_problems(saved: Mapping[str, object], own: LoaderState) -> list[Problem]:
    """Return what makes it no state that this release can read."""
    if (version := saved.get("version")) != VERSION:
        return [Problem(CODE, "version", f"{version!r} in the state, this release reads {VERSION}")]
    names = [field.name for field in fields(own)]
    problems = [Problem(CODE, name, "missing from the state") for name in names if name not in saved]
    for name in PLACE:
        place = saved.get(name, 0)
        if not isinstance(place, int) or place < 0:
            problems.append(Problem(CODE, name, f"{place!r} in the state, expected an integer of 0 or more"))
    return problems


def _differences(saved: Mapping[str, object], own: LoaderState) -> list[Problem]:
    theirs, ours = _flat(saved), _flat(_plain(own))
    names = [*ours, *(name for name in theirs if name not in ours)]
    return [
        Problem(CODE, name, f"{theirs.get(name, 'nothing')!s} in the state, {ours.get(name, 'nothing')!s} here")
        for name in names
        if theirs.get(name) != ours.get(name)
    ]


def _flat(state: Mapping[str, object]) -> dict[str, object]:
    """Return what must agree, the parts of the fingerprint each under its own name."""
    flat = {name: value for name, value in state.items() if name not in (*PLACE, "version", "fingerprint")}
    fingerprint = state["fingerprint"]
    parts = fingerprint.items() if isinstance(fingerprint, dict) else [("", fingerprint)]
    return flat | {f"fingerprint.{name}": value for name, value in parts}
