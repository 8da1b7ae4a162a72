"""Runs of trials that a window may go through: one trial, or trials that follow each other without a gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.grid import NANOSECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sensorium_data.streams import Streams

__all__ = ["Runs", "runs_of"]


@dataclass(frozen=True, slots=True)
class Runs:
    """Chosen trials in order of presentation, cut into runs.

    Frames are those of each trial's own clock. Where trials last no whole number of frames, that of the next trial is
    shifted by a part of a frame; a window keeps to the clock of the trial that it begins in.

    Attributes
    ----------
    rows : (k,) int64
        Of the trial table.
    run : (k,) int64
        Number of the run; ascending.
    before : (k,) int64, frames
        Of the run, before the trial.
    n_frames : (k,) int64, frames
    left : (k,) int64, frames
        That the trial's clock counts from its start to the end of the run.
    joined : (k,) bool
        The trial's clock goes on exactly as that of the trial before it in the run; True for the first.
    """

    rows: NDArray[np.int64]
    run: NDArray[np.int64]
    before: NDArray[np.int64]
    n_frames: NDArray[np.int64]
    left: NDArray[np.int64]
    joined: NDArray[np.bool_]


def runs_of(
    streams: Streams, chosen: NDArray[np.bool_], needed: Mapping[str, NDArray[np.bool_]], *, through: bool
) -> Runs:
    """Return the runs of the chosen trials.

    Parameters
    ----------
    streams : Streams
    chosen : (trial,) bool
    needed : mapping of str to (trial,) bool
        Where each stream is required: a run requires the same streams throughout.
    through : bool
        Runs of contiguous trials of one tier; else each trial is a run.
    """
    table = streams.handle.trials
    place = np.argsort(np.argsort(table["order"], kind="stable"))
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(place[rows])]
    n_frames = streams.n_frames[rows]
    k = len(rows)
    if not through:
        return Runs(rows, np.arange(k), np.zeros(k, np.int64), n_frames, n_frames, np.ones(k, np.bool_))
    goes_on = np.zeros(k, np.bool_)
    one, other = rows[:-1], rows[1:]
    goes_on[1:] = (place[other] - place[one] == 1) & (table["stop"][one] == table["start"][other])
    goes_on[1:] &= (table["segment"][one] == table["segment"][other]) & (table["tier"][one] == table["tier"][other])
    for need in needed.values():
        goes_on[1:] &= need[one] == need[other]
    run = np.cumsum(~goes_on) - 1
    heads = np.flatnonzero(~goes_on)
    total = np.cumsum(n_frames) - n_frames
    ends = np.append(heads[1:], k)[run] - 1 if k else heads
    each = streams.rate / streams.handle.grid.rate
    joined = np.ones(k, np.bool_)
    joined[1:] = ~goes_on[1:] | ((table["start"][other] - table["start"][one]).astype(object) % each.denominator == 0)
    span = table["stop"][rows[ends]] - table["start"][rows] - (streams.handle.grid.rate == NANOSECOND)
    return Runs(rows, run, total - total[heads[run]], n_frames, _frames(span, each.numerator, each.denominator), joined)


def _frames(ticks: NDArray[np.int64], numerator: int, denominator: int) -> NDArray[np.int64]:
    """Return ceil(ticks * numerator / denominator), exact."""
    ticks = np.maximum(ticks, 0)
    wide = max(int(ticks.max(initial=0)) * numerator, denominator) >= 2**62
    counted = -(-(ticks.astype(object) if wide else ticks) * numerator // denominator)
    found: NDArray[np.int64] = counted.astype(np.int64)
    return found
