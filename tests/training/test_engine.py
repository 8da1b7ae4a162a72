"""Training as a whole: it learns, it adds up what was published, it is the same every time, and it stops in good order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from sensorium_data.errors import BadArgument, DataInvalid, Interrupted, NoSuchItem, NotFound, TargetExists
from sensorium_data.evaluation.correlations import correlation
from sensorium_data.zoo.registry import build
from sensorium_data.zoo.training.distributed import Group
from sensorium_data.zoo.training.engine import train
from sensorium_data.zoo.training.feeding import feed, predicted
from sensorium_data.zoo.training.loss import loss_of, loss_scale
from sensorium_data.zoo.training.material import material_of
from sensorium_data.zoo.training.seeds import seed_batch
from sensorium_data.zoo.training.steps import Steps, Tally
from sensorium_data.zoo.training.validation import Validation
from tests.training.small import Folder, small

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sensorium_data.progress import Progress
    from sensorium_data.zoo import Model

ALONE = Group(0, 1, torch.device("cpu"))


def numbers(result: Any) -> list[Any]:
    return [row.numbers() for row in result.history]


def weights(model: Model) -> list[torch.Tensor]:
    return [one.detach().clone() for one in model.state_dict().values()]


def test_the_loss_falls_and_the_best_model_is_given_back(mice: list[Path]) -> None:
    told: list[Progress] = []
    result = train(small(schedule={"max_epochs": 4}), mice, report=told.append)
    losses = [row.train_loss for row in result.history[1:]]
    assert losses[-1] is not None
    assert losses[0] is not None
    assert losses[-1] < losses[0]
    assert [row.epoch for row in result.history] == [0, 1, 2, 3, 4]
    assert result.ended_by == "max_epochs"
    scores = [row.validation_score for row in result.history]
    assert result.best_score == scores[result.best_epoch] == max(scores)
    assert not result.model.training
    recipe = small()
    again = Validation(recipe, material_of(recipe, mice).sessions, ALONE).score(result.model)
    assert again == result.best_score
    assert [one.text for one in told if one.unit == "epoch"][-1].startswith("epoch 4: loss")
    # `longest`: three batches of each mouse, one of each to a step
    assert [(row.n_steps, row.n_windows) for row in result.history] == [(0, 0)] + [(3, 12)] * 4


def test_the_same_seed_gives_the_same_numbers_whatever_the_global_generator_holds(mice: list[Path]) -> None:
    torch.manual_seed(1)
    one = train(small(), mice)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    other = train(small(), mice)
    assert torch.equal(torch.get_rng_state(), before)
    assert numbers(one) == numbers(other)
    assert all(map(torch.equal, weights(one.model), weights(other.model)))
    assert numbers(train(small(seed=1), mice)) != numbers(one)


def test_a_step_is_the_sum_over_sessions(mice: list[Path]) -> None:
    recipe = small()
    material = material_of(recipe, mice)
    made = [
        build("ln3d", material.facts, recipe.model.config, seed=0, normalisation=material.normalisation)
        for _ in range(2)
    ]
    steps = Steps(recipe, material, made[0], ALONE)
    seen: list[list[torch.Tensor | None]] = []
    steps.precision.step = lambda *_: seen.append([one.grad for one in made[0].parameters()])  # type: ignore[method-assign]  # looked at, not made
    next(steps.of_epoch(1, 0.01, tally := Tally(), lambda: False))
    batches = iter(material_of(recipe, mice).loader)
    for place in range(2):
        batch = next(batches)
        fed = feed(made[1], batch, missing="fill")
        seed_batch(recipe.seed, 1, place)
        n_all, n_tier = material.n_trials[fed.session]
        scale = loss_scale(recipe.loss, 2, n_all=n_all, n_tier=n_tier)
        loss = loss_of(recipe.loss, predicted(made[1], fed), fed.responses, fed.valid, scale)
        (loss.objective + made[1].regularizer(fed.session)).backward()  # type: ignore[no-untyped-call]  # torch's own
    assert {tally.n_batches, tally.n_windows} == {2, 4}
    for one, wanted in zip(seen[0], made[1].parameters(), strict=True):
        assert one is not None
        torch.testing.assert_close(one, wanted.grad)


def test_an_own_number_of_batches_to_a_step(mice: list[Path]) -> None:
    result = train(small(accumulate=4, schedule={"max_epochs": 1}), mice)
    assert result.history[1].n_steps == 2  # of six batches, four and two


def test_the_score_is_the_correlation_of_whole_trials(mice: list[Path]) -> None:
    recipe = small()
    material = material_of(recipe, mice)
    model = build("ln3d", material.facts, recipe.model.config, normalisation=material.normalisation)
    validation = Validation(recipe, material.sessions, ALONE)
    pairs: dict[str, list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]] = {}
    model.eval()
    for item in validation._dataset:
        batch: dict[str, Any] = {name: value[None] for name, value in item.items() if isinstance(value, torch.Tensor)}
        batch |= {"mask": {name: mask[None] for name, mask in item["mask"].items()}, "session": item["session"]}
        batch |= {name: torch.tensor([item[name]]) for name in ("trial_id", "start_frame")}
        fed = feed(model, batch, missing="fill")
        assert fed.responses.shape[1] == len(item["video"]) - 2
        with torch.no_grad():
            made = predicted(model, fed)
        pairs.setdefault(item["session"], []).append((fed.responses[0].numpy(), made[0].numpy()))
    each = [correlation(*(np.concatenate(side) for side in zip(*of, strict=True))) for of in pairs.values()]
    assert len(each) == 2
    assert validation.score(model) == pytest.approx(np.concatenate(each).mean(), abs=1e-6)
    by_three = small(validation={"batch_size": 3})
    assert Validation(by_three, material.sessions, ALONE).score(model) == pytest.approx(
        validation.score(model), abs=1e-5
    )


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_close(mice: list[Path], precision: str) -> None:
    whole, half = train(small(), mice), train(small(precision=precision), mice)
    assert all(one.dtype == torch.float32 for one in half.model.parameters())
    assert numbers(half) != numbers(whole)
    assert half.history[1].train_loss == pytest.approx(whole.history[1].train_loss, rel=0.05)


def test_images_are_trained_on_as_well(pictures: Path) -> None:
    from sensorium_data.zoo.training.recipes import load_recipe

    demo = load_recipe("demo-ln").model_dump()
    demo["data"] |= {"step": 1}
    result = train(small(demo, n_threads=1, schedule={"max_epochs": 2}), pictures)
    assert result.model.modality == "static"
    losses = [row.train_loss for row in result.history[1:]]
    assert None not in losses
    assert losses[1] < losses[0]  # type: ignore[operator]  # none is None


def test_own_rates_are_for_fitted_numbers(mice: list[Path]) -> None:
    with pytest.raises(BadArgument, match="published statistics are for frames at 30 Hz, not at 15 Hz"):
        train(small(data={"rate_hz": 15.0}), mice)
    result = train(small(data={"rate_hz": 15.0, "normalisation": "fitted"}, schedule={"max_epochs": 1}), mice)
    assert result.model.normalisation.scaling == "per_neuron"


@pytest.mark.parametrize("missing", ["fill", "skip", "raise"])
def test_what_is_missing_is_filled_left_out_or_refused(mice: list[Path], missing: str) -> None:
    recipe = small(data={"missing": missing, "window": 29}, schedule={"max_epochs": 1})
    if missing == "raise":
        with pytest.raises(DataInvalid, match="inputs are missing"):
            train(recipe, mice[0])
    else:
        n_windows = train(recipe, mice[0]).history[1].n_windows
        assert (n_windows == 6) == (missing == "fill")


def test_the_loss_that_is_no_number_ends_training(
    mice: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sensorium_data.zoo.ln3d import Ln3d
    from sensorium_data.zoo.training.state import load_state

    run, calls = Folder(tmp_path), iter(range(1000))
    forward = Ln3d.forward

    def poisoned(self: Ln3d, stimulus: torch.Tensor, **given: Any) -> torch.Tensor:
        made = forward(self, stimulus, **given)
        return made * float("nan") if self.training and next(calls) == 9 else made  # the second epoch's second step

    monkeypatch.setattr(Ln3d, "forward", poisoned)
    with pytest.raises(DataInvalid, match=r"not finite: epoch 2, step 2, session 29156-11-10") as refused:
        train(small(schedule={"max_epochs": 4}), mice, run=run)
    assert "learning_rate" in refused.value.hint
    parts, plain = load_state(run.state / "training.safetensors")
    assert plain["schedule"]["epoch"] == 1
    assert all(tensor.isfinite().all() for tensor in parts["model"].values())
    assert [row.epoch for row in run.rows] == [0, 1]
    monkeypatch.undo()
    assert train(small(schedule={"max_epochs": 4}), mice, run=run, resume=True).history[-1].epoch == 4


def test_weights_that_are_no_numbers_are_not_kept(mice: list[Path], tmp_path: Path) -> None:
    run = Folder(tmp_path)
    with pytest.raises(DataInvalid, match="not finite"):
        train(small(optimiser={"learning_rate": 1e30}, schedule={"max_epochs": 4}), mice, run=run)
    from sensorium_data.zoo.training.state import load_state

    parts, _ = load_state(run.state / "training.safetensors")
    assert all(tensor.isfinite().all() for tensor in parts["model"].values())


def test_it_stops_between_two_steps_and_goes_on(mice: list[Path], tmp_path: Path) -> None:
    recipe, wanted = small(), train(small(), mice)
    run, asked = Folder(tmp_path), iter(range(1000))
    with pytest.raises(Interrupted, match="epoch 2, after step 1"):
        train(recipe, mice, run=run, stop=lambda: next(asked) == 3)
    with pytest.raises(TargetExists):
        train(recipe, mice, run=run)
    result = train(recipe, mice, run=run, resume=True)
    assert numbers(result) == numbers(wanted)
    assert run.best is not None
    assert (run.best.epoch, run.best.score) == (wanted.best_epoch, wanted.best_score)


def test_what_does_not_fit_together_is_said(mice: list[Path], pictures: Path) -> None:
    with pytest.raises(BadArgument, match="model of films, the sessions hold images") as refused:
        train(small(data={"window": None}, validation={"tier": "validation"}), pictures)
    assert refused.value.code == "model-modality"
    with pytest.raises(
        BadArgument, match=r"a window of 2 frames is 1 fewer than the 3 that one answer of `ln3d` rests on"
    ):
        train(small(data={"window": 2}), mice)
    with pytest.raises(BadArgument) as refused:
        train(small(validation={"tier": "live_test_main"}), mice)
    assert refused.value.code == "responses-withheld"
    assert "nothing to validate on" in refused.value.problems[0].what
    with pytest.raises(NotFound, match="orcale"):
        train(small(validation={"tier": "orcale"}), mice)
    with pytest.raises(BadArgument, match="no model `ln3`"):
        train(small(model={"name": "ln3"}), mice)
    with pytest.raises(BadArgument, match="device"):
        train(small(), mice, device="gpu")
    with pytest.raises(NoSuchItem, match="s23-haed"):
        train(small(validation={"preset": "s23-haed"}), mice)
    with pytest.raises(BadArgument, match="`s23-head` is of official responses, the recipe trains in per_neuron ones"):
        train(small(data={"normalisation": "fitted"}, validation={"preset": "s23-head"}), mice)
    with pytest.raises(BadArgument, match="`per-trial` correlates each trial for itself"):
        train(small(validation={"preset": "per-trial"}), mice)
    with pytest.raises(BadArgument, match="no sample of tier `oracle` counts"):  # trials of 30 frames, 50 are skipped
        train(small(validation={"preset": "s23-head"}), mice)


def test_waiting_is_measured(mice: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from sensorium_data.zoo.training import steps

    clock = iter(range(10**6))
    monkeypatch.setattr(steps, "perf_counter", lambda: float(next(clock)))
    row = train(small(schedule={"max_epochs": 1}), mice).history[1]
    # Every look at the clock is a second: two looks for each batch and the end of batches, one second each.
    assert row.wait_s == 7
    assert 0 < row.wait_share < 1


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before
