"""Films and images as streams: the frame on the screen at each output time, in the trial that shows it."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sensorium_data.cached import cached_property
from sensorium_data.grid import NANOSECOND
from sensorium_data.reading import open_reader
from sensorium_data.reading.kept import kept
from sensorium_data.store.layout import Paths
from sensorium_data.streams.base import NO_LAG, Stream
from sensorium_data.streams.frames import floors, snapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.reading import Reader, Verify
    from sensorium_data.streams.base import Place
    from sensorium_data.streams.frames import TrialFrames

__all__ = ["FilmStream", "film_rate"]

AXES = ("channel", "y", "x")


class _Piece(NamedTuple):
    """Output samples [start, stop) that lie in one trial, and the frame of its film that each shows."""

    trial_row: int
    start: int
    stop: int
    frames: NDArray[np.int64]


def film_rate(handle: SessionHandle) -> Fraction:
    """Return the frames a second of a session's films."""
    rate = handle.document.stimuli.rate
    return handle.grid.rate if rate is None else Fraction(rate.numerator, rate.denominator)


class FilmStream(Stream):
    """The film, or of a static session the image, that a trial shows; between trials there is none.

    A frame is on the screen until the next: at any output time the one that began at it or before.

    Parameters
    ----------
    handle : SessionHandle
    frames : TrialFrames
        The output clock.
    lag_ns : Fraction, nanoseconds
        What is served at time t is on the screen at t + lag.
    verify : {"first", "always", "never"}
    """

    def __init__(
        self, handle: SessionHandle, frames: TrialFrames, *, lag_ns: Fraction = NO_LAG, verify: Verify = "first"
    ) -> None:
        identity = handle.document.identity
        self.name, self._frames, self._lag_ns = identity.film, frames, lag_ns
        self._store, self._verify = handle.store, verify
        shape = handle.store.metadata[Paths.frames]["shape"]
        self.shape = tuple(int(n) for n in shape[1:])
        self.dims = AXES[3 - len(self.shape) :]
        self.dtype = np.dtype(handle.store.metadata[Paths.frames]["data_type"])
        variant: NDArray[np.int64] = handle.trials["variant"].astype(np.int64)
        self.absent = ~frames.there | (variant < 0)
        if len(handle.stimuli["n_frames"]):
            self._first_row = np.where(self.absent, 0, handle.stimuli["first_frame"][variant]).astype(np.int64)
            self._length = np.where(self.absent, 0, handle.stimuli["n_frames"][variant]).astype(np.int64)
        else:
            self._first_row = self._length = np.zeros(len(variant), np.int64)
        self._each = film_rate(handle) / frames.rate  # film frames an output frame
        self._reader: Reader | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave behind what each process opens for itself."""
        return self.__dict__ | {"_reader": None}

    @property
    def reader(self) -> Reader:
        """What reads the frames."""
        if (reader := self._reader) is None:
            self._reader = reader = kept(open_reader(self._store, Paths.frames, verify=self._verify))
        return reader

    @property
    def _empty(self) -> float:
        return np.nan if self.dtype.kind == "f" else 0

    # -- values

    @cached_property
    def _places(self) -> list[tuple[int, int]]:
        """Row of each trial's frame 0, and how many rows follow that are what is shown frame by frame; 0 for none."""
        if self._each != 1 or self._lag_ns:
            return [(0, 0)] * len(self._length)
        # A film may be a frame longer than the trial; past the stop it is the next trial's that is on the screen.
        shown = np.minimum(self._length, self._frames.n_frames)
        return list(zip(self._first_row.tolist(), shown.tolist(), strict=True))

    def fill(self, out: NDArray[Any], mask: NDArray[np.bool_], trial_row: int, first: int) -> None:
        """Write frames [first, first + len(out)) of a trial's clock, and where they are valid."""
        row, n_rows = self._places[trial_row]
        if first + len(out) <= n_rows:
            self.reader.read_into(out, row + first)
            mask[...] = True
        else:
            self.at(out, mask, self._frames.start_ns(trial_row, first))

    def fill_each(self, out: NDArray[Any], mask: NDArray[np.bool_], places: Sequence[Place]) -> None:
        """Write several runs of frames, and where they are valid; see `Stream.fill_each`."""
        n, known = out.shape[1], self._places
        if all(first + n <= known[trial_row][1] for trial_row, first in places):
            self.reader.read_each(list(out), [known[trial_row][0] + first for trial_row, first in places])
            mask[...] = True
        else:
            super().fill_each(out, mask, places)

    @property
    def options(self) -> tuple[str | NDArray[np.int64], ...]:
        """The lag."""
        return (f"{self._lag_ns} ns",)

    @property
    def announced(self) -> bool:
        """Whether there is nothing left to `prefetch`."""
        return self.reader.announced

    def prefetch(self, trial_row: int, first: int, n: int) -> None:
        """Tell the system that frames [first, first + n) of a trial's clock will be read."""
        row, n_rows = self._places[trial_row]
        if first + n <= n_rows:
            self.reader.prefetch(row + first, n)

    def prefetch_each(self, places: Sequence[Place], n: int) -> None:
        """Tell the system, or a server, that n frames from each of several places on will be read."""
        known = self._places
        rows = [known[row][0] + first for row, first in places if first + n <= known[row][1]]
        self.reader.prefetch_each([(row, n) for row in rows])

    def at(self, out: NDArray[Any], mask: NDArray[np.bool_], start_ns: Fraction, first: int = 0) -> None:
        """Write samples [first, first + len(out)), counted from a time in nanoseconds, and where they are valid."""
        out[...], mask[...] = self._empty, False
        for piece in self._pieces(self._nth(start_ns, first), len(out)):
            n = int(np.searchsorted(piece.frames, self._length[piece.trial_row]))  # frames never go back
            if n:
                self._gather(out[piece.start : piece.start + n], piece.trial_row, piece.frames[:n])
                mask[piece.start : piece.start + n] = True

    def validity(self, start_ns: Fraction, first: int, n: int) -> NDArray[np.bool_]:
        """Return which of the samples [first, first + n) counted from a time are valid, (n,) bool; none is read."""
        good = np.zeros(n, np.bool_)
        for piece in self._pieces(self._nth(start_ns, first), n):
            good[piece.start : piece.stop] = piece.frames < self._length[piece.trial_row]
        return good

    def _nth(self, start_ns: Fraction, first: int) -> Fraction:
        """Return when what is served as the first-th sample from a time on is on the screen."""
        return snapped(self._frames.grid, start_ns) + first * NANOSECOND / self._frames.rate + self._lag_ns

    def _gather(self, out: NDArray[Any], trial_row: int, frames: NDArray[np.int64]) -> None:
        first, n = int(frames[0]), int(frames[-1] - frames[0]) + 1
        row = int(self._first_row[trial_row]) + first
        if n == len(frames):
            self.reader.read_into(out, row)
            return
        read = np.empty((n, *self.shape), self.dtype)
        self.reader.read_into(read, row)
        np.take(read, frames - first, axis=0, out=out)

    def _pieces(self, start_ns: Fraction, n: int) -> Iterator[_Piece]:
        """Yield the trials that n output samples from a time on lie in, in order."""
        step, rounded = NANOSECOND / self._frames.rate, self._frames.rounded
        grid, there = self._frames.grid, self._frames.there & ~self.absent
        begin, end = grid.tick_from(start_ns - NANOSECOND), grid.tick_from(start_ns + n * step + NANOSECOND)
        near = np.flatnonzero(there & (self._frames.stops >= begin) & (self._frames.starts <= end))
        for row in near[np.argsort(self._frames.starts[near], kind="stable")].tolist():
            # A start that was rounded up must not make its first frame late: the last nanosecond before it is it.
            trial_start = self._frames.start_ns(row) - rounded
            first = max(0, ceil((trial_start - start_ns) / step))
            last = min(n, ceil((grid.ns(int(self._frames.stops[row])) - rounded - start_ns) / step))
            if first < last:
                into = (start_ns + first * step - trial_start) / step * self._each
                yield _Piece(row, first, last, floors(into, self._each, last - first))

    # -- what rests on valid data

    def usable(self, trial_row: int, n: int, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which of the frames 0 … n - 1 of a trial's clock rest on valid data of allowed trials alone."""
        good = np.zeros(n, np.bool_)
        for piece in self._pieces(self._frames.start_ns(trial_row) + self._lag_ns, n):
            shown = piece.frames < self._length[piece.trial_row]
            good[piece.start : piece.stop] = shown & allowed[piece.trial_row]
        return good

    def trusted(self, trial_row: int, n: int, allowed: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Return which of the frames 0 … n - 1 are shown in no other trial than the allowed ones; None for all."""
        if not self._lag_ns and n <= self._frames.n_frames[trial_row]:
            return None
        own = np.ones(n, np.bool_)
        for piece in self._pieces(self._frames.start_ns(trial_row) + self._lag_ns, n):
            own[piece.start : piece.stop] &= allowed[piece.trial_row]
        return own

    def whole(self, allowed: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Return the trials whose every frame is usable, or None where only `usable` can say."""
        if self._lag_ns:
            return None
        last = np.maximum(self._frames.n_frames - 1, 0) * self._each.numerator // self._each.denominator
        found: NDArray[np.bool_] = allowed & ~self.absent & (last < self._length)
        return found
