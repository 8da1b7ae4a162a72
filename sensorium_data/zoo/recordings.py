"""Recordings held against a model before anything is read: is it these neurons, these films, these inputs, this long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import BadArgument, Problem, SensoriumError, counted, listed, near_miss
from sensorium_data.loaders.statistics import digest_of
from sensorium_data.store.layout import Paths
from sensorium_data.streams import open_streams
from sensorium_data.viewing.opening import opened
from sensorium_data.windows import legal_windows
from sensorium_data.zoo.facts import normalisation_of
from sensorium_data.zoo.published2022 import CLOSE, UNNAMED
from sensorium_data.zoo.readouts import in_cortex
from sensorium_data.zoo.tensors import streams_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from fractions import Fraction

    from numpy.typing import NDArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.streams import Streams
    from sensorium_data.viewing.opening import Opened
    from sensorium_data.windows import Tier, Windows
    from sensorium_data.zoo.contract import Model, SessionFacts
    from sensorium_data.zoo.normalisation import Normalisation

__all__ = ["Recording", "recordings_for"]

HINTS = {
    "no-such-session": "a model answers for the neurons that it was trained on, and for no others",
    "other-recording": "a key may be used twice: take the recording that the model was trained on",
    "other-neurons": "take the recording that the model was trained on",
    "trial-too-short": "leave these trials out: `tier` takes conditions on the columns of the trial table",
}
NAMED = 8  # trials of one session that are too short


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A session that a model can answer for.

    Attributes
    ----------
    facts : SessionFacts
        What the model knows of it.
    streams : Streams
        The film and the inputs, no more.
    trials : (trial,) bool
        That are asked for.
    units : Normalisation or None
        What makes its samples into what the model takes, where the model brings nothing of the kind.
    """

    facts: SessionFacts
    streams: Streams
    trials: NDArray[np.bool_]
    units: Normalisation | None

    @property
    def n_trials(self) -> int:
        """How many trials are asked for."""
        return int(self.trials.sum())


def recordings_for(
    model: Model,
    sessions: Opened | Iterable[Opened],
    tier: Tier,
    *,
    signals: Iterable[str] | None = None,
    rate_hz: float | str | Fraction | None = None,
) -> list[Recording]:
    """Return the sessions that have trials of a tier, in their order.

    Parameters
    ----------
    model : Model
    sessions, tier, rate_hz
        As for `make_loader`.
    signals : iterable of str, optional
        Those of pupil, running and gaze that are inputs, where the model was not trained on all of them.

    Raises
    ------
    BadArgument
        A session that the model does not know or that is not the one it was trained on, films or inputs that it does not
        take, trials that are too short: all that is wrong is named.
    NotFound
        No such session or tier.
    """
    named = None if signals is None else [signals] if isinstance(signals, str) else list(signals)
    problems: list[Problem] = []
    found: list[tuple[SessionFacts, Streams]] = []
    for key, session in opened(sessions).items():
        facts, wrong = _known(model, key, session.handle)
        if facts is not None:
            each = _streams(facts, session.handle, named, rate_hz)
            wrong += [*_strange(model, each), *_inputs(facts, each)]
            found.append((facts, each))
        problems += wrong
    streams = [each for _, each in found]
    windows = _windows(streams, tier, problems)
    if windows is not None:
        problems += _short(model, streams, windows)
    if problems or windows is None:
        first, *others = problems
        what = f"{model.name} cannot answer: {first.where} {first.what}"
        raise BadArgument(what, hint=_hint(model, first), problems=others, code=first.code)
    made = [_recording(model, windows, i, *each) for i, each in enumerate(found)]
    return [each for each in made if each.n_trials]


def _hint(model: Model, problem: Problem) -> str:
    if problem.code == "no-such-session":
        return f"{HINTS[problem.code]}; {near_miss(problem.where, list(model.sessions))}"
    return HINTS.get(problem.code, "")


def _known(model: Model, key: str, handle: SessionHandle) -> tuple[SessionFacts | None, list[Problem]]:
    """Return what the model knows of a session, with the ids of its neurons; or what makes it none of the model's."""
    if key not in model.sessions:
        what = f"is none of the {counted(len(model.sessions), 'session')} that it knows"
        return None, [Problem("no-such-session", key, what)]
    modality = handle.document.identity.modality
    if modality != model.modality:
        shows, takes = ("films" if each == "dynamic" else "images" for each in (modality, model.modality))
        return None, [Problem("other-modality", key, f"is a recording of {shows}, the model takes {takes}")]
    facts, table = model.sessions[key], handle.store.table(Paths.neurons, ["unit_id"])  # whatever is selected
    problems = []
    if facts.source_digest and facts.source_digest != digest_of(handle):
        what = "has the key of the model's session and is another recording"
        problems.append(Problem("other-recording", key, what))
    if (facts.unit_ids == UNNAMED).all():
        facts, lacking = _named(facts, table)
    else:
        lacking = list(_lacking(facts, table["unit_id"]))
    return facts, [*problems, *lacking]


def _lacking(facts: SessionFacts, stored: NDArray[np.integer]) -> Iterator[Problem]:
    lacking = facts.unit_ids[~np.isin(facts.unit_ids, stored)]
    if len(lacking):
        of = f"{len(lacking):,} of the model's {counted(facts.n_neurons, 'neuron')}"
        yield Problem("other-neurons", facts.key, f"lacks {of}: {listed(lacking.tolist(), most=4)}")


def _named(facts: SessionFacts, table: Mapping[str, NDArray[Any]]) -> tuple[SessionFacts, list[Problem]]:
    """Return facts with the ids of a recording's neurons, for weights that know their neurons by place and order alone."""
    ids = table["unit_id"].astype(np.int64)
    if len(ids) != facts.n_neurons:
        what = f"has {counted(len(ids), 'neuron')}, the model answers for {facts.n_neurons:,}"
        return facts, [Problem("other-neurons", facts.key, what)]
    places = np.stack([table.get(axis, np.full(len(ids), np.nan)) for axis in ("x", "y", "z")], axis=1)
    here = replace(facts, unit_ids=ids, coordinates=places.astype(np.float64))
    try:
        apart = np.abs(in_cortex(here) - in_cortex(facts)).max(axis=1)  # (neuron,)
    except BadArgument as error:
        return facts, [Problem(error.code, facts.key, error.message)]
    if n := int((apart > CLOSE).sum()):
        what = f"has {counted(n, 'neuron')} that lie elsewhere than those of the model"
        return facts, [Problem("other-neurons", facts.key, what)]
    return here, []


def _streams(
    facts: SessionFacts, handle: SessionHandle, signals: Sequence[str] | None, rate_hz: float | str | Fraction | None
) -> Streams:
    film = handle.document.identity.film
    names = (
        streams_for(film, facts.n_behavior, facts.n_pupil_center, handle.signals)
        if signals is None
        else [film, *signals]
    )
    return open_streams(handle, names, rate_hz=rate_hz)


def _strange(model: Model, streams: Streams) -> Iterator[Problem]:
    """Yield what the model cannot do with a film, or with numbers that it has none for."""
    facts, seen = model.sessions[streams.key], streams[streams.handle.document.identity.film].shape
    channels, *sides = facts.image_shape
    step = _step(model, streams)
    wanted = (*((channels,) if len(seen) == 3 else ()), *(side * step for side in sides))
    if seen != wanted:
        yield Problem("film-shape", streams.key, f"shows {_by(seen)} pixels, the model sees {_by(wanted)}")
    if len(model.normalisation.tables) and streams.key not in model.normalisation.tables:
        yield Problem("no-normalisation", streams.key, "has no numbers in the normalisation of the model")


def _by(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _step(model: Model, streams: Streams) -> int:
    """Return how many pixels of a side become one: as the model says, else what makes its images of those stored."""
    if len(model.normalisation.tables):
        return model.normalisation.step
    side = streams[streams.handle.document.identity.film].shape[-2]
    return max(1, side // model.sessions[streams.key].image_shape[-2])


def _inputs(facts: SessionFacts, streams: Streams) -> Iterator[Problem]:
    for what, names, n in (
        ("behaviour", ("pupil", "running"), facts.n_behavior),
        ("position of the pupil", ("gaze",), facts.n_pupil_center),
    ):
        there = [name for name in names if name in streams]
        width = sum(int(np.prod(streams[name].shape)) for name in there)
        if n and width != n:
            of = listed(there, between=" and ") or f"neither {' nor '.join(names)}" if len(names) > 1 else listed(there)
            has = f"has {counted(width, 'channel')} of {what} ({of or 'no gaze'}), the model takes {n}"
            yield Problem("other-inputs", streams.key, has)


def _windows(streams: Sequence[Streams], tier: Tier, problems: list[Problem]) -> Windows | None:
    """Return the trials of a tier as windows; where something is wrong already, that there are none is noted beside it."""
    if not streams:
        return None
    try:
        # Only the film must be there: what else is missing is filled.
        return legal_windows(streams, tier=tier, window="trial", require=streams[0].handle.document.identity.film)
    except SensoriumError as error:
        if not problems:
            raise
        problems += [Problem(error.code, "tier", error.message), *error.problems]
        return None


def _short(model: Model, streams: Sequence[Streams], windows: Windows) -> Iterator[Problem]:
    """Yield the trials that have no frame which the model answers for."""
    least = model.n_lost_frames + 1
    for i, each in enumerate(streams):
        rows = windows.trial_row[windows.session == i]
        lengths = _lengths(each, rows, windows.n_samples[windows.session == i])
        short = np.flatnonzero(lengths < least)
        ids = each.handle.trials["trial_id"][rows]
        for k in short[:NAMED].tolist():
            n = int(lengths[k])
            what = f"has {counted(n, 'frame')}, {least - n} fewer than the {least} that one answer rests on"
            yield Problem("trial-too-short", f"{each.key}, trial {ids[k]}", what)
        if len(short) > NAMED:
            what = f"has {counted(len(short) - NAMED, 'trial')} more that are too short"
            yield Problem("trial-too-short", each.key, what)


def _lengths(streams: Streams, rows: NDArray[np.int32], n_samples: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the frames of trials before the first that shows nothing: a film may end before its trial does."""
    film = streams[streams.handle.document.identity.film]
    anywhere = np.ones(len(streams.n_frames), np.bool_)
    lengths, whole = n_samples.astype(np.int64), film.whole(anywhere)
    for k, row in enumerate(rows.tolist()):
        if whole is None or not whole[row]:
            usable = film.usable(row, int(lengths[k]), anywhere)
            lengths[k] = len(usable) if usable.all() else int(usable.argmin())
    return lengths


def _recording(model: Model, windows: Windows, i: int, facts: SessionFacts, streams: Streams) -> Recording:
    trials = np.zeros(len(streams.n_frames), np.bool_)
    trials[windows.trial_row[windows.session == i]] = True
    units = None  # a model that takes its inputs normalised is given what was published with the recording
    if not len(model.normalisation.tables):
        units = normalisation_of([streams], "official", step=_step(model, streams))
    return Recording(facts, streams, trials, units)
