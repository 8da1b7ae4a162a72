"""Folders of runs: begun in an empty place, written by one process, gone on with only as what they were begun as."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import (
    BadArgument,
    DataInvalid,
    NotFound,
    Problem,
    SensoriumError,
    StorageFailed,
    TargetBusy,
    TargetExists,
)
from sensorium_data.schemas.recipe import DataPart, ModelPart
from sensorium_data.schemas.run import Run, RunBest
from sensorium_data.zoo.runs import RunFolder
from tests.training.crashes import images
from tests.training.rows import a_recipe, a_session, row, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    with RunFolder.create(tmp_path / "run", a_recipe(), [a_session()]) as made:
        yield made


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_a_run_records_all_that_it_follows_from(run: RunFolder) -> None:
    document = RunFolder.open(run.path).document
    assert document == run.document
    assert (document.recipe, document.data, document.seed) == (a_recipe(), (a_session(),), 0)
    (used,) = document.versions
    assert all((used.package, used.torch, used.numpy, used.zarr, used.python, used.platform))
    assert (used.device, document.state, document.best) == ("cpu", "running", None)
    assert run.state == run.path / "state"
    assert run.model == run.path / "model"


def test_the_recipe_is_kept_as_it_was_given(tmp_path: Path) -> None:
    given_bytes = b'# mine\r\nname = "small"\n'
    RunFolder.create(tmp_path / "run", a_recipe(), [a_session()], given=given_bytes).close()
    assert (tmp_path / "run" / "recipe.toml").read_bytes() == given_bytes


def test_a_recipe_that_was_no_file_is_written_as_one(tmp_path: Path) -> None:
    import tomllib

    config: dict[str, Any] = {
        "layers": [3, {"width": 1.5}],
        "a b": {"deep": True},
        "text": 'quoted "\x7f" ü',
        "empty": {},
    }
    recipe = a_recipe(model=ModelPart(name="cnn", config=config), data=DataPart(window="trial", batch_size=3))
    RunFolder.create(tmp_path / "run", recipe, [a_session()]).close()
    read = tomllib.loads((tmp_path / "run" / "recipe.toml").read_text())
    assert type(recipe).model_validate_json(json.dumps(read)) == recipe


def test_what_toml_cannot_say_is_in_the_document_alone(tmp_path: Path) -> None:
    recipe = a_recipe(model=ModelPart(name="cnn", config={"width": None}))
    with RunFolder.create(tmp_path / "run", recipe, [a_session()]) as made:
        assert not (made.path / "recipe.toml").exists()
        assert RunFolder.open(made.path).document.recipe == recipe


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("run.json", "holds a run already", "`--resume` goes on with it"),
        ("notes.txt", "holds notes.txt, and a run begins in an empty folder", "choose another folder"),
    ],
)
def test_a_folder_that_holds_anything_is_refused_and_left(tmp_path: Path, name: str, message: str, hint: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(TargetExists, match=message) as caught:
        RunFolder.create(tmp_path, a_recipe(), [a_session()])
    assert hint in caught.value.hint
    assert contents(tmp_path) == {name: b"mine"}
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_one_process_at_a_time_writes_and_all_may_look(run: RunFolder) -> None:
    run.record(row(0))
    with pytest.raises(TargetBusy, match="another process writes to the run"):
        RunFolder.open(run.path, mode="write")
    with pytest.raises(TargetBusy):
        RunFolder.create(run.path, a_recipe(), [a_session()])
    looking = RunFolder.open(run.path)
    assert (looking.rows(), looking.status) == ([row(0)], "running")
    with pytest.raises(BadArgument, match="was opened to be read"):
        looking.record(row(1))
    run.close()
    assert RunFolder.open(run.path).status == "stopped"
    with RunFolder.open(run.path, mode="write") as again:
        assert (again.status, again.rows()) == ("running", [row(0)])


def test_a_run_ends_as_finished_interrupted_or_failed(run: RunFolder) -> None:
    for one in rows_of(3):
        run.record(one)
    best = RunBest(epoch=2, score=0.2, preset=None)
    run.interrupt()
    assert RunFolder.open(run.path).document.state == "interrupted"
    error = DataInvalid("the loss is NaN", hint="lower the rate", problems=[Problem("nan", "epoch 3", "is NaN")])
    run.fail(error)
    document = RunFolder.open(run.path).document
    assert (document.state, document.best) == ("failed", best)
    assert document.error is not None
    assert (document.error.message, document.error.problems[0].where) == ("the loss is NaN", "epoch 3")
    run.finish(best)
    document = RunFolder.open(run.path).document
    assert (document.state, document.error, document.best) == ("finished", None, best)


def test_the_curves_are_drawn(run: RunFolder) -> None:
    pytest.importorskip("matplotlib")
    assert run.draw() is None
    for one in rows_of(3):
        run.record(one)
    picture = run.draw()
    assert picture is not None
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_going_on_with_the_same_is_noted_with_its_versions(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run.fail(DataInvalid("stopped"))
    (run.path / "recipe.toml").unlink()
    moved = a_session(store="elsewhere/29515.zarr", preset="fast")
    run.resume(a_recipe(), [moved])
    assert (run.document.state, run.document.error, len(run.document.versions)) == ("running", None, 1)
    assert (run.path / "recipe.toml").exists()
    monkeypatch.setattr("platform.python_version", lambda: "9.9.9")
    run.resume(a_recipe(), [a_session()])
    assert [one.python for one in RunFolder.open(run.path).document.versions][1:] == ["9.9.9"]


def test_all_differences_of_recipe_and_recordings_are_named(tmp_path: Path) -> None:
    config: dict[str, Any] = {"core": {"width": 4}}
    begun = a_recipe(model=ModelPart(name="ln", config=config))
    other = a_recipe(seed=3, model=ModelPart(name="ln", config={"core": {"width": 5}, "new": True}))
    sessions = [a_session("a"), a_session("b")]
    changed = [a_session("b", digest="1" * 64, n_trials={"train": 5}), a_session("c")]
    with RunFolder.create(tmp_path / "run", begun, sessions) as made:
        before = contents(made.path)
        with pytest.raises(BadArgument, match="was begun otherwise: 7 differences") as caught:
            made.resume(other, changed)
        assert contents(made.path) == before
        with pytest.raises(BadArgument, match="the sessions: were a, b, are b, a"):
            made.resume(begun, sessions[::-1])
    assert [(one.where, one.what) for one in caught.value.problems] == [
        ("model.config.core.width", "was 4, is 5"),
        ("model.config.new", "was None, is True"),
        ("seed", "was 0, is 3"),
        ("a", "was trained on and is not given"),
        ("c", "was not trained on"),
        ("b, digest", f"was {'0' * 64}, is {'1' * 64}"),
        ("b, n_trials", "was {'train': 6}, is {'train': 5}"),
    ]


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no training run, no such folder") as caught:
        RunFolder.open(tmp_path / "nowhere")
    assert "sensorium-data train" in caught.value.hint
    with pytest.raises(NotFound, match=r"no training run, no run\.json in it"):
        RunFolder.open(tmp_path, mode="write")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"{}", b'{"version": 2}', b"\xff\xfe", b"[" * 100_000])
def test_a_document_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(DataInvalid, match=r"run\.json is not the document of a run") as caught:
        RunFolder.open(tmp_path)
    assert caught.value.problems


def test_a_field_that_nobody_declared_is_refused(run: RunFolder) -> None:
    document = json.loads((run.path / "run.json").read_bytes()) | {"stat": "running"}
    (run.path / "run.json").write_text(json.dumps(document))
    with pytest.raises(DataInvalid) as caught:
        RunFolder.open(run.path)
    assert [one.where for one in caught.value.problems] == ["stat"]


@given(st.integers(1, 6), st.sampled_from(["finish", "interrupt", "fail"]))
@settings(max_examples=8, deadline=None)
def test_a_kill_at_any_moment_leaves_a_run_that_opens(n: int, end: str) -> None:
    rows = rows_of(n)
    with TemporaryDirectory() as name:
        folder = Path(name, "run")
        folder.mkdir()
        with images(folder, Path(name, "begun")) as begun:
            made = RunFolder.create(folder, a_recipe(), [a_session()])
        document = made.document
        with made, images(folder, Path(name, "images")) as taken:
            for one in rows:
                made.record(one)
            ended: dict[str, Any] = {"finish": (None,), "interrupt": (), "fail": (SensoriumError("stopped"),)}
            getattr(made, end)(*ended[end])
        lengths = []
        for image in taken:
            run = RunFolder.open(image)
            assert run.rows() == rows[: len(run.rows())]
            lengths.append(len(run.rows()))
        assert lengths == sorted(lengths)
        assert (lengths[0], lengths[-1]) == (0, n)
        for image in begun:  # a run, or a place in which one may begin
            if (image / "run.json").exists():
                assert RunFolder.open(image).document == document
            else:
                RunFolder.create(image, a_recipe(), [a_session()]).close()


@pytest.mark.parametrize("call", ["record", "finish", "draw", "resume"])
def test_a_full_disk_leaves_what_was_there(run: RunFolder, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    pytest.importorskip("matplotlib")
    for one in rows_of(2):
        run.record(one)
    run.interrupt()
    before = contents(run.path)
    arguments: dict[str, Any] = {
        "record": (row(2),), "finish": (None,), "draw": (), "resume": (a_recipe(), [a_session()]),
    }  # fmt: skip

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageFailed, match="the disk is full") as caught:
            getattr(run, call)(*arguments[call])
    assert (caught.value.code, "--resume" in caught.value.hint) == ("disk-full", True)
    assert contents(run.path) == before
    getattr(run, call)(*arguments[call])  # there is room again
    assert RunFolder.open(run.path).rows() == rows_of(3 if call == "record" else 2)


def test_the_document_is_the_same_after_a_trip_through_json(run: RunFolder) -> None:
    assert Run.model_validate_json(run.document.model_dump_json()) == run.document
