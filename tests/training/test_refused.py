"""What a run refuses before it begins, and a folder that is named by its path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import sensorium_data as sd
from sensorium_data.errors import BadArgument, Interrupted, StorageFailed, TargetExists
from sensorium_data.testing import write_sensorium2022
from sensorium_data.zoo import load, train
from sensorium_data.zoo.runs import RunFolder
from sensorium_data.zoo.training.recipes import load_recipe
from tests.training.small import numbers, small

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Callable[..., tuple[int, str, str]]

IMAGES: dict[str, Any] = {
    "name": "images",
    "description": "for tests",
    "model": {"name": "ln", "config": {"hidden_channels": 2, "n_layers": 1}},
    "data": {"batch_size": 8, "step": 4},
    "schedule": {"max_epochs": 1},
    "validation": {"tier": "validation"},
}


def test_inputs_that_were_withheld_are_named_and_left_out_on_demand(tmp_path: Path) -> None:
    sd.convert(write_sensorium2022(tmp_path, kind="s", n_neurons=4), tmp_path / "s.zarr")
    with pytest.raises(BadArgument, match="`pupil` is missing in every training trial") as raised:
        train(small(IMAGES), tmp_path / "s.zarr")
    assert raised.value.code == "input-withheld"
    assert {problem.where.partition(": ")[2] for problem in raised.value.problems} == {"`running`", "`gaze`"}
    assert "data.signals = []" in raised.value.hint
    without = {"behavior": False, "shifter": False}
    for recipe in (
        small(IMAGES, data={"signals": []}),
        small(IMAGES, model={"config": without}),
        load_recipe("demo-ln"),
    ):
        assert train(recipe, tmp_path / "s.zarr").history


def test_films_and_images_do_not_mix(mice: list[Path], pictures: Path) -> None:
    for recipe, sessions, says in (
        (small(), [pictures], "`ln3d` is a model of films, the sessions hold images"),
        (small(IMAGES), mice, "`ln` is a model of images, the sessions hold films"),
        (small(), [mice[0], pictures], "`ln3d` is a model of films, 21067-10-18 holds images"),
    ):
        with pytest.raises(BadArgument, match=says) as raised:
            train(recipe, sessions)
        assert raised.value.code == "model-modality"
        assert "`cnn`" in raised.value.hint or "`factorised3d`" in raised.value.hint


def test_a_run_is_kept_in_a_folder_that_is_named(mice: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "first"
    with pytest.raises(BadArgument, match="no model"):
        train(small(model={"name": "ln4d"}), mice, run=folder)
    assert not folder.exists()
    made = []

    def stop() -> bool:
        made.append(1)
        return len(made) == 2

    with pytest.raises(Interrupted):
        train(small(), mice, run=folder, stop=stop)
    assert RunFolder.open(folder).document.state == "interrupted"
    with pytest.raises(TargetExists, match="holds a run already"):
        train(small(), mice, run=folder)
    result = train(small(), mice, run=str(folder), resume=True)
    assert numbers(folder) == [row.numbers() for row in result.history]
    assert RunFolder.open(folder).document.state == "finished"
    assert load(folder).recipe == result.model.recipe == small().model_dump(mode="json")
    assert [row.numbers() for row in train(small(), mice).history] == numbers(folder)


def test_a_place_that_holds_no_folder_is_named(mice: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for where in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(StorageFailed, match="file: is no folder") as raised:
            train(small(), mice, run=where)
        assert "choose another folder" in raised.value.hint


def test_a_state_that_is_damaged_says_how_to_begin_again(
    run: Cli, recipe: Path, mice: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    assert run("train", recipe, *mice, "--run", folder, "--quiet")[0] == 0
    (state,) = (folder / "state").iterdir()
    state.write_bytes(state.read_bytes()[:1000])
    code, _, talk = run("train", recipe, *mice, "--run", folder, "--resume", "--quiet")
    assert (code, "is cut off" in talk, f"remove {folder}/state" in talk) == (5, True, True)
    state.unlink()
    assert run("train", recipe, *mice, "--run", folder, "--resume", "--quiet")[0] == 0


def test_a_run_takes_no_more_than_is_said(run: Cli, mice: list[Path], tmp_path: Path) -> None:
    from sensorium_data.cli.trainplan import plan_training

    folder = tmp_path / "run"
    planned = plan_training(small(), None, mice, None, "cpu")
    train(small(), mice, run=folder)
    kept = sum(path.stat().st_size for part in ("model", "state") for path in (folder / part).iterdir())
    assert planned.n_bytes / 4 < kept < planned.n_bytes + 40_000  # headers, a card and a page are beside numbers
