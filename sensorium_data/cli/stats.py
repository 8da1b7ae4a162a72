"""`sensorium-data stats STORE`."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

import click

from sensorium_data.cli.options import json_option, storage_option, store_argument
from sensorium_data.cli.output import emit_json, out, table

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.handle import SessionHandle

__all__ = ["command"]

MEASURES = ("mean", "std", "min", "max", "n")


def _train(handle: SessionHandle) -> dict[str, dict[str, Any]]:
    """Return the store's own statistics by signal and measure, as lists over channels."""
    from sensorium_data.store.layout import Paths

    own = [statistic.signal for statistic in handle.document.statistics if statistic.origin == "train"]
    return {
        signal: {
            m: handle.store.values(f"{Paths.train_statistics}/{signal}/{m}").reshape(-1).tolist() for m in MEASURES
        }
        for signal in own
    }


def _row(signal: str, values: dict[str, list[float]]) -> tuple[str, ...]:
    """Return one line: over many channels, the median of means and deviations and the extremes of all."""
    from statistics import median

    n_channels = len(values["n"])
    return (
        signal, f"{n_channels:,}", f"{median(values['mean']):.4g}", f"{median(values['std']):.4g}",
        f"{min(values['min']):.4g}", f"{max(values['max']):.4g}", f"{max(values['n']):,}",
    )  # fmt: skip


def _plain(values: dict[str, list[float]]) -> dict[str, list[float | None]]:
    """Return values that JSON can hold: a channel without samples has null, not NaN."""
    return {measure: [None if isnan(x) else x for x in listed] for measure, listed in values.items()}


@click.command(
    "stats",
    epilog="""\b
Examples:
  sensorium-data stats mouse-F.zarr
  sensorium-data stats mouse-F.zarr --json
  sensorium-data stats s3://bucket/stores/mouse-F.zarr

Exit codes: 0, 4 no such store, 5 not a store, or damaged, 6 a bucket cannot be reached.""",
)
@store_argument
@storage_option
@json_option
def command(store: str | Path, storage_options: dict[str, Any] | None, as_json: bool) -> None:
    """Show the statistics of the train tier, one line a signal; with --json, every channel.

    Over many channels the line shows the median of their means and standard deviations, and the extremes of all.
    """
    from sensorium_data.handle import SessionHandle

    handle = SessionHandle(store, storage_options=storage_options)
    found = _train(handle)
    if as_json:
        emit_json({signal: _plain(values) for signal, values in found.items()})
        return
    header = ("signal", "channels", "mean", "std", "min", "max", "samples")
    out(table([header, *(_row(signal, values) for signal, values in found.items())], right=range(1, 7)))
    shipped = sorted({statistic.signal for statistic in handle.document.statistics if statistic.origin == "source"})
    if shipped:
        out(f"as shipped, untouched, in statistics/source: {', '.join(shipped)}")
