"""Statistics of what the loaders serve, with the sessions and trials they are of: fitted, as stored, or from a file.

A network that was trained on normalised data needs the same numbers ever after, and those numbers must not have seen a
test trial. So they are a value: they say what they were fitted on, and refuse every other recording.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from sensorium_data.cached import cached_property
from sensorium_data.errors import (
    STORAGE_WORDS,
    BadArgument,
    DataInvalid,
    NotFound,
    StorageFailed,
    counted,
    listed,
    near_miss,
)
from sensorium_data.loaders.measures import Measures, SessionStatistics
from sensorium_data.loaders.statistics_file import StatisticsFile
from sensorium_data.store.layout import Paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.schemas import Statistic
    from sensorium_data.streams import Streams

__all__ = ["Statistics", "digest_of"]

STORED = "train"  # the store's own statistics are of the trials of role train
HEX_DIGITS = 64  # of a SHA-256


@dataclass(frozen=True, eq=False)
class Statistics:
    """Statistics of the streams of some sessions; `fit_statistics` fits them, `Statistics.stored` takes a store's own.

    Attributes
    ----------
    definition : str
        What the numbers are.
    tier : str
        The trials that went in.
    sessions : mapping of str to SessionStatistics
        By key.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.loaders import WindowDataset
    >>> from sensorium_data.testing import make_session
    >>> dataset = WindowDataset(make_session(tempfile.mkdtemp(), n_neurons=3), window=10)
    >>> statistics = Statistics.stored(dataset.streams)
    >>> statistics.save(f"{tempfile.mkdtemp()}/statistics.json") == statistics
    True
    >>> statistics.of(dataset.streams[0])["responses"].std.shape
    (3,)
    """

    definition: str
    tier: str
    sessions: Mapping[str, SessionStatistics]

    @classmethod
    def stored(cls, streams: Sequence[Streams]) -> Statistics:
        """Return the statistics of the training trials that the stores themselves hold; no recording is read.

        They are of the samples as stored, whatever rate the streams are served at.

        Parameters
        ----------
        streams : sequence of Streams
            As `dataset.streams`.

        Raises
        ------
        BadArgument
            A stream is of a view, which has none.
        """
        found = {each.key: _stored(each) for each in streams}
        texts = sorted({statistic.definition for each in streams for statistic in _own(each.handle)})
        return cls("; ".join(texts) or "nothing is stored", STORED, found)

    @classmethod
    def load(cls, path: str | Path) -> Statistics:
        """Return statistics that were saved.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        NotFound
            No such file.
        DataInvalid
            It is none that `save` wrote.
        """
        try:
            text = Path(path).read_bytes()
        except OSError as error:
            said = error.strerror or str(error)
            raise NotFound(f"{path}: no statistics can be read there: {said}", code="no-such-statistics") from None
        try:
            document = StatisticsFile.model_validate_json(text)
            return cls(document.definition, document.tier, document.values())
        except ValueError as error:
            where = ".".join(map(str, error.errors()[0]["loc"])) if isinstance(error, ValidationError) else ""
            what = f"{path} holds no statistics of this package" + (f": `{where}` is not as expected" if where else "")
            raise DataInvalid(what, hint="fit them again and save them", code="statistics-invalid") from None

    def save(self, path: str | Path) -> Statistics:
        """Write the statistics as JSON, with what they are of; a file that is there is replaced.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Statistics
            Themselves.

        Raises
        ------
        StorageFailed
            The file cannot be written.
        """
        path = Path(path)
        beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            beside.write_text(self._json, "utf-8")
            beside.replace(path)
        except OSError as error:
            said = STORAGE_WORDS.get(error.errno or 0, error.strerror or str(error))
            raise StorageFailed(f"{path}: {said}", hint="choose another place", code="storage-failed") from None
        finally:
            beside.unlink(missing_ok=True)
        return self

    @cached_property
    def _json(self) -> str:
        return StatisticsFile.of(self.definition, self.tier, self.sessions).model_dump_json()

    @property
    def digest(self) -> str:
        """SHA-256 of everything that the statistics say."""
        return sha256(self._json.encode()).hexdigest()

    def of(self, streams: Streams) -> Mapping[str, Measures]:
        """Return the statistics of a session, of the neurons that are selected.

        Parameters
        ----------
        streams : Streams
            Of the session.

        Raises
        ------
        BadArgument
            They are of other sessions, of another recording under that key, or not of all these neurons.
        """
        session = self._session(streams)
        places = _places(session, streams)
        known = {name: one for name, one in session.streams.items() if name in streams}
        if places is None:
            return known
        return {name: one[places] if "neuron" in streams[name].dims else one for name, one in known.items()}

    def need(self, streams: Streams, names: Iterable[str]) -> None:
        """Raise unless streams of a session are known.

        Raises
        ------
        BadArgument
            They are not: for the reasons of `of`, or because they were not served when the statistics were fitted.
        """
        known = self.of(streams)
        if lacking := sorted(set(names) - known.keys()):
            what = f"{streams.key}: the statistics know nothing of {listed(lacking)}, only of {listed(sorted(known))}"
            raise BadArgument(what, hint="fit them on everything that is served", code="statistics-missing")

    def all_neurons(self, streams: Streams, name: str) -> tuple[Measures, NDArray[np.int64] | None]:
        """Return the measures of all neurons that went in, and which of them are selected; None where all are.

        Raises
        ------
        BadArgument
            As of `of`.
        """
        session = self._session(streams)
        return session.streams[name], _places(session, streams)

    def _session(self, streams: Streams) -> SessionStatistics:
        key, handle = streams.key, streams.handle
        session = self.sessions.get(key)
        if session is None:
            what = f"the statistics are of {counted(len(self.sessions), 'session')}, none of them `{key}`"
            raise BadArgument(what, hint=near_miss(key, sorted(self.sessions)), code="statistics-foreign")
        if session.digest != digest_of(handle):
            what = f"the statistics under `{key}` are of another recording than {handle.where}"
            raise BadArgument(what, hint="fit them on this one", code="statistics-foreign")
        return session

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Statistics) and self._json == other._json

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        keys = listed(sorted(self.sessions), most=3)
        return f"<Statistics of {self.tier} trials of {keys}; sha256 {self.digest[:12]}>"


def digest_of(handle: SessionHandle) -> str:
    """Return what tells a recording: the digest of its source, of own recordings that of all their chunks' digests."""
    source = handle.document.provenance.source_digest
    if source is None:
        return sha256(handle.store.sidecar_bytes).hexdigest()
    return source if len(source) == HEX_DIGITS else sha256(source.encode()).hexdigest()


def _stored(streams: Streams) -> SessionStatistics:
    handle = streams.handle
    if not hasattr(handle, "store"):
        what = f"{streams.key}: a view has no statistics of its own"
        raise BadArgument(what, hint="`fit_statistics(dataset)` fits them", code="statistics-missing")
    found, n_trials = {}, 0
    for statistic in _own(handle):
        path = f"{Paths.train_statistics}/{statistic.signal}"
        found[statistic.signal] = Measures(*(handle.store.values(f"{path}/{part.name}") for part in fields(Measures)))
        n_trials = max(n_trials, statistic.n_trials or 0)
    for name in handle.signals.keys() - found.keys():  # withheld
        found[name] = Measures.nothing(tuple(handle.store.metadata[Paths.values(name)]["shape"][1:]))
    return SessionStatistics(digest_of(handle), n_trials, None, found)


def _own(handle: SessionHandle) -> list[Statistic]:
    return [statistic for statistic in handle.document.statistics if statistic.origin == "train"]


def _places(session: SessionStatistics, streams: Streams) -> NDArray[np.int64] | None:
    """Return where the selected neurons are among those that went in, or None where they are the same.

    Raises
    ------
    BadArgument
        Some did not go in.
    """
    selected = streams.handle.selected
    if session.rows is None:
        return selected
    if selected is None:
        selected = np.arange(streams.handle.document.neurons.n)
    order = np.argsort(session.rows)
    places: NDArray[np.int64] = order[np.searchsorted(session.rows, selected, sorter=order).clip(max=len(order) - 1)]
    lacking = int((session.rows[places] != selected).sum())
    if lacking:
        what = (
            f"{streams.key}: the statistics are of {len(session.rows):,} neurons, without {lacking:,} of those selected"
        )
        raise BadArgument(what, hint="fit them on all neurons, or on these", code="statistics-neurons")
    return places
