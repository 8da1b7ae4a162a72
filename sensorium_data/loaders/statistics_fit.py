"""Fit statistics on training trials: every frame of every chosen trial once, in float64, whatever was masked left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from sensorium_data.conversion.films import film_moments
from sensorium_data.errors import BadArgument
from sensorium_data.loaders.measures import Measures, SessionStatistics
from sensorium_data.loaders.statistics import Statistics, digest_of
from sensorium_data.moments import Moments
from sensorium_data.streams import Streams
from sensorium_data.windows.chosen import check_sessions, choose
from sensorium_data.windows.conditions import read_conditions
from sensorium_data.windows.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.streams import Stream
    from sensorium_data.windows.conditions import Tier

__all__ = ["fit_statistics"]

BLOCK = 512  # frames at once: 16 MB of 8,000 neurons
DEFINITION = (
    "over every frame of the chosen trials once, as served{rates}, one number a channel, of a film one for all pixels; "
    "accumulated in float64; population standard deviation (ddof 0); NaN, infinity and what is masked left out; "
    "n counts what went in"
)


class HasStreams(Protocol):
    """What holds the streams of sessions, as a `WindowDataset` does."""

    @property
    def streams(self) -> Sequence[Streams]:
        """One for each session."""
        ...


Fittable: TypeAlias = "HasStreams | Streams | Sequence[Streams]"


def fit_statistics(
    data: Fittable, *, tier: Tier = "train", trials: Mapping[str, ArrayLike] | None = None
) -> Statistics:
    """Return mean, standard deviation and extremes of each stream of each session, over chosen trials.

    Parameters
    ----------
    data : WindowDataset, Streams, or sequence of Streams
        What is served: its rate, its neurons and its lags are those of the statistics, its windows are not.
    tier, trials
        Which trials, as for `WindowDataset`: the training trials, unless something else is asked for.

    Raises
    ------
    BadArgument
        No session, or a bad condition.
    NoSuchItem
        A tier or column that no session has; the hint names near misses.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.loaders import WindowDataset
    >>> from sensorium_data.testing import make_session
    >>> dataset = WindowDataset(make_session(tempfile.mkdtemp(), n_neurons=3), window=10)
    >>> fitted = fit_statistics(dataset)
    >>> {name: measures.n.tolist() for name, measures in fitted.of(dataset.streams[0]).items()}
    {'video': 414720, 'responses': [180, 180, 180], 'pupil': 180, 'running': 180, 'gaze': [180, 180]}
    """
    several = _several(data)
    faults = Faults()
    conditions = read_conditions(tier, faults)
    check_sessions(several, faults)
    chosen = choose(several, conditions, trials, faults)
    faults.refuse()
    sessions = {each.key: _fitted(each, one.trials) for each, one in zip(several, chosen, strict=True)}
    rates = sorted({each.rate for each in several if each.handle.document.identity.modality == "dynamic"})
    text = f" at {', '.join(map(str, rates))} Hz" if rates else ""
    return Statistics(DEFINITION.format(rates=text), _said(tier, trials), sessions)


def _several(data: Fittable) -> list[Streams]:
    if isinstance(data, Streams):
        return [data]
    held: Any = getattr(data, "streams", None) or data
    several = list(held) if isinstance(held, Iterable) else [held]
    for one in several:
        if not isinstance(one, Streams):
            what = f"statistics are fitted on the streams of sessions, not on {type(one).__name__} {one!r}"
            raise BadArgument(what, hint="give a WindowDataset, or its `streams`", code="bad-streams")
    return several


def _said(tier: Tier, trials: Mapping[str, ArrayLike] | None) -> str:
    said = "all" if tier is None else tier if isinstance(tier, str) else repr(tier)
    return said if trials is None else f"{said} (chosen by a mask)"


def _fitted(streams: Streams, chosen: NDArray[np.bool_]) -> SessionStatistics:
    known = {name: _measured(streams, stream, chosen) for name, stream in streams.items()}
    n_trials = int((chosen & (streams.n_frames > 0)).sum())
    return SessionStatistics(digest_of(streams.handle), n_trials, streams.handle.selected, known)


def _measured(streams: Streams, stream: Stream, chosen: NDArray[np.bool_]) -> Measures:
    film = stream.name == streams.handle.document.identity.film
    shape = () if film else stream.shape
    moments = Moments.empty(1 if film else int(np.prod(shape)))
    for block in _blocks(streams, stream, chosen):
        part = film_moments(block) if film else Moments.of(_wide(block))
        moments = moments.merge(part)
    return Measures.of(moments, shape)


def _wide(block: NDArray[Any]) -> NDArray[np.floating]:
    """Return (time, channel) in a dtype that squares fit."""
    flat = block.reshape(len(block), -1)
    return flat.astype(np.float32) if flat.dtype.itemsize < 4 or flat.dtype.kind != "f" else flat


def _blocks(streams: Streams, stream: Stream, chosen: NDArray[np.bool_]) -> Iterator[NDArray[Any]]:
    """Yield the valid frames of the chosen trials, some hundreds at once; a block is good until the next one."""
    block = np.empty((BLOCK, *stream.shape), stream.dtype)
    held = 0
    for row in np.flatnonzero(chosen & ~stream.absent).tolist():
        n = int(streams.n_frames[row])
        trusted = stream.trusted(row, n, chosen)
        first = 0
        while first < n:
            step = min(BLOCK - held, n - first)
            frames = block[held : held + step]
            good = _filled(stream, frames, row, first)
            if trusted is not None:
                good &= trusted[first : first + step]
            held += _kept(frames, good)
            first += step
            if held == BLOCK:
                yield block
                held = 0
    if held:
        yield block[:held]


def _filled(stream: Stream, frames: NDArray[Any], row: int, first: int) -> NDArray[np.bool_]:
    """Read frames of a trial, and return which may be counted: masked floats are NaN, which is left out by itself."""
    mask = np.zeros(len(frames), np.bool_)
    stream.fill(frames, mask, row, first)
    return np.ones(len(frames), np.bool_) if stream.dtype.kind == "f" else mask


def _kept(frames: NDArray[Any], good: NDArray[np.bool_]) -> int:
    """Move the good frames to the front, and return how many there are."""
    if good.all():
        return len(frames)
    kept = frames[good]
    frames[: len(kept)] = kept
    return len(kept)
