"""All catalogs a user has as one mapping: the one of the package, those of the settings, those that are named."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from sensorium_data.catalogs.entries import bundled
from sensorium_data.catalogs.resolve import aliases_of, find_entries
from sensorium_data.catalogs.user import read_catalog
from sensorium_data.errors import DataInvalid, NoSuchItem, Problem, near_miss
from sensorium_data.schemas.catalog import Entry
from sensorium_data.settings import settings
from sensorium_data.spelling import human_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.schemas.catalog import CatalogDocument

__all__ = ["Catalog", "catalog", "row_of"]


class Catalog(Mapping[str, Entry]):
    """What can be fetched, by name; made by `catalog`.

    Parameters
    ----------
    entries : iterable of Entry
        Each name once.

    Examples
    --------
    >>> found = catalog().find("mouse-F")
    >>> found
    Catalog: 1 entry in 1 collection
      sensorium2023-29515-10-12  F  7,863 neurons  size not published  CC BY-NC-ND 4.0
    >>> found["sensorium2023-29515-10-12"].files[0].name
    'dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20.zip'
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = {entry.name: entry for entry in entries}

    def __getitem__(self, name: str) -> Entry:
        """Return the entry of a name; `find` knows letters, keys, files and patterns as well.

        Raises
        ------
        NoSuchItem
            No entry has that name; the hint names near misses.
        """
        if name not in self._entries:
            hint = near_miss(str(name), list(self._entries))
            raise NoSuchItem(f"`{name}` is no name in the catalog", hint=hint, code="no-such-entry")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def collections(self) -> tuple[str, ...]:
        """Names of the collections, in order."""
        return tuple(dict.fromkeys(entry.collection for entry in self.values()))

    def find(self, *names: str) -> Catalog:
        """Return the part of the catalog that some names mean: entry, letter, key, file, collection or pattern.

        Raises
        ------
        NoSuchItem
            Names that nothing has; the hint names near misses.
        BadArgument
            No name, or one that several entries share; they are listed.

        Examples
        --------
        >>> len(catalog().find("sensorium2023")), len(catalog().find("dynamic295*"))
        (10, 3)
        """
        return Catalog(find_entries(names, self))

    def _title(self) -> str:
        n, n_collections = len(self), len(self.collections)
        entries = f"{n:,} {'entry' if n == 1 else 'entries'}"
        return f"Catalog: {entries} in {n_collections} collection{'s' * (n_collections != 1)}"

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for entry in self.values():
            name, mouse, neurons, size, licence, token = row_of(entry)
            said = (f"{neurons} neurons" if neurons else "", size or "size not published", licence)
            rows.append((name, mouse, *said, f"asks for {token}" if token else ""))
        return rows

    def __repr__(self) -> str:
        rows = self._rows()
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(6)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([self._title(), *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._rows()
        )
        return f"<div><strong>{html.escape(self._title())}</strong><table>{rows}</table></div>"


def row_of(entry: Entry) -> tuple[str, str, str, str, str, str]:
    """Return name, mouse, neurons, size, licence and the token that is asked for, as people read them; empty where unknown."""
    neurons = f"{entry.n_neurons:,}" if entry.n_neurons else ""
    size = "" if entry.size is None else human_bytes(entry.size)
    token = entry.credentials.environment if entry.credentials else ""
    return entry.name, entry.mouse or "", neurons, size, entry.licence, token


def catalog(*further: str | Path) -> Catalog:
    """Return what can be fetched: the catalog of the package, those of the setting `catalogs`, and further ones.

    Nothing is asked of the network unless a further catalog is named by URL.

    Parameters
    ----------
    *further : str or Path
        Catalogs by file or URL, as `sensorium-data schema catalog` says they are.

    Returns
    -------
    Catalog
        A mapping of name to entry.

    Raises
    ------
    NotFound
        A catalog is not there.
    DataInvalid
        A catalog is none, asks for what it must not, or has a name or collection that an earlier one has.
    StorageFailed
        A catalog cannot be read, or cannot be reached.

    Examples
    --------
    >>> catalog().collections[:2]
    ('sensorium2023', 'sensorium2022')
    >>> catalog()["sensorium2023-29515-10-12"].n_neurons
    7863
    """
    known = {entry.name: entry for document in bundled() for entry in document.entries}
    for where in dict.fromkeys([*settings().catalogs.split(), *further]):
        document = read_catalog(where)
        _check_apart(document, known)
        known |= {entry.name: entry for entry in document.entries}
    return Catalog(known.values())


def _check_apart(document: CatalogDocument, known: Mapping[str, Entry]) -> None:
    """Raise DataInvalid where a further catalog would change what a name means that was there before."""
    collections = {entry.collection for entry in known.values()}
    taken = collections | {alias.lower() for entry in known.values() for alias in aliases_of(entry)}
    problems = []
    for entry in document.entries:
        if entry.name in taken:
            problems.append(Problem("catalog-name", entry.name, "means something in an earlier catalog"))
        if entry.collection in taken:
            what = f"the collection `{entry.collection}` is one of an earlier catalog, or means something there"
            problems.append(Problem("catalog-collection", entry.name, what))
    if problems:
        hint = "names and collections of a further catalog are its own; begin them with the name of a lab"
        what = f"catalog `{document.name}`: its names are taken"
        raise DataInvalid(what, hint=hint, problems=problems, code="catalog-taken")
