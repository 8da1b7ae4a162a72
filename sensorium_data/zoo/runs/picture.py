"""The curves of a run as a picture: loss, score with the best epoch marked, and the learning rate below them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.zoo.training.records import EpochRecord

__all__ = ["curves_png"]

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"
INCHES = (7.0, 7.0)


def curves_png(rows: Sequence[EpochRecord], *, title: str, measure: str) -> bytes:
    """Return the curves of a run as a PNG file.

    Parameters
    ----------
    rows : sequence of EpochRecord
        At least one.
    title : str
    measure : str
        What the score is.

    Raises
    ------
    BadArgument
        No row.
    ImportError
        matplotlib is not installed.

    Examples
    --------
    >>> from sensorium_data.zoo.training.records import EpochRecord
    >>> row = EpochRecord(epoch=0, n_steps=0, n_windows=0, train_loss=None, penalty=None, validation_score=0.1,
    ...     learning_rate=0.005, is_best=True, train_s=0.0, validation_s=0.5, wait_s=0.0)
    >>> curves_png([row], title="ln", measure="correlation")[1:4]
    b'PNG'
    """
    if not rows:
        raise BadArgument("no epoch has been finished: there is nothing to draw", hint="train first", code="no-epoch")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        what = "pictures of curves need matplotlib: pip install 'sensorium-data[plot]'"
        raise ImportError(what) from error
    figure = Figure(figsize=INCHES, layout="constrained")  # no pyplot: nothing is kept, no window is opened
    loss, score, rate = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 1.5])
    loss.set_title(title, loc="left")
    _loss(loss, rows)
    _score(score, rows, measure)
    _rate(rate, rows)
    for axes in (loss, score, rate):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()


def _loss(axes: Any, rows: Sequence[EpochRecord]) -> None:  # noqa: ANN401  # matplotlib may be missing
    trained = [row for row in rows if row.train_loss is not None]
    axes.plot([row.epoch for row in trained], [row.train_loss for row in trained], ".-", color=BLUE)
    axes.set_ylabel("training loss\nper response")


def _score(axes: Any, rows: Sequence[EpochRecord], measure: str) -> None:  # noqa: ANN401
    axes.plot([row.epoch for row in rows], [row.validation_score for row in rows], ".-", color=BLUE)
    best = [row for row in rows if row.is_best]
    if best:
        epoch, value = best[-1].epoch, best[-1].validation_score
        label = f"best: {value:.4f}, epoch {epoch}"
        axes.plot([epoch], [value], "o", color=ORANGE, markersize=8, label=label, zorder=3)
        axes.axhline(value, color=ORANGE, linewidth=0.8, alpha=0.6)
        axes.legend(loc="lower right", frameon=False)
    axes.set_ylabel(f"validation score\n{measure}")


def _rate(axes: Any, rows: Sequence[EpochRecord]) -> None:  # noqa: ANN401
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    axes.step([row.epoch for row in rows], [row.learning_rate for row in rows], where="mid", color=GREY)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("learning rate")
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
