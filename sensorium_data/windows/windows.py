"""Windows as a value: which stretches of which sessions are served, where each starts, and why another is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex, overload

import numpy as np

from sensorium_data.errors import BadArgument, counted
from sensorium_data.grid import NANOSECOND
from sensorium_data.windows.asked import whole_number
from sensorium_data.windows.cut import Cut, training
from sensorium_data.windows.explain import explain
from sensorium_data.windows.placing import drawn, stepped
from sensorium_data.windows.served import Serving
from sensorium_data.windows.together import drawn_together

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.windows.explain import Explanation
    from sensorium_data.windows.placing import Pool, StartRuns
    from sensorium_data.windows.served import Served

__all__ = ["Window", "Windows"]


class Window(NamedTuple):
    """A stretch of one session that is served at once.

    Attributes
    ----------
    session : str
        Key of the session.
    trial_id : int
        Published number of the trial that the window begins in.
    start_frame : int
        Samples of the output rate since that trial's start.
    start_s : float, seconds
        On the session's clock; for display.
    n_samples : int
    """

    session: str
    trial_id: int
    start_frame: int
    start_s: float
    n_samples: int


class Windows(Sequence[Window]):
    """The windows of some sessions, in order of sessions and, within each, of presentation; made by `legal_windows`.

    Two are equal where they hold the same windows of the same sessions, cut from the same legal starts.

    Attributes
    ----------
    keys : tuple of str
        Of the sessions.
    session : (window,) int32
        Number of the session among the keys.
    trial_row : (window,) int32
        Row of the session's trial table.
    start_frame : (window,) int32, frames
        Since the trial's start.
    n_samples : (window,) int32, frames
    random : bool
        Starts are drawn; `of_epoch` draws them anew.
    epoch : int
        That they were drawn for.
    clips_per_block : int
        Clips that are drawn from one trial at its turn.
    """

    keys: tuple[str, ...]
    session: NDArray[np.int32]
    trial_row: NDArray[np.int32]
    start_frame: NDArray[np.int32]
    n_samples: NDArray[np.int32]
    random: bool
    epoch: int
    clips_per_block: int

    def __init__(self, cut: Cut, pool: Pool, epoch: int = 0, clips_per_block: int = 1) -> None:
        self._cut, self._pool = cut, pool
        self._serving: dict[int, Serving] = {}
        self.keys = tuple(streams.key for streams in cut.streams)
        self.random, self.epoch, self.clips_per_block = cut.stride == "random", epoch, clips_per_block
        run, self.start_frame = pool.at(self._starts())
        self.session, self.trial_row = pool.runs.session[run], pool.runs.trial_row[run]
        self.n_samples = pool.n_samples[run]
        for array in (self.session, self.trial_row, self.start_frame, self.n_samples, *pool.runs):
            array.flags.writeable = False

    def _starts(self) -> NDArray[np.int64]:
        if self._cut.stride != "random":
            return stepped(self._pool, self._cut.stride)
        n_trials = [len(streams.n_frames) for streams in self._cut.streams]
        of = self._pool, self.keys, n_trials, self._cut.asked.seed, self.epoch
        return drawn(*of) if self.clips_per_block == 1 else drawn_together(*of, self.clips_per_block)

    @property
    def runs(self) -> StartRuns:
        """All legal starts, as half-open runs of frames: session, trial_row, first, stop, each (run,) int32."""
        return self._pool.runs

    @property
    def trial_id(self) -> NDArray[np.int64]:
        """Published number of each window's trial, (window,) int64."""
        found = np.empty(len(self), np.int64)
        ends = np.searchsorted(self.session, np.arange(len(self.keys) + 1))
        for streams, first, stop in zip(self._cut.streams, ends[:-1], ends[1:], strict=True):
            found[first:stop] = streams.handle.trials["trial_id"][self.trial_row[first:stop]]
        return found

    def __len__(self) -> int:
        return len(self.start_frame)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Window: ...
    @overload
    def __getitem__(self, index: slice) -> list[Window]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Window | list[Window]:
        """Return a window, or a list of some."""
        if isinstance(index, slice):
            return [self._window(i) for i in range(*index.indices(len(self)))]
        i = index.__index__()
        if not -len(self) <= i < len(self):
            what = f"window {i} of {len(self)}"
            raise IndexError(what)
        return self._window(i % len(self))

    def _window(self, i: int) -> Window:
        number, row, frame = int(self.session[i]), int(self.trial_row[i]), int(self.start_frame[i])
        streams = self._cut.streams[number]
        start_s = float(streams.start_ns(row, frame) / NANOSECOND)
        trial_id = int(streams.handle.trials["trial_id"][row])
        return Window(self.keys[number], trial_id, frame, start_s, int(self.n_samples[i]))

    def __iter__(self) -> Iterator[Window]:
        return (self._window(i) for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Windows):
            return NotImplemented
        same = self._drawn == other._drawn
        same &= not self.random or self._cut.asked.seed == other._cut.asked.seed
        return same and all(np.array_equal(one, two) for one, two in zip(self._arrays, other._arrays, strict=True))

    __hash__ = None  # type: ignore[assignment]

    @property
    def _drawn(self) -> tuple[object, ...]:
        return self.keys, self.random, self.epoch, self.clips_per_block

    @property
    def _arrays(self) -> tuple[NDArray[np.int32], ...]:
        return (self.session, self.trial_row, self.start_frame, self.n_samples, *self.runs)

    def __repr__(self) -> str:
        length, stride = self._cut.asked.window, self._cut.stride
        how = "whole trials" if length is None else f"{counted(length, 'sample')}"
        if length is not None:
            how += ", random starts" if stride == "random" else f", every {stride}"
        return f"Windows: {len(self):,} of {how}, in {counted(len(self.keys), 'session')}"

    def of_epoch(self, epoch: int, clips_per_block: int | None = None) -> Windows:
        """Return the windows of an epoch: as many, of the same sessions, random starts drawn from (seed, epoch).

        Parameters
        ----------
        epoch : int
            From 0 on.
        clips_per_block : int, optional
            Random starts that are drawn from one trial, as far as it has so many legal ones; with k of each, an epoch
            is a k-th of the trials, and in k epochs every trial gives k. By default as these windows have it.

        Returns
        -------
        Windows
            These themselves where nothing is random.

        Raises
        ------
        BadArgument
            The epoch is no integer of 0 or more, or a block has no integer of 1 or more.
        """
        number = whole_number(epoch)
        n_clips = self.clips_per_block if clips_per_block is None else whole_number(clips_per_block)
        if number is None or number < 0:
            raise BadArgument(f"epoch is {epoch!r}, expected an integer of 0 or more", code="bad-epoch")
        if n_clips is None or n_clips < 1:
            what = f"clips_per_block is {clips_per_block!r}, expected an integer of 1 or more"
            raise BadArgument(what, code="bad-clips-per-block")
        same = not self.random or (number, n_clips) == (self.epoch, self.clips_per_block)
        return self if same else Windows(self._cut, self._pool, number, n_clips)

    def served(self, index: int) -> Served:
        """Return what a reader must know of a window."""
        session = int(self.session[index])
        if (serving := self._serving.get(session)) is None:
            serving = self._serving[session] = Serving(self._cut, session)
        return serving.served(int(self.trial_row[index]), int(self.start_frame[index]), int(self.n_samples[index]))

    @property
    def training(self) -> bool:
        """True where every chosen trial is a training trial."""
        return training(self._cut.streams, self._cut.chosen)

    def explain(self, session: str, trial_id: int, start: int) -> Explanation:
        """Say whether the window that begins at a frame of a trial is legal, and all that is wrong with it.

        Parameters
        ----------
        session : str
            Key.
        trial_id : int
            Published number.
        start : int, frames
            Since the trial's start.

        Raises
        ------
        NoSuchItem
            No such session or trial; the hint names near misses.
        BadArgument
            The trial or the start is no integer.
        """
        return explain(self._cut, self, session, trial_id, start)
