"""What an audit keeps of each trial: a few numbers and a coarse signature, so that a session of any size fits.

Every member is read once; films that may be the same are read a second time rather than kept.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.cached import cached_property
from sensorium_data.conversion.films import film_digest
from sensorium_data.conversion.inspect import faults_of_responses
from sensorium_data.conversion.scan import overflows
from sensorium_data.conversion.stimulusids import held_against_ids
from sensorium_data.grouping import group_films, signature
from sensorium_data.progress import Progress, Report
from sensorium_data.schemas import ConvertOptions
from sensorium_data.settings import settings
from sensorium_data.sources.members import MemberError, Memory
from sensorium_data.sources.npy import header_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.errors import Problem
    from sensorium_data.schemas import Note
    from sensorium_data.sources import RawSession, RawTrial

__all__ = ["Evidence", "Seen", "read_trials"]

FILMS_KEPT = 64 << 20  # bytes of films held while those that may be the same are compared
DEFAULT = ConvertOptions(preset="compact", precision="float32", allow_nan=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one trial.

    Attributes
    ----------
    trial : RawTrial
    n_valid : int, samples
        0 where the film cannot be read.
    n_padded : int, samples
        Length as published; 0 where a trial is a single picture or the format does not say.
    withheld : bool
        The responses are zeros alone.
    digest : str
        Of the film; empty where it cannot be read.
    marks : (sampled frame, block) float32
        The film's signature.
    n_nan : dict of str to int
        Samples of each signal that are NaN in some channel.
    zero : frozenset of str
        Signals that are zero throughout.
    notes : tuple of str
    problems : tuple of Problem
    """

    trial: RawTrial
    n_valid: int
    n_padded: int
    withheld: bool
    digest: str
    marks: NDArray[np.float32]
    n_nan: dict[str, int]
    zero: frozenset[str]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Grouped:
    """A trial and the group of its film."""

    trial_id: int
    stimulus: int
    missing: bool = False


@dataclass(frozen=True)
class Evidence:
    """A recording and what was seen of its trials, in presentation order."""

    raw: RawSession
    seen: tuple[Seen, ...] = ()

    @cached_property
    def films(self) -> tuple[tuple[Seen, ...], ...]:
        """The presentations of each film, in presentation order; films are told apart by content."""
        first: dict[str, Seen] = {}
        for seen in self.seen:
            if seen.digest:
                first.setdefault(seen.digest, seen)
        distinct = list(first.values())
        longest = max((seen.n_valid for seen in distinct), default=1)
        n_bytes = longest * prod(self.raw.frame_shape) * self.raw.film_dtype.itemsize

        @lru_cache(maxsize=max(2, FILMS_KEPT // n_bytes))
        def film(i: int) -> NDArray[Any]:
            return self.raw.scan(distinct[i].trial, allow_nan=False).frames

        groups = group_films([seen.marks for seen in distinct], film)
        group_of = dict(zip(first, groups.tolist(), strict=True))
        shown: dict[int, list[Seen]] = {}
        for seen in self.seen:
            if seen.digest:
                shown.setdefault(group_of[seen.digest], []).append(seen)
        return tuple(map(tuple, shown.values()))

    @cached_property
    def by_ids(self) -> tuple[list[Problem], tuple[Note, ...]]:
        """Where the ids that the source gives its stimuli disagree with their content."""
        ids = self.raw.stimulus_ids
        groups = enumerate(self.films) if ids is not None else ()
        trials = [Grouped(seen.trial.trial_id, group) for group, film in groups for seen in film]
        return held_against_ids(ids, trials)


def read_trials(raw: RawSession, *, responses: bool, report: Report) -> tuple[Seen, ...]:
    """Return what is seen of every trial that is there.

    Parameters
    ----------
    raw : RawSession
    responses : bool
        Read the responses too, for values that cannot be stored.
    report : callable
    """
    present = [trial for trial in raw.trials if not trial.missing]
    own = threading.local()

    def look(trial: RawTrial) -> Seen:
        if not hasattr(own, "memory"):
            own.memory = Memory()
        return _look(raw, trial, own.memory, responses=responses)

    report(Progress("scan", 0, len(present), "trials"))
    seen: list[Seen] = []
    pool = ThreadPoolExecutor(settings().n_threads, thread_name_prefix="sensorium-data")
    try:
        for one in pool.map(look, present):
            seen.append(one)
            report(Progress("scan", len(seen), len(present), "trials"))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return tuple(seen)


def _look(raw: RawSession, trial: RawTrial, memory: Memory, *, responses: bool) -> Seen:
    scan = raw.scan(trial, allow_nan=False, memory=memory)
    n_valid = len(scan.frames)
    # Of the film nothing may be asked once the memory holds responses.
    digest = film_digest(scan.frames) if n_valid else ""
    marks = signature(scan.frames) if n_valid else np.zeros((0, 1), np.float32)
    problems = list(scan.problems or overflows(trial, scan, DEFAULT))
    told = any("/responses/" in problem.where for problem in problems)
    if responses and n_valid and not scan.withheld and not told:
        problems += faults_of_responses(raw, trial, n_valid, DEFAULT, memory)
    return Seen(
        trial=trial,
        n_valid=n_valid,
        n_padded=_n_padded(raw, trial),
        withheld=scan.withheld,
        digest=digest,
        marks=marks,
        n_nan={name: _n_nan(values) for name, values in scan.signals.items()},
        zero=frozenset(scan.blank),
        notes=scan.note_codes,
        problems=tuple(problems),
    )


def _n_padded(raw: RawSession, trial: RawTrial) -> int:
    name = f"data/videos/{trial.trial_id}.npy"
    try:
        return header_of(raw.members, name).shape[-1] if name in raw.members.sizes else 0
    except MemberError:
        return 0


def _n_nan(values: NDArray[Any]) -> int:
    """Return how many samples are NaN in some channel."""
    if values.dtype.kind != "f" or not values.size:
        return 0
    holes: NDArray[np.bool_] = np.isnan(values).reshape(len(values), -1)
    return int(holes.any(axis=1).sum())
