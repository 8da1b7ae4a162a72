"""What a conversion tells its caller: the notes that go into the store, and the report."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from sensorium_data.errors import Problem, TargetExists, listed
from sensorium_data.remote import Location
from sensorium_data.schemas import ConvertReport, Note
from sensorium_data.settings import settings
from sensorium_data.sources.members import digest_of, member_digest
from sensorium_data.store.check import check_codes, run_checks
from sensorium_data.store.layout import Paths
from sensorium_data.store.opened import OpenStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sensorium_data.conversion.journal import Record
    from sensorium_data.conversion.plan import Plan
    from sensorium_data.schemas import ConvertOptions, Identity, Session
    from sensorium_data.sources import RawSession

__all__ = ["notes_of", "report_of", "skipped", "up_to_date"]


def notes_of(raw: RawSession, records: Sequence[Record], plan: Plan, gain: float | None) -> tuple[Note, ...]:
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
        notes.append(
            Note(code="trials-missing", text=f"{len(missing)} trials are listed without data: {listed(missing)}")
        )
    if plan.withheld:
        names = ", ".join(sorted(plan.withheld))
        text = f"{names} are zeros in all {sum(not t.missing for t in plan.trials)} trials: withheld, and not served"
        notes.append(Note(code="behaviour-withheld", text=text))
    if gain is not None and plan.responses.codec == "raw":
        text = f"packing gained only {gain:.2f}× on a sample of the responses; they are stored raw"
        notes.append(Note(code="packing-not-worth-it", text=text))
    return tuple(notes)


def up_to_date(
    target: Path | Location, raw: RawSession, reader: str, options: ConvertOptions, *, thorough: bool = True
) -> ConvertReport:
    """Return the report of a store that needs no work: made from the same source with the same options, and whole.

    Parameters
    ----------
    target : Path or Location
        A store.
    raw : RawSession
        The source as it is now.
    reader : str
    options : ConvertOptions
    thorough : bool
        Digest every member of the source and run the quick checks on the store.

    Raises
    ------
    TargetExists
        The store was made from another source, or otherwise, or it is damaged.
    SourceInvalid
        A member of the source cannot be read.
    """
    store = OpenStore(target)
    session, made = store.session, store.session.provenance
    sizes = raw.members.sizes
    same = (made.reader, made.options, made.source_members, made.source_bytes, session.identity) == (
        reader, options, len(sizes), sum(sizes.values()), raw.identity,
    )  # fmt: skip
    hint = "--existing replace makes it anew"
    if not same or (thorough and made.source_digest != _digest_now(raw)):
        what = f"{target} was made from another source or with other options"
        raise TargetExists(what, hint=hint, code="target-differs")
    codes = check_codes(thorough=False) if thorough else []
    if wrong := [finding for finding in run_checks(store, codes) if finding.severity == "error"]:
        problems = [Problem(finding.code, finding.where, finding.what) for finding in wrong]
        raise TargetExists(f"{target} is damaged", hint=hint, problems=problems, code="target-damaged")
    return report_of(target, "up-to-date", session, codes)


def _digest_now(raw: RawSession) -> str:
    """Return the digest of the source; sizes alone do not show that a trial was released since."""
    names = list(raw.members.sizes)
    with ThreadPoolExecutor(settings().n_threads) as pool:
        return digest_of(zip(names, pool.map(partial(member_digest, raw.members), names), strict=True))


def skipped(target: Path | Location, identity: Identity) -> ConvertReport:
    """Return the report of a store that is left as it is."""
    session = OpenStore(target).session
    notes: tuple[Note, ...] = ()
    if session.identity.key != identity.key:
        text = f"{target} holds {session.identity.key}, not {identity.key}; it was left as it is"
        notes = (Note(code="another-recording", text=text),)
    return report_of(target, "skipped", session, (), notes)


def report_of(
    target: Path | Location, status: str, session: Session, checks: Sequence[str], notes: tuple[Note, ...] = ()
) -> ConvertReport:
    """Return the report of a store that is there; notes come before its own."""
    store_bytes, response_bytes = _sizes(target)
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
            "store_bytes": store_bytes,
            "response_bytes": response_bytes,
            "notes": (*notes, *session.provenance.notes),
            "checks": tuple(checks),
        }
    )


def _sizes(target: Path | Location) -> tuple[int, int]:
    """Return bytes of a store and of its responses; of one at a URL as its sidecar has them, as nothing is listed."""
    responses = Paths.values("responses")
    if isinstance(target, Location):
        store = OpenStore(target)
        return store.n_bytes, sum(record.size for record in store.sidecar.shards.get(responses, ()))
    return _bytes_below(target), _bytes_below(target / responses)


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
