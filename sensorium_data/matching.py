"""Which films of several sessions are the same film: equal digests first, then two frames of each, then pixels.

The relation is the one that holds within a session, and what a session says about its own films is used. Most films are
told apart by two of their frames; only those that look alike are read whole, a second or two of film at a time.
"""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sensorium_data.candidates import candidates
from sensorium_data.errors import StoreInvalid
from sensorium_data.grouping import BLOCK_FRAMES, EVERY, Partition, group_films, signature
from sensorium_data.progress import Progress, ignore
from sensorium_data.reading.opening import planned_reader
from sensorium_data.store.layout import CHUNK, Paths
from sensorium_data.store.rows import RowReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.progress import Report
    from sensorium_data.reading import Reader
    from sensorium_data.store.opened import OpenStore

    Kind: TypeAlias = tuple[str, tuple[int, ...]]

__all__ = ["Matched", "match_films"]

N_READERS = 4  # of about 50 MB each where images are large
N_ASKED = 24  # films of a store at a URL whose beginnings are asked for at once


@dataclass(frozen=True, slots=True)
class Matched:
    """Groups over all sessions: of each trial (-1 where it is missing), and what is known of each group."""

    of_trial: tuple[NDArray[np.int64], ...]
    identities: tuple[str, ...]
    labels: tuple[str, ...]
    n_frames: tuple[int, ...]


class _Readers:
    """What reads the frames of each session; only a few keep decoded chunks at the same time."""

    def __init__(self, handles: Sequence[SessionHandle]) -> None:
        self.of = lru_cache(N_READERS)(lambda session: _frames(handles[session].store))

    def ask(self, films: Sequence[_Film]) -> None:
        """Ask for the beginnings of films that are compared next, as far as they lie at a URL."""
        for session, some in groupby(films, key=lambda film: film.session):
            frames = self.of(session)
            if isinstance(frames, _FarFrames):
                frames.ask([film.first + k for film in some for k in (0, EVERY) if k < film.n])


class _FarFrames(RowReader):
    """Frames at a URL, by plan: held against their checksums, from this disk where they were fetched before."""

    def __init__(self, store: OpenStore, reader: Reader) -> None:
        super().__init__(store, Paths.frames)
        self._reader = reader

    def ask(self, rows: Sequence[int]) -> None:
        """Ask for the chunks of some rows, near ones together; returns at once."""
        chunks = sorted({row // CHUNK for row in rows} - self._chunks.keys())
        self._reader.prefetch_each([(chunk * CHUNK, CHUNK) for chunk in chunks])

    def _read(self, first: int, stop: int) -> NDArray[Any]:
        out = np.empty((min(stop, len(self._reader)) - first, *self._reader.shape[1:]), self._reader.dtype)
        self._reader.read_into(out, first)
        return out


def _frames(store: OpenStore) -> RowReader:
    reader = planned_reader(store, Paths.frames) if store.identity else None
    return RowReader(store, Paths.frames) if reader is None else _FarFrames(store, reader)


@dataclass(frozen=True, slots=True)
class _Film:
    """A variant of a session; its frames are read when they are asked for."""

    node: int
    session: int
    kind: Kind
    digest: str
    label: str
    readers: _Readers
    first: int
    n: int

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, part: slice) -> NDArray[Any]:
        start, stop, _ = part.indices(self.n)
        return self.readers.of(self.session).read(self.first + start, stop - start)

    def beginning(self) -> NDArray[np.float32]:
        """Return the first two samples of the signature, or the one that a short film has."""
        return np.concatenate([signature(self[k : k + 1]) for k in (0, EVERY) if k < self.n])

    def signature(self) -> NDArray[np.float32]:
        """Return the whole signature; never more than a block of frames is held."""
        return np.concatenate([signature(self[k : k + BLOCK_FRAMES]) for k in range(0, self.n, BLOCK_FRAMES)])


class _Nodes:
    """The stimulus groups of all sessions, numbered through: what is merged where they show the same film."""

    def __init__(self, handles: Sequence[SessionHandle]) -> None:
        self.names: list[str] = []
        self.of_trial: list[NDArray[np.int64]] = []
        self.films: list[_Film] = []
        readers = _Readers(handles)
        for session, handle in enumerate(handles):
            trials, films = handle.trials, handle.stimuli if handle.document.stimuli.n_variants else {}
            shown = np.where(trials["missing"], -1, trials["stimulus"]).astype(np.int64)
            numbers = np.unique(np.concatenate([shown[shown >= 0], films.get("group", shown[:0])]))
            rows = len(self.names) + np.searchsorted(numbers, shown)
            self.of_trial.append(np.where(shown >= 0, rows, -1))
            if films:
                nodes = len(self.names) + np.searchsorted(numbers, films["group"])
                self.films += _variants(handle, readers, session, nodes.tolist())
            # Where no film was kept, a stimulus is known by its session's name for it.
            self.names += [f"{handle.document.identity.key}/{number}" for number in numbers.tolist()]


def _variants(handle: SessionHandle, readers: _Readers, session: int, nodes: Sequence[int]) -> Iterator[_Film]:
    table, (n_stored, *frame_shape) = handle.stimuli, readers.of(session).array.shape
    first, n_frames = table["first_frame"].astype(np.int64), table["n_frames"].astype(np.int64)
    outside = np.flatnonzero((first < 0) | (n_frames < 1) | (first + n_frames > n_stored))
    if len(outside):
        what = f"{handle.where}: `{Paths.stimuli}[{outside[0]}]` names frames that are not there"
        hint = f"`sensorium-data check {shlex.quote(handle.where)}` says more"
        raise StoreInvalid(what, hint=hint, code="frames-missing")
    kind = (handle.document.identity.modality, tuple(frame_shape))
    columns = (nodes, table["digest"].tolist(), table["label"].tolist(), first.tolist(), n_frames.tolist())
    for node, digest, label, start, n in zip(*columns, strict=True):
        yield _Film(node, session, kind, digest, label, readers, start, n)


def match_films(handles: Sequence[SessionHandle], *, report: Report = ignore) -> Matched:
    """Return which trials of some sessions show the same film.

    Parameters
    ----------
    handles : sequence of SessionHandle
    report : callable
        Called with a `Progress` now and then.

    Returns
    -------
    Matched
        Groups are numbered by the smallest digest of their films, whatever the order of the sessions.

    Raises
    ------
    StoreInvalid
        A table or film is missing or damaged.
    """
    nodes = _Nodes(handles)
    parts = Partition(len(nodes.names))
    once: dict[tuple[Kind, str], _Film] = {}
    for film in nodes.films:
        parts.join(film.node, once.setdefault((film.kind, film.digest), film).node)
    sessions: dict[Kind, set[int]] = {}
    for film in nodes.films:
        sessions.setdefault(film.kind, set()).add(film.session)
    several = {kind for kind, shown in sessions.items() if len(shown) > 1}
    films = [film for film in once.values() if film.kind in several]
    for kind in several:
        _merge_alike([film for film in films if film.kind == kind], parts, report)
    return _summary(nodes, parts)


def _merge_alike(films: Sequence[_Film], parts: Partition, report: Report) -> None:
    """Merge the groups of films that are not equal and yet the same."""
    beginnings = []
    for done, film in enumerate(films, 1):
        if done % N_ASKED == 1:
            film.readers.ask(films[done - 1 : done - 1 + N_ASKED])
        beginnings.append(film.beginning())
        report(Progress("scan", done, len(films), "films"))
    labels = _by_node(films, parts).labels()
    sessions = np.array([film.session for film in films])
    doubtful: set[int] = set()
    for ones, others in candidates(beginnings, lambda: labels):
        across = sessions[ones] != sessions[others]  # what two films of one session are to each other, it says itself
        doubtful.update(ones[across].tolist(), others[across].tolist())
    chosen = sorted(doubtful)
    # Two samples are the whole signature of a film of two samples.
    marks = [beginnings[i] if len(films[i]) <= 2 * EVERY else films[i].signature() for i in chosen]
    alike = [films[i] for i in chosen]
    first: dict[int, _Film] = {}
    groups = group_films(marks, alike.__getitem__, known=_by_node(alike, parts))
    for group, film in zip(groups.tolist(), alike, strict=True):
        parts.join(first.setdefault(group, film).node, film.node)


def _by_node(films: Sequence[_Film], parts: Partition) -> Partition:
    """Return which films are already in one group."""
    first: dict[int, int] = {}
    known = Partition(len(films))
    for i, film in enumerate(films):
        known.join(first.setdefault(parts.root(film.node), i), i)
    return known


def _summary(nodes: _Nodes, parts: Partition) -> Matched:
    """Number the groups by identity and say what is known of each."""
    roots, index = np.unique(parts.labels(), return_inverse=True)
    found = [_About() for _ in roots]
    for film in nodes.films:
        found[index[film.node]].add(film)
    for node, name in enumerate(nodes.names):
        found[index[node]].name(name)
    order = sorted(range(len(found)), key=lambda group: found[group].identity)
    number = np.empty(len(order) + 1, np.int64)
    number[order], number[-1] = np.arange(len(order)), -1
    of_node = np.append(index, len(order))  # the last stands for missing trials
    groups = [found[group] for group in order]
    return Matched(
        tuple(number[of_node[rows]] for rows in nodes.of_trial),
        tuple(group.identity for group in groups),
        tuple(group.label() for group in groups),
        tuple(group.n_frames for group in groups),
    )


class _About:
    """What is known of a group, film by film."""

    __slots__ = ("identity", "kinds", "n_frames")

    def __init__(self) -> None:
        self.identity = ""
        self.kinds: Counter[str] = Counter()
        self.n_frames = 0

    def add(self, film: _Film) -> None:
        self.identity = min(self.identity or film.digest, film.digest)
        self.kinds.update([film.label] if film.label else [])
        self.n_frames = max(self.n_frames, film.n)

    def name(self, name: str) -> None:
        """Name a group that has no film; a name is never shared."""
        self.identity = self.identity or name

    def label(self) -> str:
        """Return what most of its films are called."""
        return min(self.kinds, key=lambda label: (-self.kinds[label], label), default="")
