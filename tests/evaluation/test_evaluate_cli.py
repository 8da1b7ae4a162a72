"""`sensorium-data evaluate`: a table, JSON and a figure; refusals with their exit codes, and nothing half written."""

from __future__ import annotations

import csv
import json
import sys
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sensorium_data.cli.app import VERBS
from sensorium_data.evaluation.scoring import evaluate
from sensorium_data.schemas.score import ScoreReport
from tests.evaluation import scored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sensorium_data.evaluation.predictions import TrialPrediction
    from tests.evaluation.scored import Made

    Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def mice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Made]:
    folder = tmp_path_factory.mktemp("mice")
    return scored.films(folder, 0, 5, withhold=True), scored.films(folder, 1, 8, withhold=True)


@pytest.fixture(autouse=True)
def model(mice: tuple[Made, Made], monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that says what was made up: this verb must need nothing of the zoo but two functions."""
    monkeypatch.setitem(VERBS, "evaluate", "Score a model or predictions.")

    def load(name: object, weights: object) -> str:
        return f"{name} {weights}"

    def predictions(model: str, handles: list[Any], *, tier: list[str], device: object) -> Iterator[TrialPrediction]:
        assert model == "runs/first None"
        keys = [handle.document.identity.key for handle in handles]
        return (one for made in mice if made.key in keys for one in made.predictions(*tier))

    for name, function in (("loading", load), ("predicting", predictions)):
        module = types.ModuleType(f"sensorium_data.zoo.{name}")
        setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(sys.modules, "sensorium_data.zoo", types.ModuleType("sensorium_data.zoo"))


def test_a_table_and_nothing_written(run: Run, mice: tuple[Made, Made], tmp_path: Path) -> None:
    code, out, err = run("evaluate", "runs/first", *(made.store for made in mice), "--bootstrap", "50")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].startswith("preset s23-server: Sensorium 2023 as the server scored it")
    rows = {line.split()[0]: line.split() for line in lines[2:6]}
    assert list(rows) == ["session", "together", *(made.key for made in mice)]
    wanted = scored.single_trial(mice[0], "s23-server", "oracle").mean()
    assert rows[mice[0].key][:6] == [mice[0].key, "oracle", "NaturalVideo", "5", "5", f"{wanted:.4f}"]
    assert rows["together"][3:5] == ["10", "13"]
    assert list(tmp_path.iterdir()) == []
    assert "read    10 trials" not in out


def test_json_is_the_report(run: Run, mice: tuple[Made, Made]) -> None:
    code, out, _ = run("evaluate", "runs/first", mice[0].store, "--json", "--bootstrap", "50", "--seed", "3")
    assert code == 0
    report = ScoreReport.model_validate_json(out)
    done = evaluate(mice[0].predictions("oracle"), mice[0].store, n_bootstrap=50, seed=3, source="runs/first")
    assert report == done.report
    assert report.predictions == "runs/first"
    with pytest.raises(ValueError, match="Extra inputs"):
        ScoreReport.model_validate({**report.model_dump(), "more": 1})


def test_a_folder_with_everything(run: Run, mice: tuple[Made, Made], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    out = tmp_path / "new" / "scores"
    code, _, err = run("evaluate", "runs/first", mice[0].store, "--out", out, "--quiet")
    assert code == 0, err
    assert sorted(path.name for path in out.iterdir()) == ["neurons.csv", "scores.json", "scores.png"]
    report = ScoreReport.model_validate_json((out / "scores.json").read_text("utf-8"))
    with (out / "neurons.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["unit_id"]) for row in rows] == mice[0].unit_ids.tolist()
    measured = report.of().measure("single_trial_correlation")
    assert measured is not None
    assert np.mean([float(row["single_trial_correlation"]) for row in rows]) == pytest.approx(measured.value)
    assert (out / "scores.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_figure_of_each_format(
    run: Run, mice: tuple[Made, Made], tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # whose figures stay for ever, and open windows
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    before = _settings(matplotlib.rcParams)
    code, _, err = run(
        "evaluate", "runs/first", mice[0].store, "--figure", tmp_path / f"f.{suffix}", "--bootstrap", "0"
    )
    assert code == 0, err
    assert [path.name for path in tmp_path.iterdir()] == [f"f.{suffix}"]
    assert _settings(matplotlib.rcParams) == before


def _settings(held: Any) -> dict[str, object]:
    return {key: dict.__getitem__(held, key) for key in held}  # matplotlib's own way to look it up chooses a backend


# -- refusals


def test_a_withheld_tier(run: Run, mice: tuple[Made, Made], tmp_path: Path) -> None:
    words = ("evaluate", "runs/first", mice[0].store, "--tier", "live_test_main", "--out", tmp_path / "x.json")
    code, out, err = run(*words)
    assert (code, out) == (5, "")
    assert err.startswith(
        f"error[withheld]: {mice[0].key}, tier live_test_main: the responses of 5 trials are withheld"
    )
    assert "hint: tiers that can be scored" in err
    assert list(tmp_path.iterdir()) == []
    code, out, _ = run(*words, "--json")
    assert (code, json.loads(out)["error"]["code"]) == (5, "withheld")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--preset", "s23-sever"], 4, "did you mean `s23-server`"),
        (["--tier", "orcale"], 4, "did you mean `oracle`"),
        (["--figure", "scores.gif"], 2, "not written as `.gif`"),
        (["--bootstrap", "-1"], 2, "-1"),
        (["--existing", "keep"], 2, "keep"),
    ],
)
def test_words_that_mean_nothing(
    run: Run, mice: tuple[Made, Made], words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    got, out, err = run("evaluate", "runs/first", mice[0].store, *words)
    assert (got, out) == (code, "")
    assert said in err
    assert list(tmp_path.iterdir()) == []


def test_no_such_store(run: Run, tmp_path: Path) -> None:
    code, _, err = run("evaluate", "runs/first", tmp_path / "none.zarr")
    assert code == 4
    assert "none.zarr" in err


@pytest.mark.parametrize("what", ["scores.json", "folder"])
def test_what_is_there_is_kept_unless_it_is_to_be_replaced(
    run: Run, mice: tuple[Made, Made], tmp_path: Path, what: str
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    file = tmp_path / what if what.endswith("json") else tmp_path / what / "neurons.csv"
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine", "utf-8")
    words = ("evaluate", "runs/first", mice[0].store, "--out", tmp_path / what, "--bootstrap", "0")
    code, _, err = run(*words)
    assert code == 7
    assert "--existing replace" in err
    assert file.read_text("utf-8") == "mine"
    assert [path for path in file.parent.iterdir() if path != file] == []
    assert run(*words, "--existing", "replace")[0] == 0
    assert file.read_text("utf-8") != "mine"
    assert not list(tmp_path.rglob(".*"))


def test_a_place_that_cannot_be_written(run: Run, mice: tuple[Made, Made], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", "utf-8")
    code, out, err = run("evaluate", "runs/first", mice[0].store, "--out", tmp_path / "file" / "x.json")
    assert (code, out) == (6, "")
    assert "is a file, not a folder" in err


def test_a_full_disk_leaves_what_was_there(
    run: Run, mice: tuple[Made, Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "scores.json"
    file.write_text("before", "utf-8")

    def full(self: Path, *_: object) -> int:
        self.touch()
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(type(tmp_path), "write_text", full)
    code, _, err = run("evaluate", "runs/first", mice[0].store, "--out", file, "--existing", "replace")
    assert code == 6
    assert "the disk is full" in err
    assert [path.name for path in tmp_path.iterdir()] == ["scores.json"]
    assert file.read_bytes() == b"before"


def test_without_matplotlib(run: Run, mice: tuple[Made, Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = run("evaluate", "runs/first", mice[0].store, "--figure", tmp_path / "f.png", "--bootstrap", "0")
    assert code == 2
    assert "error[missing-extra]: figures need matplotlib" in err
    assert "hint: pip install 'sensorium-data[plot]'" in err
    code, _, err = run("evaluate", "runs/first", mice[0].store, "--out", tmp_path / "all", "--bootstrap", "0")
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["neurons.csv", "scores.json"]
    assert "no scores.png: figures need matplotlib" in err
