"""An audit as a whole: it refuses what conversion refuses, reads little, writes nothing, and its numbers are true."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how_often
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.conversion import audit, audit_source, audit_trials
from sensorium_data.errors import BadArgument, NoSuchItem, NotFound, SourceInvalid
from sensorium_data.settings import Settings
from sensorium_data.sources.members import Content, FolderMembers, Memory
from sensorium_data.testing import describe_sensorium2023, write_sensorium2023
from tests.conversion.refusals import digest
from tests.conversion.test_audit import MOUSE_D, MOUSE_F, SMALL, Harm, clean, first_of
from tests.conversion.test_bad_input import CASES, put, write

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.progress import Progress
    from sensorium_data.schemas import CheckReport


def errors(report: CheckReport) -> set[tuple[str, str, str]]:
    return {(f.code, f.where, f.what) for f in report.findings if f.severity == "error"}


@pytest.mark.parametrize("harm", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_errors_are_what_conversion_would_say(tmp_path: Path, harm: Harm) -> None:
    harm(source := write(tmp_path / "s"))
    before = digest(source)
    report = audit_source(source)
    assert not report.ok
    with pytest.raises(SourceInvalid) as caught:
        sd.convert(source, tmp_path / "x.zarr")
    assert errors(report) == {(problem.code, problem.where, problem.what) for problem in caught.value.problems}
    assert digest(source) == before
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("stream", ["videos", "responses", "behavior"])
def test_values_that_do_not_fit_the_store_are_errors(tmp_path: Path, stream: str) -> None:
    source = write(tmp_path / "s")
    spot = (0, 1, 1) if stream == "videos" else (0, 1)
    put(f"data/{stream}/3.npy", spot, 1e39)(source)
    report = audit_source(source)
    assert {f.code for f in report.findings if f.severity == "error"} == {"overflow"}
    assert all(f.action.endswith("the option named here lets it in") for f in report.findings if f.severity == "error")


def test_faults_are_errors_beside_what_else_is_seen(tmp_path: Path) -> None:
    source = clean(tmp_path, n_repeats=3)
    put(f"data/videos/{first_of('train', n_repeats=3)}.npy", (1, 2, 3), np.nan)(source)
    codes = [finding.code for finding in audit_source(source).findings]
    assert codes[0] == "nan-in-valid"
    assert {"repeats-ragged", "repeats-unequal"} <= set(codes)


def test_findings_of_one_code_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "KEPT", 3)
    source = clean(tmp_path)
    for number in range(8):
        put(f"data/behavior/{number}.npy", (0, 0), np.inf)(source)
    found = [f for f in audit_source(source).findings if f.code == "infinite"]
    assert [f.where for f in found[3:]] == ["…"]
    assert found[-1].what == "and 5 more"
    assert found[-1].severity == "error"


def test_only_what_was_asked_for(tmp_path: Path) -> None:
    source = clean(tmp_path, holes=True, n_repeats=3)
    steps: list[Progress] = []
    report = audit_source(source, codes=["tier-none", "litter"], report=steps.append)
    assert report.checks == ("tier-none", "litter")
    assert [finding.code for finding in report.findings] == ["tier-none"]
    assert {step.stage for step in steps} == {"read", "check"}, "no trial is read for what names alone show"


def test_progress_reaches_its_total_in_each_stage(tmp_path: Path) -> None:
    steps: list[Progress] = []
    audit_source(clean(tmp_path), report=steps.append)
    last = {step.stage: step for step in steps}
    assert list(last) == ["read", "scan", "check"]
    assert all(step.done == step.total for step in last.values())
    assert last["scan"].total == 12


def test_nothing_is_read_more_than_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_sensorium2023(tmp_path, n_repeats=4, **SMALL)
    reads: Counter[str] = Counter()
    whole = FolderMembers.read

    def counted(self: FolderMembers, name: str, memory: Memory | None = None) -> Content:
        reads[name] += 1
        return whole(self, name, memory)

    monkeypatch.setattr(FolderMembers, "read", counted)
    audit_source(source)
    assert {name for name in reads if name.startswith("data/")} == {
        path.relative_to(source).as_posix() for path in source.glob("data/*/*.npy")
    }
    assert max(reads.values()) <= 2
    alone = first_of("train", n_repeats=4, name=MOUSE_F)
    assert reads[f"data/videos/{alone}.npy"] == 1, "a film like no other is read once"


def test_threads_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_sensorium2023(tmp_path, n_repeats=3, holes=True, behavior_nan=True, **SMALL)
    reports = []
    for n in (1, 5):
        monkeypatch.setattr(audit_trials, "settings", lambda n=n: Settings(threads=n))
        reports.append(audit_source(source))
    assert reports[0] == reports[1]


@how_often(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1000),
    n_repeats=st.integers(1, 5),
    withhold=st.booleans(),
    holes=st.booleans(),
    name=st.sampled_from(["mouse", MOUSE_D, MOUSE_F]),
)
def test_numbers_are_those_of_the_recording(tmp_path_factory: pytest.TempPathFactory, **how: Any) -> None:
    source = write_sensorium2023(tmp_path_factory.mktemp("any"), n_neurons=2, n_train=1, frame_shape=(8, 12), **how)
    truth = describe_sensorium2023(n_train=1, **how)
    seen = {(f.code, f.where): f.what for f in audit_source(source).findings}
    withheld = Counter(trial.tier for trial in truth if trial.withheld)
    for tier in {trial.tier for trial in truth} - {"none"}:
        shown = Counter(Counter(trial.film for trial in truth if trial.tier == tier).values())
        ragged = ", ".join(f"{n} × {times}" for times, n in sorted(shown.items()))
        assert seen.get(("repeats-ragged", f"tier {tier}"), ragged if len(shown) == 1 else "").endswith(ragged)
        assert (("repeats-ragged", f"tier {tier}") in seen) == (len(shown) > 1)
        assert seen.get(("responses-zero", f"tier {tier}"), "0 ").startswith(f"{withheld[tier]} ")
    missing = sum(trial.missing for trial in truth)
    assert seen.get(("tier-none", "meta/trials/tiers.npy"), "0 ").startswith(f"{missing} ")
    lengths = Counter(trial.n_valid for trial in truth if not trial.missing).most_common(1)[0]
    assert f" {lengths[1]} of " in seen["padding", "data/videos"]


def test_a_source_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such folder or zip"):
        audit_source(tmp_path / "nowhere")
    with pytest.raises(SourceInvalid, match="looks for") as caught:
        audit_source(tmp_path)
    assert caught.value.code == "not-a-session"
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(SourceInvalid, match="neither a folder nor a zip"):
        audit_source(tmp_path / "notes.txt")


def test_arguments_that_name_nothing(tmp_path: Path) -> None:
    source = clean(tmp_path)
    with pytest.raises(BadArgument, match="no audit `liter`") as caught:
        audit_source(source, codes=["liter"])
    assert caught.value.hint == "did you mean `litter`?"
    with pytest.raises(BadArgument, match="cannot be looked for in files") as caught:
        audit_source(source, codes=["deeplake"])
    assert "hub" in caught.value.hint
    with pytest.raises(NoSuchItem, match="no reader"):
        audit_source(source, reader="sensorium2033")


def test_zips_that_must_not_be_read(tmp_path: Path) -> None:
    whole = clean(tmp_path, zipped="stored")
    assert [f.what for f in audit_source(whole).findings if f.code == "litter"] == [
        "3 files beside the recording: __MACOSX/._mouse, __MACOSX/mouse/._data, __MACOSX/mouse/data/videos/._0.npy"
    ]
    data = bytearray(whole.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1  # the flag that says a member is encrypted
    (tmp_path / "locked.zip").write_bytes(data)
    report = audit_source(tmp_path / "locked.zip")
    assert ([f.code for f in report.findings], report.checks) == (["zip-encrypted"], ("refused",))
    (tmp_path / "cut.zip").write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(SourceInvalid, match="cut short"):
        audit_source(tmp_path / "cut.zip")


def test_the_front_door() -> None:
    assert sd.audit is audit_source
