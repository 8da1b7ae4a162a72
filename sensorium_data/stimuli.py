"""One number for each film, wherever it was shown: the front door to stimulus identity across sessions."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sensorium_data.errors import NoSuchItem, StimulusLeakWarning, near_miss
from sensorium_data.matching import match_films
from sensorium_data.progress import ignore
from sensorium_data.sharing import Leak, Occurrence, Shared, StimulusGroups, leaks_of, shared_by, tier_rank
from sensorium_data.viewing.opening import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.progress import Report
    from sensorium_data.viewing.opening import Opened

__all__ = ["Leak", "Occurrence", "Shared", "StimulusGroups", "stimulus_groups"]

Train: TypeAlias = "str | Iterable[str] | Mapping[str, str | Iterable[str]]"


def stimulus_groups(
    sessions: Opened | Iterable[Opened], *, train: Train = ("train",), report: Report = ignore
) -> StimulusGroups:
    """Find out which sessions show the same films, by content.

    Films are the same where they are within one session: equal, within one grey level, or one a prefix of the other.
    Images are compared with images and films with films of equal frame shape. A session whose stimuli have no frames
    has groups of its own.

    Parameters
    ----------
    sessions : path, pattern, Session or SessionHandle, or iterable of them
        As for `open_sessions`. The order changes no group and no split.
    train : tier, iterable of tiers, or mapping of session key to tiers
        What is trained on. With a mapping, sessions that it leaves out are not trained on.
    report : callable
        Called with a `Progress` now and then.

    Returns
    -------
    StimulusGroups

    Raises
    ------
    BadArgument
        No session, a store that is given twice, or two sessions with one key.
    NoSuchItem
        A tier or key in ``train`` that no session has; the hint names near misses.
    NotFound
        A store is not there, or a pattern matches none.
    StoreInvalid
        A store is damaged.

    Warns
    -----
    StimulusLeakWarning
        The training set of one session holds films that a test tier of another session shows.

    Examples
    --------
    >>> import tempfile, sensorium_data as sd
    >>> from sensorium_data.testing import make_session
    >>> groups = sd.stimulus_groups([make_session(tempfile.mkdtemp(), n_neurons=2, n_train=2)])
    >>> groups
    StimulusGroups: 1 session, 12 groups, 0 in more than one session
    >>> sorted(set(groups.folds(3)["29515-10-12"].tolist()))
    [0, 1, 2]
    """
    known = opened(sessions)
    keys, handles = tuple(known), [session.handle for session in known.values()]
    tiers = {key: sorted(set(handle.trials["tier"].tolist())) for key, handle in zip(keys, handles, strict=True)}
    trained = frozenset(_trained(train, tiers))
    matched = match_films(handles, report=report)
    found = [
        occurrence
        for key, handle, groups in zip(keys, handles, matched.of_trial, strict=True)
        for occurrence in _occurrences(key, handle, groups)
    ]
    place = {key: i for i, key in enumerate(keys)}
    found.sort(key=lambda o: (o.group, place[o.session], tier_rank(o.tier)))
    across, within = leaks_of(found, trained)
    for groups in matched.of_trial:
        groups.flags.writeable = False
    result = StimulusGroups(
        keys, matched.identities, matched.labels, matched.n_frames, tuple(found), across, within,
        shared_by(found, keys), matched.of_trial,
    )  # fmt: skip
    if text := result.warning():
        warnings.warn(text, StimulusLeakWarning, stacklevel=2)
    return result


def _trained(train: Train, tiers: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Yield the (session, tier) that are trained on."""
    if not isinstance(train, Mapping):
        # Own recordings may have no tier `train`; then nothing is trained on.
        known = sorted({"train", *(tier for names in tiers.values() for tier in names)}, key=tier_rank)
        chosen = [_known("tier", name, known) for name in _names(train)]
        yield from ((key, tier) for key, names in tiers.items() for tier in chosen if tier in names)
        return
    for key, names in train.items():
        _known("session", key, list(tiers))
        yield from ((key, _known("tier", name, tiers[key], f"{key}: ")) for name in _names(names))


def _names(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _known(what: str, name: str, known: Sequence[str], where: str = "") -> str:
    if name not in known:
        raise NoSuchItem(f"{where}no {what} `{name}`", hint=near_miss(name, known), code=f"no-such-{what}")
    return name


def _occurrences(key: str, handle: SessionHandle, groups: NDArray[np.int64]) -> Iterator[Occurrence]:
    shown = groups >= 0
    tiers, tier = np.unique(handle.trials["tier"][shown], return_inverse=True)
    roles, role = np.unique(handle.trials["role"][shown], return_inverse=True)
    cells, counts = np.unique(np.stack([groups[shown], tier, role]), axis=1, return_counts=True)
    for (group, t, r), n in zip(cells.T.tolist(), counts.tolist(), strict=True):
        yield Occurrence(group, key, str(tiers[t]), str(roles[r]), n)
