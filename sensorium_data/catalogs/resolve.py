"""What users call an entry: its name, the letter of a mouse, a key, a file, a collection, a pattern."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sensorium_data.errors import BadArgument, NoSuchItem, Problem, listed, near_miss

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sensorium_data.schemas.catalog import Entry

__all__ = ["aliases_of", "find_entries", "is_pattern"]

LONGEST = 200  # characters of a word that is compared with all names: that takes time


def is_pattern(name: str) -> bool:
    """True for what stands for every name that it matches.

    Examples
    --------
    >>> is_pattern("sensorium2023/*"), is_pattern("mouse-F")
    (True, False)
    """
    return any(sign in name for sign in "*?[")


def aliases_of(entry: Entry) -> tuple[str, ...]:
    """Return all that an entry is called, its own name first; that of its collection is not among them.

    Parameters
    ----------
    entry : Entry

    Examples
    --------
    >>> from sensorium_data.catalogs import catalog
    >>> aliases_of(catalog()["sensorium2022-26872-17-20"])[:5]
    ('sensorium2022-26872-17-20', '26872-17-20', 'sensorium2022/26872-17-20', 'S0', 'sensorium2022/S0')
    """
    key, mouse, found = entry.key or "", entry.mouse or "", [entry.name]
    for word in filter(None, (key, mouse, mouse and f"mouse-{mouse}")):
        found += [word, f"{entry.collection}/{word}"]
    for file in entry.files:
        name = file.name.rpartition("/")[2]
        found += [file.name, name, name.partition(".")[0]]
        if key and key in name:  # `dynamic29515-10-12` of `dynamic29515-10-12-Video-….zip`
            found.append(name[: name.index(key) + len(key)])
    found.append(f"{entry.collection}/{entry.name}")
    return tuple(dict.fromkeys(found))


def find_entries(names: str | Iterable[str], catalog: Mapping[str, Entry]) -> tuple[Entry, ...]:
    """Return the entries that are meant, each once, in the order of the names and then of the catalog.

    Small and capital letters are the same. A name means, in this order: the entry of that name; all of the collection of
    that name; the one entry with that letter, key or file. A pattern (``*``, ``?``, ``[…]``) means every entry that one of
    its names matches.

    Parameters
    ----------
    names : str or iterable of str
    catalog : mapping of name to Entry

    Raises
    ------
    NoSuchItem
        Names that nothing has; the hint names near misses.
    BadArgument
        No name at all, or one that several entries share; they are listed.

    Examples
    --------
    >>> from sensorium_data.catalogs import catalog
    >>> [entry.name for entry in find_entries("mouse-F", catalog())]
    ['sensorium2023-29515-10-12']
    >>> len(find_entries(["sensorium2023", "sensorium2022/*"], catalog()))
    17
    """
    asked = [names] if isinstance(names, str) else list(names)
    if not asked:
        raise BadArgument("no name was given", hint="`sensorium-data ls` lists the catalog", code="no-name")
    known = {name: [alias.lower() for alias in aliases_of(entry)] for name, entry in catalog.items()}
    found: dict[str, Entry] = {}
    faults: list[BadArgument | NoSuchItem] = []
    for name in asked:
        try:
            found |= {each: catalog[each] for each in _meant(name.strip().lower(), name, catalog, known)}
        except (BadArgument, NoSuchItem) as fault:
            faults.append(fault)
    if faults:
        raise _together(faults)
    return tuple(found.values())


def _meant(word: str, as_given: str, catalog: Mapping[str, Entry], known: Mapping[str, list[str]]) -> Iterable[str]:
    if word in catalog:
        return [word]
    if collection := [name for name, entry in catalog.items() if entry.collection == word]:
        return collection
    if shared := [name for name, aliases in known.items() if word in aliases]:
        if len(shared) > 1:
            hint = f"say which: {listed([f'`{name}`' for name in shared])}"
            raise BadArgument(f"`{as_given}` means {len(shared):,} entries", hint=hint, code="ambiguous-name")
        return shared
    matched = [name for name, aliases in known.items() if any(fnmatchcase(alias, word) for alias in aliases)]
    if not (is_pattern(word) and matched):
        hint = _hint(as_given, catalog.values())
        raise NoSuchItem(f"`{as_given}` is no name in the catalog", hint=hint, code="no-such-entry")
    return matched


def _hint(name: str, entries: Iterable[Entry]) -> str:
    words = {each: None for entry in entries for each in (entry.collection, *aliases_of(entry))}
    meant = near_miss(name, list(words)) if len(name) <= LONGEST and not is_pattern(name) else ""
    return meant if meant.startswith("did you mean") else "`sensorium-data ls` lists the catalog"


def _together(faults: list[BadArgument | NoSuchItem]) -> BadArgument | NoSuchItem:
    if len(faults) == 1:
        return faults[0]
    kind = NoSuchItem if all(isinstance(fault, NoSuchItem) for fault in faults) else BadArgument
    problems = [Problem(fault.code, "names", f"{fault.message}; {fault.hint}") for fault in faults]
    codes = {fault.code for fault in faults}
    code = codes.pop() if len(codes) == 1 else None
    return kind(f"{len(faults):,} names cannot be found", hint=faults[0].hint, problems=problems, code=code)
