"""`train` as it is typed: what it says, what it writes, and how it is stopped and gone on with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sensorium_data.schemas.run import TrainReport
from sensorium_data.zoo.loading import load
from sensorium_data.zoo.runs import RunFolder
from tests.sources.webserver import serving
from tests.training.small import numbers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Callable[..., tuple[int, str, str]]

HEADERS = 'headers={"X-Key": "let-me-in"}'


def test_a_recipe_and_stores_become_a_model(run: Cli, recipe: Path, mice: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "first"
    code, told, talk = run("train", recipe, *mice, "--run", folder)
    assert code == 0
    lines = talk.splitlines()
    assert lines[0].startswith("train ln3d: ")
    assert lines[0].endswith("recipe small, seed 0")
    assert lines[1] == "session 29515-10-12: 8 neurons, train 6 trials, oracle 5 trials"
    assert lines[2] == "session 29156-11-10: 5 neurons, train 4 trials, oracle 5 trials"
    assert lines[3] == "epochs  at most 2 epochs of 6 batches in 3 steps; float32 on cpu"
    assert lines[4].startswith(f"folder  {folder}: at most ")
    assert [line.split(":")[0] for line in lines[5:]] == ["epoch 1", "epoch 2"]
    assert "all samples, tier oracle" in told
    assert told.splitlines()[-1] == f"next: sensorium-data evaluate {folder} {mice[0]} {mice[1]}"
    assert (folder / "recipe.toml").read_bytes() == recipe.read_bytes()
    made = RunFolder.open(folder)
    assert (made.document.state, [row.epoch for row in made.rows()]) == ("finished", [0, 1, 2])
    assert [one.n_neurons for one in made.document.data] == [8, 5]
    assert list(load(folder).sessions) == ["29515-10-12", "29156-11-10"]


def test_the_outcome_as_json_is_a_document(run: Cli, mice: list[Path], tmp_path: Path) -> None:
    words = ("train", "demo-ln3d", mice[0], "--run", tmp_path / "run", "--json", "--epochs", 1, "--seed", 3)
    code, told, _ = run(*words, "--set", "data.window=12", "--set", "model.config.spatial_kernel=5")
    assert code == 0
    report = TrainReport.model_validate_json(told)
    assert (report.status, report.n_epochs, report.recipe.seed, report.recipe.data.window) == ("finished", 1, 3, 12)
    assert report.n_parameters["total"] == sum(n for name, n in report.n_parameters.items() if name != "total")
    assert report.train_s > 0
    assert report.wait_s <= report.train_s
    (row,) = [row for row in RunFolder.open(tmp_path / "run").rows() if row.epoch == 1]
    assert row.train_s == report.train_s
    assert "spatial_kernel = 5" in (tmp_path / "run" / "recipe.toml").read_text()


def test_the_recipes_that_are_shipped_are_listed(run: Cli) -> None:
    code, told, _ = run("train", "--list")
    assert code == 0
    assert "sensorium2023-factorised3d    factorised3d" in told
    code, told, _ = run("train", "--list", "--json")
    assert code == 0
    assert "demo-ln3d" in [one["name"] for one in json.loads(told)]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_dry_run_writes_nothing(run: Cli, recipe: Path, mice: list[Path], tmp_path: Path, as_json: bool) -> None:
    folder = tmp_path / "run"
    code, told, talk = run("train", recipe, *mice, "--run", folder, "--dry-run", *["--json"] * as_json)
    assert (code, talk) == (0, "")
    assert not folder.exists()
    if as_json:
        assert TrainReport.model_validate_json(told).status == "planned"
    else:
        assert told.startswith("would train ln3d: ")
        assert f"folder  {folder}: at most " in told
    assert run("train", recipe, *mice, "--dry-run")[0] == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("demo-ln3", "STORE"), 4, "did you mean `demo-ln3d`"),
        (("nowhere/mine.toml", "STORE"), 4, "no such file"),
        (
            ("typo.toml", "STORE"),
            5,
            "`optimiser.lerning_rate` is no key of a recipe\nhint: did you mean `learning_rate`?",
        ),
        (("RECIPE", "nowhere.zarr"), 4, "nowhere.zarr"),
        (("RECIPE", "STORE", "STORE"), 2, "twice"),
        (
            ("RECIPE", "PICTURES", "--set", "data.window=null", "--set", "validation.tier=validation"),
            2,
            "`ln3d` is a model of films, the sessions hold images",
        ),
        (("RECIPE", "STORE", "--set", "data.window=2"), 2, "1 fewer than the 3"),
        (("RECIPE", "STORE", "--set", 'data.tiers=["live_test_main"]'), 2, "responses-withheld"),
        (("RECIPE", "STORE", "--set", "validation.tier=final_test_main"), 2, "responses-withheld"),
        (("RECIPE", "STORE", "--set", "validation.tier=oracel"), 4, "did you mean `oracle`"),
        (("RECIPE", "STORE", "--set", "validation.preset=s23-servr"), 4, "did you mean `s23-server`"),
        (("RECIPE", "STORE", "--set", "model.name=ln4d"), 2, "did you mean `ln3d`"),
        (("RECIPE", "STORE", "--set", "model.config.hidden_chanels=3"), 2, "did you mean `hidden_channels`"),
        (("RECIPE", "STORE", "--set", "optimizer.learning_rate=3"), 2, "did you mean `optimiser`"),
        (
            ("RECIPE", "STORE", "--set", "seed=-1", "--set", "loss.eps=no"),
            2,
            "`loss.eps`: is 'no', expected a valid number",
        ),
        (("RECIPE", "STORE", "--set", "seed"), 2, "has no `=`"),
        (("RECIPE", "STORE", "--set", "model.name.x=1"), 2, "`model.name.x` is no key"),
        (("RECIPE", "STORE", "--device", "cuda:99"), 2, "device"),
        (("RECIPE", "STORE", "--device", "gpu"), 2, "no device 'gpu'"),
        (("RECIPE", "STORE", "--epochs", "0"), 2, "--epochs"),
        (("RECIPE",), 2, "missing argument 'STORE...'"),
        ((), 2, "missing argument 'RECIPE'"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_written(
    run: Cli,
    recipe: Path,
    mice: list[Path],
    pictures: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    (tmp_path / "typo.toml").write_bytes(recipe.read_bytes().replace(b"learning_rate", b"lerning_rate", 1))
    meant = {"RECIPE": recipe, "STORE": mice[0], "PICTURES": pictures, "typo.toml": tmp_path / "typo.toml"}
    got, told, talk = run("train", *(meant.get(word, word) for word in words), "--run", tmp_path / "run")
    assert (got, told) == (code, "")
    assert message in talk
    assert "Traceback" not in talk
    assert not (tmp_path / "run").exists()


def test_a_run_needs_a_folder(run: Cli, recipe: Path, mice: list[Path]) -> None:
    code, _, talk = run("train", recipe, *mice)
    assert (code, "missing option '--run'" in talk) == (2, True)


@pytest.mark.parametrize("dry", [False, True])
def test_a_folder_that_holds_something_is_left(
    run: Cli, recipe: Path, mice: list[Path], tmp_path: Path, dry: bool
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    code, _, talk = run("train", recipe, *mice, "--run", tmp_path, "--resume", *["--dry-run"] * dry)
    assert (code, "holds notes.txt" in talk) == (7, True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    code, _, talk = run("train", recipe, *mice, "--run", tmp_path / "notes.txt" / "run", *["--dry-run"] * dry)
    assert (code, "notes.txt" in talk) == (6, True)


@pytest.mark.usefixtures("whole")
def test_a_finished_run_is_gone_on_with_as_what_it_was(
    run: Cli, recipe: Path, mice: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "whole"
    before = (folder / "curves.csv").read_bytes()
    code, told, talk = run("train", recipe, *mice, "--run", folder)
    assert (code, "holds a run already" in talk, "--resume" in talk) == (7, True, True)
    code, _, talk = run("train", recipe, *mice[::-1], "--run", folder, "--resume", "--seed", 5)
    assert (code, "seed: was 0, is 5" in talk, "the sessions: were" in talk) == (2, True, True)
    code, told, talk = run("train", recipe, *mice, "--run", folder, "--resume", "--json")
    report = TrainReport.model_validate_json(told)
    assert (code, report.resumed, report.n_epochs) == (0, True, 2)
    assert talk.startswith("go on with ln3d")
    assert (folder / "curves.csv").read_bytes() == before


def test_resume_begins_where_there_is_nothing(
    run: Cli, recipe: Path, mice: list[Path], tmp_path: Path, whole: list[dict[str, Any]]
) -> None:
    code, _, talk = run("train", recipe, *mice, "--run", tmp_path / "new", "--resume")
    assert (code, talk.startswith("train ln3d")) == (0, True)
    assert numbers(tmp_path / "new") == whole


def test_bars_are_drawn_on_a_terminal_and_nothing_when_quiet(
    run: Cli, recipe: Path, mice: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, talk = run("train", recipe, mice[0], "--run", tmp_path / "quiet", "--quiet")
    assert "epoch 1" not in talk
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    code, _, talk = run("train", recipe, mice[0], "--run", tmp_path / "bars")
    assert code == 0
    assert "epochs" in talk
    assert "steps" in talk
    assert "epoch 2: loss" in talk


def test_a_long_epoch_is_told_in_parts(capsys: pytest.CaptureFixture[str]) -> None:
    from sensorium_data.cli.trainprogress import training_progress
    from sensorium_data.progress import Progress

    with training_progress(quiet=False, n_epochs=3) as report:
        for step in range(1, 401):
            report(Progress("train", step, 400, "step", "epoch 1"))  # a stage of its own
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"epoch 1: step {n} of 400" for n in range(40, 400, 40)]


def test_stores_at_urls_are_trained_on_and_what_lets_one_in_is_not_kept(
    run: Cli, recipe: Path, mice: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SENSORIUM_DATA_CACHE", str(tmp_path / "cache"))
    with serving() as web:
        web.key = "let-me-in"
        web.files = {
            f"one.zarr/{path.relative_to(mice[0])}": path.read_bytes() for path in mice[0].rglob("*") if path.is_file()
        }
        code, _, talk = run(
            "train",
            recipe,
            f"{web.url}/one.zarr",
            "--run",
            tmp_path / "run",
            "--epochs",
            1,
            "--storage-option",
            HEADERS,
        )
    assert code == 0, talk
    assert run("train", recipe, mice[0], "--run", tmp_path / "here", "--epochs", 1)[0] == 0
    assert numbers(tmp_path / "run") == numbers(tmp_path / "here")
    assert RunFolder.open(tmp_path / "run").document.data[0].store == f"{web.url}/one.zarr"
    written = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert b"let-me-in" not in written
