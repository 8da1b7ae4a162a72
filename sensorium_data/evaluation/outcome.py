"""What scoring gives: the values of every neuron, the means with their intervals, and the report that is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data import __version__
from sensorium_data.errors import NoSuchItem, listed
from sensorium_data.evaluation.bootstrap import bootstrap_means, percentile_interval
from sensorium_data.schemas.score import Bootstrap, Measured, PresetFacts, Score, ScoredSession, ScoreReport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from sensorium_data.evaluation.presets import Preset
    from sensorium_data.evaluation.traces import Traces
    from sensorium_data.schemas.score import MeasureName
    from sensorium_data.schemas.session import Note

__all__ = ["Evaluation", "NeuronScores", "Reporter"]

LEFT_OUT: tuple[MeasureName, ...] = ("feve", "normalized_correlation")
OF_RESPONSES: tuple[MeasureName, ...]  # alone: no model is to blame where there is none
OF_RESPONSES = ("oracle_jackknife", "oracle_conservative", "explainable_variance", "signal_to_noise")


@dataclass(frozen=True, slots=True, eq=False)
class NeuronScores:
    """The scores of each neuron of a session, on a tier or on the trials of one kind of stimulus in it.

    Attributes
    ----------
    session, tier : str
    kind : str
        Empty for all trials of the tier.
    kinds : tuple of str
        Of these trials, as far as they are known.
    unit_ids : (neuron,) int64
    n_trials, n_frames, n_stimuli : int
    values : mapping of measure to (neuron,) float64
        NaN where a measure is not defined for a neuron.
    n_broken : int
        Neurons without a correlation; where the preset counts them as 0, `values` has 0.
    """

    session: str
    tier: str
    kind: str
    kinds: tuple[str, ...]
    unit_ids: NDArray[np.int64]
    n_trials: int
    n_frames: int
    n_stimuli: int
    values: Mapping[MeasureName, NDArray[np.float64]]
    n_broken: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The outcome of `evaluate`.

    Attributes
    ----------
    preset : Preset
    neurons : tuple of NeuronScores
    report : ScoreReport
        The means of these, with intervals: what is printed and written.
    traces : Traces or None
        For the figure.

    Examples
    --------
    See `evaluate`.
    """

    preset: Preset
    neurons: tuple[NeuronScores, ...]
    report: ScoreReport
    traces: Traces | None = field(default=None, repr=False)

    def of(self, session: str, tier: str | None = None, kind: str = "") -> NeuronScores:
        """Return the scores of each neuron of a session.

        Parameters
        ----------
        session : str
        tier : str, optional
            By default the first that was scored.
        kind : str
            By default all trials of the tier.

        Raises
        ------
        NoSuchItem
            That was not scored.
        """
        for each in self.neurons:
            if each.session == session and each.kind == kind and tier in (None, each.tier):
                return each
        there = [" ".join(filter(None, (each.session, each.tier, each.kind))) for each in self.neurons]
        what = " ".join(filter(None, (session, tier, kind)))
        raise NoSuchItem(f"{what} was not scored", hint=f"scored: {listed(there)}", code="not-scored")


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The mean of a measure over the neurons of one session, and as many means of neurons drawn again."""

    mean: float
    draws: NDArray[np.float64]
    n_neurons: int


@dataclass(slots=True)
class Reporter:
    """Makes the report of neurons' scores.

    Parameters
    ----------
    preset : Preset
    bootstrap : Bootstrap
    """

    preset: Preset
    bootstrap: Bootstrap
    notes: list[Note] = field(default_factory=list)

    def report(
        self, predictions: str, sessions: Sequence[ScoredSession], neurons: Sequence[NeuronScores]
    ) -> ScoreReport:
        """Return the report: a row for each of what was scored, and one for each tier over all sessions."""
        drawn = [self._drawn(each) for each in neurons]
        rows = [self._row(each, known) for each, known in zip(neurons, drawn, strict=True)]
        return ScoreReport(
            predictions=predictions,
            preset=PresetFacts(**{name: getattr(self.preset, name) for name in PresetFacts.model_fields}),
            bootstrap=self.bootstrap,
            sessions=tuple(sessions),
            scores=(*self._together(neurons, drawn), *rows),
            notes=tuple(self.notes),
            version=__version__,
        )

    def _drawn(self, one: NeuronScores) -> dict[MeasureName, _Drawn]:
        """Return the mean over neurons of each measure, and its draws; they depend on names and seed alone."""
        name = f"{one.session}/{one.tier}/{one.kind}"
        return {measure: self._of(measure, values, name, one) for measure, values in one.values.items()}

    def _of(self, measure: MeasureName, values: NDArray[np.float64], name: str, one: NeuronScores) -> _Drawn:
        known = values[~np.isnan(values)]
        undefined = known.size < values.size and not self._may_lack(measure, one)
        if undefined or not known.size:
            return _Drawn(float("nan"), np.full(self.bootstrap.n, np.nan), int(known.size))
        draws = bootstrap_means(known, self.bootstrap.n, seed=self.bootstrap.seed, name=name)
        return _Drawn(float(known.mean()), draws, int(known.size))

    def _may_lack(self, measure: MeasureName, one: NeuronScores) -> bool:
        """Return whether neurons without a value are left out of the mean: by definition, or as the preset says."""
        if measure in OF_RESPONSES:
            return True
        if measure in LEFT_OUT:  # those with little signal, but not those that were not predicted
            return not one.n_broken or self.preset.nan != "keep"
        return measure != "poisson_loss" and self.preset.nan == "omit"

    def _row(self, one: NeuronScores, drawn: Mapping[MeasureName, _Drawn]) -> Score:
        measures = tuple(self._measured(name, [each]) for name, each in drawn.items())
        return Score(
            session=one.session, tier=one.tier, kind=one.kind, kinds=one.kinds, preset=self.preset.name,
            n_trials=one.n_trials, n_frames=one.n_frames, n_stimuli=one.n_stimuli, measures=measures,
        )  # fmt: skip

    def _together(
        self, neurons: Sequence[NeuronScores], drawn: Sequence[Mapping[MeasureName, _Drawn]]
    ) -> Iterator[Score]:
        """Return a row over all sessions for each tier and kind that several of them have."""
        groups: dict[tuple[str, str], list[int]] = {}
        for i, each in enumerate(neurons):
            groups.setdefault((each.tier, each.kind), []).append(i)
        for (tier, kind), members in groups.items():
            if len(members) < 2:
                continue
            mine = [neurons[i] for i in members]
            names = [name for name in drawn[members[0]] if all(name in drawn[i] for i in members)]
            yield Score(
                session=None, tier=tier, kind=kind, preset=self.preset.name,
                kinds=tuple(dict.fromkeys(name for each in mine for name in each.kinds)),
                n_trials=sum(each.n_trials for each in mine), n_frames=sum(each.n_frames for each in mine),
                n_stimuli=sum(each.n_stimuli for each in mine),
                measures=tuple(self._measured(name, [drawn[i][name] for i in members]) for name in names),
            )  # fmt: skip

    def _measured(self, name: MeasureName, each: Sequence[_Drawn]) -> Measured:
        """Return a measure over the neurons of one session or several, weighted as the preset says."""
        n_neurons = sum(one.n_neurons for one in each)
        there = [one for one in each if one.n_neurons]  # where no neuron has a FEVE there is nothing to average
        if not there:
            return Measured(name=name, value=None, n_neurons=0)
        weights = [one.n_neurons if self.preset.weighting == "neuron" else 1 for one in there]
        value = float(np.average([one.mean for one in there], weights=weights))
        draws = np.average([one.draws for one in there], axis=0, weights=weights)
        low, high = percentile_interval(draws, self.bootstrap.level)
        return Measured(name=name, value=_number(value), low=_number(low), high=_number(high), n_neurons=n_neurons)


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
