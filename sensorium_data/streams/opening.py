"""Open the streams of a session at one rate: which ones, how each is resampled, and how far it is shifted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sensorium_data.clock import TickClock
from sensorium_data.errors import BadArgument, NoSuchItem, Problem, near_miss
from sensorium_data.grid import as_rate, whole_nanoseconds
from sensorium_data.resampling.instants import lag
from sensorium_data.streams.base import Stream, Streams
from sensorium_data.streams.films import FilmStream, film_rate
from sensorium_data.streams.frames import TrialFrames
from sensorium_data.streams.signals import SignalStream

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.reading import Verify
    from sensorium_data.resample import Method

__all__ = ["OFFSETS", "open_streams"]

Number: TypeAlias = "float | str | Fraction"
OFFSETS = "offset_s"  # the column of the neuron table that says when in a scan each neuron is sampled


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked of the streams, as it was asked: a recipe."""

    names: tuple[str, ...] | None
    rate_hz: Number | None
    method: Method | Mapping[str, Method]
    lag_s: Number | Mapping[str, Number]
    offsets_s: Mapping[str, ArrayLike] | None
    verify: Verify


class _Opened(Streams):
    """Streams that pickle as what was asked and open again in each process."""

    asked: _Asked

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self.handle, self.asked)


def open_streams(
    handle: SessionHandle,
    names: Iterable[str] | None = None,
    *,
    rate_hz: Number | None = None,
    method: Method | Mapping[str, Method] = "linear",
    lag_s: Number | Mapping[str, Number] = 0,
    offsets_s: Mapping[str, ArrayLike] | None = None,
    verify: Verify = "first",
) -> Streams:
    """Open the streams of a session at one rate.

    Parameters
    ----------
    handle : SessionHandle
    names : iterable of str, optional
        Signals, and `video` or `image`; by default all there are.
    rate_hz : float, str or Fraction, hertz, optional
        By default that of the films, else the one that all signals share.
    method : {"linear", "previous", "nearest", "mean"} or mapping by signal
        How signals of another rate are resampled; a film always shows the frame that is on the screen.
    lag_s : float, str or Fraction, seconds, or mapping by stream
        What is served at time t is the stream at t + lag. Fractions, strings and integers are exact; a float within a
        nanosecond of a whole number of samples of the stream, or of what is served, is that many.
    offsets_s : mapping of signal to (channel,) float, seconds, optional
        When each channel is really sampled, counted from the signal's clock. By default the column `offset_s` of the
        neuron table, where there is one.
    verify : {"first", "always", "never"}
        When the digest of a chunk is checked: the first time this process reads it, each time, or not.

    Raises
    ------
    BadArgument
        The rate is none or cannot be told, or an option has a bad value.
    NoSuchItem
        No stream of that name; the hint names near misses.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.handle import SessionHandle
    >>> from sensorium_data.testing import make_session
    >>> streams = open_streams(SessionHandle(make_session(tempfile.mkdtemp(), n_neurons=3)))
    >>> list(streams), streams.rate
    (['video', 'responses', 'pupil', 'running', 'gaze'], Fraction(30, 1))
    """
    chosen = None if names is None else ((names,) if isinstance(names, str) else tuple(names))
    return _open(handle, _Asked(chosen, rate_hz, method, lag_s, offsets_s, verify))


def _open(handle: SessionHandle, asked: _Asked) -> Streams:
    known = ([handle.document.identity.film] if handle.document.stimuli.frame_shape else []) + list(handle.signals)
    names = list(known) if asked.names is None else list(dict.fromkeys(asked.names))
    _check(handle, known, names, asked)
    frames = TrialFrames(handle, _rate(handle, names, asked.rate_hz))
    streams: dict[str, Stream] = {}
    for name in names:
        lag_s = asked.lag_s.get(name, 0) if isinstance(asked.lag_s, Mapping) else asked.lag_s
        lag_ns = lag(lag_s, *_own_rate(handle, name), frames.rate)
        if name not in handle.signals:
            streams[name] = FilmStream(handle, frames, lag_ns=lag_ns, verify=asked.verify)
            continue
        method = asked.method.get(name, "linear") if isinstance(asked.method, Mapping) else asked.method
        offsets = _offsets(handle, name, asked.offsets_s)
        streams[name] = SignalStream(
            handle, frames, name, method=method, lag_ns=lag_ns, offsets_ns=offsets, verify=asked.verify
        )
    opened = _Opened(handle, frames, streams)
    opened.asked = asked
    return opened


def _own_rate(handle: SessionHandle, name: str) -> list[Fraction]:
    """Return the samples a second of a stream as it was recorded; none where they have explicit times."""
    if name not in handle.signals:
        return [film_rate(handle)]
    clock = handle.clocks[name]
    return [clock.rate] if isinstance(clock, TickClock) else []


def _check(handle: SessionHandle, known: list[str], names: list[str], asked: _Asked) -> None:
    named = [("signals", name) for name in names]
    for option, value in (("method", asked.method), ("lag_s", asked.lag_s), ("offsets_s", asked.offsets_s)):
        named += [(option, name) for name in value] if isinstance(value, Mapping) else []
    wrong = [(option, name) for option, name in named if name not in known]
    key = handle.document.identity.key
    if wrong:
        problems = [Problem("no-such-stream", f"{key}: {option}", f"no stream `{name}`") for option, name in wrong]
        what = f"{key}: no stream `{wrong[0][1]}`"
        raise NoSuchItem(what, hint=near_miss(wrong[0][1], known), code="no-such-stream", problems=problems[1:])
    if asked.verify not in ("first", "always", "never"):
        hint = near_miss(str(asked.verify), ["first", "always", "never"])
        raise BadArgument(f"verify is {asked.verify!r}", hint=hint, code="bad-verify")


def _rate(handle: SessionHandle, names: list[str], rate_hz: Number | None) -> Fraction:
    static = handle.document.identity.modality == "static"
    if rate_hz is not None:
        rate = as_rate(rate_hz)
        if static and rate != handle.grid.rate:
            what = f"{handle.document.identity.key}: rate_hz={rate_hz}, but its trials are images with one sample each"
            raise BadArgument(what, hint="leave rate_hz out for static recordings", code="rate-static")
        return rate
    if static:
        return handle.grid.rate
    if handle.document.identity.film in names:
        return film_rate(handle)
    clocks = {name: handle.clocks[name] for name in names if name in handle.signals}
    rates = {clock.rate for clock in clocks.values() if isinstance(clock, TickClock)}
    if len(rates) == 1 and all(isinstance(clock, TickClock) for clock in clocks.values()):
        return rates.pop()
    listed = ", ".join(
        f"{name} {f'{float(clock.rate):g} Hz' if isinstance(clock, TickClock) else 'irregular'}"
        for name, clock in clocks.items()
    )
    what = f"{handle.document.identity.key}: its signals share no rate ({listed or 'none chosen'})"
    raise BadArgument(what, hint="give rate_hz, samples a second of what is served", code="rate-missing")


def _offsets(handle: SessionHandle, name: str, offsets_s: Mapping[str, ArrayLike] | None) -> NDArray[np.int64] | None:
    given = None if offsets_s is None else offsets_s.get(name)
    if given is None:
        if "neuron" not in handle.signals[name].dims or OFFSETS not in handle.neurons:
            return None
        given = handle.neurons[OFFSETS]
    offsets = whole_nanoseconds(given)
    shape = handle.store.metadata[f"signals/{name}/values"]["shape"][1:]
    if "neuron" in handle.signals[name].dims and handle.selected is not None:
        shape = [len(handle.selected)]
    if list(offsets.shape) != list(shape[:1]):
        what = f"{name}: {offsets.size:,} offsets, expected one for each of its {shape[0] if shape else 0:,} channels"
        raise BadArgument(what, hint="give offsets_s in the order of the channels", code="offsets-length")
    return None if not offsets.any() else offsets
