"""Prove a store equal to its source: every published value of the valid part is rebuilt and compared to the bit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.clock import TickClock, clock_of
from sensorium_data.conversion.rounding import largest_error, rounded
from sensorium_data.errors import StoreInvalid
from sensorium_data.progress import Progress, Report, ignore
from sensorium_data.schemas import Equality, Finding, Stimulus, Trial
from sensorium_data.sources import open_source
from sensorium_data.sources.members import MemberError, digest_of
from sensorium_data.store.layout import Paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.sources import RawSession, RawTrial
    from sensorium_data.store.opened import OpenStore

__all__ = ["AGAINST_CODES", "check_against"]

AGAINST_CODES = ("against-source", "against-trials", "against-values", "against-tables", "against-statistics")


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """True when shape, dtype and every bit agree, those of NaN and of negative zero too."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


@dataclass(slots=True)
class _Tally:
    """How one signal compares so far."""

    n_values: int = 0
    max_error: float = 0.0
    rounded: bool = False
    differs: bool = False

    def add(self, published: NDArray[Any], stored: NDArray[Any]) -> bool:
        """Compare one trial's values; True when they agree after the recorded rounding."""
        self.n_values += stored.size
        if published.shape != stored.shape:
            self.differs = True
            return False
        # A film of integers kept as uint8, or widened beside one that is not, is not rounded.
        self.rounded |= not np.can_cast(published.dtype, stored.dtype) and stored.dtype != np.uint8
        agrees = same_bits(rounded(published, stored.dtype), stored)
        self.differs |= not agrees
        if published.dtype != stored.dtype:
            self.max_error = max(self.max_error, largest_error(published, stored))
        return agrees

    def document(self, name: str) -> Equality:
        """Return the outcome."""
        if self.differs:
            holds = "differs"
        elif not self.rounded:
            holds = "bit-exact"
        else:
            holds = "rounded" if self.max_error else "rounded-exact"
        error = self.max_error if np.isfinite(self.max_error) else 0.0
        return Equality(name=name, holds=holds, n_values=self.n_values, max_abs_error=error)  # type: ignore[arg-type]


@dataclass(slots=True)
class _Comparison:
    store: OpenStore
    raw: RawSession
    findings: list[Finding] = field(default_factory=list)
    tallies: dict[str, _Tally] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def fault(self, code: str, where: str, what: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(code=code, severity="error", where=where, what=what))

    def compare(self, name: str, where: str, published: NDArray[Any], stored: NDArray[Any]) -> None:
        """Compare the values of one stream in one trial."""
        tally = self.tallies.setdefault(name, _Tally())
        if not tally.add(published, stored):
            if published.shape != stored.shape:
                what = f"`{name}` has shape {stored.shape}, published {published.shape}"
            else:
                off = rounded(published, stored.dtype) != stored
                what = f"`{name}` differs from what was published in {int(off.sum())} values"
            self.fault("against-values", where, what)


def check_against(
    store: OpenStore, source: str | Path, report: Report = ignore
) -> tuple[list[Finding], list[Equality]]:
    """Compare every value of a store with the recording it claims to hold.

    Parameters
    ----------
    store : OpenStore
    source : str or Path
        Folder or zip; it need not be the very file that was converted, only the same recording.
    report : callable

    Returns
    -------
    (findings, equality)
        What is wrong, and for each signal which kind of equality holds, with the largest rounding error.

    Raises
    ------
    NotFound, SourceInvalid
        The source cannot be read as a recording.
    """
    _, raw = open_source(source, store.session.provenance.reader)
    comparison = _Comparison(store, raw)
    comparison.digests |= raw.digests
    if raw.identity != store.session.identity:
        what = f"is `{raw.identity.name}`, the store was made from `{store.session.identity.name}`"
        comparison.fault("against-source", str(source), what)
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
    _tables(comparison)
    _statistics(comparison)
    _digest(comparison)
    return comparison.findings, [tally.document(name) for name, tally in comparison.tallies.items()]


def _same_trials(comparison: _Comparison) -> list[tuple[RawTrial, int]]:
    table = comparison.store.table(Paths.trials, Trial.model_fields)
    row_of = {int(number): row for row, number in enumerate(table["trial_id"])}
    rows = []
    for trial in comparison.raw.trials:
        row = row_of.pop(trial.trial_id, None)
        if row is None:
            comparison.fault("against-trials", f"trial {trial.trial_id}", "is published and not in the store")
            continue
        seen, stored = (trial.tier, trial.missing), (str(table["tier"][row]), bool(table["missing"][row]))
        if seen != stored:
            comparison.fault("against-trials", f"trial {trial.trial_id}", f"is {stored}, published as {seen}")
        if not trial.missing and not stored[1]:
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
        self.frames = store.array(Paths.frames)
        self.clocks = {s.name: clock_of(s.clock) for s in store.session.signals}
        # Signals other than responses are small, and one chunk each: reading them trial by trial decodes all each time.
        self.values: dict[str, Any] = {
            name: store.array(Paths.values(name)) if name == "responses" else store.values(Paths.values(name))
            for name in self.clocks
        }

    def film(self, row: int) -> NDArray[Any]:
        """Return the frames of a trial, (time, …, y, x)."""
        variant = int(self.trials["variant"][row])
        first = int(self.stimuli["first_frame"][variant])
        return self.store.read(self.frames, slice(first, first + int(self.stimuli["n_frames"][variant])))

    def signal(self, name: str, row: int) -> NDArray[Any] | None:
        """Return a signal's samples of a trial, (time, …), or None where it has none."""
        clock = self.clocks[name]
        assert isinstance(clock, TickClock)  # noqa: S101  # sources of published trials have tick clocks
        rows = clock.rows(int(self.trials["start"][row]), int(self.trials["stop"][row]))
        if rows is None:
            return None
        values = self.values[name]
        return values[rows] if isinstance(values, np.ndarray) else self.store.read(values, rows)


def _trial(comparison: _Comparison, reader: _Reader, trial: RawTrial, row: int) -> None:
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
    comparison.compare("video", where, scan.frames, reader.film(row))
    for name, published in scan.signals.items():
        stored = reader.signal(name, row)
        comparison.compare(name, where, published, published[:0] if stored is None else stored)
    if not withheld:
        loaded = raw.responses(trial, len(scan.frames))
        comparison.digests[f"data/responses/{trial.trial_id}.npy"] = loaded.sha256
        stored = reader.signal("responses", row)
        comparison.compare("responses", where, loaded.array, loaded.array[:0] if stored is None else stored)


def _tables(comparison: _Comparison) -> None:
    columns = [(f"{Paths.neurons}/{name}", column) for name, column in comparison.raw.neurons.items()]
    names = comparison.store.table(Paths.trials)
    for name, column in comparison.raw.trial_variables.items():
        columns.append((f"{Paths.trials}/{name if f'published_{name}' not in names else f'published_{name}'}", column))
    for path, column in columns:
        published = column.values
        if published.dtype.kind == "S":
            published = np.char.decode(published, "utf-8")
        try:
            stored = comparison.store.values(path)
        except StoreInvalid as error:
            comparison.fault("against-tables", path, error.message)
            continue
        text = published.dtype.kind == "U"
        if not (np.array_equal(published, stored) if text else same_bits(published, stored)):
            comparison.fault("against-tables", path, "differs from what was published")


def _statistics(comparison: _Comparison) -> None:
    for path, read in _shipped(comparison):
        try:
            if not same_bits(read(), comparison.store.values(path)):
                comparison.fault("against-statistics", path, "differs from what was published")
        except (MemberError, StoreInvalid) as error:
            comparison.fault("against-statistics", path, str(error))


def _shipped(comparison: _Comparison) -> Iterator[tuple[str, Callable[[], NDArray[Any]]]]:
    for statistic in comparison.raw.statistics:

        def read(statistic: Any = statistic) -> NDArray[Any]:  # noqa: ANN401  # binds the loop's value
            loaded = comparison.raw.statistic(statistic)
            comparison.digests[statistic.member] = loaded.sha256
            return loaded.array

        yield f"{Paths.source_statistics}/{statistic.path}", read


def _digest(comparison: _Comparison) -> None:
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
