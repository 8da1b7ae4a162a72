"""How windows are cut: the sessions, the chosen trials, and what was asked, decided once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.streams import Streams
    from sensorium_data.windows.asked import Asked
    from sensorium_data.windows.chosen import Chosen
    from sensorium_data.windows.conditions import Condition

__all__ = ["Cut", "stride_of", "training"]


@dataclass(frozen=True, slots=True)
class Cut:
    """Everything that decides which windows there are.

    Attributes
    ----------
    streams : tuple of Streams
        Of each session.
    chosen : tuple of Chosen
        Of each session.
    conditions : tuple of Condition, or None
    asked : Asked
    stride : int or "random", samples
    """

    streams: tuple[Streams, ...]
    chosen: tuple[Chosen, ...]
    conditions: tuple[Condition, ...] | None
    asked: Asked
    stride: int | Literal["random"]


def stride_of(asked: Asked, streams: Sequence[Streams], chosen: Sequence[Chosen]) -> int | Literal["random"]:
    """Return the stride: as asked, else random starts where every chosen trial is for training, else the window."""
    if asked.window is None:
        return 1  # of one start a trial
    if asked.stride is not None:
        return asked.stride
    return "random" if training(streams, chosen) else asked.window


def training(streams: Sequence[Streams], chosen: Sequence[Chosen]) -> bool:
    """Return whether every chosen trial is for training."""
    roles = (each.handle.trials["role"][one.trials] for each, one in zip(streams, chosen, strict=True))
    return all(bool((role == "train").all()) for role in roles)
