"""The schedule against the published one, which is early stopping and torch's ReduceLROnPlateau side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import DataInvalid
from sensorium_data.schemas.recipe import SchedulePart
from sensorium_data.zoo.training.schedule import PlateauSchedule

if TYPE_CHECKING:
    from collections.abc import Iterator

SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.1000005, 0.2, 0.3, 0.300002, -0.1]), min_size=60, max_size=60)
PARTS = st.builds(
    SchedulePart,
    max_epochs=st.integers(1, 40),
    patience=st.integers(1, 5),
    n_rounds=st.integers(1, 4),
    tolerance=st.sampled_from([0.0, 1e-6]),
    decay=st.just(0.3),
    min_learning_rate=st.sampled_from([0.0, 1e-4, 2e-3]),
    decay_at=st.sampled_from(["restore", "published"]),
)


def by_hand(part: SchedulePart, scores: Iterator[float]) -> Iterator[tuple[str, float, Any]]:
    """Yield what happens in the order of formats page 6.1: ("epoch", rate), ("best", epoch), ("restore", epoch)."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, mode="max", factor=part.decay, patience=part.patience, threshold=part.tolerance,
        min_lr=part.min_learning_rate, threshold_mode="abs",
    )  # fmt: skip
    best, epoch = next(scores), 0
    for n_round in range(part.n_rounds):
        n_worse = 0
        while n_worse < part.patience and epoch < part.max_epochs:
            epoch += 1
            yield "epoch", optimiser.param_groups[0]["lr"], epoch
            score = next(scores)
            if part.decay_at == "published":
                plateau.step(score)
            if score > best + part.tolerance:
                best, n_worse = score, 0
                yield "best", score, epoch
            else:
                n_worse += 1
        if n_worse >= part.patience:
            yield "restore", best, epoch
            last = n_round == part.n_rounds - 1
            if part.decay_at == "restore" and not last:
                group = optimiser.param_groups[0]
                group["lr"] = max(group["lr"] * part.decay, part.min_learning_rate)


def told(part: SchedulePart, scores: Iterator[float]) -> Iterator[tuple[str, float, Any]]:
    schedule = PlateauSchedule(part, 0.01)
    schedule.begin(next(scores))
    while not schedule.done:
        yield "epoch", schedule.learning_rate, schedule.epoch + 1
        rounds = schedule.state_dict()["n_rounds"]
        verdict = schedule.judge(next(scores))
        if verdict.is_best:
            assert schedule.best is not None
            yield "best", schedule.best, schedule.best_epoch
        if schedule.state_dict()["n_rounds"] > rounds:
            assert verdict.restore
            assert schedule.best is not None
            yield "restore", schedule.best, schedule.epoch
        assert verdict.done == schedule.done
        assert verdict.restore or not verdict.done


@settings(deadline=None)
@given(PARTS, SCORES)
def test_it_does_what_the_published_loop_does(part: SchedulePart, scores: list[float]) -> None:
    wanted = list(by_hand(part, iter(scores)))
    made = list(told(part, iter(scores)))
    assert [(what, epoch) for what, _, epoch in made] == [(what, epoch) for what, _, epoch in wanted]
    assert [number for _, number, _ in made] == pytest.approx([number for _, number, _ in wanted], rel=1e-12)


@settings(deadline=None)
@given(PARTS, SCORES, st.integers(0, 30))
def test_it_goes_on_from_its_state(part: SchedulePart, scores: list[float], n: int) -> None:
    one, other = PlateauSchedule(part, 0.01), PlateauSchedule(part, 0.01)
    one.begin(scores[0])
    for score in scores[1 : n + 1]:
        one.judge(score)
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    for score in scores[n + 1 :]:
        assert other.judge(score) == one.judge(score)
        assert other.learning_rate == one.learning_rate


def test_published_rates_fall_an_epoch_after_the_best_state_was_restored() -> None:
    part = SchedulePart(patience=2, n_rounds=3, decay_at="published")
    schedule = PlateauSchedule(part, 0.01)
    schedule.begin(0.0)
    rates = []
    for score in (0.1, 0.0, 0.0, 0.0, 0.0, 0.0):  # restored after the third and the fifth
        schedule.judge(score)
        rates.append(round(schedule.learning_rate, 6))
    assert rates == [0.01, 0.01, 0.01, 0.003, 0.003, 0.003]


def test_a_state_of_something_else_is_refused() -> None:
    with pytest.raises(DataInvalid, match="state of a schedule"):
        PlateauSchedule(SchedulePart(), 0.01).load_state_dict({"epoch": 1})
