"""`sensorium-data info STORE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sensorium_data.cli.options import json_option, store_argument
from sensorium_data.cli.output import emit_json, out

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command(
    "info",
    epilog="""\b
Examples:
  sensorium-data info mouse-F.zarr
  sensorium-data info mouse-F.zarr --json

Exit codes: 0, 4 no such store, 5 not a store, or damaged.""",
)
@store_argument
@json_option
def command(store: Path, as_json: bool) -> None:
    """Say what STORE holds, how big it is and where it comes from; with --json, its session document."""
    from sensorium_data.handle import SessionHandle
    from sensorium_data.viewing.describe import as_text

    handle = SessionHandle(store)
    if as_json:
        emit_json(handle.document.model_dump(mode="json"))
    else:
        out(as_text(handle))
