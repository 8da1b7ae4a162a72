"""Convert one recording: settle the target, scan, plan, write, put together, check, publish."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, get_args

from sensorium_data.conversion.films import plan_films, shown_films
from sensorium_data.conversion.finish import Known, Written, finish
from sensorium_data.conversion.finite import infinite_tables
from sensorium_data.conversion.inspect import inspect_responses, inspect_tasks
from sensorium_data.conversion.outcome import notes_of, report_of, skipped, up_to_date
from sensorium_data.conversion.plan import make_plan
from sensorium_data.conversion.recipe import Recipe
from sensorium_data.conversion.run import run_tasks
from sensorium_data.conversion.scan import gather_scans, scan_batch, scan_tasks
from sensorium_data.conversion.shardtasks import shard_tasks
from sensorium_data.conversion.shardwriter import do_task
from sensorium_data.conversion.shipped import big_statistics
from sensorium_data.conversion.stimulusids import held_against_ids
from sensorium_data.errors import BadArgument, Problem, SourceInvalid, StoreInvalid, counted, near_miss
from sensorium_data.progress import Progress, Report
from sensorium_data.remote import Location
from sensorium_data.schemas import ConvertOptions, ConvertReport, Existing, Precision, Preset
from sensorium_data.settings import settings
from sensorium_data.sources import open_source
from sensorium_data.store.check import check_codes, run_checks
from sensorium_data.store.opened import OpenStore
from sensorium_data.store.publish import Scratch, flush_folders, keep_only, settle_target, storage_errors, sweep_scratch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sensorium_data.conversion.journal import Record
    from sensorium_data.conversion.scan import Scanned
    from sensorium_data.schemas import Session
    from sensorium_data.sources import RawSession

__all__ = ["check_written", "convert_here", "nothing_to_do", "options_of", "raise_problems"]


def options_of(preset: str, precision: str, allow_nan: bool, existing: str) -> ConvertOptions:
    """Return the options of a conversion; raise BadArgument for a value that is unknown."""
    for name, value, kinds in (
        ("preset", preset, Preset),
        ("precision", precision, Precision),
        ("existing", existing, Existing),
    ):
        if value not in get_args(kinds):
            raise BadArgument(f"{name} `{value}` is unknown", hint=near_miss(str(value), get_args(kinds)))
    return ConvertOptions.model_validate({"preset": preset, "precision": precision, "allow_nan": allow_nan})


def raise_problems(source: str | Location, facts: Sequence[dict[str, Any]]) -> None:
    """Raise SourceInvalid with every problem of a source, where there are any."""
    if facts:
        hint = "are the files as published? download them again; nothing was written"
        raise SourceInvalid(
            f"{source}: {counted(len(facts), 'problem')}", hint=hint, problems=[Problem(**fact) for fact in facts]
        )


def _gain(records: Sequence[Record]) -> float | None:
    raw, packed = (sum(record.facts["sample"][i] for record in records) for i in (0, 1))
    return raw / packed if packed else None


def nothing_to_do(
    source: Path | Location, target: Path, raw: RawSession, reader: str, options: ConvertOptions, existing: Existing, *,
    thorough: bool = True,
) -> ConvertReport | None:  # fmt: skip
    """Return the report where the target may stay as it is, else None; raise where it must not be touched."""
    if settle_target(target, None if isinstance(source, Location) else source, existing):
        return skipped(target, raw.identity)
    if target.exists() and existing == "resume":
        return up_to_date(target, raw, reader, options, thorough=thorough)
    return None


def convert_here(
    source: Path | Location, target: Path, reader: str | None, options: ConvertOptions, existing: Existing,
    client: object, report: Report,
) -> ConvertReport:  # fmt: skip
    """Convert a recording to a path of this machine; see `convert`."""
    report(Progress("read", 0, 1, "sources", str(source)))
    found, raw = open_source(source, reader)
    report(Progress("read", 1, 1, "sources", str(source)))
    if (done := nothing_to_do(source, target, raw, found.name, options, existing)) is not None:
        sweep_scratch(target)
        return done
    with storage_errors(target), Scratch(target) as scratch:
        # Another process may have finished since, and a replacement that was killed is put back now.
        if (done := nothing_to_do(source, target, raw, found.name, options, existing)) is not None:
            scratch.discard()
            return done
        root = str(scratch.root.absolute())  # the workers of a cluster have working folders of their own
        place = source if isinstance(source, Location) else str(source.resolve())
        recipe = Recipe(place, found.name, raw.members.fingerprint(), options, root)
        recipe.remember(raw)
        try:
            session, checks, resumed = _build_sound(scratch, recipe, raw, client, report)
        except SourceInvalid:
            # The source must change before this can succeed, and then nothing of this scratch can be used.
            scratch.discard()
            raise
        report(Progress("publish", 0, 1, "stores", str(target)))
        scratch.publish()
    report(Progress("publish", 1, 1, "stores", str(target)))
    return report_of(target, "resumed" if resumed else "converted", session, checks)


def _scan(recipe: Recipe, raw: RawSession, client: object, report: Report) -> tuple[list[Scanned], list[Record]]:
    tasks = scan_tasks(recipe, raw)
    n_threads = settings().n_threads
    records = run_tasks(scan_batch, tasks, stage="scan", n_threads=n_threads, client=client, report=report)
    problems = [problem for record in records for problem in record.facts["problems"]]
    if not recipe.options.allow_nan:
        big = {statistic for statistic, _ in big_statistics(raw, recipe.options.preset)}
        problems += [asdict(problem) for problem in infinite_tables(raw, [s for s in raw.statistics if s not in big])]
    if problems:
        inspected = inspect_tasks(tasks, records)
        found = run_tasks(inspect_responses, inspected, stage="scan", n_threads=n_threads, client=client, report=report)
        problems += [asdict(problem) for some in found for problem in some]
    raise_problems(recipe.source, problems)
    return gather_scans(tasks, records), records


def _build_sound(
    scratch: Scratch, recipe: Recipe, raw: RawSession, client: object, report: Report
) -> tuple[Session, list[str], bool]:
    """Build the store and check it; return its document, the checks, and whether earlier work was gone on with."""
    if scratch.begin(recipe.document()):
        # A power cut leaves files hollow whose records say they are whole. They show in the checks, and all is made anew.
        with suppress(StoreInvalid):
            session = _build(recipe, raw, client, report, resumed=True)
            return session, _check_and_flush(scratch.store, report), True
        scratch.forget()
        scratch.begin(recipe.document())
    session = _build(recipe, raw, client, report, resumed=False)
    return session, _check_and_flush(scratch.store, report), False


def _build(recipe: Recipe, raw: RawSession, client: object, report: Report, *, resumed: bool) -> Session:
    """Write the whole store into the scratch folder and return its document."""
    scanned, scans = _scan(recipe, raw, client, report)
    gain = _gain(scans)
    films = plan_films(shown_films(raw, scanned, recipe.path("spool"), verify=resumed))
    plan = make_plan(raw, scanned, films, recipe.options, gain)
    problems, notes = held_against_ids(raw.stimulus_ids, plan.trials)
    raise_problems(recipe.source, [asdict(problem) for problem in problems])
    known = Known(recipe, raw, plan, scanned, scans, (*notes_of(raw, scans, plan, gain), *notes))
    tasks = shard_tasks(recipe, plan, big_statistics(raw, recipe.options.preset))
    n_threads = settings().n_threads
    records = run_tasks(do_task, tasks, stage="write", n_threads=n_threads, client=client, report=report)
    raise_problems(recipe.source, [problem for record in records for problem in record.facts["problems"]])
    written, store = Written(tasks, records), recipe.path("store")
    # What an interrupted run left beyond its shards (metadata, parts of small arrays) is made anew, not built upon.
    keep_only(store, written.keys)
    with ThreadPoolExecutor(1) as disk:
        flushed = disk.submit(flush_folders, store)  # the disk works on the shards while the rest is made
        session = finish(known, written)
        flushed.result()
    return session


def _check_and_flush(store: Path, report: Report) -> list[str]:
    """Check a finished store while the disk puts away what was written last."""
    with ThreadPoolExecutor(1) as disk:
        flushed = disk.submit(flush_folders, store)
        codes = check_written(store, report)
        flushed.result()
    return codes


def check_written(store: Path, report: Report) -> list[str]:
    """Check a finished store before it is published; what is wrong here is a bug or a failing disk."""
    codes = check_codes(thorough=False)
    findings = run_checks(OpenStore(store), codes, report)
    problems = [Problem(f.code, f.where, f.what) for f in findings if f.severity == "error"]
    if problems:
        hint = "a bug or a failing disk: remove the folder and run again, and report it if it comes back"
        raise StoreInvalid(f"{store}: the store that was just written is wrong", hint=hint, problems=problems)
    return codes
