"""What a figure shows of a few neurons: predictions of one repeated film, or of repeated images, kept while scoring."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensorium_data.evaluation.joining import Joined
    from sensorium_data.evaluation.presets import Preset
    from sensorium_data.evaluation.truth import Recording, TierTrials, Trial

__all__ = ["NeuronTrace", "TraceKeeper", "Traces"]

MOST_IMAGES = 100  # as many as a test tier of 2022 shows again and again
RANKS = (("best", 1.0), ("upper quartile", 0.75), ("median", 0.5))


@dataclass(frozen=True, slots=True, eq=False)
class NeuronTrace:
    """What one neuron did and what was predicted of it.

    Attributes
    ----------
    unit_id : int
    rank : str
        Among the neurons of its session.
    correlation : float
        Its single-trial correlation.
    responses : (repeat, sample) float64
        In units of the preset; NaN where a repeat has no sample.
    prediction : (sample,) float64
        Mean over the repeats.
    """

    unit_id: int
    rank: str
    correlation: float
    responses: NDArray[np.float64]
    prediction: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Traces:
    """Responses and predictions of a few neurons of one session.

    Attributes
    ----------
    session, tier, kind : str
    static : bool
        Samples are images, else frames.
    times_s : (sample,) float64, seconds
        Since the film began; of images their number.
    scaling : {"raw", "per_neuron", "official"}
    neurons : tuple of NeuronTrace
    """

    session: str
    tier: str
    kind: str
    static: bool
    times_s: NDArray[np.float64]
    scaling: str
    neurons: tuple[NeuronTrace, ...]


class TraceKeeper:
    """Keeps the sum of the predictions of a few stimuli, so that no trial needs to be predicted twice.

    Of films it is one, of 300 frames and 8,000 neurons 19 MB; of images at most a hundred.

    Parameters
    ----------
    tier : TierTrials
        Whose trials are shown.
    preset : Preset
    """

    def __init__(self, tier: TierTrials, preset: Preset) -> None:
        self.tier, self._preset = tier, preset
        self._static = tier.recording.modality == "static"
        shown = Counter(each.stimulus for each in tier.trials.values())
        repeated = {stimulus: n for stimulus, n in shown.items() if n > 1} or dict(shown)
        most = MOST_IMAGES if self._static else 1
        self._chosen = [stimulus for stimulus, _ in Counter(repeated).most_common(most)]
        self._sums: dict[int, NDArray[np.float64]] = {}
        self._counts: dict[int, NDArray[np.int64]] = {}

    def add(self, joined: Joined) -> None:
        """Take what was joined, if it is of what is shown."""
        if joined.tier is not self.tier or joined.trial.stimulus not in self._chosen:
            return
        stimulus = joined.trial.stimulus
        if stimulus not in self._sums:
            n = max(self._window(each)[1] for each in self._trials(stimulus))
            self._sums[stimulus] = np.zeros((n, joined.predictions.shape[1]))
            self._counts[stimulus] = np.zeros(n, np.int64)
        self._sums[stimulus][joined.frames] += joined.predictions
        self._counts[stimulus][joined.frames] += 1

    def _trials(self, stimulus: int) -> list[Trial]:
        return [each for each in self.tier.trials.values() if each.stimulus == stimulus]

    def _window(self, trial: Trial) -> tuple[int, int]:
        return self._preset.window(trial.n_frames)

    def traces(self, columns: NDArray[np.int64], correlations: NDArray[np.float64]) -> Traces | None:
        """Return what is shown; the responses of the neurons that are chosen now are read again.

        Parameters
        ----------
        columns : (neuron,) int64
            Of the session's responses: which were scored.
        correlations : (neuron,) float64
            By which neurons are chosen.

        Returns
        -------
        Traces or None
            None where no neuron has a correlation.
        """
        picks = _picks(correlations)
        if not picks or not self._sums:
            return None
        chosen = [stimulus for stimulus in self._chosen if stimulus in self._sums]
        wanted = columns[[pick for _, pick in picks]]
        read = [self._responses(stimulus, wanted) for stimulus in chosen]
        predicted = [self._predicted(stimulus, [pick for _, pick in picks]) for stimulus in chosen]
        n_repeats = max(len(one) for one in read)
        responses = np.concatenate([_padded(one, n_repeats) for one in read], axis=1)  # (repeat, sample, neuron)
        prediction = np.concatenate(predicted)
        seen = ~np.isnan(responses).all(axis=(0, 2))
        ids, recording = self.tier.recording.unit_ids[wanted], self.tier.recording
        neurons = tuple(
            NeuronTrace(int(ids[k]), rank, float(correlations[pick]), responses[:, seen, k], prediction[seen, k])
            for k, (rank, pick) in enumerate(picks)
        )
        kind = self._trials(chosen[0])[0].kind
        times_s = self._times_s(recording, len(seen))[seen]
        return Traces(recording.key, self.tier.tier, kind, self._static, times_s, self._preset.scaling, neurons)

    def _times_s(self, recording: Recording, n: int) -> NDArray[np.float64]:
        return np.arange(n) / (1.0 if self._static else float(recording.streams.rate))

    def _responses(self, stimulus: int, columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the responses of some neurons to each repeat, (repeat, sample, neuron); NaN where there is none."""
        trials = self._trials(stimulus)
        found = np.full((len(trials), len(self._sums[stimulus]), len(columns)), np.nan)
        for repeat, trial in enumerate(trials):
            start, stop = self._window(trial)
            values, valid = self.tier.recording.responses(trial, start, stop, self._preset.scaling)
            found[repeat, start:stop][valid] = values[valid][:, columns]
        return found

    def _predicted(self, stimulus: int, picks: Sequence[int]) -> NDArray[np.float64]:
        count = self._counts[stimulus][:, None]
        with np.errstate(invalid="ignore"):
            mean: NDArray[np.float64] = self._sums[stimulus][:, picks] / count
        return mean


def _picks(correlations: NDArray[np.float64]) -> list[tuple[str, int]]:
    """Return ranks and the neurons that have them, each neuron once."""
    known = np.flatnonzero(~np.isnan(correlations))
    if not known.size:
        return []
    order = known[np.argsort(correlations[known], kind="stable")]
    found: dict[int, str] = {}
    for rank, share in RANKS:
        found.setdefault(int(order[round(share * (len(order) - 1))]), rank)
    return [(rank, pick) for pick, rank in found.items()]


def _padded(responses: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    missing = np.full((n - len(responses), *responses.shape[1:]), np.nan)
    return np.concatenate([responses, missing])
