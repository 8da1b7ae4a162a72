"""A recording of one's own, looked at as a whole: everything that is wrong with it at once, or what is to be written."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import ValidationError

from sensorium_data.errors import BadArgument, Problem, counted
from sensorium_data.grid import as_rate
from sensorium_data.schemas import Citation, Identity, Licence
from sensorium_data.writing.columns import neuron_columns
from sensorium_data.writing.signals import SignalData
from sensorium_data.writing.stimuli import Films, check_shown, read_films
from sensorium_data.writing.trials import NANOSECONDS, OwnTrials, read_trials
from sensorium_data.writing.unicode import NO_UNICODE, is_unicode, legible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sensorium_data.clock import Clock
    from sensorium_data.schemas import ConvertOptions
    from sensorium_data.sources import RawColumn
    from sensorium_data.writing.signals import NumberLike

__all__ = ["Given", "Recording", "sound"]

Made = TypeVar("Made", Identity, Licence, Citation)


@dataclass(frozen=True, slots=True)
class Given:
    """What a caller gave, as it is."""

    identity: str | Identity
    signals: Sequence[SignalData]
    neurons: Mapping[str, Any] | None
    trials: Mapping[str, Any] | None
    stimuli: Mapping[str, Any] | None
    frame_rate_hz: NumberLike | None
    licence: str | Licence | None
    citations: Sequence[str | Citation]
    options: ConvertOptions


@dataclass(frozen=True, slots=True)
class Recording:
    """What was given, found to be sound."""

    identity: Identity
    signals: tuple[SignalData, ...]
    clocks: dict[str, Clock]
    neurons: dict[str, RawColumn]
    n_neurons: int
    trials: OwnTrials
    films: Films
    licence: Licence | None
    citations: tuple[Citation, ...]


def sound(given: Given) -> Recording:
    """Return a recording whose parts are sound and fit together.

    Raises
    ------
    BadArgument
        With every problem.
    """
    problems: list[Problem] = []
    identity = _document(given.identity, Identity, _identity, problems)
    licence = None if given.licence is None else _document(given.licence, Licence, _licence, problems)
    clocked = _signals(given.signals, problems)
    signals = tuple(signal for signal, _ in clocked)
    clocks = {signal.name: clock for signal, clock in clocked}
    allow_nan = given.options.allow_nan
    columns, n_neurons = neuron_columns(given.neurons, _n_neurons(signals, problems), problems, allow_nan=allow_nan)
    of_trials: list[Problem] = []
    trials = read_trials(given.trials, of_trials, allow_nan=allow_nan)
    of_films: list[Problem] = []
    films = read_films(given.stimuli, _rate(given.frame_rate_hz, of_films), given.options, of_films)
    if given.frame_rate_hz is not None and not films.arrays and not of_films:
        of_films.append(Problem("frame-rate-alone", "frame_rate_hz", "is given without stimuli; leave it out"))
    if not of_trials and not of_films:
        check_shown(trials, films, of_films)
    citations = _citations(given.citations, problems)
    if identity is not None and identity.modality == "static" and not problems and not of_trials:
        _check_static(clocks, trials, films, of_films)
    problems += of_trials + of_films
    if problems or identity is None:
        hint = "nothing was written; `help(sensorium_data.write_session)` says what is expected"
        # What is wrong may be a text that nothing can print.
        problems = [Problem(p.code, legible(p.where), legible(p.what)) for p in problems]
        raise BadArgument(
            f"the recording has {counted(len(problems), 'problem')}",
            hint=hint,
            problems=problems,
            code="recording-invalid",
        )
    return Recording(identity, signals, clocks, columns, n_neurons, trials, films, licence, citations)


def _identity(name: str) -> Identity:
    return Identity(key=name, name=name, modality="dynamic")


def _licence(name: str) -> Licence:
    return Licence(name=name)


def _citation(text: str) -> Citation:
    return Citation(text=text)


def _document(given: object, model: type[Made], make: Callable[[str], Made], problems: list[Problem]) -> Made | None:
    """Return a document, made of its name where that is all that was given; None with a problem where it cannot be."""
    where = model.__name__.lower()
    if not isinstance(given, str | model):
        what = f"is {type(given).__name__}, expected text or {model.__name__}"
        problems.append(Problem(f"{where}-invalid", where, what))
        return None
    try:
        document = given if isinstance(given, model) else make(str(given))
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        problems.append(Problem(f"{where}-invalid", where, f"`{str(given)[:40]}` will not do: {said}"))
        return None
    if not all(is_unicode(text) for text in document.model_dump().values() if isinstance(text, str)):
        problems.append(Problem("text", where, f"has {NO_UNICODE}"))
        return None
    return document


def _citations(given: object, problems: list[Problem]) -> tuple[Citation, ...]:
    if isinstance(given, str | Citation) or not hasattr(given, "__iter__"):
        problems.append(Problem("citation-invalid", "citations", f"is {type(given).__name__}, expected a list of them"))
        return ()
    documents = [_document(one, Citation, _citation, problems) for one in given]
    return tuple(document for document in documents if document is not None)


def _rate(given: NumberLike | None, problems: list[Problem]) -> Fraction | None:
    if given is None:
        return None
    try:
        return as_rate(given)
    except BadArgument as error:
        problems.append(Problem(error.code, "frame_rate_hz", error.message))
        return Fraction(1)  # one was given: that none was must not be said as well


def _signals(given: object, problems: list[Problem]) -> list[tuple[SignalData, Clock]]:
    """Return the signals that are sound with their clocks, which are built once: of many times it takes a while."""
    if not isinstance(given, list | tuple) or not all(isinstance(signal, SignalData) for signal in given):
        problems.append(Problem("no-signals", "signals", f"is {type(given).__name__}, expected a list of SignalData"))
        return []
    if not given:
        problems.append(Problem("no-signals", "signals", "is empty; a recording has one signal at least"))
    clocked: list[tuple[SignalData, Clock]] = []
    for signal in given:
        wrong, clock = signal.examined()
        problems += wrong
        if clock is not None and not wrong:
            clocked.append((signal, clock))
    names = [signal.name for signal in given]
    twice = [name for i, name in enumerate(names) if names.index(name) == i and names.count(name) > 1]
    problems += [Problem("duplicate-signal", f"signal `{n}`", f"is given {names.count(n)} times") for n in twice]
    _check_dims([signal for signal, _ in clocked], problems)
    return clocked


def _check_dims(signals: Sequence[SignalData], problems: list[Problem]) -> None:
    """Add a problem for every dim that is called as a signal is, or as another signal's dim is in a trial."""
    names = {signal.name for signal in signals}
    second = {signal.name: dim for signal in signals for dim in signal.all_dims[1:] if dim != "neuron"}
    # Where channels differ between signals, or a film has the dim too, a trial calls it `eye_channel`.
    own = {f"{name}_{dim}": name for name, dim in second.items()}
    for name, dim in second.items():
        where = f"signal `{name}`"
        if dim in names:
            problems.append(Problem("dims", where, f"has dims ('time', '{dim}'), one of them named as a signal is"))
        elif own.get(dim, name) != name:
            problems.append(Problem("dims", where, f"has a dim `{dim}`, as trials call that of `{own[dim]}`"))
    for dim in own.keys() & names:
        what = f"is called as trials call the second dim of `{own[dim]}`"
        problems.append(Problem("dims", f"signal `{dim}`", what))


def _n_neurons(signals: Sequence[SignalData], problems: list[Problem]) -> int | None:
    """Return how many neurons the signals have; None where none has any."""
    counts = {signal.name: signal.shape[1] for signal in signals if signal.of_neurons}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"`{name}` {n:,}" for name, n in counts.items())
        problems.append(Problem("length-mismatch", "signals", f"have differing numbers of neurons: {said}"))
    return next(iter(counts.values()), None)


def _check_static(clocks: Mapping[str, Clock], trials: OwnTrials, films: Films, problems: list[Problem]) -> None:
    """Hold a recording of images to one image and one sample of each signal a trial."""
    advice = 'a static recording has one a trial; modality="dynamic" takes any'
    if films.rate is not None or any(films.n_frames(name) > 1 for name in films.arrays if films.frame_shape):
        problems.append(Problem("static-film", "stimuli", f"are films, or have a frame_rate_hz; {advice}"))
    for name, clock in clocks.items():
        n = np.diff(clock.intervals(NANOSECONDS, trials.start_ns, trials.stop_ns), axis=1)[:, 0]
        if len(many := np.flatnonzero(n > 1)):
            what = f"has {n[many[0]]} samples in the trial of row {many[0]} ({len(many)} such trials); {advice}"
            problems.append(Problem("static-samples", f"signal `{name}`", what))
