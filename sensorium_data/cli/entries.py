"""Words of a command line that may be names in the catalog, and entries as people see them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from sensorium_data.errors import BadArgument, NoSuchItem, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sensorium_data.schemas import CatalogFile, Entry

__all__ = ["catalog_option", "complete", "entries_meant", "entry_text", "one_meant"]

SHORT = 32  # characters of a name that anybody would type

catalog_option = click.option(
    "--catalog",
    "catalogs",
    multiple=True,
    metavar="FILE|URL",
    help="A further catalog; may be given more than once.",
)


def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return what a word may become: names in the catalog of the package, else files."""
    from sensorium_data.catalogs.entries import bundled

    del ctx, param
    entries = [entry for document in bundled() for entry in document.entries]
    names = [*dict.fromkeys(entry.collection for entry in entries), *(entry.name for entry in entries)]
    # The item for files comes first: the shells' scripts begin anew with it.
    return [CompletionItem(incomplete, type="file"), *(CompletionItem(n) for n in names if n.startswith(incomplete))]


def entries_meant(word: str, catalogs: Iterable[str] = ()) -> tuple[Entry, ...] | None:
    """Return the entries that a word of the command line means, or None for a path or URL.

    What exists is a path, whatever the catalog says. What neither exists nor is in the catalog is taken for a path where it
    looks like one, so that whoever opens it says what is wrong.

    Parameters
    ----------
    word : str
    catalogs : iterable of str
        Further catalogs, by file or URL.

    Raises
    ------
    NoSuchItem
        It is neither; the hint names near misses.
    BadArgument
        Several entries share the name.
    """
    from sensorium_data.catalogs import catalog, find_entries
    from sensorium_data.remote import is_url

    if is_url(word) or os.path.lexists(word):  # Path has no lexists, and raises for names that are too long
        return None
    known = catalog(*catalogs)
    try:
        return find_entries(word, known)
    except NoSuchItem as error:
        head, separator, _ = word.partition("/")
        if (separator and head.lower() not in known.collections) or (not separator and "." in word):
            return None
        what = f"`{word}` is neither a path that exists nor a name in the catalog"
        raise NoSuchItem(what, hint=error.hint, code=error.code) from None


def one_meant(word: str, catalogs: Iterable[str] = ()) -> Entry | None:
    """Return the one entry that a word means, or None for a path or URL.

    Raises
    ------
    NoSuchItem
        It is neither; the hint names near misses.
    BadArgument
        It means several entries.
    """
    found = entries_meant(word, catalogs)
    if found is None or len(found) == 1:
        return found[0] if found else None
    hint = f"`sensorium-data ls {word}` lists them: {listed([entry.name for entry in found], most=3)}"
    raise BadArgument(f"`{word}` means {len(found):,} entries of the catalog", hint=hint, code="ambiguous-name")


def _file_lines(file: CatalogFile) -> list[str]:
    from sensorium_data.spelling import human_bytes

    size = "size not published" if file.size is None else f"{file.size:,} bytes ({human_bytes(file.size)})"
    digests = [f"{kind} {value}" for kind, value in (("sha256", file.sha256), ("md5", file.md5)) if value]
    digest = ", ".join(digests) or "digest not published; pinned at the first download"
    first, *mirrors = file.urls
    return [file.name, f"  {first}", *(f"  or {url}" for url in mirrors), f"  {size}; {digest}"]


def _facts(entry: Entry) -> list[tuple[str, Sequence[str]]]:
    from sensorium_data.catalogs.resolve import aliases_of

    aliases = [alias for alias in aliases_of(entry)[1:] if len(alias) <= SHORT and not {"/", "."} & set(alias)]
    tiers = [f"{tier.name} {tier.n_trials}" if tier.n_trials is not None else tier.name for tier in entry.tiers]
    token = entry.credentials
    asks = [f"in ${token.environment}, sent to {listed(token.hosts)} alone", token.how] if token else ["none is needed"]
    terms = [entry.licence, *filter(None, [entry.licence_url])]
    return [
        ("collection", [entry.collection]),
        ("also", [listed(aliases)] if aliases else []),
        ("kind", [entry.kind]),
        ("neurons", [f"{entry.n_neurons:,}"] if entry.n_neurons else []),
        ("tiers", [", ".join(tiers)] if tiers else []),
        ("reader", ["none: only the download is offered" if entry.reader == "none" else entry.reader]),
        ("files", [line for file in entry.files for line in _file_lines(file)] or ["not known here; see the homepage"]),
        ("token", asks),
        ("licence", terms),
        ("cite", [entry.citation, *([f"doi {entry.doi}"] if entry.doi else [])]),
        ("homepage", [entry.homepage]),
        ("notes", entry.notes),
    ]


def entry_text(entry: Entry) -> str:
    """Return what is known of an entry, in lines for people, and the next command."""
    lines = [f"{entry.name}: {entry.title}"]
    for label, values in _facts(entry):
        lines += [f"  {label if i == 0 else '':12}{value}" for i, value in enumerate(values)]
    if entry.files:
        lines.append(f"fetch it  sensorium-data download {entry.name}")
    return "\n".join(lines)
