"""Convert many recordings into one folder: all are opened first, each fails for itself, and one report tells of all."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sensorium_data.conversion.failure import as_text, failure_of, known
from sensorium_data.conversion.patterns import expand
from sensorium_data.conversion.pipeline import options_of
from sensorium_data.conversion.sessiontask import SessionTask, convert_on_worker, require_written
from sensorium_data.conversion.twins import refuse_twins
from sensorium_data.errors import BadArgument, NoSuchItem, SensoriumError, SourceInvalid, TargetExists
from sensorium_data.progress import Progress, Report, ignore
from sensorium_data.remote import Location, is_url, placed
from sensorium_data.schemas import CollectionReport, ConvertReport, Existing, Precision, Preset
from sensorium_data.settings import settings
from sensorium_data.sources import open_source
from sensorium_data.sources.members import named
from sensorium_data.store.publish import storage_errors
from sensorium_data.store.target import is_store, settle_target

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

__all__ = ["convert_all", "plan_all"]

Sources: TypeAlias = "str | Path | Iterable[str | Path]"
Outcome: TypeAlias = ConvertReport | Exception


def convert_all(
    sources: Sources,
    folder: str | Path | Location,
    *,
    reader: str | None = None,
    preset: Preset = "compact",
    precision: Precision = "float32",
    existing: Existing = "resume",
    allow_nan: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    source_options: Mapping[str, Any] | None = None,
    client: Any = None,  # noqa: ANN401  # a dask.distributed.Client, which is not a dependency
    report: Report = ignore,
) -> CollectionReport:
    """Turn published recordings into session stores in one folder, each `<key of the session>.zarr`.

    All sources are opened before any is converted. A session that fails is in the report and stops no other. Run again,
    sessions that are done are found up to date, and the others are gone on with.

    Parameters
    ----------
    sources : str, Path, or iterable of them
        Folders and zips, URLs of them, and patterns such as ``in/*.zip``; read, never written.
    folder : str, Path or URL
        Where the stores go; made if it is not there.
    reader, preset, precision, existing, allow_nan
        As for `convert`, for every session; `existing` is ``resume`` where nothing is said.
    storage_options : mapping, optional
        As for `convert`: of the folder where it is at a URL, else of every source that is.
    source_options : mapping, optional
        Of every source that is a URL.
    client : dask.distributed.Client, optional
        Convert on a cluster: a session is a task, which uses all threads of its worker. Every worker must see sources
        and folder under the same path.
    report : callable
        Receives `Progress` records; those of the stage `sessions` count the sessions that are done.

    Returns
    -------
    CollectionReport
        The reports of the sessions that have a store now, and why the others have none.

    Raises
    ------
    BadArgument
        Two sources have one key, or an option is unknown; nothing is written.
    NotFound
        A pattern matches nothing.
    TargetExists
        The folder is a file.
    ClusterFailed
        The cluster is gone, or has no worker left; what is done is kept.

    Examples
    --------
    >>> import tempfile, sensorium_data as sd
    >>> from sensorium_data.testing import write_sensorium2023
    >>> folder = tempfile.mkdtemp()
    >>> for name in ("mouse-1", "mouse-2"):
    ...     _ = write_sensorium2023(folder, name=name, n_neurons=5, n_train=3)
    >>> done = sd.convert_all(folder + "/mouse-*", folder + "/stores")
    >>> [(session.key, session.status) for session in done.sessions]
    [('mouse-1', 'converted'), ('mouse-2', 'converted')]
    """
    options_of(preset, precision, allow_nan, existing)
    like = SessionTask("", "", reader, preset, precision, existing, allow_nan)
    place, options = _folder(folder, storage_options, source_options)
    if client is not None and isinstance(place, Location):
        hint = "convert to a folder that all workers see, then copy the stores"
        raise BadArgument(f"{place}: a cluster builds stores on disks", hint=hint, code="cluster-to-url")
    collection = _opened(sources, place, options, like, report)
    found = _converted_here(collection, report) if client is None else _converted_there(collection, client)
    with closing(found):
        for number, outcome in found:
            collection.outcomes[number] = outcome
            collection.tell(report, number, len(collection.outcomes))
    return collection.report()


def plan_all(
    sources: Sources, folder: str | Path | Location, *, reader: str | None = None, preset: Preset = "compact",
    precision: Precision = "float32", existing: Existing = "resume", allow_nan: bool = False,
    storage_options: Mapping[str, Any] | None = None, source_options: Mapping[str, Any] | None = None,
    report: Report = ignore,
) -> CollectionReport:  # fmt: skip
    """Return what `convert_all` would do, from names, headers and tables alone; nothing is written.

    Parameters and errors as `convert_all`.
    """
    options_of(preset, precision, allow_nan, existing)
    like = SessionTask("", "", reader, preset, precision, existing, allow_nan)
    place, options = _folder(folder, storage_options, source_options)
    collection = _opened(sources, place, options, like, report)
    with ThreadPoolExecutor(settings().n_threads) as pool:
        planned = pool.map(lambda task: _attempt(task.plan), collection.tasks.values())
        collection.outcomes |= dict(zip(collection.tasks, planned, strict=True))
    return collection.report()


@dataclass(slots=True)
class _Collection:
    """Sources by number, the tasks of those that could be opened, and what has come of each."""

    folder: Path | Location
    sources: list[Path | Location]
    keys: dict[int, str] = field(default_factory=dict)
    tasks: dict[int, SessionTask] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    def tell(self, report: Report, number: int, done: int) -> None:
        """Report what has come of a source."""
        outcome = self.outcomes[number]
        name = self.keys.get(number, as_text(self.sources[number]))
        came = outcome.status if isinstance(outcome, ConvertReport) else f"error[{known(outcome).code}]"
        report(Progress("sessions", done, len(self.sources), "sessions", f"{name}: {came}"))

    def report(self) -> CollectionReport:
        """Return the report of all, in the order of the sources."""
        listed = [(number, self.outcomes[number]) for number in range(len(self.sources))]
        return CollectionReport(
            folder=str(self.folder),
            sessions=tuple(outcome for _, outcome in listed if isinstance(outcome, ConvertReport)),
            failures=tuple(
                failure_of(outcome, self.sources[number], self.keys.get(number, ""))
                for number, outcome in listed
                if isinstance(outcome, Exception)
            ),
        )


class _Told:
    """A callback of the caller's, and what it raised: that is for the caller, and no failure of a session."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.raised: Exception | None = None

    def __call__(self, progress: Progress) -> None:
        try:
            self.report(progress)
        except Exception as error:
            self.raised = error
            raise


def _attempt(action: Callable[[], ConvertReport], told: _Told | None = None) -> Outcome:
    try:
        return action()
    except Exception as error:
        # One session's failure, even a bug, must not stop the others.
        if told is not None and told.raised is error:
            raise
        return error


def _opened(
    sources: Sources, folder: Path | Location, options: Mapping[str, Any] | None, like: SessionTask, report: Report
) -> _Collection:
    """Open every source and return the tasks, with what is wrong where there is none."""
    if isinstance(folder, Path):
        _require_folder(folder)
    collection = _Collection(folder, expand(sources, folder, options))
    n = len(collection.sources)
    report(Progress("read", 0, n, "sources"))
    with ThreadPoolExecutor(settings().n_threads) as pool:
        keys = pool.map(partial(_key_of, reader=like.reader), collection.sources)
        for number, (source, key) in enumerate(zip(collection.sources, keys, strict=True)):
            report(Progress("read", number + 1, n, "sources", as_text(source)))
            if isinstance(key, Exception):
                collection.outcomes[number] = key
                continue
            collection.keys[number] = key
            collection.tasks[number] = replace(like, source=source, target=folder / f"{key}.zarr")
    refuse_twins(collection.sources, collection.keys, collection.outcomes)
    report(Progress("sessions", 0, n, "sessions"))
    for done, number in enumerate(collection.outcomes, start=1):
        collection.tell(report, number, done)
    return collection


def _folder(
    folder: str | Path | Location, storage_options: Mapping[str, Any] | None, source_options: Mapping[str, Any] | None
) -> tuple[Path | Location, Mapping[str, Any] | None]:
    """Return where the stores go, and how to get at the sources."""
    place = placed(folder, storage_options if is_url(folder) else None)
    if not isinstance(place, Location):
        return named(place), source_options if source_options is not None else storage_options
    return place, source_options


def _require_folder(folder: Path) -> None:
    if as_text(folder) != str(folder):
        raise BadArgument(f"{as_text(folder)}: the name is not UTF-8 text", hint="rename it", code="undecodable-name")
    if os.path.lexists(folder) and not folder.is_dir():
        raise TargetExists(f"{folder} is a file, not a folder", hint="choose another folder", code="not-a-folder")
    if is_store(folder):
        hint = f"choose a folder that may hold stores, such as {folder.parent}"
        raise BadArgument(f"{folder} is itself a session store", hint=hint, code="target-inside-store")


def _key_of(source: Path | Location, reader: str | None) -> str | Exception:
    """Return the key of the recording at a source, or why there is none."""
    if as_text(source) != str(source):
        text = f"{as_text(source)}: the name is not UTF-8 text"
        return BadArgument(text, hint="rename the file, or make a link to it whose name is", code="undecodable-name")
    try:
        key = open_source(source, reader)[1].identity.key
    except NoSuchItem:
        raise  # the reader is not installed: so it is for every source
    except Exception as error:  # noqa: BLE001  # one source's failure must not stop the others
        return error
    if key != Path(key).name:
        return SourceInvalid(f"{source}: its key `{key}` cannot be the name of a store", code="unfit-key")
    return key


def _converted_here(collection: _Collection, report: Report) -> Generator[tuple[int, Outcome]]:
    told = _Told(report)
    for number, task in collection.tasks.items():
        yield number, _attempt(partial(task.convert, told), told)


def _converted_there(collection: _Collection, client: object) -> Generator[tuple[int, Outcome]]:
    """Convert on a cluster; a session whose target is in the way is not sent."""
    from sensorium_data.conversion.cluster import outcomes

    numbers: list[int] = []
    for number, task in collection.tasks.items():
        try:
            here = None if isinstance(task.source, Location) else Path(task.source)
            settle_target(Path(str(task.target)), here, task.existing)
        except SensoriumError as error:
            yield number, error
        else:
            numbers.append(number)
    tasks = [collection.tasks[number] for number in numbers]
    made = _make(Path(str(collection.folder)))
    try:
        sent = [task.for_worker() for task in tasks]
        with closing(outcomes(client, convert_on_worker, sent, one_a_worker=True)) as found:
            for i, outcome in found:
                seen = outcome if isinstance(outcome, Exception) else _attempt(partial(_seen, tasks[i], outcome))
                yield numbers[i], seen
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()  # where nothing was written


def _make(folder: Path) -> list[Path]:
    """Make a folder, so that workers can tell whether they see it; return what was made, the deepest first."""
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    with storage_errors(folder / "store"):
        folder.mkdir(parents=True, exist_ok=True)
    return made


def _seen(task: SessionTask, done: ConvertReport) -> ConvertReport:
    """Return a worker's report with the target as it was named here."""
    require_written(task)
    return done.model_copy(update={"target": str(task.target)})
