"""Score predictions on the responses of some tiers: one trial at a time, and a few numbers a neuron are kept of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium_data.errors import BadArgument
from sensorium_data.evaluation.asked import ask
from sensorium_data.evaluation.joining import Join
from sensorium_data.evaluation.outcome import Evaluation, Reporter
from sensorium_data.evaluation.tally import TierTally
from sensorium_data.evaluation.traces import TraceKeeper
from sensorium_data.progress import Progress, ignore
from sensorium_data.schemas.score import Bootstrap, ScoredSession

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sensorium_data.evaluation.asked import Asked, Silent
    from sensorium_data.evaluation.joining import Neurons
    from sensorium_data.evaluation.outcome import NeuronScores
    from sensorium_data.evaluation.predictions import TrialPrediction
    from sensorium_data.evaluation.presets import Preset
    from sensorium_data.evaluation.truth import Recording
    from sensorium_data.progress import Report
    from sensorium_data.schemas.session import Note
    from sensorium_data.viewing.opening import Opened

__all__ = ["evaluate", "score"]


def evaluate(
    predictions: Iterable[TrialPrediction],
    sessions: Opened | Iterable[Opened],
    *,
    tier: str | Iterable[str] | None = None,
    preset: str | Preset | None = None,
    neurons: Neurons = "all",
    n_bootstrap: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    silent: Silent = "refuse",
    source: str = "predictions",
    storage_options: Mapping[str, object] | None = None,
    report: Report = ignore,
) -> Evaluation:
    """Score predictions on recorded responses.

    They are joined by session, trial and unit id, never by order, and taken one at a time: memory grows with neurons
    and with stimuli that are shown again, not with trials.

    Parameters
    ----------
    predictions : iterable of TrialPrediction
        Of every trial of the tiers, in any order and in any scale. Those of other tiers are passed over.
    sessions : path, pattern, Session, SessionHandle, or several
        Of selected neurons those alone are scored.
    tier : str or iterable of str, optional
        By default the tiers of role `validation` that have responses.
    preset : str or Preset, optional
        What is scored and how; by default `s23-server` for films and `s22` for images. Every score carries its name.
    neurons : {"all", "common"}
        Whether all neurons of a session must be predicted and no other; or those are scored that are in both.
    n_bootstrap : int
        Draws for the intervals of means over neurons; 0 for none.
    level : float
        Share of the draws that an interval holds.
    seed : int
        Of the draws.
    silent : {"refuse", "score"}
        What becomes of tiers with trials in which every response is zero.
    source : str
        What the predictions are from, for the report.
    storage_options : mapping, optional
        How to get in where sessions are URLs.
    report : callable
        Told of each trial.

    Returns
    -------
    Evaluation
        Scores of each neuron, means with intervals by session, tier and kind of stimulus, and over all sessions.

    Raises
    ------
    NoSuchItem
        No such tier or preset; the hint names near misses.
    DataInvalid
        Responses are withheld or all zero, trials shorter than the window, or predictions that do not fit: unknown
        sessions, trials or neurons, too few frames, trials that lack or are there twice. All that is wrong is named.
    BadArgument
        A call that no data could make right, or a store without the statistics that the preset needs.
    NotFound, StoreInvalid, StorageFailed
        A session cannot be opened or read.

    Notes
    -----
    Sensorium 2022, metrics, and Sensorium 2023, scores: what a preset fixes. Correlation to average is over stimuli of
    the means over repeats, for films over the frames of all of them; FEVE, normalised correlation and oracles are made
    where most stimuli of a tier are shown more than once.

    Examples
    --------
    >>> import tempfile
    >>> from dataclasses import replace
    >>> import numpy as np
    >>> from sensorium_data.evaluation.predictions import TrialPrediction
    >>> from sensorium_data.evaluation.presets import preset
    >>> from sensorium_data.evaluation.truth import Recording
    >>> from sensorium_data.handle import SessionHandle
    >>> from sensorium_data.testing import make_session
    >>> store = make_session(tempfile.mkdtemp(), n_neurons=4)
    >>> recording = Recording(SessionHandle(store))
    >>> oracle = recording.tier("oracle").trials.values()
    >>> perfect = (
    ...     TrialPrediction(recording.key, each.trial_id, recording.responses(each, 0, 30)[0], recording.unit_ids)
    ...     for each in oracle
    ... )
    >>> short = replace(preset("s23-server"), skip=5)  # its clips have 30 frames
    >>> done = evaluate(perfect, store, preset=short, n_bootstrap=0)
    >>> round(done.report.of().measure("single_trial_correlation").value, 4)
    1.0
    """
    asked = ask(sessions, tier=tier, preset=preset, silent=silent, storage_options=storage_options)
    return score(
        predictions, asked, neurons=neurons, n_bootstrap=n_bootstrap, level=level, seed=seed, source=source,
        report=report,
    )  # fmt: skip


def score(
    predictions: Iterable[TrialPrediction],
    asked: Asked,
    *,
    neurons: Neurons = "all",
    n_bootstrap: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    source: str = "predictions",
    report: Report = ignore,
) -> Evaluation:
    """Score predictions on what was asked for already; all else as `evaluate`.

    Parameters
    ----------
    predictions, neurons, n_bootstrap, level, seed, source, report
        As for `evaluate`.
    asked : Asked
        As `ask` returns it.
    """
    if n_bootstrap < 0 or seed < 0 or not 0 < level < 1:
        what = f"n_bootstrap is {n_bootstrap}, level {level} and seed {seed}"
        raise BadArgument(what, hint="counts of 0 or more, and a level between 0 and 1", code="bad-bootstrap")
    join = Join(asked.tiers, asked.preset, neurons)
    keeper = TraceKeeper(asked.tiers[0], asked.preset)
    scores, notes = _scores(join, predictions, asked, keeper, report)
    reporter = Reporter(asked.preset, Bootstrap(n=n_bootstrap, level=level, seed=seed), [*notes, *join.notes()])
    known = [_scored(each, len(join.columns(each))) for each in asked.recordings]
    first = scores[0]
    traces = keeper.traces(join.columns(asked.tiers[0].recording), first.values["single_trial_correlation"])
    return Evaluation(asked.preset, tuple(scores), reporter.report(source, known, scores), traces)


def _scores(
    join: Join, predictions: Iterable[TrialPrediction], asked: Asked, keeper: TraceKeeper, report: Report
) -> tuple[list[NeuronScores], list[Note]]:
    """Return the scores of each neuron in the order that was asked for, and what is to be known of them."""
    tallies = [TierTally(each, asked.preset) for each in asked.tiers]
    places = {id(each): place for place, each in enumerate(asked.tiers)}
    closed: dict[int, list[NeuronScores]] = {}
    total = sum(len(each.trials) for each in asked.tiers)
    for done, joined in enumerate(join(predictions), start=1):
        tally = tallies[place := places[id(joined.tier)]]
        tally.add(joined)
        keeper.add(joined)
        if tally.whole:  # most predictions come session by session: only one of them is held
            recording = joined.tier.recording
            closed[place] = tally.close(recording.unit_ids[join.columns(recording)])
        report(Progress("score", done, total, "trials"))
    scores = [each for place in sorted(closed) for each in closed[place]]
    return scores, [note for tally in tallies for note in tally.notes]


def _scored(recording: Recording, n_scored: int) -> ScoredSession:
    digest = recording.handle.document.provenance.source_digest
    return ScoredSession(key=recording.key, source_digest=digest, n_neurons=len(recording.unit_ids), n_scored=n_scored)
