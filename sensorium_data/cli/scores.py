"""Scores as people read them: a line for each session, tier and kind of stimulus, all under the name of their preset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium_data.cli.output import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.schemas.score import Score, ScoreReport

__all__ = ["lines_of"]

COLUMNS = (
    ("single_trial_correlation", "single trial"),
    ("correlation_to_average", "to average"),
    ("feve", "FEVE"),
    ("poisson_loss", "Poisson loss"),
    ("oracle_jackknife", "oracle jackknife"),
    ("oracle_conservative", "oracle conserv."),
)
WITH_INTERVAL = "single_trial_correlation"
NOTHING = "-"


def lines_of(report: ScoreReport) -> list[str]:
    """Return a report as lines: the preset, a table, how sure it is, and what else there is to know."""
    preset = report.preset
    shown = [(name, title) for name, title in COLUMNS if any(_value(score, name) for score in report.scores)]
    header = ("session", "tier", "stimuli", "trials", "neurons", *(title for _, title in shown))
    rows = [_row(score, [name for name, _ in shown], _neurons(report, score)) for score in report.scores]
    lines = [f"preset {preset.name}: {preset.description.partition('. ')[0]}", ""]
    lines += [table([header, *rows], right=range(3, len(header))), ""]
    if report.bootstrap.n:
        share = f"{100 * report.bootstrap.level:g}"
        lines.append(f"[low, high] holds {share} % of {report.bootstrap.n:,} means over neurons drawn again")
    lines += [f"note  {note.text}" for note in report.notes]
    return lines


def _row(score: Score, names: Sequence[str], n_neurons: int) -> tuple[str, ...]:
    stimuli = score.kind or (" ".join(score.kinds) if len(score.kinds) < 2 else f"all {len(score.kinds)} kinds")
    facts = (score.session or "together", score.tier, stimuli, f"{score.n_trials:,}", f"{n_neurons:,}")
    return (*facts, *(_value(score, name) or NOTHING for name in names))


def _neurons(report: ScoreReport, score: Score) -> int:
    return sum(each.n_scored for each in report.sessions if score.session in (None, each.key))


def _value(score: Score, name: str) -> str:
    measured = score.measure(name)
    if measured is None or measured.value is None:
        return ""
    text = f"{measured.value:.4f}"
    if name == WITH_INTERVAL and measured.low is not None and measured.high is not None:
        return f"{text} [{measured.low:.4f}, {measured.high:.4f}]"
    return text
