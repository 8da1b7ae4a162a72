"""Sessions in memory with streams that a test makes up, and a list of every legal window, found one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import strategies as st

from sensorium_data.grid import Grid
from sensorium_data.handle import SessionHandle
from sensorium_data.streams.base import Stream, Streams
from sensorium_data.streams.frames import TrialFrames

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

ROLE = {"train": "train", "oracle": "validation", "test": "test", "none": "none"}


@dataclass(frozen=True)
class MadeTrial:
    """A trial of some ticks; `gap` ticks lie before it."""

    n_ticks: int
    tier: str = "train"
    gap: int = 0
    missing: bool = False
    withheld: bool = False
    label: str = "natural"


class MadeHandle(SessionHandle):
    def __init__(self, key: str, trials: Sequence[MadeTrial], rate: Fraction, own: Mapping[str, Any]) -> None:
        self.made = (key, trials, rate, own)
        self.where = f"/made/{key}.zarr"
        self.__dict__["grid"] = Grid(rate)
        identity = SimpleNamespace(key=key, modality="dynamic", film="video")
        store: Any = SimpleNamespace(session=SimpleNamespace(identity=identity))
        self.store = store
        ticks = np.cumsum([0, *(trial.gap + trial.n_ticks for trial in trials)])
        n = len(trials)
        gaps = np.array([trial.gap for trial in trials], np.int64)
        missing = np.array([trial.missing for trial in trials], np.bool_)
        start = ticks[:-1] + gaps
        labels = sorted({trial.label for trial in trials})
        segment = np.cumsum((gaps > 0) | missing | np.append([False], missing)[:n])
        self.__dict__["trials"] = {
            "trial_id": np.arange(n) * 2 + 10,
            "tier": np.array([trial.tier for trial in trials], np.str_),
            "role": np.array([ROLE[trial.tier] for trial in trials], np.str_),
            "missing": missing,
            "responses_withheld": np.array([trial.withheld for trial in trials], np.bool_),
            "variant": np.array([-1 if t.missing else labels.index(t.label) for t in trials], np.int64),
            "order": np.arange(n),
            "segment": np.where(missing, -1, segment),
            "start": start,
            "stop": np.where(missing, start, ticks[1:]),
            **own,
        }
        self.__dict__["stimuli"] = {"label": np.array(labels, np.str_)}

    def __reduce__(self) -> Any:
        return MadeHandle, self.made


@dataclass
class MadeStream(Stream):
    """A stream with a value at each tick of the session; what is served at t is what was at t + lag."""

    name: str
    frames: TrialFrames
    valid: NDArray[np.bool_]  # (tick,)
    absent: NDArray[np.bool_]
    lag: Fraction = Fraction(0)  # ticks
    quick: bool = True
    n_asked: int = 0
    shape: tuple[int, ...] = ()
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))
    dims: tuple[str, ...] = ()

    def fill(self, *_: Any, **__: Any) -> None:
        pytest.fail("which windows are legal is found out without reading one")

    def at(self, *_: Any, **__: Any) -> None:
        pytest.fail("which windows are legal is found out without reading one")

    def validity(self, *_: Any, **__: Any) -> NDArray[np.bool_]:
        pytest.fail("windows ask what is usable")

    def tick(self, row: int, frame: int) -> int:
        """The tick that a frame shows: the last at or before it."""
        return int((self.frames.starts[row] + frame * self.frames.grid.rate / self.frames.rate + self.lag) // 1)

    def usable_frame(self, row: int, frame: int, allowed: NDArray[np.bool_]) -> bool:
        tick = self.tick(row, frame)
        inside = (self.frames.starts <= tick) & (tick < self.frames.stops) & self.frames.there & ~self.absent
        return 0 <= tick < len(self.valid) and bool(self.valid[tick]) and bool((inside & allowed).any())

    def usable(self, trial_row: int, n: int, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        self.n_asked += 1
        return np.array([self.usable_frame(trial_row, frame, allowed) for frame in range(n)], np.bool_)

    def trusted(self, trial_row: int, n: int, allowed: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        ticks = np.array([self.tick(trial_row, frame) for frame in range(n)], np.int64)
        foreign = (self.frames.starts <= ticks[:, None]) & (ticks[:, None] < self.frames.stops) & ~allowed
        return ~np.asarray(foreign.any(axis=1))

    def whole(self, allowed: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        if not self.quick:
            return None
        rows = enumerate(self.frames.n_frames.tolist())
        return np.array([all(self.usable_frame(row, f, allowed) for f in range(n)) for row, n in rows], np.bool_)


def made(
    trials: Sequence[MadeTrial],
    invalid: Mapping[str, Sequence[int]] | None = None,
    *,
    key: str = "m1",
    tick_rate: Fraction = Fraction(30),
    rate: Fraction = Fraction(30),
    lags: Mapping[str, Fraction] | None = None,
    quick: bool = True,
    own: Mapping[str, Any] | None = None,
) -> Streams:
    """The streams of a session: `video`, `responses` and `pupil`, with the ticks at which each is not valid."""
    handle = MadeHandle(key, trials, tick_rate, own or {})
    frames = TrialFrames(handle, rate)
    n_ticks = int(frames.stops.max(initial=0)) + 5
    streams: dict[str, Stream] = {}
    for name in ("video", "responses", "pupil"):
        valid = np.ones(n_ticks, np.bool_)
        valid[[tick for tick in (invalid or {}).get(name, ()) if tick < n_ticks]] = False
        absent = ~frames.there
        if name == "responses":
            absent = absent | handle.trials["responses_withheld"]
        streams[name] = MadeStream(name, frames, valid, absent, (lags or {}).get(name, Fraction(0)), quick)
    return Streams(handle, frames, streams)


# -- every legal window, one by one


def runs_one_by_one(
    streams: Streams, chosen: NDArray[np.bool_], within: str, require: Sequence[str] | None
) -> list[list[int]]:
    """The runs of trials, as rows."""
    table, runs = streams.handle.trials, list[list[int]]()
    names = [name for name in streams if require is None]
    for row in np.flatnonzero(chosen).tolist():
        goes_on = within == "segment" and runs and runs[-1][-1] == row - 1
        if goes_on:
            same = all(table[name][row] == table[name][row - 1] for name in ("tier", "segment"))
            same &= table["stop"][row - 1] == table["start"][row]
            goes_on = same and all(streams[n].absent[row] == streams[n].absent[row - 1] for n in names)
        runs.append([*runs.pop(), row] if goes_on else [row])
    return runs


def legal_one_by_one(
    streams: Streams, chosen: NDArray[np.bool_], *, window: int, burn_in: int = 0,
    within: str = "trial", require: Sequence[str] | None = None,
) -> Iterator[tuple[int, int]]:  # fmt: skip
    """Yield (row, frame) of each legal start, by the definition."""
    tier, each = streams.handle.trials["tier"], streams.handle.grid.rate / streams.rate
    frames: TrialFrames = streams.frames
    for run in runs_one_by_one(streams, chosen, within, require):
        passed = 0
        for row in run:
            allowed = chosen & (tier == tier[row])
            for frame in range(int(streams.n_frames[row])):
                last = int(frames.starts[row]) + (frame + window - 1) * each
                names = [n for n in streams if not streams[n].absent[row]] if require is None else require
                good = passed + frame >= burn_in and last < int(frames.stops[run[-1]])
                for name in names if good else ():
                    stream: Any = streams[name]
                    good = good and all(stream.usable_frame(row, frame + k, allowed) for k in range(window))
                if good:
                    yield row, frame
            passed += int(streams.n_frames[row])


# -- sessions by chance

TIERS = st.sampled_from(["train", "train", "train", "oracle"])


@st.composite
def sessions(draw: st.DrawFn, key: str = "m1") -> Streams:
    """A session of a few trials with holes in its streams, gaps between trials, lags, and a rate of its own."""
    shape = st.builds(
        MadeTrial,
        n_ticks=st.integers(1, 14),
        tier=TIERS,
        gap=st.sampled_from([0, 0, 0, 0, 2]),
        missing=st.sampled_from([False] * 7 + [True]),
        withheld=st.sampled_from([False] * 5 + [True]),
    )
    trials = draw(st.lists(shape, min_size=1, max_size=6))
    n_ticks = sum(trial.n_ticks + trial.gap for trial in trials)
    holes = st.lists(st.integers(0, n_ticks), max_size=3)
    return made(
        trials,
        {name: draw(holes) for name in ("responses", "pupil")},
        key=key,
        rate=draw(st.sampled_from([Fraction(30), Fraction(30), Fraction(15), Fraction(8), Fraction(45)])),
        lags={"pupil": draw(st.sampled_from([Fraction(0), Fraction(0), Fraction(3), Fraction(-1, 2)]))},
        quick=draw(st.booleans()),
    )
