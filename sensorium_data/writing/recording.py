"""A recording of one's own, looked at as a whole: everything that is wrong with it at once, or what is to be written."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import ValidationError

from sensorium_data.errors import BadArgument, Problem
from sensorium_data.grid import as_rate
from sensorium_data.schemas import Citation, Identity, Licence
from sensorium_data.writing.columns import neuron_columns
from sensorium_data.writing.signals import SignalData
from sensorium_data.writing.stimuli import Films, check_shown, read_films
from sensorium_data.writing.trials import NANOSECONDS, OwnTrials, read_trials

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
    signals, fine = _signals(given.signals, problems)
    allow_nan = given.options.allow_nan
    columns, n_neurons = neuron_columns(given.neurons, _n_neurons(fine, problems), problems, allow_nan=allow_nan)
    of_trials: list[Problem] = []
    trials = read_trials(given.trials, of_trials, allow_nan=allow_nan)
    of_films: list[Problem] = []
    films = read_films(given.stimuli, _rate(given.frame_rate_hz, of_films), given.options, of_films)
    if not of_trials and not of_films:
        check_shown(trials, films, of_films)
    citations = _citations(given.citations, problems)
    clocks = {} if problems else {signal.name: signal.clock() for signal in signals}
    if identity is not None and identity.modality == "static" and not of_trials:
        _check_static(clocks, trials, films, of_films)
    problems += of_trials + of_films
    if problems or identity is None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        hint = "nothing was written; `help(sensorium_data.write_session)` says what is expected"
        raise BadArgument(f"the recording has {count}", hint=hint, problems=problems, code="recording-invalid")
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
    if isinstance(given, model):
        return given
    if not isinstance(given, str):
        what = f"is {type(given).__name__}, expected text or {model.__name__}"
        problems.append(Problem(f"{where}-invalid", where, what))
        return None
    try:
        return make(given)
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        problems.append(Problem(f"{where}-invalid", where, f"`{given[:40]}` will not do: {said}"))
        return None


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


def _signals(given: object, problems: list[Problem]) -> tuple[tuple[SignalData, ...], list[SignalData]]:
    """Return the signals, and those of them that are sound."""
    if not isinstance(given, list | tuple) or not all(isinstance(signal, SignalData) for signal in given):
        problems.append(Problem("no-signals", "signals", f"is {type(given).__name__}, expected a list of SignalData"))
        return (), []
    if not given:
        problems.append(Problem("no-signals", "signals", "is empty; a recording has one signal at least"))
    found = [(signal, signal.problems()) for signal in given]
    problems += [problem for _, wrong in found for problem in wrong]
    names = [signal.name for signal in given]
    twice = [name for i, name in enumerate(names) if names.index(name) == i and names.count(name) > 1]
    problems += [Problem("duplicate-signal", f"signal `{n}`", f"is given {names.count(n)} times") for n in twice]
    fine = [signal for signal, wrong in found if not wrong]
    for signal in fine:
        if set(signal.all_dims[1:]) & set(names):
            what = f"has dims {signal.all_dims}, one of them named as a signal is"
            problems.append(Problem("dims", f"signal `{signal.name}`", what))
    return tuple(given), fine


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
