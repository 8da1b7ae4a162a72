"""Decide everything about a store before its first byte is written; pure, no I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.clock import TickClock
from sensorium_data.conversion.rounding import stored_dtype
from sensorium_data.errors import Problem, SourceInvalid, near_miss
from sensorium_data.schemas import ROLES, Trial
from sensorium_data.store.layout import ArraySpec, Paths, codec_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.conversion.films import FilmPlan
    from sensorium_data.conversion.scan import Scanned
    from sensorium_data.schemas import ConvertOptions
    from sensorium_data.sources import RawSession, RawTrial
    from sensorium_data.store.layout import Codec

__all__ = ["Piece", "Plan", "make_plan"]

WORTH_PACKING = 1.15  # below this gain `compact` stores raw: decoding costs time and saves nothing


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples [start, stop) of one trial, as they lie in one shard."""

    trial: RawTrial
    n_valid: int
    start: int
    stop: int
    train: bool

    @property
    def owns(self) -> bool:
        """True for the piece that accounts for the trial's file: the one with its first sample."""
        return self.start == 0


@dataclass(frozen=True, slots=True)
class Plan:
    """The trials in time, the clocks, and the big arrays."""

    trials: tuple[Trial, ...]
    clock: TickClock
    response_clock: TickClock
    films: FilmPlan
    responses: ArraySpec
    frames: ArraySpec
    released: tuple[tuple[RawTrial, int], ...]
    withheld: frozenset[str] = frozenset()

    def pieces(self, shard: int) -> tuple[Piece, ...]:
        """Return the parts of trials that make up a shard of the responses."""
        begin, end = self.responses.shard_rows(shard)
        pieces, row = [], 0
        for trial, n_valid in self.released:
            start, stop = max(begin, row) - row, min(end, row + n_valid) - row
            if start < stop:
                pieces.append(Piece(trial, n_valid, start, stop, ROLES[trial.tier] == "train"))
            row += n_valid
        return tuple(pieces)


def _usual_length(scanned: Sequence[Scanned]) -> int:
    counts = Counter(scan.n_valid for scan in scanned)
    return max(counts, key=lambda n: (counts[n], -n)) if counts else 1


def _in_time(raw: RawSession, scanned: Sequence[Scanned], films: FilmPlan) -> tuple[Trial, ...]:
    """Lay the trials end to end at the nominal rate.

    Where a film is missing, or what came before is unknown, the clock leaves a gap as long as the usual trial: how long
    it really was is not published, and trials on both sides must not look contiguous. Images are never contiguous:
    each is a segment of its own, and needs no gap, which would cost a run of ticks for each of thousands.
    """
    _require_tiers(raw)
    static = raw.identity.modality == "static"
    gap = 0 if static else _usual_length(scanned)
    variant_of = {variant.digest: variant.variant for variant in films.variants}
    found = {scan.trial.trial_id: (scan, variant_of[scan.digest]) for scan in scanned}
    trials: list[Trial] = []
    tick, segment, gapped = 0, -1, True
    for order, trial in enumerate(raw.trials):
        tier, role = trial.tier, ROLES[trial.tier]
        if trial.missing:
            trials.append(
                Trial(
                    trial_id=trial.trial_id, tier=tier, role=role, variant=-1, stimulus=-1, start=tick, stop=tick,
                    n_valid=0, missing=True, order=order, segment=-1,
                )
            )  # fmt: skip
            tick, gapped = tick + gap, True
            continue
        if not trial.contiguous and not gapped:
            tick, gapped = tick + gap, True
        segment += gapped
        scan, variant = found[trial.trial_id]
        trials.append(
            # Not validated here: the check of the finished store validates every row, as it was read back.
            Trial.model_construct(
                trial_id=trial.trial_id, tier=tier, role=role, variant=variant,
                stimulus=films.variants[variant].group, start=tick, stop=tick + scan.n_valid, n_valid=scan.n_valid,
                responses_withheld=scan.withheld, order=order, segment=segment,
            )
        )  # fmt: skip
        tick, gapped = tick + scan.n_valid, False
    return tuple(trials)


def _require_tiers(raw: RawSession) -> None:
    """Raise SourceInvalid for trials of tiers that have no role: what they are for must not be guessed."""
    unknown = {trial.tier: trial.trial_id for trial in reversed(raw.trials) if trial.tier not in ROLES}
    problems = [
        Problem("unknown-tier", f"trial {number}", f"`{tier}` is no tier; {near_miss(tier, list(ROLES))}")
        for tier, number in unknown.items()
    ]
    if problems:
        hint = "the reader must name the tiers as they are known; `sensorium-data schema trial` lists the roles"
        raise SourceInvalid(f"{raw.members.path}: {len(problems)} unknown tiers", hint=hint, problems=problems)


def _withheld_signals(scanned: Sequence[Scanned]) -> frozenset[str]:
    """Return the signals that are zeros, as they cannot be, in every trial."""
    blank = [frozenset(scan.blank) for scan in scanned]
    return frozenset.intersection(*blank) if blank else frozenset()


def make_plan(
    raw: RawSession, scanned: Sequence[Scanned], films: FilmPlan, options: ConvertOptions, gain: float | None
) -> Plan:
    """Return the plan of a store.

    Parameters
    ----------
    raw : RawSession
    scanned : sequence of Scanned
        The present trials in presentation order.
    films : FilmPlan
    options : ConvertOptions
    gain : float, optional
        How many times smaller pcodec made a sample of the responses.
    """
    trials = _in_time(raw, scanned, films)
    present = [trial for trial in trials if not trial.missing]
    clock = TickClock.from_runs(raw.rate, ((t.start, t.stop) for t in present), nominal=True)
    shown = [(t.start, t.stop) for t in present if not t.responses_withheld]
    response_clock = TickClock.from_runs(raw.rate, shown, nominal=True)
    dtype = stored_dtype(raw.response_dtype, options, responses=True)
    codec: Codec = codec_for(options.preset, dtype)
    if codec == "pcodec" and gain is not None and gain < WORTH_PACKING:
        codec = "raw"
    responses = ArraySpec(
        Paths.values("responses"), (response_clock.n_samples, raw.n_neurons), dtype, ("time", "neuron"), codec, True
    )
    kinds = [np.dtype(film.dtype) for film in films.films]
    integral = all(kind == np.uint8 for kind in kinds)
    pixel = np.dtype(np.uint8) if integral else stored_dtype(np.result_type(*kinds, np.float32), options)
    axes = ("frame", "y", "x") if len(raw.frame_shape) == 2 else ("frame", "channel", "y", "x")
    frames = ArraySpec(
        Paths.frames, (films.n_frames, *raw.frame_shape), pixel, axes, codec_for(options.preset, pixel), True
    )
    released = tuple((s.trial, s.n_valid) for s in scanned if not s.withheld)
    return Plan(trials, clock, response_clock, films, responses, frames, released, _withheld_signals(scanned))
