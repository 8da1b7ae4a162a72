"""How well the responses predict themselves: what no score of a model should be read without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.errors import DataInvalid
from sensorium_data.evaluation.asked import ask
from sensorium_data.evaluation.outcome import NeuronScores
from sensorium_data.evaluation.repeataccumulator import RepeatAccumulator
from sensorium_data.evaluation.tally import policy_of
from sensorium_data.progress import Progress, ignore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sensorium_data.evaluation.asked import Silent
    from sensorium_data.evaluation.presets import Preset
    from sensorium_data.evaluation.truth import TierTrials
    from sensorium_data.progress import Report
    from sensorium_data.viewing.opening import Opened

__all__ = ["ceilings"]


def ceilings(
    sessions: Opened | Iterable[Opened],
    *,
    tier: str | Iterable[str] | None = None,
    preset: str | Preset | None = None,
    silent: Silent = "refuse",
    storage_options: Mapping[str, object] | None = None,
    report: Report = ignore,
) -> tuple[NeuronScores, ...]:
    """Return oracles, explainable variance and signal to noise of each neuron, from responses alone.

    Parameters
    ----------
    sessions, tier, preset, silent, storage_options
        As for `evaluate`: the frames and the units are those that a model is scored on.
    report : callable
        Told of each trial.

    Returns
    -------
    tuple of NeuronScores
        One for each session and tier. A perfect model scores between `oracle_jackknife`, which is too low, and
        `oracle_conservative`, which is too high.

    Raises
    ------
    DataInvalid
        Most stimuli of a tier are shown once (code `no-repeats`), or the reasons of `evaluate`.
    NotFound, BadArgument, StorageFailed
        As for `evaluate`.

    Notes
    -----
    Sensorium formats, metrics: "Oracle estimates".

    Examples
    --------
    >>> import tempfile
    >>> from dataclasses import replace
    >>> from sensorium_data.evaluation.presets import preset
    >>> from sensorium_data.testing import make_session
    >>> short = replace(preset("s23-server"), skip=5)  # its clips have 30 frames
    >>> one, = ceilings(make_session(tempfile.mkdtemp(), n_neurons=4), preset=short)
    >>> one.tier, sorted(one.values)
    ('oracle', ['explainable_variance', 'oracle_conservative', 'oracle_jackknife', 'signal_to_noise'])
    """
    asked = ask(sessions, tier=tier, preset=preset, silent=silent, storage_options=storage_options)
    once = [each for each in asked.tiers if policy_of(each, asked.preset) is None]
    if once:
        named = "; ".join(f"{each.recording.key}, tier {each.tier}" for each in once)
        hint = "name a tier whose stimuli are shown again and again"
        raise DataInvalid(f"{named}: most stimuli are shown once", hint=hint, code="no-repeats")
    total, found, done = sum(len(each.trials) for each in asked.tiers), [], 0
    for each in asked.tiers:
        found.append(_of_tier(each, asked.preset))
        done += len(each.trials)
        report(Progress("score", done, total, "trials"))
    return tuple(found)


def _of_tier(tier: TierTrials, preset: Preset) -> NeuronScores:
    policy = policy_of(tier, preset) or "propagate"
    plain = RepeatAccumulator(nan=policy)
    steady = RepeatAccumulator(nan=policy, transform="anscombe")
    n_frames = 0
    for trial in tier.trials.values():
        start, stop = preset.window(trial.n_frames)
        responses, valid = tier.recording.responses(trial, start, stop, preset.scaling)
        valid = valid & ~np.isnan(responses).all(axis=1)
        frames, responses = np.arange(start, stop)[valid], responses[valid]
        if not len(frames):
            continue
        n_frames += len(frames)
        for sums in (plain, steady):
            sums.update(responses, stimulus=(np.full(len(frames), trial.stimulus), frames))
    if not n_frames:
        what = f"{tier.recording.key}, tier {tier.tier}: no frame that is scored has a valid response"
        raise DataInvalid(what, hint="`sensorium-data check` says more of the store", code="no-responses")
    return NeuronScores(
        tier.recording.key, tier.tier, "", tier.kinds, tier.recording.unit_ids, len(tier.trials), n_frames,
        len({trial.stimulus for trial in tier.trials.values()}),
        {
            "oracle_jackknife": plain.oracle_jackknife(eps=preset.eps),
            "oracle_conservative": plain.oracle_conservative(),
            "explainable_variance": plain.explainable_variance(),
            "signal_to_noise": steady.signal_to_noise(),
        },
    )  # fmt: skip
