"""A pattern stands for what lies there, each thing once; one that matches nothing says what does lie there."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.conversion.patterns import expand, is_pattern
from sensorium_data.errors import NotFound

if TYPE_CHECKING:
    from pathlib import Path

FILES = st.lists(st.sampled_from(["a.zip", "b.zip", "c.npy", "[d].zip", "e?.zip"]), unique=True, min_size=1)
PATTERNS = st.lists(st.sampled_from(["*", "*.zip", "a*", "?.zip", "[ab].zip", "[d].zip", "e?.zip"]), min_size=1)


@settings(max_examples=60, deadline=None)
@given(files=FILES, patterns=PATTERNS)
def test_patterns_name_what_lies_there_each_once(
    files: list[str], patterns: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("patterns")
    for name in files:
        (folder / name).touch()
    # A name that is there is meant as it is, whatever signs it holds.
    wanted = [{p} if p in files else {name for name in files if fnmatchcase(name, p)} for p in patterns]
    given = [folder / pattern for pattern in patterns]
    if all(wanted):
        found = expand(given, folder / "out")
        assert sorted(path.name for path in found) == sorted(set().union(*wanted))
        return
    with pytest.raises(NotFound) as caught:
        expand(given, folder / "out")
    assert caught.value.code == "no-match"
    assert min(files) in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("{}/*.tar", "{} holds dynamic29510-1-1-Video-x"),
        ("{}/no/*", "there is no folder {}/no"),
        ("{}/*/*/x*.zip", "{} holds dynamic"),
        ("{}/empty/*", "{}/empty is empty"),
    ],
)
def test_a_pattern_that_matches_nothing_says_what_is_there(tmp_path: Path, pattern: str, hint: str) -> None:
    sources = tmp_path / "in"
    (sources / "dynamic29510-1-1-Video-x").mkdir(parents=True)
    if "empty" in pattern:
        (sources / "empty").mkdir()
    with pytest.raises(NotFound, match="matches no recording") as caught:
        sd.convert_all(pattern.format(sources), sources / "out")
    assert caught.value.code == "no-match"
    assert caught.value.hint.startswith(hint.format(sources))


def test_a_long_list_of_what_is_there_is_cut(tmp_path: Path) -> None:
    for i in range(12):
        (tmp_path / f"{i:02d}.npy").touch()
    with pytest.raises(NotFound) as caught:
        sd.convert_all(f"{tmp_path}/*.zip", tmp_path / "out")
    assert caught.value.hint.endswith("07.npy and 4 more")


def test_several_patterns_that_match_nothing_are_all_told(tmp_path: Path) -> None:
    (tmp_path / "a.zip").touch()
    with pytest.raises(NotFound, match="2 patterns match no recording") as caught:
        expand([tmp_path / "*.zip", tmp_path / "*.tar", tmp_path / "no/*"], tmp_path / "out")
    assert [problem.where for problem in caught.value.problems] == [f"{tmp_path}/*.tar", f"{tmp_path}/no/*"]
    assert "holds a.zip" in caught.value.problems[0].what


def test_a_name_that_is_there_is_no_pattern(tmp_path: Path) -> None:
    (tmp_path / "[a].zip").touch()
    assert not is_pattern(tmp_path / "[a].zip")
    assert is_pattern(tmp_path / "[b].zip")
    assert expand(tmp_path / "[a].zip", tmp_path / "out") == [tmp_path / "[a].zip"]
