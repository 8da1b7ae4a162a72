"""Prove a store equal to its source: every published value of the valid part is rebuilt and compared to the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.clock_documents import clock_of, trial_grid
from sensorium_data.conversion.against_tables import compare_document, compare_statistics, compare_tables
from sensorium_data.conversion.comparison import Comparison
from sensorium_data.errors import BadArgument, StoreInvalid
from sensorium_data.progress import Progress, Report, ignore
from sensorium_data.schemas import Stimulus, Trial
from sensorium_data.sources import open_source
from sensorium_data.sources.members import MemberError, digest_of, located
from sensorium_data.store.layout import Paths
from sensorium_data.store.rows import RowReader

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.remote import Location
    from sensorium_data.schemas import Equality, Finding
    from sensorium_data.sources import RawTrial
    from sensorium_data.store.opened import OpenStore

__all__ = ["AGAINST_CODES", "check_against"]

AGAINST_CODES = (
    "against-source",
    "against-trials",
    "against-values",
    "against-tables",
    "against-statistics",
    "against-document",
)


def check_against(
    store: OpenStore, source: str | Path | Location, report: Report = ignore
) -> tuple[list[Finding], list[Equality]]:
    """Compare every value of a store with the recording it claims to hold.

    Parameters
    ----------
    store : OpenStore
    source : str, Path or URL
        Folder or zip; it need not be the very file that was converted, only the same recording.
    report : callable

    Returns
    -------
    (findings, equality)
        What is wrong, and for each signal which kind of equality holds, with the largest rounding error.

    Raises
    ------
    BadArgument
        The store was not made from a published recording.
    NotFound, SourceInvalid
        The source cannot be read as a recording.
    """
    if store.session.provenance.source_digest is None:
        what = f"{store.path} was written from arrays; there is no published source to hold it against"
        raise BadArgument(what, hint="`check` without --against proves it sound", code="no-source")
    source = located(source)
    _, raw = open_source(source, store.session.provenance.reader)
    comparison = Comparison(store, raw)
    comparison.digests |= raw.digests
    if raw.identity != store.session.identity:
        what = f"is `{raw.identity.name}`, the store was made from `{store.session.identity.name}`"
        alike = _alike(comparison)
        # A folder may be renamed; its digest, compared below, says whether it is the same recording.
        comparison.fault("against-source", str(source), what, "warning" if alike else "error")
        if not alike:
            return comparison.findings, []
    rows = _same_trials(comparison)
    reader = _Reader(store)
    for done, (trial, row) in enumerate(rows):
        report(Progress("check", done, len(rows), "trials"))
        try:
            _trial(comparison, reader, trial, row)
        except MemberError as error:
            comparison.fault("against-source", f"trial {trial.trial_id}", str(error))
        except StoreInvalid as error:
            comparison.fault("against-values", f"trial {trial.trial_id}", error.message)
    report(Progress("check", len(rows), len(rows), "trials"))
    compare_tables(comparison)
    compare_statistics(comparison)
    compare_document(comparison)
    _digest(comparison)
    # What explains the rest comes first.
    comparison.findings.sort(key=lambda finding: finding.code != "against-source")
    return comparison.findings, [tally.document(name) for name, tally in comparison.tallies.items()]


def _alike(comparison: Comparison) -> bool:
    """True when neurons and trials are as many, of the same tiers: else it is another recording altogether."""
    raw, table = comparison.raw, comparison.store.table(Paths.trials, Trial.model_fields)
    published = [(trial.trial_id, trial.tier) for trial in raw.trials]
    stored = list(zip(table["trial_id"].tolist(), table["tier"].tolist(), strict=True))
    return raw.n_neurons == comparison.store.session.neurons.n and published == stored


def _same_trials(comparison: Comparison) -> list[tuple[RawTrial, int]]:
    table = comparison.store.table(Paths.trials, Trial.model_fields)
    row_of = {int(number): row for row, number in enumerate(table["trial_id"])}
    rows = []
    for trial in comparison.raw.trials:
        row = row_of.pop(trial.trial_id, None)
        if row is None:
            comparison.fault("against-trials", f"trial {trial.trial_id}", "is published and not in the store")
            continue
        tier, missing = str(table["tier"][row]), bool(table["missing"][row])
        if tier != trial.tier:
            comparison.fault("against-trials", f"trial {trial.trial_id}", f"is `{tier}`, published as `{trial.tier}`")
        if missing != trial.missing:
            there = "missing" if missing else "there"
            comparison.fault("against-trials", f"trial {trial.trial_id}", f"is {there} in the store alone")
        if not trial.missing and not missing:
            rows.append((trial, row))
    for number in row_of:
        comparison.fault("against-trials", f"trial {number}", "is in the store and was not published")
    return rows


class _Reader:
    """Stored values of one trial, by signal."""

    def __init__(self, store: OpenStore) -> None:
        self.store = store
        self.trials = store.table(Paths.trials, Trial.model_fields)
        self.stimuli = store.table(Paths.stimuli, Stimulus.model_fields)
        self.frames = RowReader(store, Paths.frames)
        self.clocks = {s.name: clock_of(s.clock) for s in store.session.signals}
        self.grid = trial_grid(store.session)
        self.withheld = {s.name for s in store.session.signals if s.withheld}
        # Signals other than responses are small, and one chunk each: reading them trial by trial decodes all each time.
        self.values: dict[str, Any] = {
            name: RowReader(store, Paths.values(name)) if name == "responses" else store.values(Paths.values(name))
            for name in self.clocks
        }

    def film(self, row: int) -> NDArray[Any]:
        """Return the frames of a trial, (time, …, y, x)."""
        variant = int(self.trials["variant"][row])
        return self.frames.read(int(self.stimuli["first_frame"][variant]), int(self.stimuli["n_frames"][variant]))

    def signal(self, name: str, row: int) -> NDArray[Any] | None:
        """Return a signal's samples of a trial, (time, …), or None where it has none."""
        ends = (self.trials[end][row : row + 1] for end in ("start", "stop"))
        first, last = self.clocks[name].intervals(self.grid, *ends)[0].tolist()
        if first == last:
            return None
        values, rows = self.values[name], slice(first, last)
        return values[rows] if isinstance(values, np.ndarray) else values.read(first, last - first)


def _trial(comparison: Comparison, reader: _Reader, trial: RawTrial, row: int) -> None:
    where, raw = f"trial {trial.trial_id}", comparison.raw
    scan = raw.scan(trial, allow_nan=True)
    comparison.digests |= scan.digests
    for problem in scan.problems:
        comparison.fault("against-source", problem.where, problem.what)
    if scan.problems:
        return
    withheld = bool(reader.trials["responses_withheld"][row])
    if scan.withheld != withheld:
        comparison.fault("against-trials", where, f"withheld is {withheld} in the store, {scan.withheld} in the source")
        return
    comparison.compare(raw.identity.film, where, scan.frames, reader.film(row))
    for name, published in scan.signals.items():
        if name in reader.withheld:
            if name not in scan.blank:
                comparison.fault("against-values", where, f"`{name}` is withheld in the store, and published here")
            continue
        stored = reader.signal(name, row)
        comparison.compare(name, where, published, published[:0] if stored is None else stored)
    if not withheld:
        loaded = raw.responses(trial, len(scan.frames))
        comparison.digests[raw.responses_member(trial)] = loaded.sha256
        stored = reader.signal("responses", row)
        comparison.compare("responses", where, loaded.array, loaded.array[:0] if stored is None else stored)


def _digest(comparison: Comparison) -> None:
    members, recorded = comparison.raw.members, comparison.store.session.provenance.source_digest
    for name in members.sizes.keys() - comparison.digests.keys():
        try:
            comparison.digests[name] = members.read(name).sha256
        except MemberError as error:
            comparison.fault("against-source", name, str(error))
    seen = digest_of(comparison.digests.items())
    if seen != recorded:
        what = f"has digest {seen[:12]}…, the store was made from {str(recorded)[:12]}…"
        comparison.fault("against-source", str(members.path), what)
