"""Write a recording of one's own: checked as a whole, built beside the target, proven, and put in its place in one step."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data import __version__
from sensorium_data.clock import TimesClock, rows_within
from sensorium_data.conversion.builder import SessionBuilder, Tables
from sensorium_data.conversion.finish import Written
from sensorium_data.conversion.finite import in_python, unfit
from sensorium_data.conversion.outcome import report_of, skipped
from sensorium_data.conversion.pipeline import check_written, options_of
from sensorium_data.conversion.recipe import Recipe
from sensorium_data.conversion.rounding import largest_error, rounded
from sensorium_data.conversion.run import run_tasks
from sensorium_data.conversion.shardtasks import film_tasks
from sensorium_data.conversion.shardwriter import do_task
from sensorium_data.errors import BadArgument, Problem
from sensorium_data.moments import Moments
from sensorium_data.progress import Progress, Report, ignore
from sensorium_data.schemas import Citation, ConvertReport, Existing, Identity, Licence, Precision, Preset, Provenance
from sensorium_data.settings import settings
from sensorium_data.sources.members import named
from sensorium_data.store.layout import Paths, codec_for
from sensorium_data.store.publish import Scratch, settle_target, storage_errors
from sensorium_data.writing.arrays import Rows, array_tasks, dtype_of, in_shards, values_spec
from sensorium_data.writing.recording import Given, Recording, sound
from sensorium_data.writing.stimuli import frames_of, moments_of_shown, not_shown, shown_in, spool_films
from sensorium_data.writing.trials import NANOSECONDS, trial_documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.clock import Clock
    from sensorium_data.schemas import ConvertOptions, Session
    from sensorium_data.writing.signals import NumberLike, SignalData

__all__ = ["write_session"]

READER = "write_session"


def write_session(
    target: str | Path,
    *,
    identity: str | Identity,
    signals: Sequence[SignalData],
    neurons: Mapping[str, Any] | None = None,
    trials: Mapping[str, Any] | None = None,
    stimuli: Mapping[str, Any] | None = None,
    frame_rate_hz: NumberLike | None = None,
    licence: str | Licence | None = None,
    citations: Sequence[str | Citation] = (),
    preset: Preset = "compact",
    precision: Precision = "float32",
    existing: Existing = "error",
    allow_nan: bool = False,
    report: Report = ignore,
) -> ConvertReport:
    """Write a recording of your own as a session store, checked before anyone sees it.

    Parameters
    ----------
    target : str or Path
        Where the store goes.
    identity : str or Identity
        A name that is unique among your recordings, or the whole document.
    signals : list of SignalData
        Every stream, each with its own clock; all that have neurons have the same ones.
    neurons : mapping of str to (neuron,) array-like, optional
        `unit_id`, `x`, `y`, `z`, `depth` (µm), `area`, `layer`, and any other column; a dict or a table of pandas.
    trials : mapping of str to (trial,) array-like, optional
        `start_s` and `stop_s` in seconds, half-open, ascending; `trial_id`, `tier`, `role`, `stimulus` and any other
        column. Without `tier` all trials are `train`.
    stimuli : mapping of str to array, optional
        Films (frame, y, x) or images (y, x) by the names that `trials["stimulus"]` uses, in grey levels; in colour
        (frame, channel, y, x). Without them `stimulus` may hold any labels, such as directions: equal ones are one
        stimulus. Empty text or NaN says that nothing was shown.
    frame_rate_hz : float, str or Fraction, hertz, optional
        How fast films are shown, from the start of their trial.
    licence, citations : optional
        Terms of the recording, and what to cite.
    preset : {"compact", "fast", "portable"}
        As for `convert`.
    precision : {"float32", "source", "float16"}
        As for `convert`; integers are kept as they are.
    existing : {"error", "skip", "replace"}
        What to do with a store that is there: fail, leave it, or replace it once the new one is whole.
    allow_nan : bool
        Let NaN in `responses`, and infinity, through; elsewhere NaN is kept anyway.
    report : callable
        Receives `Progress` records.

    Returns
    -------
    ConvertReport

    Raises
    ------
    BadArgument
        With every problem of what was given; nothing is written.
    TargetExists, TargetBusy, StorageFailed
        As `convert`.

    Examples
    --------
    >>> import tempfile, numpy as np, sensorium_data as sd
    >>> rng = np.random.default_rng(0)
    >>> target = tempfile.mkdtemp() + "/mine.zarr"
    >>> done = sd.write_session(
    ...     target,
    ...     identity="mouse-1-day-2",
    ...     signals=[
    ...         sd.SignalData("responses", rng.random((160, 5)), unit="a.u.", rate_hz=16),
    ...         sd.SignalData("running", rng.random(200), unit="cm/s", times_s=np.sort(rng.uniform(0, 10, 200))),
    ...     ],
    ...     trials={"start_s": [0, 5], "stop_s": [4, 9], "stimulus": ["left", "right"]},
    ... )
    >>> sd.open_session(target).trial(1)["responses"].shape
    (64, 5)
    """
    target = named(target)
    options = options_of(preset, precision, allow_nan, existing)
    if existing == "resume":
        raise BadArgument("existing `resume` is for published recordings", hint="use `error`, `skip` or `replace`")
    recording = sound(Given(identity, signals, neurons, trials, stimuli, frame_rate_hz, licence, citations, options))
    if settle_target(target, None, existing):
        return skipped(target, recording.identity)
    with storage_errors(target, resumes=False), Scratch(target) as scratch:
        # Another process may have finished since, and a replacement that was killed is put back now.
        if settle_target(target, None, existing):
            scratch.discard()
            return skipped(target, recording.identity)
        # Arrays in memory have no cheap identity: no later run could know that what is here was of its own.
        with _or_nothing(scratch):
            recipe = Recipe(recording.identity.key, READER, uuid.uuid4().hex, options, str(scratch.root.absolute()))
            scratch.begin(recipe.document())
            session = _build(recipe, recording, report)
            checks = check_written(scratch.store, report)
        scratch.publish()
    report(Progress("publish", 1, 1, "stores", str(target)))
    return report_of(target, "converted", session, checks)


@contextmanager
def _or_nothing(scratch: Scratch) -> Iterator[None]:
    """Remove all that was built where anything goes wrong, an interrupt too."""
    try:
        yield
    except BaseException:
        scratch.discard()
        raise


def _build(recipe: Recipe, recording: Recording, report: Report) -> Session:
    """Write the whole store into the scratch folder and return its document."""
    trials, films, store = recording.trials, recording.films, recipe.path("store")
    plan, variant_of = spool_films(films, recipe.path("spool"))
    shown = shown_in(trials, films, plan, variant_of)
    counted = next((recording.clocks[s.name] for s in recording.signals if s.of_neurons), None)
    documents = trial_documents(trials, shown, counted)
    starts, stops = trials.start_ns[trials.train], trials.stop_ns[trials.train]
    train = {name: rows_within(clock, NANOSECONDS, starts, stops) for name, clock in recording.clocks.items()}
    frames = frames_of(films, plan, recipe.options)
    tasks = array_tasks(recipe, recording.signals, train) + film_tasks(recipe, frames.spec, plan.films)
    records = run_tasks(do_task, tasks, stage="write", n_threads=settings().n_threads, report=report)
    written = Written(tasks, records)
    problems = [Problem(**problem) for record in records for problem in record.facts["problems"]]
    small = {s.name: _small(s, recipe.options, problems) for s in recording.signals if not in_shards(s)}
    if problems:
        hint = "nothing was written"
        what = f"{recording.identity.key} has values that cannot be kept"
        raise BadArgument(what, hint=hint, problems=map(in_python, problems), code="recording-invalid")
    builder = SessionBuilder(store, recipe.options)
    builder.tables(
        Tables(recording.neurons, recording.n_neurons, documents, trials.variables, plan.variants, NANOSECONDS)
    )
    builder.frames(plan.variants, frames, written.of(frames.spec.path))
    for signal in recording.signals:
        moments = _put(
            builder, signal, recording.clocks[signal.name], small.get(signal.name, written), train[signal.name]
        )
        builder.train_statistics(signal.name, moments, signal.all_dims[1:], len(starts))
    if plan.variants:
        shown_moments = moments_of_shown(plan, documents, frames.spec.dtype)
        builder.train_statistics(recording.identity.film, shown_moments, (), len(starts))
    return builder.finish(
        recording.identity, recording.licence, recording.citations, _provenance(recipe, recording, written)
    )


@dataclass(frozen=True, slots=True)
class _Small:
    """The samples of a signal of one chunk as they are stored, and what rounding did to them at most."""

    stored: NDArray[Any]
    error: float


def _small(signal: SignalData, options: ConvertOptions, problems: list[Problem]) -> _Small:
    """Return the samples of a signal of one chunk; values that cannot be kept become problems."""
    source = Rows(signal.values).read(0, signal.shape[0])
    stored = rounded(source, dtype_of(signal, options))
    if not np.isfinite(stored).all():
        where = f"signal `{signal.name}`"
        problems += unfit(source, stored, where, allow_nan=options.allow_nan, nan_is_fine=True)
    return _Small(stored, largest_error(source, stored) if source.dtype != stored.dtype else 0.0)


def _put(
    builder: SessionBuilder, signal: SignalData, clock: Clock, samples: _Small | Written, train: NDArray[np.bool_]
) -> Moments:
    """Add a signal with its clock, and return its statistics over the train tier."""
    if isinstance(clock, TimesClock):
        builder.times(signal.name, clock)
    if isinstance(samples, Written):
        spec = values_spec(signal, builder.options)
        builder.sharded_signal(signal.raw(), clock, spec, samples.of(spec.path))
        return samples.moments(spec.path, signal.shape[1])
    builder.small_signal(signal.raw(), clock, samples.stored, samples.error)
    columns = samples.stored.reshape(len(samples.stored), -1)
    return Moments.of(columns[train]) if train.any() else Moments.empty(columns.shape[1])


def _provenance(recipe: Recipe, recording: Recording, written: Written) -> Provenance:
    path = Paths.values("responses")
    responses = Written([task for task in written.tasks if task.spec.path == path], written.of(path))
    codecs = [task.spec.codec for task in written.tasks if task.spec.path != Paths.frames]
    return Provenance(
        source_name=recording.identity.name,
        source_digest=None,
        source_members=0,
        source_bytes=sum(signal.n_bytes for signal in recording.signals),
        reader=READER,
        package="sensorium-data",
        version=__version__,
        options=recipe.options,
        codec=codecs[0] if codecs else codec_for(recipe.options.preset, np.dtype(np.float32)),
        notes=(*responses.notes(), *not_shown(recording.trials, recording.films)),
        converted_at=datetime.now(UTC),
    )
