"""`sensorium-data submit`: a model's submission made and checked, foreign files looked at, exit codes as promised."""

from __future__ import annotations

import json
import sys
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sensorium_data import convert
from sensorium_data.cli.app import VERBS
from sensorium_data.evaluation.submissions.reading import read_submission
from sensorium_data.schemas.submission import SubmissionReport
from sensorium_data.testing import write_sensorium2023
from tests.evaluation.submitted import (
    FOLDERS,
    MAIN,
    NEW,
    STATIC,
    Mice,
    film_rows,
    made_once,
    predictions,
    trials,
    write_parquet,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sensorium_data.evaluation import TrialPrediction
    from sensorium_data.handle import SessionHandle

    Run = Callable[..., tuple[int, str, str]]

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def mice(tmp_path_factory: pytest.TempPathFactory) -> Mice:
    return made_once(tmp_path_factory)


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A zoo of one model; what it was asked."""
    asked: list[Any] = []
    monkeypatch.setitem(VERBS, "submit", "Write what a benchmark takes.")

    def load(name: object, weights: object) -> str:
        return f"{name} {weights}"

    def said(
        model: str, handles: Sequence[SessionHandle], *, tier: Sequence[str], batch_size: int, device: object
    ) -> Iterator[TrialPrediction]:
        asked.append((model, [handle.document.identity.key for handle in handles], list(tier), batch_size, device))
        return predictions(handles, tier, scaling="raw")

    for module, name, function in (("loading", "load", load), ("predicting", "predictions", said)):
        made = types.ModuleType(f"sensorium_data.zoo.{module}")
        setattr(made, name, function)
        monkeypatch.setitem(sys.modules, made.__name__, made)
    monkeypatch.setitem(sys.modules, "sensorium_data.zoo", types.ModuleType("sensorium_data.zoo"))
    return asked


def test_a_track_is_made_and_checked(run: Run, mice: Mice, zoo: list[Any], tmp_path: Path) -> None:
    stores, target = [mouse.where for mouse in mice.films], tmp_path / "main.zip"
    code, out, err = run("submit", "runs/first", *stores, "--track", "main", "--out", target, "--batch-size", 3)
    assert code == 0, err
    assert zoo == [("runs/first None", [NEW, "29156-11-10"], list(MAIN), 3, None)]
    assert f"written  {target}: " in out
    assert "warning  predictions_live_main.parquet.brotli: 29156-11-10: not among the mice that are scored" in out
    assert f"again at any time: sensorium-data submit --check {target} " in out
    assert err.startswith("predict ")
    assert len(list(read_submission(target, mice.films))) == sum(
        len(trials(mouse, tier)) for mouse in mice.films for tier in MAIN
    )
    code, out, err = run("submit", "--check", target, *stores)
    assert code == 0, err
    assert "sound, but not what the server would take or score" in out
    assert run("submit", "--check", target, *stores, "--strict")[0] == 5


def test_images_and_single_tiers(run: Run, mice: Mice, zoo: list[Any], tmp_path: Path) -> None:
    code, out, err = run("submit", "m", mice.images.where, "--track", "2022", "--out", tmp_path / "S1.zip")
    assert code == 0, err
    assert out.splitlines()[-1].startswith("checked  sound; again")
    assert run("submit", "--check", tmp_path / "S1.zip", mice.images.where, "--strict")[0] == 0
    code, out, err = run("submit", "m", mice.old.where, "--tier", "oracle", "--out", tmp_path / "o.parquet")
    assert code == 0, err
    assert [each[2] for each in zoo] == [list(STATIC), ["oracle"]]


def test_a_dry_run_asks_no_model_and_writes_nothing(run: Run, mice: Mice, zoo: list[Any], tmp_path: Path) -> None:
    words = ["submit", "m", mice.new.where, "--track", "main", "--out", tmp_path / "main.zip", "--dry-run"]
    code, out, _ = run(*words)
    assert (code, zoo, list(tmp_path.iterdir())) == (0, [], [])
    assert f"would write {tmp_path / 'main.zip'}: 270 numbers, at most about 1.1 kB" in out
    code, out, _ = run(*words, "--json")
    report = SubmissionReport.model_validate_json(out)
    assert (code, report.status, report.window, report.track) == (0, "planned", "s23-server", "main")


def test_json_of_making_and_checking(run: Run, mice: Mice, zoo: list[Any], tmp_path: Path) -> None:
    target = tmp_path / "main.zip"
    code, out, _ = run("submit", "m", mice.new.where, "--track", "main", "--out", target, "--json")
    made = SubmissionReport.model_validate_json(out)
    assert (code, made.status, made.n_bytes) == (0, "written", target.stat().st_size)
    code, out, err = run("submit", "--check", target, mice.new.where, "--json")
    checked = SubmissionReport.model_validate_json(out)
    assert (code, checked.findings, err) == (0, made.findings, "")


def test_faults_end_with_5(run: Run, mice: Mice, zoo: list[Any], tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "predictions_live_main.parquet.brotli", film_rows(mice.new)[1:])
    code, out, _ = run("submit", "--check", path, mice.new.where)
    assert code == 5
    assert f"error    {path.name}, {NEW}: 1 of 3 trials lack: " in out
    assert "[trials-missing]" in out
    assert out.splitlines()[-1].endswith("wrong: 1 error")
    assert zoo == []


def test_predictions_that_make_no_submission_end_with_5(
    run: Run, mice: Mice, zoo: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def few(_: str, handles: Sequence[SessionHandle], **options: Any) -> Iterator[TrialPrediction]:
        return predictions(handles, options["tier"][:1])

    monkeypatch.setattr(sys.modules["sensorium_data.zoo.predicting"], "predictions", few)
    code, _, err = run("submit", "m", mice.new.where, "--track", "main", "--out", tmp_path / "main.zip")
    assert code == 5
    assert "error[bad-predictions]: main.zip was not written: 1 problem" in err
    assert f"{NEW}, tier final_test_main: 3 trials not predicted" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["m", "STORE", "--out", "x.zip"], 2, "for --track or --tier"),
        (["m", "STORE", "--track", "main"], 2, "into the file that --out names"),
        (["m", "--track", "main", "--out", "x.zip"], 2, "is made of stores"),
        (["m", "STORE", "--track", "main", "--tier", "oracle", "--out", "x.zip"], 2, "for --track or --tier"),
        (["m", "STORE", "--track", "main", "--out", "x.zip", "--strict"], 2, "--strict goes with --check"),
        (["m", "STORE", "--track", "main", "--out", "x.parquet"], 2, "ends with .zip"),
        (["m", "STORE", "--tier", "orcale", "--out", "x"], 2, "did you mean `oracle`?"),
        (["--check", "x.zip", "--out", "y.zip"], 2, "--out does not go with it"),
        (["--check", "x.zip", "--dry-run"], 2, "--dry-run does not go with it"),
        (["--check", "not-there.zip"], 4, "not-there.zip: no such file"),
        (["m", "not-there.zarr", "--track", "main", "--out", "x.zip"], 4, "not-there.zarr"),
        (["m", "STORE", "--track", "main", "--out", "there.zip"], 7, "exists already"),
    ],
)
def test_wrong_command_lines(
    run: Run, mice: Mice, zoo: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, said: str
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.zip").write_text("")
    ended, out, err = run("submit", *(mice.new.where if word == "STORE" else word for word in words))
    assert (ended, out) == (code, "")
    assert said in err
    assert zoo == []
    assert [each.name for each in tmp_path.iterdir()] == ["there.zip"]


def test_errors_as_json(run: Run, zoo: list[Any]) -> None:
    code, out, _ = run("submit", "--check", "not-there.zip", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (4, "no-such-file")


def test_a_package_that_is_missing_is_named(
    run: Run, mice: Mice, zoo: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(tmp_path / "live.parquet", film_rows(mice.new))
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.setitem(sys.modules, name, None)
    code, _, err = run("submit", "--check", path)
    assert code == 2
    assert "error[missing-extra]: submissions of films need pyarrow" in err
    assert "hint: pip install 'sensorium-data[submit]'" in err


def test_a_checkpoint_of_the_zoo_is_submitted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way once: a model that was saved, its predictions, the zip, and the same numbers read back."""
    pytest.importorskip("torch")
    from sensorium_data.loaders import WindowDataset
    from sensorium_data.zoo.checkpoints import save_pretrained
    from sensorium_data.zoo.facts import normalisation_of, session_facts
    from sensorium_data.zoo.predicting import predictions as predicted
    from sensorium_data.zoo.registry import build

    monkeypatch.setitem(VERBS, "submit", "Write what a benchmark takes.")
    lengths = dict.fromkeys(("NaturalVideo", "PinkNoise", "GaussianDot", "RandomDots"), 56)
    made = write_sensorium2023(tmp_path, name=FOLDERS[NEW], n_neurons=3, n_train=2, n_repeats=1, lengths=lengths)
    store = tmp_path / "F.zarr"
    convert(made, store)
    streams = WindowDataset(store, window=20).streams
    units = normalisation_of(streams)
    model = build("ln3d", session_facts(streams, units), normalisation=units)
    save_pretrained(model, tmp_path / "model")
    target = tmp_path / "main.zip"
    code, _, err = run("submit", tmp_path / "model", store, "--track", "main", "--out", target)
    assert code == 0, err
    wanted = {each.trial_id: each for each in predicted(model.eval(), store, tier=list(MAIN))}
    found = list(read_submission(target, store))
    assert {each.trial_id for each in found} == wanted.keys()
    for each in found:
        made_of = wanted[each.trial_id]
        np.testing.assert_allclose(each.values, made_of.values[50 - made_of.first_frame : -1], rtol=1e-5)
