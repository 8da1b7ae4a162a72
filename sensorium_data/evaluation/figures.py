"""One picture of an evaluation: how the scores of the neurons are spread, and what a few neurons did and were said to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.errors import BadArgument, counted, near_miss
from sensorium_data.evaluation.files import Existing, replaced, require_free

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    from sensorium_data.evaluation.outcome import Evaluation, NeuronScores
    from sensorium_data.evaluation.traces import NeuronTrace, Traces
    from sensorium_data.schemas.score import MeasureName

__all__ = ["FORMATS", "draw", "require_format"]

FORMATS = ("png", "pdf", "svg")
# Okabe and Ito's colours, which colour-blind people tell apart.
INK, GREY, MODEL, FILL = "#222222", "#b3b3b3", "#d55e00", "#8fbbd9"
PANELS: tuple[tuple[MeasureName, str], ...] = (
    ("single_trial_correlation", "single-trial correlation"),
    ("correlation_to_average", "correlation to average"),
)
UNITS = {
    "raw": "response, as stored",
    "per_neuron": "response / s.d. of the neuron",
    "official": "response / published s.d.",
}
MOST_ROWS = 24
MOST_ABOVE = 2.5  # times what is highest of mean and prediction


def draw(evaluation: Evaluation, path: str | Path, *, existing: Existing = "error") -> Path:
    """Draw an evaluation: distributions of scores over neurons, and responses beside predictions of a few of them.

    Parameters
    ----------
    evaluation : Evaluation
    path : str or Path
        Its suffix says the format: .png, .pdf or .svg.
    existing : {"error", "replace"}
        What becomes of a file that is there.

    Returns
    -------
    Path
        The file; it is written beside its place and renamed.

    Raises
    ------
    BadArgument
        Another format.
    TargetExists
        The file is there.
    StorageFailed
        It cannot be written.
    ImportError
        matplotlib is not installed.

    Examples
    --------
    ::

        draw(evaluation, "scores.png")
    """
    path = Path(path)
    kind = require_format(path)
    require_free(path, existing)
    figure = _figure(evaluation)
    return replaced(path, lambda beside: figure.savefig(beside, format=kind, dpi=150))


def require_format(path: Path) -> str:
    """Return the format that a suffix says.

    Raises
    ------
    BadArgument
        No figure is written so.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        hint = near_miss(kind, FORMATS)
        raise BadArgument(f"{path}: figures are not written as `{path.suffix}`", hint=hint, code="bad-format")
    return kind


def _figure(evaluation: Evaluation) -> Figure:
    # A figure of its own, without pyplot: no backend is chosen, no window opened, no global list keeps it.
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        what = "figures need matplotlib: pip install 'sensorium-data[plot]'"
        raise ImportError(what) from error
    rows = [each for each in evaluation.neurons if not each.kind][:MOST_ROWS]
    panels = [panel for panel in PANELS if any(panel[0] in each.values for each in rows)]
    traces = evaluation.traces
    height = 1.1 + 0.42 * max(len(rows), 2)
    below = 1.7 * len(traces.neurons) + 0.8 if traces else 0.0
    figure = Figure(figsize=(9.0, height + below), layout="constrained")
    if traces:
        above, beneath = figure.subfigures(2, 1, height_ratios=[height, below], hspace=0.04, squeeze=False)[:, 0]
        _traces(beneath, traces)
    else:
        above = figure.subfigures(1, 1)
    _distributions(above, evaluation, rows, panels)
    return figure


# -- distributions


def _distributions(
    part: SubFigure, evaluation: Evaluation, rows: Sequence[NeuronScores], panels: Sequence[tuple[MeasureName, str]]
) -> None:
    """Draw a row for each session and tier, and a panel for each measure."""
    part.suptitle(f"Scores of neurons, preset {evaluation.preset.name}", fontsize=11, color=INK)
    several = len({each.tier for each in rows}) > 1
    names = [f"{each.session}, {each.tier}" if several else each.session for each in rows]
    names = [f"{name}\n{len(each.unit_ids):,} neurons" for name, each in zip(names, rows, strict=True)]
    axes = part.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, (measure, title) in zip(axes, panels, strict=True):
        for place, each in enumerate(rows):
            if measure in each.values:
                _distribution(ax, place, each.values[measure])
        ax.axvline(0, color=GREY, linewidth=0.8, zorder=0)
        ax.set_xlabel(f"{title}; the line is the median")
        _plain(ax)
        ax.tick_params(axis="y", length=0)
    axes[0].set_yticks(range(len(rows)), names)
    axes[0].set_ylim(len(rows) - 0.45, -0.75)  # the first on top


def _distribution(ax: Axes, place: int, values: NDArray[np.float64]) -> None:
    """Draw the density of some values as a hill on a row, and their median with its number."""
    known = values[~np.isnan(values)]
    if not known.size:
        return
    n_bins = int(np.clip(np.sqrt(known.size) * 1.5, 6, 60))
    counts, edges = np.histogram(known, bins=n_bins)
    hill = 0.62 * counts / counts.max()
    ax.stairs(place - hill, edges, baseline=place, fill=True, color=FILL)
    median = float(np.median(known))
    ax.plot([median, median], [place, place - 0.62], color=INK, linewidth=1.4)
    ax.annotate(
        f"{median:.2f}",
        (median, place),
        (0, -2),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=8,
        color=INK,
    )


# -- traces


def _traces(part: SubFigure, traces: Traces) -> None:
    """Draw a panel for each neuron: its repeats, their mean, and the prediction."""
    part.suptitle(f"{traces.session}, {traces.tier}: {_shown(traces)}", fontsize=11, color=INK)
    axes = part.subplots(len(traces.neurons), 1, sharex=True, squeeze=False)[:, 0]
    for ax, neuron in zip(axes, traces.neurons, strict=True):
        _images(ax, neuron) if traces.static else _film(ax, neuron, traces.times_s)
        ax.set_title(f"unit {neuron.unit_id}, {neuron.rank}: r = {neuron.correlation:.2f}", fontsize=9, loc="left")
        _plain(ax)
    axes[-1].set_xlabel("image, by mean response" if traces.static else "time since the film began (s)")
    part.supylabel(UNITS[traces.scaling], fontsize=9)
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].legend(
        handles, labels, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(labels), frameon=False, fontsize=8
    )


def _shown(traces: Traces) -> str:
    n = len(traces.neurons[0].responses)
    if traces.static:
        return f"{counted(len(traces.times_s), 'image')}, " + (f"shown up to {n} times" if n > 1 else "each shown once")
    film = "a film" if not traces.kind else f"a film ({traces.kind})"
    return f"{film}, {counted(n, 'presentation')}"


def _film(ax: Axes, neuron: NeuronTrace, times_s: NDArray[np.float64]) -> None:
    if len(neuron.responses) > 1:
        ax.plot(
            times_s,
            neuron.responses.T,
            color=GREY,
            linewidth=0.6,
            label=["single trials"] + [None] * (len(neuron.responses) - 1),
        )
    ax.plot(times_s, _mean(neuron.responses), color=INK, linewidth=1.3, label="mean response")
    ax.plot(times_s, neuron.prediction, color=MODEL, linewidth=1.6, label="prediction")
    ax.margins(x=0.01)
    _limit(ax, neuron)


def _images(ax: Axes, neuron: NeuronTrace) -> None:
    mean = _mean(neuron.responses)
    order = np.argsort(mean)
    place = np.arange(1, len(order) + 1)
    if len(neuron.responses) > 1:
        many = np.broadcast_to(place, neuron.responses.shape)
        ax.plot(many.ravel(), neuron.responses[:, order].ravel(), ".", color=GREY, markersize=3, label="single trials")
    ax.plot(place, mean[order], color=INK, linewidth=1.3, label="mean response")
    ax.plot(place, neuron.prediction[order], "o", color=MODEL, markersize=3.5, label="prediction")
    ax.margins(x=0.01)


def _limit(ax: Axes, neuron: NeuronTrace) -> None:
    """Let single trials leave the panel that would press everything else flat."""
    both = np.concatenate([_mean(neuron.responses), neuron.prediction])
    top = float(np.nanmax(both))
    if 0 < MOST_ABOVE * top < float(np.nanmax(neuron.responses)):
        ax.set_ylim(top=MOST_ABOVE * top)


def _mean(responses: NDArray[np.float64]) -> NDArray[np.float64]:
    n = (~np.isnan(responses)).sum(axis=0)
    total: NDArray[np.float64] = np.nansum(responses, axis=0)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _plain(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8, colors=INK)
    ax.xaxis.label.set_fontsize(9)
