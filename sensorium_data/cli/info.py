"""`sensorium-data info STORE` and `sensorium-data info NAME`."""

from __future__ import annotations

from typing import Any

import click

from sensorium_data.cli.entries import catalog_option, complete, entry_text, one_meant
from sensorium_data.cli.options import json_option, storage_option
from sensorium_data.cli.output import emit_json, out

__all__ = ["command"]


@click.command(
    "info",
    epilog="""\b
Examples:
  sensorium-data info mouse-F.zarr
  sensorium-data info mouse-F.zarr --json
  sensorium-data info s3://bucket/stores/mouse-F.zarr
  sensorium-data info mouse-F

Exit codes: 0, 2 a name that several entries share, 4 no such store or name, 5 not a store, or damaged.""",
)
@click.argument("store", metavar="STORE|NAME", shell_complete=complete)
@catalog_option
@storage_option
@json_option
def command(store: str, catalogs: tuple[str, ...], storage_options: dict[str, Any] | None, as_json: bool) -> None:
    """Say what STORE holds, how big it is and where it comes from; with --json, its session document.

    Of NAME, an entry of the catalog: its files, licence and citation, what it asks for, and how it is fetched; with --json,
    the entry. What exists here under that name is a store.
    """
    entry = one_meant(store, catalogs)
    if entry is not None:
        if as_json:
            emit_json(entry.model_dump(mode="json"))
        else:
            out(entry_text(entry))
        return
    from sensorium_data.handle import SessionHandle
    from sensorium_data.viewing.describe import as_text

    handle = SessionHandle(store, storage_options=storage_options)
    if as_json:
        emit_json(handle.document.model_dump(mode="json"))
    else:
        out(as_text(handle))
