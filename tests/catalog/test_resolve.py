"""Names lead to the entries they mean, to all that share them, or to near misses."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sensorium_data.catalogs import Catalog, catalog, find_entries
from sensorium_data.catalogs.resolve import aliases_of
from sensorium_data.errors import BadArgument, NoSuchItem

CATALOG = catalog()
ENTRIES = list(CATALOG.values())
ALIASES = [(entry.name, alias) for entry in ENTRIES for alias in aliases_of(entry)]
F = "sensorium2023-29515-10-12"
S0 = "sensorium2022-26872-17-20"


def found(*names: str) -> list[str]:
    return [entry.name for entry in find_entries(names, CATALOG)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (F, [F]), ("F", [F]), ("f", [F]), ("mouse-F", [F]), ("MOUSE-f", [F]), ("29515-10-12", [F]), (" F ", [F]),
        ("dynamic29515-10-12", [F]), ("dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20.zip", [F]),
        ("dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20", [F]), ("sensorium2023/F", [F]),
        ("sensorium2023/29515-10-12", [F]), (f"sensorium2023/{F}", [F]), ("S0", [S0]), ("static26872-17-20", [S0]),
        ("microns-functional-v8", ["microns-functional-v8"]),
    ],
)  # fmt: skip
def test_one_entry_by_each_of_its_names(name: str, expected: list[str]) -> None:
    assert found(name) == expected


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("sensorium2023", 10), ("SENSORIUM2022", 7), ("franke2022", 10), ("sensorium2023/*", 10), ("*", len(CATALOG)),
        ("dynamic295*", 3), ("sensorium2023/[a-e]", 5), ("*ColorImageNet*", 10), ("sensorium202?/mouse-*", 12), ("?", 10),
    ],
)  # fmt: skip
def test_many_entries(name: str, n: int) -> None:
    entries = found(name)
    assert len(entries) == len(set(entries)) == n
    assert entries == [each for each in CATALOG if each in entries]


def test_each_entry_once_in_the_order_of_the_names() -> None:
    names = found("S0", "mouse-F", "sensorium2023", S0)
    assert names[:2] == [S0, F]
    assert len(names) == len(set(names)) == 11


def test_names_of_the_package_mean_one_thing() -> None:
    alone = [*CATALOG, *CATALOG.collections]
    assert len(set(alone)) == len(alone)
    lowered = [alias.lower() for _, alias in ALIASES]
    assert len(set(lowered)) == len(lowered)


def test_a_name_that_entries_share_lists_them() -> None:
    again = CATALOG[F].model_copy(update={"name": "lab-1", "collection": "lab"})
    both = Catalog([*ENTRIES, again])
    with pytest.raises(BadArgument, match="`mouse-F` means 2 entries") as caught:
        both.find("mouse-F")
    assert caught.value.code == "ambiguous-name"
    assert caught.value.hint == f"say which: `{F}`, `lab-1`"
    assert list(both.find("lab/F")) == ["lab-1"]
    assert list(both.find("sensorium2023/F")) == [F]


def test_all_wrong_names_are_told_at_once() -> None:
    with pytest.raises(NoSuchItem) as caught:
        find_entries(["F", "moose-F", "nothing-like-it-at-all"], CATALOG)
    problems = caught.value.problems
    assert [problem.code for problem in problems] == ["no-such-entry"] * 2
    assert "did you mean `mouse-F`" in problems[0].what
    assert "`sensorium-data ls` lists the catalog" in problems[1].what
    assert isinstance(caught.value, KeyError)


@pytest.mark.parametrize("names", [[], ()])
def test_no_name_at_all(names: list[str]) -> None:
    with pytest.raises(BadArgument) as caught:
        find_entries(names, CATALOG)
    assert caught.value.code == "no-name"


@pytest.mark.parametrize("name", ["", "zzz*", "[", "sensorium2023/[!a-j]-none", "x" * 100_000])
def test_what_matches_nothing_is_refused(name: str) -> None:
    with pytest.raises(NoSuchItem) as caught:
        find_entries(name, CATALOG)
    assert caught.value.hint == "`sensorium-data ls` lists the catalog"


@given(st.sampled_from(ALIASES), st.data())
def test_any_spelling_in_capitals_is_the_same_name(named: tuple[str, str], data: st.DataObject) -> None:
    name, alias = named
    capitals = data.draw(st.lists(st.booleans(), min_size=len(alias), max_size=len(alias)))
    spelt = "".join(c.upper() if up else c.lower() for c, up in zip(alias, capitals, strict=True))
    assert found(spelt) == [name]


@given(st.sampled_from([each for each in ALIASES if len(each[1]) > 8]), st.data())
def test_a_slip_of_the_pen_is_a_near_miss(named: tuple[str, str], data: st.DataObject) -> None:
    _, alias = named
    place = data.draw(st.integers(0, len(alias) - 1))
    slip = alias[:place] + data.draw(st.sampled_from(["", "x", alias[place] * 2])) + alias[place + 1 :]
    words = {word.lower() for entry in ENTRIES for word in (entry.collection, *aliases_of(entry))}
    assume(slip.strip().lower() not in words)
    with pytest.raises(NoSuchItem) as caught:
        find_entries(slip, CATALOG)
    meant = re.findall("`(.*?)`", caught.value.hint)
    assert caught.value.hint.startswith("did you mean ")
    assert set(meant) <= {each for entry in ENTRIES for each in (entry.collection, *aliases_of(entry))}


@given(st.sampled_from(ALIASES), st.data())
def test_a_pattern_means_all_that_it_matches_and_nothing_else(named: tuple[str, str], data: st.DataObject) -> None:
    name, alias = named
    first = data.draw(st.integers(0, len(alias)))
    last = data.draw(st.integers(first, len(alias)))
    sign = data.draw(st.sampled_from(["*", "?" * (last - first)]))
    assume(sign)
    pattern = alias[:first] + sign + alias[last:]
    expression = re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.IGNORECASE)
    expected = [e.name for e in ENTRIES if any(expression.fullmatch(each) for each in aliases_of(e))]
    assert found(pattern) == expected
    assert name in expected


def test_a_catalog_is_a_mapping_that_shows_itself() -> None:
    part = CATALOG.find("sensorium2023/[ef]", "enigma-mouse")
    assert list(part) == ["sensorium2023-29514-2-9", F, "enigma-mouse-17797-4-7"]
    assert part.collections == ("sensorium2023", "enigma-mouse")
    assert F in part
    assert "F" not in part
    assert part.get("F") is None
    lines = repr(part).splitlines()
    assert lines[0] == "Catalog: 3 entries in 2 collections"
    assert lines[2].split() == [F, "F", "7,863", "neurons", "size", "not", "published", "CC", "BY-NC-ND", "4.0"]
    assert lines[3].endswith("asks for HF_TOKEN")
    assert part._repr_html_().count("<tr>") == 3
    with pytest.raises(NoSuchItem) as caught:
        CATALOG["sensorium2023-29515-10-21"]
    assert F in caught.value.hint
    assert repr(Catalog([])) == "Catalog: 0 entries in 0 collections"


def test_html_shows_text_as_text() -> None:
    entry = CATALOG[F].model_copy(update={"licence": "<script>alert(1)</script>"})
    assert "<script>" not in Catalog([entry])._repr_html_()
