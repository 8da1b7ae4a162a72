"""Failures: one tree, stable codes, exit codes as documented, nothing lost between processes."""

from __future__ import annotations

import copy
import pickle

import pytest

from sensorium_data import errors
from sensorium_data.errors import NoSuchItem, Problem, SensoriumError, near_miss

# Append-only: scripts read these.
TREE = {
    "SensoriumError": ("failed", 1, Exception),
    "BadArgument": ("bad-argument", 2, ValueError),
    "NotFound": ("not-found", 4, FileNotFoundError),
    "NoSuchItem": ("no-such-item", 4, KeyError),
    "DataInvalid": ("data-invalid", 5, ValueError),
    "SourceInvalid": ("source-invalid", 5, ValueError),
    "ArchiveUnsafe": ("archive-unsafe", 5, ValueError),
    "StoreInvalid": ("store-invalid", 5, ValueError),
    "StorageFailed": ("storage-failed", 6, OSError),
    "ClusterFailed": ("cluster-failed", 6, ConnectionError),
    "TargetExists": ("target-exists", 7, FileExistsError),
    "TargetBusy": ("target-busy", 7, FileExistsError),
    "Interrupted": ("interrupted", 130, SensoriumError),
}
PROBLEMS = tuple(Problem("nan-in-video", f"data/videos/{index}.npy", "3 of 9 values are NaN") for index in range(25))


def _classes() -> dict[str, type[SensoriumError]]:
    found = {SensoriumError}
    while more := {sub for kind in found for sub in kind.__subclasses__() if sub.__module__ == errors.__name__} - found:
        found |= more
    return {kind.__name__: kind for kind in found}


def _make(kind: type[SensoriumError]) -> SensoriumError:
    return kind("two words", hint="try again", problems=PROBLEMS[:2], code="a-more-exact-code")


def test_the_table_names_every_class_and_all_are_public() -> None:
    assert set(_classes()) == set(TREE)
    assert set(TREE) <= set(errors.__all__)


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in _classes().values()]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("name", TREE)
def test_class_keeps_its_code_exit_code_and_builtin(name: str) -> None:
    code, exit_code, builtin = TREE[name]
    kind = _classes()[name]
    error = kind("seen")
    assert (error.code, error.exit_code) == (code, exit_code)
    assert isinstance(error, builtin)
    assert isinstance(error, SensoriumError)
    assert str(error) == "seen"  # KeyError alone would quote it


def test_exit_codes_are_those_of_the_documented_table() -> None:
    assert {kind.exit_code for kind in _classes().values()} == {1, 2, 4, 5, 6, 7, 130}


def test_docstring_draws_the_tree_that_is() -> None:
    drawn: dict[str, str | None] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        head = line.partition("(")[0].replace("│", " ").replace("├──", "   ").replace("└──", "   ")
        name = head.split()[0] if head.split() else ""
        if name not in TREE:
            continue
        depth = (len(head) - len(head.lstrip()) - 4) // 4
        above[depth:] = [name]
        drawn[name] = above[depth - 1] if depth else None
    real = {
        name: next((base.__name__ for base in kind.__bases__ if base.__name__ in TREE), None)
        for name, kind in _classes().items()
    }
    assert drawn == real


@pytest.mark.parametrize("name", TREE)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_every_field(name: str, protocol: int) -> None:
    error = _make(_classes()[name])
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is type(error)
    assert again.as_dict() == error.as_dict()
    assert str(again) == str(error)
    assert copy.copy(error).problems == error.problems


def test_own_code_does_not_reach_the_class() -> None:
    assert NoSuchItem("seen", code="no-such-tier").code == "no-such-tier"
    assert NoSuchItem("seen").code == "no-such-item"


@pytest.mark.parametrize(("n", "more"), [(0, None), (20, None), (21, "  … and 1 more"), (25, "  … and 5 more")])
def test_text_shows_at_most_twenty_problems(n: int, more: str | None) -> None:
    lines = str(SensoriumError("seen", problems=PROBLEMS[:n])).splitlines()
    assert lines[0] == "seen"
    assert lines[1 : 1 + min(n, 20)] == [f"  {problem}" for problem in PROBLEMS[: min(n, 20)]]
    assert lines[1 + min(n, 20) :] == ([more] if more else [])


def test_dict_holds_all_problems() -> None:
    told = SensoriumError("seen", hint="do", problems=iter(PROBLEMS)).as_dict()
    assert told["code"] == "failed"
    assert told["hint"] == "do"
    assert told["problems"] == [{"code": p.code, "where": p.where, "what": p.what} for p in PROBLEMS]


def test_problem_says_where_what_and_code() -> None:
    assert str(PROBLEMS[0]) == "data/videos/0.npy: 3 of 9 values are NaN [nan-in-video]"


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("pupl", "did you mean `pupil`?"),
        ("video1", "did you mean `video`?"),
        ("zzz", "known: `responses`, `pupil`, `video`"),
    ],
)
def test_near_miss(word: str, hint: str) -> None:
    assert near_miss(word, ["responses", "pupil", "video"]) == hint


def test_near_miss_shows_at_most_twenty_names() -> None:
    assert near_miss("zzz", [f"name-{index}" for index in range(100)]).count("`") == 40
