"""`sensorium-data ls [FOLDER|NAME]`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sensorium_data.cli.entries import catalog_option, complete, entries_meant
from sensorium_data.cli.failures import of_system
from sensorium_data.cli.options import json_option, storage_option
from sensorium_data.cli.output import emit_json, error_text, out, say, table
from sensorium_data.errors import NotFound, SensoriumError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensorium_data.remote import Location
    from sensorium_data.schemas import Entry

__all__ = ["command"]

CATALOG_HEADER = ("collection", "name", "mouse", "neurons", "size", "licence", "token")
HEADER = ("store", "session", "mouse", "neurons", "trials", "preset", "size")


def _may_be_store(folder: Path) -> bool:
    """True for a store of any layout, and for what says that it is Zarr and cannot be read."""
    from sensorium_data.store.layout import Paths
    from sensorium_data.store.publish import is_store

    if is_store(folder):
        return True
    try:
        json.loads((folder / Paths.root).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return False


def _stores(folder: Path) -> list[Path]:
    if not folder.exists():
        raise NotFound(f"{folder}: no such folder", hint="name a folder that holds session stores")
    if not folder.is_dir():
        hint = f"`sensorium-data ls {folder.parent}` lists the folder it is in"
        raise NotFound(f"{folder}: is a file, not a folder", hint=hint, code="not-a-folder")
    if _may_be_store(folder):
        return [folder]
    # Stores and the hidden folders of unfinished conversions are not looked into.
    inside = sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    return [child for child in inside if _may_be_store(child)]


def _stores_at(folder: Location) -> list[Location]:
    """Return the stores in a folder of a bucket, or the store that it is."""
    from sensorium_data.remote import open_objects
    from sensorium_data.store.layout import Paths

    objects = open_objects(folder)
    if objects.head(Paths.root) is not None:
        return [folder]
    names = [key.split("/") for key, _ in objects.listing()]
    return [folder / name[0] for name in names if len(name) == 2 and name[1] == Paths.root and name[0][:1] != "."]


def _facts(path: Path | Location) -> dict[str, Any]:
    from sensorium_data.store.opened import OpenStore

    store = OpenStore(path)
    session = store.session
    return {
        "store": str(path),
        "session": session.identity.key,
        "mouse": session.identity.mouse or "",
        "neurons": session.neurons.n,
        "trials": session.trials.n,
        "preset": session.provenance.options.preset,
        "bytes": store.n_bytes,
    }


def _row(path: Path | Location) -> dict[str, Any] | SensoriumError:
    """Return a store's facts, or what is wrong with it: one bad store must not hide the others."""
    try:
        return _facts(path)
    except SensoriumError as error:
        return error
    except OSError as error:
        return of_system(error, path)


def _cells(path: Path | Location, row: dict[str, Any] | SensoriumError) -> tuple[str, ...]:
    from sensorium_data.spelling import human_bytes

    if isinstance(row, SensoriumError):
        return (str(path), f"error[{row.code}]", "", "", "", "", "")
    counts = (f"{row['neurons']:,}", str(row["trials"]))
    return (row["store"], row["session"], row["mouse"], *counts, row["preset"], human_bytes(row["bytes"]))


def _list_stores(folder: Path | Location, *, as_json: bool) -> bool:
    """Print the stores in a folder; return whether one of them is damaged."""
    paths: list[Path] | list[Location] = _stores(folder) if isinstance(folder, Path) else _stores_at(folder)
    found = [(path, _row(path)) for path in paths]
    wrong = [row for _, row in found if isinstance(row, SensoriumError)]
    if as_json:
        emit_json([{"store": str(p), "error": r.as_dict()} if isinstance(r, SensoriumError) else r for p, r in found])
    elif not found:
        say(f"no session stores in {folder}; `sensorium-data convert SOURCE TARGET` makes one")
    else:
        out(table([HEADER, *(_cells(path, row) for path, row in found)], right=(3, 4, 6)))
        for error in wrong:
            say(error_text(error))
    return bool(wrong)


def _list_entries(entries: Iterable[Entry], *, as_json: bool) -> None:
    from sensorium_data.catalogs.merged import row_of

    if as_json:
        emit_json([_plain(entry) for entry in entries])
        return
    rows = [(entry.collection, row_of(entry)) for entry in entries]
    cells = [(collection, *row[:3], row[3] or "?", *row[4:]) for collection, row in rows]
    out(table([CATALOG_HEADER, *cells], right=(3, 4)))


def _plain(entry: Entry) -> dict[str, Any]:
    fields = ("name", "collection", "key", "mouse", "kind", "reader", "n_neurons", "licence")
    token = entry.credentials.environment if entry.credentials else None
    return {field: getattr(entry, field) for field in fields} | {"bytes": entry.size, "token": token}


@click.command(
    "ls",
    epilog="""\b
Examples:
  sensorium-data ls
  sensorium-data ls 'sensorium2023/*'
  sensorium-data ls .
  sensorium-data ls stores/ --json
  sensorium-data ls s3://bucket/stores/

Exit codes: 0, 2 a name that several entries share, 4 no such folder or name, 5 a store is damaged, or of
another layout (the others are listed), 6 a bucket cannot be reached or may not be listed.""",
)
@click.argument("where", required=False, metavar="[FOLDER|NAME]", shell_complete=complete)
@catalog_option
@storage_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, where: str | None, catalogs: tuple[str, ...], storage_options: dict[str, Any] | None, as_json: bool
) -> None:  # fmt: skip
    """List what can be fetched, the part of it that NAME means, or the session stores in FOLDER.

    NAME is an entry, the letter of a mouse, a key, a collection, or a pattern of these. What exists here under that name is
    a folder. FOLDER may be one of a bucket that may be listed.
    """
    from sensorium_data.remote import is_url, placed

    if where is None:
        from sensorium_data.catalogs import catalog

        _list_entries(catalog(*catalogs).values(), as_json=as_json)
    elif is_url(where):
        if _list_stores(placed(where, storage_options), as_json=as_json):
            ctx.exit(5)
    elif (found := entries_meant(where, catalogs)) is not None:
        _list_entries(found, as_json=as_json)
    elif _list_stores(Path(where), as_json=as_json):
        ctx.exit(5)
