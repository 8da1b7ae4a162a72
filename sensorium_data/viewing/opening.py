"""Sessions as people name several of them: paths, patterns and opened ones, each once, all faults told together."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from fnmatch import fnmatchcase
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from sensorium_data.errors import BadArgument, NotFound, Problem, SensoriumError, StorageFailed, StoreInvalid, listed
from sensorium_data.handle import SessionHandle
from sensorium_data.remote import Location, is_url, open_objects
from sensorium_data.store.target import is_store
from sensorium_data.views import Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Opened", "opened"]

Opened: TypeAlias = "str | Path | Session | SessionHandle"


def opened(
    wheres: Opened | Iterable[Opened], storage_options: Mapping[str, object] | None = None
) -> dict[str, Session]:
    """Open sessions, of which nothing but the roots is read, and return them by key in the order they were named.

    Parameters
    ----------
    wheres : path, pattern, Session, SessionHandle, or iterable of them
        A pattern such as ``stores/*.zarr`` stands for the session stores that it matches, sorted by name; of a bucket
        it needs one that may be listed.
    storage_options : mapping, optional
        How to get in where they are URLs.

    Raises
    ------
    BadArgument
        No session, a store that is given twice, or two sessions with one key.
    NotFound
        Stores are not there, or a pattern matches none.
    StoreInvalid
        Stores are damaged. With several faults, of whatever kind, all are named.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.testing import make_session
    >>> folder = tempfile.mkdtemp()
    >>> store = make_session(folder, n_neurons=2, n_train=2)
    >>> list(opened(f"{folder}/*.zarr"))
    ['29515-10-12']
    """
    if isinstance(wheres, Mapping) and not hasattr(wheres, "data_vars"):  # by names of their own
        wheres = list(wheres.values())
    several = [wheres] if isinstance(wheres, str | Path | Session | SessionHandle) else wheres
    if not hasattr(several, "__iter__") or type(wheres).__name__ in ("Dataset", "WindowDataset"):
        raise _no_session(several)
    found: list[Session] = []
    faults: list[tuple[str, SensoriumError]] = []
    for where in several:
        try:
            each: Sequence[Opened] = _matches(str(where), storage_options) if _is_pattern(where) else [where]
        except (NotFound, StorageFailed) as error:
            faults.append((str(where), error))
            continue
        for one in each:
            try:
                found.append(_session(one, storage_options))
            except (NotFound, StoreInvalid, StorageFailed) as error:
                faults.append((str(one), error))
    if faults:
        raise _together(faults, len(found) + len(faults))
    return _by_key(found)


def _is_pattern(where: object) -> bool:
    if not isinstance(where, str | Path) or not any(sign in str(where) for sign in "*?["):
        return False
    if is_url(where):
        return True
    from sensorium_data.conversion.patterns import is_pattern

    return is_pattern(where)


def _matches(pattern: str, options: Mapping[str, object] | None) -> list[Opened]:
    if is_url(pattern):
        return _matches_at(pattern, options)
    paths = sorted(Path(name) for name in glob(pattern, recursive=True))  # noqa: PTH207  # the pattern may be absolute
    if stores := [path for path in paths if is_store(path)]:
        return [*stores]
    names = listed([path.name for path in paths])
    hint = f"{names}: no session store" if names else "`sensorium-data ls FOLDER` lists the stores in a folder"
    raise NotFound(f"{pattern} matches no session store", hint=hint, code="no-match")


def _matches_at(pattern: str, options: Mapping[str, object] | None) -> list[Opened]:
    """Return the stores that a pattern matches at a URL, by the roots that are listed below what comes before it."""
    parts = pattern.rstrip("/").split("/")
    n_fixed = next(n for n, part in enumerate(parts) if any(sign in part for sign in "*?["))
    if n_fixed < 3:
        raise BadArgument(f"{pattern}: which bucket is not said", hint="s3://BUCKET/*.zarr", code="no-bucket")
    base, rest = "/".join(parts[:n_fixed]), parts[n_fixed:]
    roots = (key.split("/") for key, _ in open_objects(Location(base, options)).listing() if key.endswith("/zarr.json"))
    found = sorted(
        "/".join(root[:-1]) for root in roots if len(root) == len(rest) + 1 and all(map(fnmatchcase, root, rest))
    )
    if not found:
        hint = f"is the pattern right? below {base} nothing that it matches has a zarr.json"
        raise NotFound(f"{pattern} matches no session store", hint=hint, code="no-match")
    return [f"{base}/{name}" for name in found]


def _session(where: object, options: Mapping[str, object] | None) -> Session:
    if isinstance(where, Session):
        return where
    if isinstance(where, SessionHandle):
        return Session(where)
    if not isinstance(where, str | Path):
        raise _no_session(where)
    try:
        return Session(SessionHandle(where, storage_options=options))
    except StoreInvalid as error:
        if error.code == "not-a-store" and not is_url(where) and any(_stores_in(Path(where))):
            error.hint = f"'{where}/*.zarr' stands for the stores in it"
        raise


def _stores_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*.zarr") if is_store(path))


def _no_session(given: object) -> BadArgument:
    what = f"a session is named by its path, a pattern, or an opened Session, not by {type(given).__name__}"
    hint = "name session stores"
    if type(given).__name__ == "Dataset":
        hint = "`WindowDataset.from_views([view])` makes windows of views"
    elif type(given).__name__ == "WindowDataset":
        hint = "`WindowLoader(dataset, batch_size=…)` makes batches of its windows"
    return BadArgument(what, hint=hint, code="no-session")


def _together(faults: Sequence[tuple[str, SensoriumError]], n: int) -> SensoriumError:
    """Return one error for all that could not be opened."""
    errors = [error for _, error in faults]
    if len(errors) == 1:
        return errors[0]
    kinds = {kind for error in errors for kind in (NotFound, StorageFailed) if isinstance(error, kind)}
    same = len(kinds) == 1 and all(isinstance(error, tuple(kinds)) for error in errors)
    kind = kinds.pop() if same else StoreInvalid
    problems = [
        Problem(error.code, where, error.message.removeprefix(where).removeprefix(":").strip())
        for where, error in faults
    ]
    what = f"{len(errors):,} of {n:,} sessions cannot be opened"
    return kind(what, hint=errors[0].hint, problems=problems, code="not-opened")


def _by_key(sessions: Sequence[Session]) -> dict[str, Session]:
    if not sessions:
        raise BadArgument("no session is given", hint="name session stores", code="no-sessions")
    places: set[str] = set()
    found: dict[str, Session] = {}
    for session in sessions:
        key, where = session.document.identity.key, session.handle.where
        if (place := where if is_url(where) else os.path.realpath(where)) in places:
            raise BadArgument(f"{where} is given twice", hint="name each store once", code="store-twice")
        if key in found:
            what = f"{found[key].handle.where} and {where} both hold session `{key}`"
            raise BadArgument(what, hint="leave one of them out", code="key-twice")
        places.add(place)
        found[key] = session
    return found
