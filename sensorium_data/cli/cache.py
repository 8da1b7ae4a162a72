"""`sensorium-data cache path|ls|clear`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sensorium_data.cli.options import json_option
from sensorium_data.cli.output import emit_json, out, say, table
from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.catalogs.cachefolder import Cached

__all__ = ["command"]

HEADER = ("kind", "name", "size", "")


def _facts(each: Cached) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "name": each.name,
        "path": str(each.path),
        "bytes": each.n_bytes,
        "whole": each.whole,
        "busy": each.busy,
    }


def _rows(found: Sequence[Cached]) -> list[tuple[str, ...]]:
    from sensorium_data.spelling import human_bytes

    states = [("under way" if each.busy else "" if each.whole else "not whole yet") for each in found]
    sizes = [human_bytes(each.n_bytes) for each in found]
    return [(each.kind, each.name, size, state) for each, size, state in zip(found, sizes, states, strict=True)]


@click.command(
    "cache",
    epilog="""\b
Examples:
  sensorium-data cache path
  sensorium-data cache ls
  sensorium-data cache clear sensorium2022 --dry-run

Exit codes: 0, 2, 4 nothing has such a name, 6, 7 a download or copy is under way.""",
)
@click.argument("action", type=click.Choice(["path", "ls", "clear"]))
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--dry-run", is_flag=True, help="Of `clear`: say what would be removed; remove nothing.")
@json_option
def command(action: str, names: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Say where downloads, streamed stores and unfinished work are kept, list them, or remove them.

    NAME is a file, a folder of downloads, `downloads`, `streams`, `conversions`, `copies` or a pattern; without one,
    everything is meant. What is pinned of a file stays when it is removed: fetched again, it must be the same.
    """
    from sensorium_data.catalogs.cachefolder import cached, chosen, clear
    from sensorium_data.settings import settings
    from sensorium_data.spelling import human_bytes

    folder = settings().cache_folder
    if (action == "path" and names) or (action != "clear" and dry_run):
        hint = "`sensorium-data cache --help` says how it is called"
        raise BadArgument(f"`cache {action}` takes no {'names' if names else '--dry-run'}", hint=hint, code="usage")
    if action == "path":
        emit_json({"folder": str(folder)}) if as_json else out(str(folder))
        return
    found = chosen(names, cached())
    n_bytes = sum(each.n_bytes for each in found)
    if action == "clear" and not dry_run:
        n_bytes = clear(found)
    if as_json:
        emit_json({"folder": str(folder), "bytes": n_bytes, "items": [_facts(each) for each in found]})
        return
    if not found:
        say(f"nothing is in {folder}")
        return
    out(table([HEADER, *_rows(found)], right=(2,)))
    did = {"ls": "in", "clear": "would be removed from" if dry_run else "removed from"}[action]
    out(f"{human_bytes(n_bytes)} {did} {folder}")
