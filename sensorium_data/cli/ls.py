"""`sensorium-data ls [FOLDER]`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sensorium_data.cli.options import json_option
from sensorium_data.cli.output import emit_json, say, table

__all__ = ["command"]

HEADER = ("store", "session", "mouse", "neurons", "trials", "preset", "size")


def _stores(folder: Path) -> list[Path]:
    from sensorium_data.errors import NotFound
    from sensorium_data.store.publish import is_store

    if not folder.exists():
        raise NotFound(f"{folder}: no such folder", hint="name a folder that holds session stores")
    if is_store(folder):
        return [folder]
    # Stores and the hidden folders of unfinished conversions are not looked into.
    inside = sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    return [child for child in inside if is_store(child)]


def _row(path: Path) -> dict[str, Any]:
    from sensorium_data.store.opened import OpenStore

    session = OpenStore(path).session
    return {
        "store": str(path),
        "session": session.identity.key,
        "mouse": session.identity.mouse or "",
        "neurons": session.neurons.n,
        "trials": session.trials.n,
        "preset": session.provenance.options.preset,
        "bytes": sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
    }


@click.command(
    "ls",
    epilog="""\b
Examples:
  sensorium-data ls
  sensorium-data ls stores/ --json

Exit codes: 0, 4 no such folder, 5 a store is damaged.""",
)
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@json_option
def command(folder: Path, as_json: bool) -> None:
    """List the session stores in FOLDER (here by default)."""
    from sensorium_data.describe import human_bytes

    rows = [_row(path) for path in _stores(folder)]
    if as_json:
        emit_json(rows)
    elif not rows:
        say(f"no session stores in {folder}; `sensorium-data convert SOURCE TARGET` makes one")
    else:
        cells = [
            (r["store"], r["session"], r["mouse"], f"{r['neurons']:,}", str(r["trials"]), r["preset"], human_bytes(r["bytes"]))
            for r in rows
        ]
        click.echo(table([HEADER, *cells], right=(3, 4, 6)))
