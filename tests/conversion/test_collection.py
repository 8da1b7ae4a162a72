"""Many recordings at once: what is wrong is told for each, what is right is converted, and a rerun does the rest."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import sensorium_data as sd
from sensorium_data.conversion import collection as collection_module
from sensorium_data.conversion import plan_all, sessiontask
from sensorium_data.errors import BadArgument, NoSuchItem, TargetExists
from sensorium_data.schemas import CollectionReport, Failure, Refusal
from sensorium_data.sources import open_source
from sensorium_data.store.publish import Scratch, scratch_path
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from sensorium_data.progress import Progress

KEYS = ["29510-1-1", "29511-1-1", "29512-1-1"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for i, key in enumerate(KEYS):
        write_sensorium2023(
            folder, name=f"dynamic{key}-Video-x", n_neurons=4, n_train=2, n_repeats=1, seed=i, frame_shape=(8, 12)
        )
    return folder


@pytest.fixture
def sources(made: Path, tmp_path: Path) -> Path:
    """Three recordings in a folder of their own, to be changed as a test likes."""
    return Path(shutil.copytree(made, tmp_path / "in"))


def source(folder: Path, number: int) -> Path:
    return folder / f"dynamic{KEYS[number]}-Video-x"


def came(report: CollectionReport) -> dict[str, str]:
    told = {session.key: session.status for session in report.sessions}
    return told | {Path(failure.source).name: failure.error.code for failure in report.failures}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_stores_are_named_after_keys_and_are_those_of_convert(tmp_path: Path, sources: Path) -> None:
    report = sd.convert_all(f"{sources}/*", tmp_path / "a/out")
    assert report.ok
    assert [session.key for session in report.sessions] == KEYS
    assert [session.target for session in report.sessions] == [f"{tmp_path}/a/out/{key}.zarr" for key in KEYS]
    alone = sd.convert(source(sources, 1), tmp_path / "alone.zarr")
    assert report.sessions[1] == alone.model_copy(update={"target": report.sessions[1].target})
    assert names(tmp_path / "a/out") == [f"{key}.zarr" for key in KEYS]


def test_one_that_fails_is_named_and_stops_no_other_and_a_rerun_does_the_rest(tmp_path: Path, sources: Path) -> None:
    hurt = source(sources, 0) / "data/responses/1.npy"
    kept = hurt.read_bytes()
    hurt.write_bytes(kept[:200])
    (sources / "notes").mkdir()
    (sources / "broken.zip").write_bytes(b"PK")
    out = tmp_path / "out"
    first = sd.convert_all([f"{sources}/*", sources / "absent.zip"], out)
    assert came(first) == {
        source(sources, 0).name: "source-invalid",
        "notes": "not-a-session",
        "broken.zip": "zip-damaged",
        "absent.zip": "no-such-source",
        KEYS[1]: "converted",
        KEYS[2]: "converted",
    }
    assert first.exit_code == 5
    told = next(failure for failure in first.failures if failure.source == str(source(sources, 0)))
    assert [fault.where for fault in told.error.problems] == ["data/responses/1.npy"]
    assert {failure.source: failure.exit_code for failure in first.failures}[str(sources / "absent.zip")] == 4
    hurt.write_bytes(kept)
    second = sd.convert_all(source(sources, 0).parent / "dynamic*", out)
    assert came(second) == {KEYS[0]: "converted", KEYS[1]: "up-to-date", KEYS[2]: "up-to-date"}
    assert second.exit_code == 0


def test_two_sources_with_one_key_are_refused_before_any_work(tmp_path: Path, sources: Path) -> None:
    twin = tmp_path / "elsewhere" / source(sources, 1).name
    shutil.copytree(source(sources, 1), twin)
    (sources / "notes").mkdir()
    with pytest.raises(BadArgument, match="one key is that of more than one source") as caught:
        sd.convert_all([f"{sources}/*", twin], tmp_path / "out")
    assert caught.value.code == "duplicate-key"
    twice, other = caught.value.problems
    assert (twice.code, twice.where) == ("duplicate-key", KEYS[1])
    assert f"{source(sources, 1)} and of {twin}" in twice.what
    assert (other.code, other.where) == ("not-a-session", str(sources / "notes"))
    assert not (tmp_path / "out").exists()


def test_sources_are_taken_once_and_patterns_leave_out_what_is_none(tmp_path: Path, sources: Path) -> None:
    (sources / "__MACOSX").mkdir()
    (sources / ".hidden").mkdir()
    listed: list[str | Path] = [f"{sources}/*-1-1-*", source(sources, 2), f"{sources}/../in/*", f"{sources}/*"]
    for _ in range(2):  # the second time the folder of the stores lies there too
        assert list(came(sd.convert_all(listed, sources / "out"))) == KEYS
    shutil.rmtree(sources / "out")
    link = tmp_path / "link"
    link.symlink_to(sources)
    for _ in range(2):  # the second time the stores themselves do
        assert list(came(sd.convert_all(f"{link}/*", sources))) == KEYS


def test_the_folder_must_be_one(tmp_path: Path, sources: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TargetExists, match="is a file, not a folder") as caught:
        sd.convert_all(f"{sources}/*", tmp_path / "file")
    assert caught.value.code == "not-a-folder"
    sd.convert(source(sources, 0), tmp_path / "store.zarr")
    with pytest.raises(BadArgument, match="is itself a session store"):
        sd.convert_all(f"{sources}/*", tmp_path / "store.zarr")
    with pytest.raises(BadArgument, match="not UTF-8"):
        sd.convert_all(f"{sources}/*", os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    with pytest.raises(BadArgument, match="no source is given"):
        sd.convert_all([], tmp_path / "out")
    assert (tmp_path / "file").read_text() == "mine"


def test_what_is_wrong_with_the_call_is_said_once(tmp_path: Path, sources: Path) -> None:
    with pytest.raises(NoSuchItem, match="no reader `sensorium2032`"):
        sd.convert_all(f"{sources}/*", tmp_path / "out", reader="sensorium2032")
    with pytest.raises(BadArgument, match="preset `compct` is unknown"):
        sd.convert_all(f"{sources}/*", tmp_path / "out", preset="compct")  # type: ignore[arg-type]  # the mistake is the point
    assert not (tmp_path / "out").exists()


def test_existing_stores_are_treated_as_asked(tmp_path: Path, sources: Path) -> None:
    out = tmp_path / "out"
    sd.convert_all([source(sources, 0)], out)
    (out / f"{KEYS[1]}.zarr").mkdir()
    wanted: dict[Any, tuple[str, str]] = {
        "error": ("target-exists", "not-a-store"),
        "skip": ("skipped", "not-a-store"),
        "resume": ("up-to-date", "not-a-store"),
        "replace": ("converted", "not-a-store"),
    }
    for existing, (first, second) in wanted.items():
        planned = plan_all(sources / "*", out, existing=existing)
        report = sd.convert_all(sources / "*", out, existing=existing)
        told = list(came(report).values())
        assert (first in told, second in told, len(told)) == (True, True, 3), existing
        assert [f.error for f in planned.failures] == [f.error for f in report.failures]
    assert report.exit_code == 7


def test_a_plan_writes_nothing(tmp_path: Path, sources: Path) -> None:
    planned = plan_all(f"{sources}/*", tmp_path / "out")
    assert came(planned) == dict.fromkeys(KEYS, "planned")
    assert not (tmp_path / "out").exists()


def test_interrupted_it_keeps_what_is_done(tmp_path: Path, sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[str] = []
    publish = Scratch.publish

    def stop_at_second(self: Scratch) -> None:
        if published:
            raise KeyboardInterrupt
        published.append(self.target.name)
        publish(self)

    with monkeypatch.context() as patched:
        patched.setattr(Scratch, "publish", stop_at_second)
        with pytest.raises(KeyboardInterrupt):
            sd.convert_all(f"{sources}/*", tmp_path / "out")
    assert names(tmp_path / "out") == [f".{KEYS[1]}.zarr.partial", f"{KEYS[0]}.zarr"]
    report = sd.convert_all(f"{sources}/*", tmp_path / "out")
    assert list(came(report).values()) == ["up-to-date", "resumed", "converted"]


@pytest.mark.parametrize(
    ("raised", "code", "exit_code"),
    [
        (ZeroDivisionError("by nothing"), "bug", 1),
        (OSError(errno.ESTALE, os.strerror(errno.ESTALE), "x.npy"), "storage-failed", 6),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x.npy"), "storage-failed", 6),
    ],
)
def test_whatever_ends_a_session_is_its_failure(
    tmp_path: Path, sources: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, code: str, exit_code: int
) -> None:
    real = sd.convert

    def fails_once(**options: Any) -> Any:
        if options["source"] == str(source(sources, 1)):
            raise raised
        return real(**options)

    monkeypatch.setattr(sessiontask, "convert", fails_once)
    report = sd.convert_all(f"{sources}/*", tmp_path / "out")
    assert [session.key for session in report.sessions] == [KEYS[0], KEYS[2]]
    (failure,) = report.failures
    assert (failure.key, failure.error.code, failure.exit_code) == (KEYS[1], code, exit_code)
    assert report.exit_code == exit_code
    assert failure.error.message
    assert failure.error.hint


def test_a_key_that_is_no_name_and_a_document_that_cannot_be_made(
    tmp_path: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = open_source

    def odd(path: Path, reader: str | None) -> Any:
        found, raw = real(path, reader)
        if path == source(sources, 0):
            object.__setattr__(raw, "identity", raw.identity.model_copy(update={"key": "../up"}))
        if path == source(sources, 1):
            Refusal(code="No Code", message="")
        return found, raw

    monkeypatch.setattr(collection_module, "open_source", odd)
    report = sd.convert_all(f"{sources}/*", tmp_path / "out")
    assert list(came(report).values()) == ["converted", "unfit-key", "document-invalid"]
    assert names(tmp_path) == ["in", "out"]


def test_a_source_whose_name_is_no_text(tmp_path: Path, sources: Path) -> None:
    source(sources, 1).rename(os.fsdecode(os.fsencode(sources) + b"/\xff.zip"))
    report = sd.convert_all(f"{sources}/*", tmp_path / "out")
    (failure,) = report.failures
    assert failure.source == f"{sources}/\\xff.zip"
    assert failure.error.code == "undecodable-name"
    CollectionReport.model_validate_json(report.model_dump_json())


def test_progress_counts_sessions_and_shows_what_each_is_at(tmp_path: Path, sources: Path) -> None:
    (sources / "notes").mkdir()
    seen: list[Progress] = []
    sd.convert_all(f"{sources}/*", tmp_path / "out", report=seen.append)
    told = [(p.done, p.total, p.text) for p in seen if p.stage == "sessions"]
    assert told == [
        (0, 4, ""),
        (1, 4, f"{sources}/notes: error[not-a-session]"),
        *((2 + i, 4, f"{key}: converted") for i, key in enumerate(KEYS)),
    ]
    assert {p.stage for p in seen} == {"read", "scan", "write", "check", "publish", "sessions"}


@pytest.mark.parametrize(
    ("codes", "worst"), [((), 0), ((4, 5), 5), ((7, 5, 6), 6), ((2, 7), 7), ((6, 1, 5), 1), ((2, 4), 4)]
)
def test_the_worst_failure_gives_the_exit_code(codes: tuple[int, ...], worst: int) -> None:
    error = Refusal(code="x", message="y")
    failures = tuple(Failure(source="a", exit_code=code, error=error) for code in codes)
    report = CollectionReport(folder="out", failures=failures)
    assert (report.exit_code, report.ok) == (worst, not codes)


def test_litter_of_a_failed_session_is_swept(tmp_path: Path, sources: Path) -> None:
    for number in range(3):
        (source(sources, number) / "data/responses/1.npy").write_bytes(b"")
    report = sd.convert_all(f"{sources}/*", tmp_path / "out")
    assert len(report.failures) == 3
    assert not scratch_path(tmp_path / "out/x").parent.exists()
