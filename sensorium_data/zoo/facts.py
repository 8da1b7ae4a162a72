"""From sessions to what models are built from: who the neurons are, how large images are, and the numbers to normalise by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import numpy as np

from sensorium_data.errors import BadArgument, near_miss
from sensorium_data.loaders.statistics import Statistics, digest_of
from sensorium_data.scales import Scale, precision
from sensorium_data.shipped import Shipped
from sensorium_data.streams import Streams, open_streams
from sensorium_data.viewing.opening import opened
from sensorium_data.zoo.contract import SessionFacts
from sensorium_data.zoo.normalisation import Normalisation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from sensorium_data.evaluation import ResponseScale
    from sensorium_data.handle import SessionHandle
    from sensorium_data.viewing.opening import Opened
    from sensorium_data.zoo.normalisation import Stream

__all__ = ["How", "normalisation_of", "session_facts"]

How: TypeAlias = Literal["official", "fitted"]
PARTS: tuple[tuple[Stream, tuple[str, ...]], ...]
PARTS = (("behavior", ("pupil", "running")), ("pupil_center", ("gaze",)), ("responses", ("responses",)))


def session_facts(
    sessions: Sequence[Streams] | Opened | Iterable[Opened], normalisation: Normalisation | None = None
) -> list[SessionFacts]:
    """Return what models must know of some sessions.

    Parameters
    ----------
    sessions : sequence of Streams, path, Session, SessionSet, or several of them
        As `dataset.streams`; or stores, with all that they have of pupil, running and gaze.
    normalisation : Normalisation, optional
        That the model is to carry: it says how large images are, and in which units responses. By default that which was
        published with the sessions, for images as large as they are stored.

    Raises
    ------
    BadArgument
        No session; or, where no normalisation is given, one that was published without statistics.
    NotFound
        A store that is not there.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.loaders import WindowDataset
    >>> from sensorium_data.testing import make_session
    >>> streams = WindowDataset(make_session(tempfile.mkdtemp(), n_neurons=4), window=10).streams
    >>> one, = session_facts(streams, normalisation_of(streams, "fitted"))
    >>> one.n_neurons, one.image_shape, one.n_behavior, one.n_pupil_center, one.coordinates.shape
    (4, (1, 36, 64), 2, 2, (4, 3))
    """
    streams = _streams(sessions)
    units = normalisation_of(streams) if normalisation is None else normalisation
    return [_facts(each, units) for each in streams]


def _streams(sessions: Sequence[Streams] | Opened | Iterable[Opened]) -> list[Streams]:
    if isinstance(sessions, Sequence) and sessions and all(isinstance(each, Streams) for each in sessions):
        return [each for each in sessions if isinstance(each, Streams)]
    handles = [session.handle for session in opened(cast("Iterable[Opened]", sessions)).values()]
    return [open_streams(each, [each.document.identity.film, "responses", *_beside(each)]) for each in handles]


def _beside(handle: SessionHandle) -> list[str]:
    return [name for name in ("pupil", "running", "gaze") if name in handle.signals]


def _facts(streams: Streams, normalisation: Normalisation) -> SessionFacts:
    handle = streams.handle
    *channel, y, x = streams[handle.document.identity.film].shape
    neurons = handle.neurons
    places = [neurons[axis] for axis in ("x", "y", "z") if axis in neurons]
    return SessionFacts(
        key=streams.key,
        unit_ids=neurons["unit_id"].astype(np.int64),
        image_shape=(channel[0] if channel else 1, y // normalisation.step, x // normalisation.step),
        n_behavior=_width(streams, ("pupil", "running")),
        n_pupil_center=_width(streams, ("gaze",)),
        coordinates=np.stack(places, axis=1).astype(np.float64) if len(places) == 3 else None,  # x, y, z
        mean_responses=_means(streams, normalisation.scaling),
        source_digest=digest_of(handle),
    )


def _width(streams: Streams, names: Sequence[str]) -> int:
    return sum(int(np.prod(streams[name].shape)) for name in names if name in streams)


def _means(streams: Streams, scaling: ResponseScale) -> NDArray[np.float64]:
    """Return the mean response of each neuron over the training trials, in some units."""
    mean: NDArray[np.float64] = Statistics.stored([streams]).of(streams)["responses"].mean
    if scaling == "raw":
        return mean
    scale = Shipped(streams).precision() if scaling == "official" else _per_neuron(streams)
    gain: NDArray[np.float64] = scale.gain[scale.good].mean(axis=0)
    return mean * gain


def _per_neuron(streams: Streams, statistics: Statistics | None = None) -> Scale:
    own = Statistics.stored([streams]) if statistics is None else statistics
    whole, places = own.all_neurons(streams, "responses")
    scale = precision(whole.std[None])
    return scale if places is None else scale[places]


def normalisation_of(
    streams: Sequence[Streams], how: How = "official", *, statistics: Statistics | None = None, step: int = 1
) -> Normalisation:
    """Return the numbers by which models of some sessions normalise.

    Parameters
    ----------
    streams : sequence of Streams
        As `dataset.streams`.
    how : {"official", "fitted"}
        As published with the recordings, and as scored: for films a number for every frame; or one mean and standard
        deviation over the training trials for each stream, channel and neuron.
    statistics : Statistics, optional
        For "fitted"; by default those that each store holds of its training trials.
    step : int
        Pixels of a side of an image that become one.

    Raises
    ------
    BadArgument
        No such way; or the sessions were published without statistics.
    """
    if how not in ("official", "fitted"):
        hint = near_miss(str(how), ["official", "fitted"])
        raise BadArgument(f"how is {how!r}", hint=hint, code="bad-normalisation")
    make = _official if how == "official" else lambda one: _fitted(one, statistics)
    tables = {each.key: make(each) for each in streams}
    return Normalisation(tables, scaling="official" if how == "official" else "per_neuron", step=step)


def _official(streams: Streams) -> Mapping[Stream, Scale]:
    """Return what was published with a session."""
    shipped, film = Shipped(streams), streams.handle.document.identity.film
    shipped.need(film, ("mean", "std"))
    found: dict[Stream, Scale] = {"stimulus": _of_images(shipped.scale(film))}
    for part, names in PARTS:
        there = [name for name in names if name in streams]
        for name in there:
            shipped.need(name, ("mean", "std") if name == "gaze" else ("std",))
        if there:
            found[part] = _together([shipped.scale(name) for name in there])
    return found


def _fitted(streams: Streams, statistics: Statistics | None) -> Mapping[Stream, Scale]:
    """Return one mean and standard deviation for each channel, of the film for all pixels."""
    known = (Statistics.stored([streams]) if statistics is None else statistics).of(streams)
    film = streams.handle.document.identity.film
    found: dict[Stream, Scale] = {
        "stimulus": Scale.z_score(*(np.reshape(part, (1, 1, 1, 1)) for part in (known[film].mean, known[film].std)))
    }
    for part, names in PARTS:
        there = [known[name] for name in names if name in streams]
        if part == "responses":
            found[part] = _per_neuron(streams, statistics)
        elif there:
            std = [each.std.reshape(1, -1) for each in there]
            mean = [each.mean.reshape(1, -1) for each in there]
            made = [
                Scale.z_score(m, s) if part == "pupil_center" else Scale.by_std(s)
                for m, s in zip(mean, std, strict=True)
            ]
            found[part] = _together(made)
    return found


def _together(scales: Sequence[Scale]) -> Scale:
    """Return the scale of the channels of several signals, (frame, channel)."""
    n = max(len(each.gain) for each in scales)
    gains, shifts = [], []
    for each in scales:
        gain = each.gain.reshape(len(each.gain), -1)
        shift = np.zeros_like(gain) if each.shift is None else each.shift.reshape(len(each.shift), -1)
        gains.append(np.broadcast_to(gain, (n, gain.shape[1])) if len(gain) == 1 else gain)
        shifts.append(np.broadcast_to(shift, (n, shift.shape[1])) if len(shift) == 1 else shift)
    none = all(each.shift is None for each in scales)
    return Scale.of(None if none else np.concatenate(shifts, axis=1), np.concatenate(gains, axis=1))


def _of_images(scale: Scale) -> Scale:
    """Return a scale of frames with an axis of channels, (frame, channel, y, x)."""
    if scale.gain.ndim == 4:  # images of 2022 have one
        return scale
    return Scale.of(None if scale.shift is None else scale.shift[:, None], scale.gain[:, None])
