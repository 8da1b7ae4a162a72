"""What `stimulus_groups` says: occurrences, shared films, leaks, splits, and what it refuses."""

from __future__ import annotations

import pickle
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.errors import BadArgument, NoSuchItem, StimulusLeakWarning
from sensorium_data.stimuli import Leak, Occurrence, Shared
from tests.stimuli.made import ROLE, Made, noise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

FILMS = [noise(seed, 1) for seed in range(12)]
TEST = ("test", "final_test")


def one_session(key: str, shown: list[tuple[int, str] | None]) -> Made:
    """Trials that show the numbered films in the named tiers; None is a missing trial."""
    films = [None if each is None else FILMS[each[0]] for each in shown]
    return Made(key, films, ["none" if each is None else each[1] for each in shown])


SESSIONS = st.lists(
    st.lists(
        st.one_of(st.none(), st.tuples(st.integers(0, 11), st.sampled_from([t for t in ROLE if t != "none"]))),
        max_size=12,
    ),
    min_size=1,
    max_size=4,
)


def quiet(sessions: list[Made], **how: Any) -> sd.StimulusGroups:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StimulusLeakWarning)
        return sd.stimulus_groups(sessions, **how)


@settings(deadline=None)
@given(SESSIONS)
def test_rows_are_those_of_counting_by_hand(shown: list[list[tuple[int, str] | None]]) -> None:
    groups = quiet([one_session(f"s{i}", trials) for i, trials in enumerate(shown)])
    number: dict[int, int] = {}
    counts: dict[tuple[int, str, str], int] = {}
    for i, trials in enumerate(shown):
        assert len(groups[f"s{i}"]) == len(trials)
        for group, trial in zip(groups[f"s{i}"].tolist(), trials, strict=True):
            if trial is None:
                assert group == -1
                continue
            assert number.setdefault(trial[0], group) == group
            at = (group, f"s{i}", trial[1])
            counts[at] = counts.get(at, 0) + 1
    assert len(set(number.values())) == len(number) == groups.n_groups
    assert {o[:3]: o.n_trials for o in groups.occurrences} == counts
    assert all(o.role == ROLE[o.tier] for o in groups.occurrences)
    held = {(group, session) for group, session, _ in counts}
    pairs = [(a, b) for a in range(len(shown)) for b in range(a + 1, len(shown))]
    n_shared = {(a, b): sum({(g, f"s{a}"), (g, f"s{b}")} <= held for g in range(groups.n_groups)) for a, b in pairs}
    assert groups.shared == tuple(Shared(f"s{a}", f"s{b}", n) for (a, b), n in n_shared.items() if n)
    table = groups.table
    for group in range(groups.n_groups):
        mine = {at: n for at, n in counts.items() if at[0] == group}
        row = table.isel(group=group)
        assert (int(row.n_trials), int(row.n_sessions)) == (sum(mine.values()), len({at[1] for at in mine}))
        assert set(row.sessions.item().split(", ")) == {at[1] for at in mine}
        assert set(row.tiers.item().split(", ")) == {at[2] for at in mine}


@settings(deadline=None)
@given(SESSIONS, st.sets(st.tuples(st.integers(0, 3), st.sampled_from([t for t in ROLE if t != "none"]))))
def test_leaks_are_those_of_comparing_every_pair(
    shown: list[list[tuple[int, str] | None]], chosen: set[tuple[int, str]]
) -> None:
    train: dict[str, list[str]] = {}
    for i, tier in chosen:
        if i < len(shown) and any(trial is not None and trial[1] == tier for trial in shown[i]):
            train.setdefault(f"s{i}", []).append(tier)
    groups = quiet([one_session(f"s{i}", trials) for i, trials in enumerate(shown)], train=train)
    trained = [o for o in groups.occurrences if o.tier in train.get(o.session, ())]
    tested = [o for o in groups.occurrences if o.tier in TEST and o not in trained]
    wanted = {
        Leak(a.group, a.session, a.tier, a.n_trials, b.session, b.tier, b.n_trials)
        for a in trained
        for b in tested
        if a.group == b.group
    }
    assert set(groups.leaks) == {leak for leak in wanted if leak.train_session != leak.test_session}
    assert set(groups.leaks_within) == {leak for leak in wanted if leak.train_session == leak.test_session}
    assert bool(groups.warning()) is bool(groups.leaks)


@settings(deadline=None)
@given(SESSIONS, st.integers(1, 5), st.integers(0, 99), st.randoms())
def test_splits_keep_films_together_whatever_the_order(
    shown: list[list[tuple[int, str] | None]], n: int, seed: int, random: Any
) -> None:
    sessions = [one_session(f"s{i}", trials) for i, trials in enumerate(shown)]
    groups = quiet(sessions)
    if groups.n_groups < n:
        with pytest.raises(BadArgument, match=f"{groups.n_groups} films cannot be dealt to {n} sides"):
            groups.folds(n, seed)
        return
    folds = groups.folds(n, seed)
    side: dict[int, int] = {}
    for key, fold in folds.items():
        assert ((fold == -1) == (groups[key] == -1)).all()
        for group, where in zip(groups[key].tolist(), fold.tolist(), strict=True):
            assert side.setdefault(group, where) == where
    assert set(side.values()) - {-1} == set(range(n))
    named = groups.split({f"side {i}": 1 / n for i in range(n)}, seed)
    for key, fold in folds.items():
        assert named[key].tolist() == [f"side {i}" if i >= 0 else "" for i in fold.tolist()]
    random.shuffle(sessions)
    again = quiet(sessions).folds(n, seed)
    assert {key: fold.tolist() for key, fold in again.items()} == {key: fold.tolist() for key, fold in folds.items()}


def test_the_default_split() -> None:
    groups = sd.stimulus_groups(one_session("a", [(i, "train") for i in range(10)]))
    names, counts = np.unique(groups.split()["a"], return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {"train": 8, "validation": 1, "test": 1}


OLD = one_session("old", [(0, "train"), (1, "train"), (2, "test"), (3, "final_test"), (3, "final_test")])
NEW = one_session("new", [(0, "train"), (4, "train"), (2, "final_test"), (3, "test"), (5, "test")])


def test_published_tiers_do_not_warn() -> None:
    groups = sd.stimulus_groups([OLD, NEW])  # warnings are errors here
    assert groups.leaks == groups.leaks_within == ()
    assert groups.shared == (Shared("old", "new", 3),)
    assert repr(groups) == "StimulusGroups: 2 sessions, 6 groups, 3 in more than one session"


@pytest.mark.parametrize(
    ("train", "text"),
    [
        ({"old": ["train", "test", "final_test"], "new": "train"}, "old -> new (2 films: test, final_test)"),
        ({"old": "test"}, "old -> new (1 film: final_test)"),
        (["train", "test"], "old -> new (1 film: final_test), new -> old (1 film: final_test)"),
    ],
)
def test_one_warning_names_sessions_films_and_tiers(train: Mapping[str, Any], text: str) -> None:
    with pytest.warns(StimulusLeakWarning) as caught:
        groups = sd.stimulus_groups([OLD, NEW], train=train)
    assert [str(warning.message) for warning in caught] == [groups.warning()]
    before, _, after = groups.warning().partition(": ")
    assert before == "training sets hold films that test tiers of other sessions show"
    assert sorted(after.split("), ")) == sorted(text.split("), "))
    assert caught[0].filename == __file__


def test_a_warning_stays_one_bearable_line() -> None:
    sessions = [one_session(f"s{i}", [(0, "test" if i else "train")]) for i in range(30)]
    text = quiet(sessions).warning()
    assert text.count("->") == 20
    assert text.endswith(" and 9 more pairs")
    assert "\n" not in text


def test_a_tier_that_is_trained_on_is_not_tested_with() -> None:
    everything = ["train", "test", "final_test"]
    assert sd.stimulus_groups([OLD, NEW], train=everything).leaks == ()


def test_leaks_within_a_session_are_told_apart() -> None:
    groups = sd.stimulus_groups([one_session("a", [(0, "train"), (0, "test"), (0, "test")])])
    assert groups.leaks == ()
    assert groups.leaks_within == (Leak(0, "a", "train", 1, "a", "test", 2),)


def test_rows_come_in_order() -> None:
    trials: list[tuple[int, str] | None] = [(i, tier) for i in range(3) for tier in ("final_test", "oracle", "train")]
    found = quiet([one_session("b", trials), one_session("a", trials)]).occurrences
    tiers = [("train", "train"), ("oracle", "validation"), ("final_test", "test")]
    assert list(found) == [
        Occurrence(group, key, tier, role, 1) for group in range(3) for key in ("b", "a") for tier, role in tiers
    ]


def test_values_cannot_be_changed_and_travel() -> None:
    groups = sd.stimulus_groups([OLD, NEW])
    with pytest.raises(ValueError, match="read-only"):
        groups["old"][0] = 5
    with pytest.raises(AttributeError):
        groups.keys = ()  # type: ignore[misc]  # that it fails is the point
    back = pickle.loads(pickle.dumps(groups))
    assert back.occurrences == groups.occurrences
    assert back["new"].tolist() == groups["new"].tolist()


def test_sessions_without_tier_train_are_not_trained_on() -> None:
    assert sd.stimulus_groups([one_session("a", [(0, "test")]), one_session("b", [(0, "test")])]).leaks == ()


COPY = one_session("old", [(7, "train")])
COPY.where = "copy.zarr"
REFUSED: dict[str, tuple[list[Made], Any, type[sd.errors.SensoriumError], str, str]] = {
    "no-sessions": ([], "train", BadArgument, "no session is given", "name session stores"),
    "store-twice": ([OLD, NEW, OLD], "train", BadArgument, r"old\.zarr is given twice", "name each store once"),
    "key-twice": (
        [OLD, COPY], "train", BadArgument, r"old\.zarr and copy\.zarr both hold session `old`", "leave one of them out"
    ),
    "no-such-tier": ([OLD, NEW], ["tran"], NoSuchItem, "no tier `tran`", "did you mean `train`?"),
    "no-such-tier of a session": (
        [OLD, NEW], {"old": ["tests"]}, NoSuchItem, "old: no tier `tests`", "did you mean `test`?"
    ),
    "no-such-session": ([OLD, NEW], {"od": ["train"]}, NoSuchItem, "no session `od`", "did you mean `old`?"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    sessions, train, kind, message, hint = REFUSED[name]
    with pytest.raises(kind, match=message) as raised:
        sd.stimulus_groups(sessions, train=train)
    assert (raised.value.code, raised.value.hint) == (name.split(maxsplit=1)[0], hint)


def test_a_session_that_was_not_given() -> None:
    with pytest.raises(NoSuchItem, match="no session `ne`") as raised:
        sd.stimulus_groups([OLD, NEW])["ne"]
    assert (raised.value.code, raised.value.hint) == ("no-such-session", "did you mean `new`?")


@pytest.mark.parametrize("n", [0, -3])
def test_folds_that_are_none(n: int) -> None:
    with pytest.raises(BadArgument, match=f"{n} folds"):
        sd.stimulus_groups([OLD]).folds(n)


def test_a_side_without_a_name() -> None:
    with pytest.raises(BadArgument, match="a side has no name"):
        sd.stimulus_groups([OLD]).split({"": 1.0})


def test_arrays_are_aligned_integers() -> None:
    groups: NDArray[np.int64] = sd.stimulus_groups([OLD])["old"]
    assert groups.dtype == np.int64
    assert groups[3] == groups[4]
