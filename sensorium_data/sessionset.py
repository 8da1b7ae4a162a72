"""Several sessions as one value: by key, by place, their tables joined, and what is asked of each asked of all."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from sensorium_data.errors import BadArgument, NoSuchItem, Problem, SensoriumError, counted, listed, near_miss
from sensorium_data.progress import ignore
from sensorium_data.viewing.opening import Opened, opened
from sensorium_data.viewing.selecting import names_of
from sensorium_data.viewing.tables import joined
from sensorium_data.views import Session

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike

    from sensorium_data.progress import Report
    from sensorium_data.resample import Method
    from sensorium_data.sharing import StimulusGroups
    from sensorium_data.stimuli import Train
    from sensorium_data.viewing.selecting import Names, Neurons
    from sensorium_data.viewing.spans import Number, Span

__all__ = ["SessionSet", "open_sessions"]

T = TypeVar("T")
SHOWN = 20  # sessions that a repr lists


class SessionSet(Sequence[Session]):
    """Sessions in the order in which they were named, each once; made by `open_sessions`.

    ``sessions[0]`` is one by place, ``sessions["29515-10-12"]`` one by key, ``sessions[1:3]`` a set again.

    Parameters
    ----------
    sessions : mapping of key to Session

    Examples
    --------
    >>> import tempfile, sensorium_data as sd
    >>> from sensorium_data.testing import make_session
    >>> sessions = open_sessions([make_session(tempfile.mkdtemp(), n_neurons=5, n_train=2)])
    >>> sessions.keys, sessions["29515-10-12"] is sessions[0]
    (('29515-10-12',), True)
    """

    def __init__(self, sessions: Mapping[str, Session]) -> None:
        self._sessions = dict(sessions)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the sessions, in order."""
        return tuple(self._sessions)

    @overload
    def __getitem__(self, which: int | str) -> Session: ...
    @overload
    def __getitem__(self, which: slice) -> SessionSet: ...
    def __getitem__(self, which: int | str | slice) -> Session | SessionSet:
        """Return a session by its place or key, or a slice of the set.

        Raises
        ------
        NoSuchItem
            No session has that key; the hint names near misses.
        IndexError
            There are fewer sessions.
        """
        if isinstance(which, slice):
            return SessionSet({key: self._sessions[key] for key in self.keys[which]})
        if isinstance(which, str):
            self._check([which])
            return self._sessions[which]
        return self._sessions[self.keys[which]]

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, session: object) -> bool:
        return session in self._sessions or any(session is one for one in self)

    def _check(self, keys: Iterable[object]) -> None:
        for key in keys:
            if key not in self._sessions:
                hint = near_miss(str(key), self.keys)
                raise NoSuchItem(f"no session `{key}`", hint=hint, code="no-such-session")

    @property
    def neurons(self) -> xr.Dataset:
        """The neurons of all sessions over (neuron,), with the coordinate `session`.

        A column that only some sessions have is NaN or empty text in the others.
        """
        return joined({key: session.neurons for key, session in self._sessions.items()}, "neuron")

    @property
    def trials(self) -> xr.Dataset:
        """The trial tables of all sessions over (trial,), with the coordinate `session`."""
        return joined({key: session.trials for key, session in self._sessions.items()}, "trial")

    def select(
        self,
        neurons: slice | Mapping[str, Neurons] | None = None,
        unit_ids: Mapping[str, ArrayLike] | None = None,
        area: Names | None = None,
        depth: tuple[float | None, float | None] | slice | None = None,
        layer: Names | None = None,
        mask: Mapping[str, ArrayLike] | None = None,
    ) -> SessionSet:
        """Return the sessions with some of their neurons, as `Session.select` does with each.

        Parameters
        ----------
        neurons, unit_ids, mask : mapping of session key, optional
            What names the neurons of one session; sessions that are left out keep theirs. A slice of positions stands
            for itself in each.
        area, layer : str or iterable of str, optional
            Names that at least one of the sessions has.
        depth : (float, float), micrometres, optional

        Raises
        ------
        BadArgument
            A criterion makes no sense, or no neuron is left in some session.
        NoSuchItem
            A key, unit id, area, layer or column that is not there. Where several sessions object, all are named.
        """
        if isinstance(neurons, slice):  # means the same in every session
            neurons = dict.fromkeys(self._sessions, neurons)
        given = {"neurons": neurons, "unit_ids": unit_ids, "mask": mask}
        for name, each in given.items():
            self._check(_mapping(name, each))
        names = {"area": self._spread("area", area), "layer": self._spread("layer", layer)}
        found: dict[str, Session] = {}
        faults: dict[str, SensoriumError] = {}
        for key, session in self._sessions.items():
            mine: dict[str, Any] = {name: each[key] for name, each in given.items() if each is not None and key in each}
            mine |= {name: each[key] for name, each in names.items() if each is not None}
            try:
                found[key] = session.select(depth=depth, **mine)
            except (BadArgument, NoSuchItem) as error:
                faults[key] = error
        if faults:
            raise _together(faults, len(self))
        return SessionSet(found)

    def _spread(self, column: str, value: Names | None) -> dict[str, list[str]] | None:
        """Return which of some names each session has; a name that none has is refused."""
        if value is None:
            return None
        names = names_of(value, column, "sessions")
        there = {key: set(map(str, session.handle.neurons.get(column, ()))) for key, session in self._sessions.items()}
        known = sorted(set().union(*there.values()))
        for name in names:
            if name not in known and all(column in session.handle.neurons for session in self):
                hint = near_miss(name, known)
                raise NoSuchItem(f"no neuron has {column} `{name}`", hint=hint, code=f"no-such-{column}")
        return {key: [name for name in names if name in mine] for key, mine in there.items()}

    def resample(
        self,
        rate_hz: Number | None = 30.0,
        window: Span | Mapping[str, Span] | None = None,
        signals: Names | None = None,
        *,
        method: Method | Mapping[str, Method] = "linear",
        lag_s: Number | Mapping[str, Number] = 0,
    ) -> dict[str, xr.Dataset]:
        """Put each session on a clock, as `Session.resample` does; nothing is read.

        Parameters
        ----------
        rate_hz, signals, method, lag_s
            As for `Session.resample`, the same for all.
        window : (float, float), seconds, Intervals, or mapping of session key to one, optional
            Sessions that a mapping leaves out come whole.

        Returns
        -------
        dict of session key to Dataset
        """
        each = window if isinstance(window, Mapping) else dict.fromkeys(self.keys, window)
        self._check(each)
        return {
            key: session.resample(rate_hz, each.get(key), signals, method=method, lag_s=lag_s)
            for key, session in self._sessions.items()
        }

    def stimulus_groups(self, *, train: Train = ("train",), report: Report = ignore) -> StimulusGroups:
        """Find out which of the sessions show the same films; see `sensorium_data.stimulus_groups`."""
        from sensorium_data.stimuli import stimulus_groups

        return stimulus_groups(self, train=train, report=report)

    def _facts(self) -> list[tuple[str, str, str, str]]:
        """Return key, neurons, trials and place of the first sessions."""
        rows = []
        for key, session in list(self._sessions.items())[:SHOWN]:
            trials, handle = session.document.trials, session.handle
            tiers = ", ".join(f"{tier.name} {tier.n_trials}" for tier in trials.tiers)
            rows.append((key, f"{handle.n_neurons:,} neurons", f"{trials.n:,} trials: {tiers}", handle.where))
        return rows

    def _title(self) -> str:
        n_neurons = sum(session.handle.n_neurons for session in self)
        n_trials = sum(session.document.trials.n for session in self)
        return f"SessionSet: {counted(len(self), 'session')}, {n_neurons:,} neurons, {n_trials:,} trials"

    def __repr__(self) -> str:
        rows = self._facts()
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
        lines = [f"  {key:{widths[0]}}  {n:>{widths[1]}}  {trials}" for key, n, trials, _ in rows]
        more = [f"  … and {len(self) - SHOWN} more"] if len(self) > SHOWN else []
        return "\n".join([self._title(), *lines, *more])

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(value)}</td>" for value in row) + "</tr>"
            for row in self._facts()
        )
        more = f"<div>… and {len(self) - SHOWN} more</div>" if len(self) > SHOWN else ""
        return f"<div><strong>{html.escape(self._title())}</strong><table>{rows}</table>{more}</div>"


def _mapping(name: str, value: object) -> Mapping[str, Any]:
    if value is None or isinstance(value, Mapping):
        return value or {}
    hint = f"{name}={{'29515-10-12': …}}; sessions that are left out keep all their neurons"
    raise BadArgument(f"{name} of several sessions are named by session key", hint=hint, code="bad-selection")


def _together(faults: Mapping[str, SensoriumError], n: int) -> SensoriumError:
    errors = list(faults.values())
    if len(errors) == 1:
        return errors[0]
    kind = NoSuchItem if all(isinstance(error, NoSuchItem) for error in errors) else BadArgument
    problems = [Problem(error.code, key, error.message.removeprefix(f"{key}: ")) for key, error in faults.items()]
    what = f"{len(faults):,} of {n:,} sessions cannot be selected from: {listed(list(faults))}"
    codes = {error.code for error in errors}
    return kind(what, hint=errors[0].hint, problems=problems, code=codes.pop() if len(codes) == 1 else None)


def open_sessions(
    wheres: Opened | Iterable[Opened], *, storage_options: Mapping[str, object] | None = None
) -> SessionSet:
    """Open several session stores; nothing but their roots is read.

    Parameters
    ----------
    wheres : path, pattern, Session, or iterable of them
        A pattern such as ``stores/*.zarr`` stands for the session stores that it matches, sorted by name; of a bucket,
        ``s3://bucket/*.zarr``, it needs one that may be listed.
    storage_options : mapping, optional
        How to get in where they are URLs; see `open_session`.

    Raises
    ------
    BadArgument
        No session, a store that is given twice, or two sessions with one key.
    NotFound
        Stores are not there, or a pattern matches none.
    StoreInvalid
        Stores are damaged. All that cannot be opened are named, not only the first.

    Examples
    --------
    >>> import tempfile, sensorium_data as sd
    >>> from sensorium_data.testing import make_session
    >>> folder = tempfile.mkdtemp()
    >>> store = make_session(folder, n_neurons=5, n_train=2)
    >>> len(open_sessions(f"{folder}/*.zarr"))
    1
    """
    return SessionSet(opened(wheres, storage_options))
