"""Convert one recording: settle the target, scan, plan, write, put together, check, publish."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from sensorium_data.conversion.films import plan_films
from sensorium_data.conversion.finish import Built, big_statistics, finish
from sensorium_data.conversion.plan import make_plan
from sensorium_data.conversion.recipe import Recipe
from sensorium_data.conversion.run import run_tasks
from sensorium_data.conversion.scan import gather_scans, scan_batch, scan_tasks
from sensorium_data.conversion.shardtasks import do_task, shard_tasks
from sensorium_data.errors import BadArgument, Problem, SourceInvalid, StoreInvalid, TargetExists, near_miss
from sensorium_data.progress import Progress, Report, ignore
from sensorium_data.schemas import ConvertOptions, ConvertReport, Existing, Note, Precision, Preset
from sensorium_data.settings import settings
from sensorium_data.sources import open_source
from sensorium_data.sources.members import MemberError
from sensorium_data.store.check import check_codes, run_checks
from sensorium_data.store.layout import Paths
from sensorium_data.store.opened import OpenStore
from sensorium_data.store.publish import Scratch, settle_target, storage_errors, sweep_scratch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.conversion.journal import Record
    from sensorium_data.conversion.plan import Plan
    from sensorium_data.conversion.scan import Scanned
    from sensorium_data.schemas import Session
    from sensorium_data.sources import RawSession

__all__ = ["convert", "plan_only"]


def _options(preset: str, precision: str, allow_nan: bool, existing: str) -> ConvertOptions:
    for name, value, kinds in (
        ("preset", preset, Preset),
        ("precision", precision, Precision),
        ("existing", existing, Existing),
    ):
        if value not in get_args(kinds):
            raise BadArgument(f"{name} `{value}` is unknown", hint=near_miss(str(value), get_args(kinds)))
    return ConvertOptions.model_validate({"preset": preset, "precision": precision, "allow_nan": allow_nan})


def _raise_problems(source: Path, facts: Sequence[dict[str, Any]]) -> None:
    if facts:
        count = "1 problem" if len(facts) == 1 else f"{len(facts)} problems"
        hint = "the files are as published? download them again; nothing was written"
        raise SourceInvalid(f"{source}: {count}", hint=hint, problems=[Problem(**fact) for fact in facts])


def _notes(raw: RawSession, records: Sequence[Record], plan: Plan, gain: float | None) -> tuple[Note, ...]:
    """Return what the reader and the scan met, with how many trials it concerns."""
    met: dict[str, list[int]] = {}
    for record in records:
        for trial in record.facts["trials"]:
            for code in trial["notes"]:
                met.setdefault(code, []).append(trial["trial_id"])
    notes = list(raw.notes)
    for code, trials in met.items():
        where = f"trial {trials[0]}" if len(trials) == 1 else f"{len(trials)} trials (first {trials[0]})"
        notes.append(Note(code=code, text=f"{where}: {raw.note_texts.get(code, code)}"))
    missing = [trial.trial_id for trial in plan.trials if trial.missing]
    if missing:
        shown = ", ".join(map(str, missing[:8])) + (" …" if len(missing) > 8 else "")
        notes.append(Note(code="trials-missing", text=f"{len(missing)} trials are listed without data: {shown}"))
    if gain is not None and plan.responses.codec == "raw":
        text = f"packing gained only {gain:.2f}× on a sample of the responses; they are stored raw"
        notes.append(Note(code="packing-not-worth-it", text=text))
    return tuple(notes)


def _gain(records: Sequence[Record]) -> float | None:
    raw, packed = (sum(record.facts["sample"][i] for record in records) for i in (0, 1))
    return raw / packed if packed else None


def _up_to_date(target: Path, raw: RawSession, reader: str, options: ConvertOptions) -> ConvertReport:
    """Return the report of a store that needs no work.

    Raises
    ------
    TargetExists
        The store was made from another source, or otherwise.
    """
    session = OpenStore(target).session
    made = session.provenance
    same = (made.reader, made.options, made.source_members, made.source_bytes, session.identity) == (
        reader, options, len(raw.members.sizes), sum(raw.members.sizes.values()), raw.identity,
    )  # fmt: skip
    if not same:
        what = f"{target} was made from another source or with other options"
        raise TargetExists(what, hint="--existing replace makes it anew", code="target-differs")
    return _report(target, "up-to-date", session, ())


def _report(target: Path, status: str, session: Session, checks: Sequence[str]) -> ConvertReport:
    responses = target / Paths.values("responses")
    return ConvertReport.model_validate(
        {
            "target": str(target),
            "status": status,
            "key": session.identity.key,
            "reader": session.provenance.reader,
            "options": session.provenance.options,
            "codec": session.provenance.codec,
            "n_neurons": session.neurons.n,
            "n_trials": session.trials.n,
            "n_missing": sum(tier.n_missing for tier in session.trials.tiers),
            "n_withheld": sum(tier.n_withheld for tier in session.trials.tiers),
            "n_variants": session.stimuli.n_variants,
            "n_groups": session.stimuli.n_groups,
            "source_bytes": session.provenance.source_bytes,
            "store_bytes": _bytes_below(target),
            "response_bytes": _bytes_below(responses),
            "notes": session.provenance.notes,
            "checks": tuple(checks),
        }
    )


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def plan_only(source: str | Path, target: str | Path, *, reader: str | None = None, preset: Preset = "compact",
              precision: Precision = "float32", existing: Existing = "error", allow_nan: bool = False) -> ConvertReport:  # fmt: skip
    """Return what a conversion would do, from names, headers and tables alone; nothing is written.

    Parameters and errors as `convert`.
    """
    options = _options(preset, precision, allow_nan, existing)
    found, raw = open_source(Path(source), reader)
    skipped = settle_target(Path(target), Path(source), existing)
    return ConvertReport(
        target=str(target),
        status="skipped" if skipped else "planned",
        key=raw.identity.key,
        reader=found.name,
        options=options,
        n_neurons=raw.n_neurons,
        n_trials=len(raw.trials),
        n_missing=sum(trial.missing for trial in raw.trials),
        source_bytes=sum(raw.members.sizes.values()),
        notes=raw.notes,
    )


def convert(
    source: str | Path,
    target: str | Path,
    *,
    reader: str | None = None,
    preset: Preset = "compact",
    precision: Precision = "float32",
    existing: Existing = "error",
    allow_nan: bool = False,
    client: Any = None,  # noqa: ANN401  # a dask.distributed.Client, which is not a dependency
    report: Report = ignore,
) -> ConvertReport:
    """Turn a published recording into a session store, checked before anyone sees it.

    The store is built beside the target and renamed at the end; an interrupted conversion goes on where it stopped
    when it is run again.

    Parameters
    ----------
    source : str or Path
        Folder or zip of one recording; read, never written.
    target : str or Path
        Where the store goes.
    reader : str, optional
        Name of a reader; by default the one that recognises the content.
    preset : {"compact", "fast", "portable"}
        Smallest; uncompressed; or codecs that every implementation of Zarr reads.
    precision : {"float32", "source", "float16"}
        How floating-point streams are stored; float16 concerns responses alone.
    existing : {"error", "skip", "resume", "replace"}
        What to do with a store that is there: fail; leave it; accept it if it is the same recording with the same
        options; or replace it once the new one is whole.
    allow_nan : bool
        Let NaN in the valid part of film and responses, and infinity, through.
    client : dask.distributed.Client, optional
        Run the tasks on a cluster instead of on threads of this process.
    report : callable
        Receives `Progress` records.

    Returns
    -------
    ConvertReport
        What was converted, how big it is, and everything worth knowing that is no error.

    Raises
    ------
    NotFound, SourceInvalid, ArchiveUnsafe
        The source is missing, breaks its format, or is an archive not to be trusted; nothing is written.
    TargetExists, TargetBusy
        Something is in the way; nothing is changed.
    StorageFailed
        Storage is full, read-only or forbidden; what was done is kept.

    Examples
    --------
    >>> import tempfile, sensorium_data as sd
    >>> from sensorium_data.testing import write_sensorium2023
    >>> folder = tempfile.mkdtemp()
    >>> source = write_sensorium2023(folder, n_neurons=5, n_train=3)
    >>> sd.convert(source, folder + "/mouse.zarr").n_neurons
    5
    """
    options = _options(preset, precision, allow_nan, existing)
    source, target = Path(source), Path(target)
    report(Progress("read", 0, 1, "sources", str(source)))
    found, raw = open_source(source, reader)
    if settle_target(target, source, existing):
        sweep_scratch(target)
        return _report(target, "skipped", OpenStore(target).session, ())
    if target.exists() and existing == "resume":
        done = _up_to_date(target, raw, found.name, options)
        sweep_scratch(target)
        return done
    with storage_errors(target), Scratch(target) as scratch:
        # Another process may have finished between the first look and the lock.
        settle_target(target, source, existing)
        recipe = Recipe(str(source.resolve()), found.name, raw.members.fingerprint(), options, str(scratch.root))
        recipe.remember(raw)
        resumed = scratch.begin(recipe.document())
        try:
            session = _build(recipe, raw, client, report)
            checks = _check(scratch.store, report)
        except SourceInvalid:
            # The source must change before this can succeed, and then nothing of this scratch can be used.
            scratch.discard()
            raise
        report(Progress("publish", 0, 1, "stores", str(target)))
        scratch.publish()
    report(Progress("publish", 1, 1, "stores", str(target)))
    return _report(target, "resumed" if resumed else "converted", session, checks)


def _scan(recipe: Recipe, raw: RawSession, client: object, report: Report) -> tuple[list[Scanned], list[Record]]:
    tasks = scan_tasks(recipe, raw.trials)
    n_threads = settings().n_threads
    records = run_tasks(scan_batch, tasks, stage="scan", n_threads=n_threads, client=client, report=report)
    _raise_problems(Path(recipe.source), [problem for record in records for problem in record.facts["problems"]])
    return gather_scans(tasks, records), records


def _build(recipe: Recipe, raw: RawSession, client: object, report: Report) -> Session:
    """Write the whole store into the scratch folder and return its document."""
    options = recipe.options
    scanned, scans = _scan(recipe, raw, client, report)
    gain = _gain(scans)
    plan = make_plan(raw, scanned, plan_films(raw, scanned, recipe.path("spool")), options, gain)
    tasks = shard_tasks(recipe, plan, big_statistics(raw, options.preset))
    n_threads = settings().n_threads
    records = run_tasks(do_task, tasks, stage="write", n_threads=n_threads, client=client, report=report)
    _raise_problems(Path(recipe.source), [problem for record in records for problem in record.facts["problems"]])
    try:
        return finish(Built(recipe, raw, plan, scanned, scans, tasks, records, _notes(raw, scans, plan, gain)))
    except MemberError as error:
        raise SourceInvalid(f"{recipe.source}: 1 problem", problems=[error.problem("a member")]) from None


def _check(store: Path, report: Report) -> list[str]:
    """Check a finished store before it is published; what is wrong here is a bug or a failing disk."""
    codes = check_codes(thorough=False)
    findings = run_checks(OpenStore(store), codes, report)
    problems = [Problem(f.code, f.where, f.what) for f in findings if f.severity == "error"]
    if problems:
        hint = "a bug or a failing disk: remove the folder and run again, and report it if it comes back"
        raise StoreInvalid(f"{store}: the store that was just written is wrong", hint=hint, problems=problems)
    return codes
