"""The loss against its definition, and that what is masked never enters it."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.errors import DataInvalid
from sensorium_data.loaders import make_loader
from sensorium_data.schemas.recipe import LossPart
from sensorium_data.zoo.registry import build
from sensorium_data.zoo.training.feeding import feed, predicted
from sensorium_data.zoo.training.loss import loss_of, loss_scale
from sensorium_data.zoo.training.material import material_of
from tests.training.small import small

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.zoo.contract import Model

POISON = st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e30, -5.0])


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), POISON, st.sampled_from(["sum", "mean"]))
def test_it_is_the_poisson_loss_of_the_valid_responses(seed: int, poison: float, reduction: str) -> None:
    rng = np.random.default_rng(seed)
    rates, counts, valid = (
        rng.uniform(0.01, 5, (2, 4, 3)),
        rng.poisson(2, (2, 4, 3)).astype(float),
        rng.random((2, 4, 3)) > 0.4,
    )
    wanted = float((rates - counts * np.log(rates + 1e-8))[valid].sum())
    n = int(valid.sum())
    predictions = torch.tensor(rates, dtype=torch.float32, requires_grad=True)
    poisoned = torch.tensor(np.where(valid, counts, poison), dtype=torch.float32)
    part = LossPart.model_validate({"reduction": reduction})
    loss = loss_of(part, predictions, poisoned, torch.tensor(valid), scale=3.0)
    assert loss.total.item() == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    assert loss.n_valid.item() == n
    assert loss.objective.item() == pytest.approx(
        3 * (wanted if reduction == "sum" else wanted / max(1, n)), rel=1e-4, abs=1e-4
    )
    loss.objective.backward()  # type: ignore[no-untyped-call]  # torch's own
    assert predictions.grad is not None
    assert predictions.grad.isfinite().all()
    assert not predictions.grad[torch.tensor(~valid)].any()


def test_the_published_scale_counts_the_trials_of_all_tiers(mice: list[Path]) -> None:
    material = material_of(small(), mice)
    for (key, found), store, n_train in zip(material.n_trials.items(), mice, (6, 4), strict=True):
        trials = sd.open_session(store).trials
        n_all = int((~trials["missing"].values).sum())
        assert n_all > n_train
        assert found == (n_all, n_train), key
        scales = [
            loss_scale(LossPart.model_validate({"scale_by": by}), 2, n_all=n_all, n_tier=n_train)
            for by in ("all-tiers", "tier", "none")
        ]
        assert scales == [sqrt(n_all / 2), sqrt(n_train / 2), 1.0]


@pytest.fixture(scope="module")
def model(mice: list[Path]) -> Model:
    material = material_of(small(), mice)
    return build("ln3d", material.facts, small().model.config, normalisation=material.normalisation)


def test_padding_does_not_count_and_changes_nothing_before_it(mice: list[Path], model: Model) -> None:
    batch = next(iter(make_loader(mice[1], window=20, batch_size=2, tier="train", n_threads=0)))
    n_valid = 15
    for name, mask in batch["mask"].items():
        mask[1, n_valid:] = False
        batch[name][1, n_valid:] = float("nan") if batch[name].is_floating_point() else 255
    fed = feed(model, batch, missing="fill")
    assert not fed.valid[1, n_valid - model.n_lost_frames :].any()
    assert fed.valid[1, : n_valid - model.n_lost_frames].all()
    assert fed.valid[0].all()
    model.eval()
    made = predicted(model, fed)
    loss = loss_of(LossPart(), made, fed.responses, fed.valid)
    assert loss.objective.isfinite()
    short: dict[str, Any] = {
        name: value[1:, :n_valid] for name, value in batch.items() if isinstance(value, torch.Tensor) and value.ndim > 1
    }
    short |= {"mask": {name: mask[1:, :n_valid] for name, mask in batch["mask"].items()}}
    short |= {name: batch[name][1:] for name in ("trial_id", "start_frame")} | {"session": batch["session"]}
    alone = feed(model, short, missing="fill")
    torch.testing.assert_close(predicted(model, alone)[0], made[1, : n_valid - model.n_lost_frames])
    model.train()


def test_responses_stand_beside_the_last_frames_in_the_units_of_the_model(mice: list[Path], model: Model) -> None:
    batch = next(iter(make_loader(mice[1], window=9, batch_size=3, tier="train", n_threads=0)))
    fed = feed(model, batch, missing="fill")
    whole = model.normalisation.responses(batch["session"], batch["responses"], first_frame=batch["start_frame"])
    assert model.n_lost_frames == 2
    torch.testing.assert_close(fed.responses, whole[:, 2:])
    assert fed.n_windows == 3


def test_frames_without_published_statistics_do_not_count(mice: list[Path], model: Model) -> None:
    batch = next(iter(make_loader(mice[1], window=9, batch_size=2, tier="train", n_threads=0)))
    n_known = model.normalisation.tables[batch["session"]].get_submodule("responses").get_buffer("gain").shape[0]
    batch["start_frame"] = torch.tensor([0, n_known - 5])
    fed = feed(model, batch, missing="fill")
    assert fed.valid[0].all()
    assert fed.valid[1].all(dim=-1).tolist() == [True] * 3 + [False] * 4


def test_missing_behaviour_is_refused_by_trial(mice: list[Path], model: Model) -> None:
    batch = next(iter(make_loader(mice[1], window=9, batch_size=2, tier="train", n_threads=0)))
    batch["mask"]["pupil"][1, 3:5] = False
    with pytest.raises(DataInvalid) as refused:
        feed(model, batch, missing="raise")
    assert [problem.what for problem in refused.value.problems] == ["2 samples of `pupil` are missing"]
    assert f"trial {int(batch['trial_id'][1])}" in refused.value.problems[0].where
    assert "fill" in refused.value.hint
    assert feed(model, batch, missing="fill").valid.all()
    assert feed(model, batch, missing="skip").valid.flatten(1).all(dim=1).tolist() == [True, False]
