"""What sessions share: one number for each film wherever it was shown, and splits that keep films together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations, product
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sensorium_data.errors import BadArgument, NoSuchItem, near_miss
from sensorium_data.schemas import ROLES
from sensorium_data.splits import deal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["Leak", "Occurrence", "Shared", "StimulusGroups", "leaks_of", "shared_by", "tier_rank"]

SPLIT: Mapping[str, float] = MappingProxyType({"train": 0.8, "validation": 0.1, "test": 0.1})
NAMED = 20  # pairs of sessions that a warning names


class Occurrence(NamedTuple):
    """A group in a tier of a session: how many of its trials show it."""

    group: int
    session: str
    tier: str
    role: str
    n_trials: int


class Leak(NamedTuple):
    """A group that is trained on in one place and tested with in another, with the trials of each."""

    group: int
    train_session: str
    train_tier: str
    n_train: int
    test_session: str
    test_tier: str
    n_test: int


class Shared(NamedTuple):
    """Two sessions and the number of groups that both show."""

    one: str
    other: str
    n_groups: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StimulusGroups:
    """The stimuli of some sessions, each film with one number wherever it was shown.

    Made by `stimulus_groups`. Group numbers do not depend on the order in which the sessions were given;
    ``groups[key]`` is the group of each trial of a session.

    Attributes
    ----------
    keys : tuple of str
        Of the sessions, as given.
    identities : tuple of str
        For each group the smallest digest of its films; ``<session>/<stimulus>`` where no film was kept.
    labels : tuple of str
        What most films of the group are called; empty where nothing is known.
    n_frames : tuple of int, frames
        Of the longest film of each group; 0 where none was kept.
    occurrences : tuple of Occurrence
        Where each group is shown: one row a group, session and tier.
    leaks : tuple of Leak
        Groups that are trained on in one session while a test tier of another one shows them.
    leaks_within : tuple of Leak
        The same within one session.
    shared : tuple of Shared
        Pairs of sessions that have groups in common.
    """

    keys: tuple[str, ...]
    identities: tuple[str, ...]
    labels: tuple[str, ...]
    n_frames: tuple[int, ...]
    occurrences: tuple[Occurrence, ...]
    leaks: tuple[Leak, ...]
    leaks_within: tuple[Leak, ...]
    shared: tuple[Shared, ...]
    _of_trial: tuple[NDArray[np.int64], ...]

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.identities)

    def __repr__(self) -> str:
        n_shared = sum(n > 1 for n in self._n_sessions())
        sessions = f"{len(self.keys)} session{'s' * (len(self.keys) != 1)}"
        return f"StimulusGroups: {sessions}, {self.n_groups:,} groups, {n_shared:,} in more than one session"

    def __getitem__(self, key: str) -> NDArray[np.int64]:
        """Return the group of each trial of a session, (trial,) int64, -1 where the trial is missing.

        Raises
        ------
        NoSuchItem
            No session has that key; the hint names near misses.
        """
        if key not in self.keys:
            raise NoSuchItem(f"no session `{key}`", hint=near_miss(key, self.keys), code="no-such-session")
        return self._of_trial[self.keys.index(key)]

    def _n_sessions(self) -> list[int]:
        counts = Counter(group for group, _ in {(o.group, o.session) for o in self.occurrences})
        return [counts[group] for group in range(self.n_groups)]

    @property
    def table(self) -> xr.Dataset:
        """One row a group, with the names of its sessions and tiers, over (group,).

        The columns are `n_sessions`, `n_trials`, `n_frames`, `label`, `identity`, `sessions` and `tiers`; several names
        have a comma between them.
        """
        import xarray as xr

        sessions: list[dict[str, None]] = [{} for _ in self.identities]
        tiers: list[set[str]] = [set() for _ in self.identities]
        n_trials = np.zeros(self.n_groups, np.int64)
        for group, session, tier, _, n in self.occurrences:
            sessions[group][session] = None
            tiers[group].add(tier)
            n_trials[group] += n
        columns = {
            "n_sessions": np.array(self._n_sessions(), np.int64),
            "n_trials": n_trials,
            "n_frames": np.array(self.n_frames, np.int64),
            "label": np.array(self.labels, np.str_),
            "identity": np.array(self.identities, np.str_),
            "sessions": np.array([", ".join(names) for names in sessions], np.str_),
            "tiers": np.array([", ".join(sorted(names, key=tier_rank)) for names in tiers], np.str_),
        }
        coords = {"group": np.arange(self.n_groups)}
        return xr.Dataset({name: ("group", values) for name, values in columns.items()}, coords)

    def warning(self) -> str:
        """Return one line that names the sessions of `leaks`, empty where there are none."""
        found: dict[tuple[str, str], tuple[set[int], set[str]]] = {}
        for leak in self.leaks:
            films, tiers = found.setdefault((leak.train_session, leak.test_session), (set(), set()))
            films.add(leak.group)
            tiers.add(leak.test_tier)
        if not found:
            return ""
        pairs = [
            f"{one} -> {other} ({len(films)} film{'s' * (len(films) != 1)}: {', '.join(sorted(tiers, key=tier_rank))})"
            for (one, other), (films, tiers) in found.items()
        ]
        more = f" and {len(pairs) - NAMED} more pairs" if len(pairs) > NAMED else ""
        return "training sets hold films that test tiers of other sessions show: " + ", ".join(pairs[:NAMED]) + more

    def _sides(self, shares: Sequence[float], seed: int) -> list[NDArray[np.int64]]:
        """Return the side of each trial of each session, -1 where it is missing."""
        n_trials = np.zeros(self.n_groups + 1, np.int64)
        for groups in self._of_trial:
            n_trials += np.bincount(groups % (self.n_groups + 1), minlength=self.n_groups + 1)
        side = np.append(deal(n_trials[:-1], shares, seed=seed), -1)  # the last stands for missing trials
        return [side[groups] for groups in self._of_trial]

    def folds(self, n: int, seed: int = 0) -> dict[str, NDArray[np.int64]]:
        """Deal all trials to folds so that no group is in two.

        Parameters
        ----------
        n : int
            Number of folds.
        seed : int
            The same seed gives the same folds, whatever the order of the sessions.

        Returns
        -------
        dict of str to (trial,) int64
            For each session the fold of each trial, aligned with the trial table; -1 where the trial is missing.

        Raises
        ------
        BadArgument
            More folds than groups, or none.
        """
        if n < 1:
            raise BadArgument(f"{n} folds, expected 1 or more")
        return dict(zip(self.keys, self._sides([1 / n] * n, seed), strict=True))

    def split(self, fractions: Mapping[str, float] = SPLIT, seed: int = 0) -> dict[str, NDArray[np.str_]]:
        """Deal all trials to named sides so that no group is on two.

        Parameters
        ----------
        fractions : mapping of str to float
            Share of all trials for each side; they add up to 1.
        seed : int
            The same seed gives the same split, whatever the order of the sessions.

        Returns
        -------
        dict of str to (trial,) str
            For each session the side of each trial, aligned with the trial table; empty where the trial is missing.

        Raises
        ------
        BadArgument
            Fractions that are no shares of a whole, a side without a name, or more sides than groups.
        """
        if "" in fractions:
            raise BadArgument("a side has no name")
        names = np.array([*fractions, ""])
        sides = self._sides(list(fractions.values()), seed)
        return {key: names[side] for key, side in zip(self.keys, sides, strict=True)}

    def masks(self, fractions: Mapping[str, float] = SPLIT, seed: int = 0) -> dict[str, dict[str, NDArray[np.bool_]]]:
        """Return the same split as `split`, as the masks that windows and loaders take as ``trials=``.

        Parameters
        ----------
        fractions, seed
            As for `split`.

        Returns
        -------
        dict of str to dict of str to (trial,) bool
            For each side, and for each session, which trials are on it; missing trials are on none.

        Raises
        ------
        BadArgument
            As `split` does.
        """
        sides = self.split(fractions, seed)
        return {name: {key: side == name for key, side in sides.items()} for name in fractions}


def tier_rank(tier: str) -> tuple[int, str]:
    """Return what sorts tiers as they were published, from train to test, then all others by name."""
    published = list(ROLES)
    return (published.index(tier) if tier in published else len(published), tier)


def leaks_of(
    occurrences: Iterable[Occurrence], trained: AbstractSet[tuple[str, str]]
) -> tuple[tuple[Leak, ...], tuple[Leak, ...]]:
    """Return the leaks between sessions, and those within one.

    Parameters
    ----------
    occurrences : iterable of Occurrence
    trained : set of (session, tier)
        What is trained on; a test tier among it is not tested with.
    """
    across: list[Leak] = []
    within: list[Leak] = []
    for group, found in _by_group(occurrences):
        train = [o for o in found if (o.session, o.tier) in trained]
        test = [o for o in found if o.role == "test" and (o.session, o.tier) not in trained]
        for one, other in product(train, test):
            leak = Leak(group, one.session, one.tier, one.n_trials, other.session, other.tier, other.n_trials)
            (within if one.session == other.session else across).append(leak)
    return tuple(across), tuple(within)


def shared_by(occurrences: Iterable[Occurrence], keys: Sequence[str]) -> tuple[Shared, ...]:
    """Return the pairs of sessions that show the same groups, in the order of the keys."""
    place = {key: i for i, key in enumerate(keys)}
    pairs: Counter[tuple[int, int]] = Counter()
    for _, found in _by_group(occurrences):
        pairs.update(combinations(sorted({place[o.session] for o in found}), 2))
    return tuple(Shared(keys[one], keys[other], n) for (one, other), n in sorted(pairs.items()))


def _by_group(occurrences: Iterable[Occurrence]) -> Iterable[tuple[int, list[Occurrence]]]:
    groups: dict[int, list[Occurrence]] = {}
    for occurrence in occurrences:
        groups.setdefault(occurrence.group, []).append(occurrence)
    return groups.items()
