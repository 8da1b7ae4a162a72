"""What is kept of joined trials: sums for each neuron and repeated stimulus, apart for each kind of stimulus.

A tier is the sum of its kinds, so nothing is kept twice; what a tier needed is let go as soon as its last trial is in.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sensorium_data.errors import DataInvalid, counted
from sensorium_data.evaluation.accumulators import (
    CorrelationAccumulator,
    PoissonAccumulator,
    TrialCorrelationAccumulator,
)
from sensorium_data.evaluation.outcome import NeuronScores
from sensorium_data.evaluation.repeataccumulator import RepeatAccumulator
from sensorium_data.schemas.session import Note

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.evaluation.joining import Joined
    from sensorium_data.evaluation.presets import Preset
    from sensorium_data.evaluation.samples import NanPolicy
    from sensorium_data.evaluation.truth import TierTrials
    from sensorium_data.schemas.score import MeasureName

__all__ = ["TierTally", "policy_of"]

Values: TypeAlias = "dict[MeasureName, NDArray[np.float64]]"
PREDICTED: tuple[MeasureName, ...] = (
    "single_trial_correlation",
    "correlation_to_average",
    "normalized_correlation",
    "feve",
)


class _Part:
    """Sums over the trials of one kind of stimulus."""

    def __init__(self, preset: Preset, repeats: NanPolicy | None) -> None:
        self.n_trials, self.n_frames = 0, 0
        self.stimuli: set[int] = set()
        kind = TrialCorrelationAccumulator if preset.per_trial else CorrelationAccumulator
        self.correlation: CorrelationAccumulator | TrialCorrelationAccumulator = kind(eps=preset.eps)
        self.loss = PoissonAccumulator()
        self.repeats = None if repeats is None else RepeatAccumulator(nan=repeats)

    def add(self, joined: Joined, repeat: int) -> None:
        self.n_trials += 1
        self.n_frames += len(joined.frames)
        self.stimuli.add(joined.trial.stimulus)
        if not len(joined.frames):
            return
        self.correlation.update(joined.responses, joined.predictions)
        self.loss.update(joined.responses, joined.predictions)
        if self.repeats is not None:
            ids = (np.full(len(joined.frames), joined.trial.stimulus), joined.frames)
            numbers = np.full(len(joined.frames), repeat)
            self.repeats.update(joined.responses, joined.predictions, stimulus=ids, repeat=numbers)

    def merge(self, other: _Part) -> _Part:
        self.n_trials += other.n_trials
        self.n_frames += other.n_frames
        self.stimuli |= other.stimuli
        self.correlation.merge(other.correlation)  # type: ignore[arg-type]  # both are of one preset, and so of one kind
        self.loss.merge(other.loss)
        if self.repeats is not None and other.repeats is not None:
            self.repeats.merge(other.repeats)
        return self

    def values(self, preset: Preset) -> Values:
        """Return the scores of each neuron."""
        found: Values = {"single_trial_correlation": self.correlation.value()}
        made = self.repeats
        if made is not None:
            found["correlation_to_average"] = made.correlation_to_average(eps=preset.eps)
            found["normalized_correlation"] = made.normalized_correlation(eps=preset.eps)
            found["feve"] = made.feve()
        found["poisson_loss"] = self.loss.value()
        if made is not None:
            found["oracle_jackknife"] = made.oracle_jackknife(eps=preset.eps)
            found["oracle_conservative"] = made.oracle_conservative()
            found["explainable_variance"] = made.explainable_variance()
        return found


class TierTally:
    """Scores of a tier of a session from its trials, in any order.

    Parameters
    ----------
    tier : TierTrials
    preset : Preset

    Attributes
    ----------
    notes : list of Note
        What is to be known of the scores.
    """

    def __init__(self, tier: TierTrials, preset: Preset) -> None:
        self.tier, self.preset = tier, preset
        self.notes: list[Note] = []
        self._parts: dict[str, _Part] = {}
        self._repeat = _repeats(tier)
        self._policy = policy_of(tier, preset)

    @property
    def whole(self) -> bool:
        """Whether every trial of the tier is in."""
        return sum(part.n_trials for part in self._parts.values()) == len(self.tier.trials)

    def add(self, joined: Joined) -> None:
        """Take in a trial."""
        kind = joined.trial.kind
        if kind not in self._parts:
            self._parts[kind] = _Part(self.preset, self._policy)
        self._parts[kind].add(joined, self._repeat[joined.trial.trial_id])

    def close(self, unit_ids: NDArray[np.int64]) -> list[NeuronScores]:
        """Return the scores of the tier, then of each kind where there are several, and forget the sums.

        Parameters
        ----------
        unit_ids : (neuron,) int64
            Which were scored.

        Raises
        ------
        DataInvalid
            No frame has a valid response; no neuron has a correlation, or one has none and the preset refuses that.
        """
        parts = {kind: self._parts[kind] for kind in sorted(self._parts) if self._parts[kind].n_frames}
        self._parts = {}
        if not parts:
            what = f"{self._where}: no frame that is scored has a valid response"
            raise DataInvalid(what, hint="`sensorium-data check` says more of the store", code="no-responses")
        kinds = tuple(filter(None, parts))
        each = [self._scores(kind, (kind,), parts[kind], unit_ids) for kind in kinds if len(parts) > 1]
        first, *others = parts
        whole = parts.pop(first)
        for kind in others:
            whole.merge(parts.pop(kind))
        scores = self._scores("", kinds, whole, unit_ids)
        self._note(scores)
        return [scores, *each]

    @property
    def _where(self) -> str:
        return f"{self.tier.recording.key}, tier {self.tier.tier}"

    def _scores(self, kind: str, kinds: tuple[str, ...], part: _Part, unit_ids: NDArray[np.int64]) -> NeuronScores:
        values = part.values(self.preset)
        broken = np.isnan(values["single_trial_correlation"])
        if broken.any():
            # Else a neuron that was not predicted would be left out of a mean, and raise it.
            fill = 0.0 if self.preset.nan == "zero" else np.nan
            values |= {name: np.where(broken, fill, values[name]) for name in PREDICTED if name in values}
        return NeuronScores(
            self.tier.recording.key, self.tier.tier, kind, kinds, unit_ids, part.n_trials, part.n_frames,
            len(part.stimuli), values, n_broken=int(broken.sum()),
        )  # fmt: skip

    def _note(self, scores: NeuronScores) -> None:
        """Note neurons without a correlation or a loss, or refuse them where the preset says so."""
        if n := scores.n_broken:
            seen = f"{self._where}: no correlation for {_of(n, scores)}, whose predictions are NaN"
            if self.preset.nan == "raise" or n == len(scores.unit_ids):  # all: a fault, whatever it may count as
                raise DataInvalid(seen, hint="predict a number for every neuron and frame", code="nan-scores")
            fate = {"zero": "they count as 0", "omit": "they are left out"}.get(self.preset.nan, "there is no mean")
            self.notes.append(Note(code="nan-scores", text=f"{seen}; {fate} (preset {self.preset.name})"))
        if n := int(np.isnan(scores.values["poisson_loss"]).sum()) - scores.n_broken:
            seen = f"{self._where}: no Poisson loss, for {_of(n, scores)} have negative predictions"
            self.notes.append(Note(code="negative-predictions", text=seen))
        unseen = 0 if self.preset.nan == "zero" else scores.n_broken
        if "feve" in scores.values and (n := int(np.isnan(scores.values["feve"]).sum()) - unseen):
            seen = f"{self._where}: no FEVE for {_of(n, scores)}, whose variance the stimuli explain too little of"
            self.notes.append(Note(code="feve-threshold", text=seen))


def _of(n: int, scores: NeuronScores) -> str:
    return f"{n:,} of {counted(len(scores.unit_ids), 'neuron')}"


def _repeats(tier: TierTrials) -> dict[int, int]:
    """Return of each trial how often its stimulus was shown before, in the order of the trial table."""
    shown: Counter[int] = Counter()
    numbers = {}
    for each in tier.trials.values():
        numbers[each.trial_id] = shown[each.stimulus]
        shown[each.stimulus] += 1
    return numbers


def policy_of(tier: TierTrials, preset: Preset) -> NanPolicy | None:
    """Return how sums of repeats treat what was shown once, or None where most stimuli were.

    Such sums are kept for every stimulus: of a training tier they would be as large as its recordings.
    """
    stops: dict[int, list[int]] = {}
    for each in tier.trials.values():
        stops.setdefault(each.stimulus, []).append(preset.window(each.n_frames)[1])
    if 2 * sum(len(one) > 1 for one in stops.values()) < len(stops):
        return None
    # The last frames of a film that is shown twice, and once cut short, are shown once.
    alone = any(len(one) < 2 or sorted(one)[-2] < max(one) for one in stops.values())
    return "omit" if alone else "propagate"
