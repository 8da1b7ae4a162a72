"""What windows were asked for, checked before any session is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, Literal, TypeAlias

from sensorium_data.errors import near_miss

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensorium_data.windows.faults import Faults

__all__ = ["Asked", "Stride", "Window", "Within", "read_asked", "whole_number"]

Window: TypeAlias = 'int | Literal["trial"]'
Stride: TypeAlias = 'int | Literal["random"] | None'
Within: TypeAlias = Literal["trial", "segment"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Length, placement and requirements of windows.

    Attributes
    ----------
    window : int or None, samples
        None for whole trials.
    stride : int, "random" or None, samples
        None leaves it to the roles of the trials.
    require : tuple of str, or None
        None for every stream but those that are absent on a trial.
    burn_in : int, samples
    within : {"trial", "segment"}
    seed : int
    """

    window: int | None
    stride: int | Literal["random"] | None
    require: tuple[str, ...] | None
    burn_in: int
    within: Within
    seed: int


def read_asked(
    window: Window,
    stride: Stride,
    require: str | Iterable[str] | None,
    burn_in: int,
    within: Within,
    seed: int,
    faults: Faults,
) -> Asked:
    """Return what was asked; what is wrong with it is noted.

    Parameters
    ----------
    window, stride, require, burn_in, within, seed
        As given to `legal_windows`.
    faults : Faults
    """
    length = None if _says(window, "trial") else _counted("window", window, 1, faults, ["trial"])
    step: int | Literal["random"] | None = "random" if _says(stride, "random") else None
    if stride is not None and step is None:
        step = _counted("stride", stride, 1, faults, ["random"])
    if within not in ("trial", "segment"):
        faults.add("bad-within", "within", f"is {within!r}", near_miss(str(within), ["trial", "segment"]))
    if _says(window, "trial") and stride is not None:
        hint = "leave the stride out, or give the window as a number of samples"
        faults.add("bad-stride", "stride", f"is {stride!r}, but whole trials are served once each", hint)
    if _says(window, "trial") and within == "segment":
        hint = "leave `within` out, or give the window as a number of samples"
        faults.add("bad-within", "within", "is 'segment', but whole trials do not go on into others", hint)
    return Asked(
        window=length,
        stride=step,
        require=_names(require, faults),
        burn_in=_counted("burn_in", burn_in, 0, faults) or 0,
        within=within,
        seed=_counted("seed", seed, 0, faults, most=2**128) or 0,
    )


def _says(value: object, word: str) -> bool:
    return isinstance(value, str) and value == word


def whole_number(value: object) -> int | None:
    """Return an integer as one of Python, or None where it is none; True and 2.0 are none."""
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return None
    try:
        return index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def _counted(
    name: str, value: object, least: int, faults: Faults, words: Iterable[str] = (), *, most: int = 2**31 - 1
) -> int | None:
    number = whole_number(value)
    if number is not None and least <= number <= most:
        return number
    size = f"{least} or more" if number is None or number < least else f"at most {most:,}"
    wanted = f"an integer of {size}" + "".join(f', or "{word}"' for word in words)
    hint = near_miss(value, list(words)) if isinstance(value, str) and words else ""
    faults.add(f"bad-{name.replace('_', '-')}", name, f"is {value!r}, expected {wanted}", hint)
    return None


def _names(require: str | Iterable[str] | None, faults: Faults) -> tuple[str, ...] | None:
    if require is None or isinstance(require, str):
        return None if require is None else (require,)
    try:
        names = tuple(dict.fromkeys(require))
    except TypeError:
        names = (None,)  # type: ignore[assignment]
    if all(isinstance(name, str) for name in names):
        return names
    faults.add("bad-require", "require", f"is {require!r}, expected names of streams")
    return None
