"""The contract of a stream: frames of a trial's clock into place, and which of them rest on valid data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.streams.frames import TrialFrames

__all__ = ["NO_LAG", "Place", "Stream", "Streams"]

NO_LAG = Fraction(0)
Place: TypeAlias = tuple[int, int]  # row of the trial table, frame since its start


class Stream(ABC):
    """One stream of a session at the output rate.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Of one sample.
    dtype : numpy.dtype
        As served.
    dims : tuple of str
        Of one sample, without time.
    absent : (trial,) bool
        Trials in which the stream has no sample by design: withheld, or the trial is missing.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    absent: NDArray[np.bool_]

    @abstractmethod
    def fill(self, out: NDArray[Any], mask: NDArray[np.bool_], trial_row: int, first: int) -> None:
        """Write frames [first, first + len(out)) of a trial's clock, and where they are valid."""

    def fill_each(self, out: NDArray[Any], mask: NDArray[np.bool_], places: Sequence[Place]) -> None:
        """Write several runs of frames, and where they are valid; one by one, where a stream has nothing better.

        Parameters
        ----------
        out : (run, time, …) array of the stream's dtype
        mask : (run, time) bool
        places : sequence of (trial row, first frame)
        """
        for k, (trial_row, first) in enumerate(places):
            self.fill(out[k], mask[k], trial_row, first)

    @property
    def options(self) -> tuple[str | NDArray[np.int64], ...]:
        """What its samples follow from beside what is stored and the output rate; equal options, equal samples."""
        return ()

    @property
    def announced(self) -> bool:
        """Whether there is nothing left to `prefetch`."""
        return True

    def prefetch(self, trial_row: int, first: int, n: int) -> None:
        """Tell the system that frames [first, first + n) of a trial's clock will be read; a hint, which may do nothing."""
        del trial_row, first, n

    def prefetch_each(self, places: Sequence[Place], n: int) -> None:
        """Tell the system, or a server, that n frames from each of several places on will be read.

        Parameters
        ----------
        places : sequence of (trial row, first frame)
        n : int
        """
        for trial_row, first in places:
            self.prefetch(trial_row, first, n)

    @abstractmethod
    def at(self, out: NDArray[Any], mask: NDArray[np.bool_], start_ns: Fraction, first: int = 0) -> None:
        """Write samples [first, first + len(out)), counted from a time in nanoseconds, and where they are valid."""

    @abstractmethod
    def validity(self, start_ns: Fraction, first: int, n: int) -> NDArray[np.bool_]:
        """Return which of the samples [first, first + n) counted from a time are valid, (n,) bool; none is read."""

    @abstractmethod
    def usable(self, trial_row: int, n: int, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which of the frames 0 … n - 1 of a trial's clock rest on valid data of allowed trials alone."""

    def trusted(self, trial_row: int, n: int, allowed: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Return which of the frames 0 … n - 1 rest on no sample of another trial than the allowed ones; None for all.

        They may have no value all the same. What is not trusted is never served: a sample of a test trial must not
        reach a training batch through a lag or an interpolation.
        """
        del trial_row, n, allowed
        return None  # what it returns is said

    @abstractmethod
    def whole(self, allowed: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Return the trials whose every frame is usable, or None where only `usable` can say."""


class Streams(Mapping[str, Stream]):
    """The streams of one session at one rate.

    Attributes
    ----------
    handle : SessionHandle
    key : str
        Of the session.
    rate : Fraction, hertz
    n_frames : (trial,) int64
        Samples of each trial at the rate, 0 where it is missing.
    """

    def __init__(self, handle: SessionHandle, frames: TrialFrames, streams: Mapping[str, Stream]) -> None:
        self.handle = handle
        self.key = handle.document.identity.key
        self.frames = frames
        self._streams = dict(streams)

    @property
    def rate(self) -> Fraction:
        """Samples a second."""
        return self.frames.rate

    @property
    def n_frames(self) -> NDArray[np.int64]:
        """Samples of each trial, (trial,) int64."""
        return self.frames.n_frames

    def start_ns(self, trial_row: int, frame: int = 0) -> Fraction:
        """Return the time of a frame of a trial's clock in nanoseconds, exact."""
        return self.frames.start_ns(trial_row, frame)

    def __getitem__(self, name: str) -> Stream:
        return self._streams[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)
