"""Which dims an array of shipped statistics has: those of a trial of its stream, or of its channels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.sources.base import RawStatistic

__all__ = ["fitting", "one_length", "without_ones"]


def one_length(found: Sequence[tuple[RawStatistic, tuple[int, ...]]]) -> tuple[RawStatistic, ...]:
    """Give arrays of another number of frames than their folder's first a dim of their own; one dim has one length."""
    lengths: dict[str, int] = {}
    statistics = []
    for statistic, shape in found:
        folder = statistic.path.rpartition("/")[0]
        if statistic.framed and lengths.setdefault(folder, shape[-1]) != shape[-1]:
            statistic = replace(statistic, dims=(f"frame_{statistic.measure}", *statistic.dims[1:]))
        statistics.append(statistic)
    return tuple(statistics)


def fitting(shape: tuple[int, ...], dims: tuple[str, ...], expected: tuple[int, ...]) -> tuple[str, ...] | None:
    """Return dims with time first, for a full-shape or per-channel array; None for any other shape."""
    if not all(want in (0, have) for have, want in zip(shape, expected, strict=False)):
        return None
    timed = dims[-1:] == ("time",)
    if timed and len(shape) == len(dims):
        return ("frame", *dims[:-1])
    channels = len(shape) == 1 and dims[:1] == ("channel",)
    return dims[: len(shape)] if channels or len(shape) == len(dims) - timed else None


def without_ones(dims: tuple[str, ...], shape: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return dims and shape without the axes of one."""
    kept = [(dim, n) for dim, n in zip(dims, shape, strict=True) if n != 1]
    return tuple(dim for dim, _ in kept), tuple(n for _, n in kept)
