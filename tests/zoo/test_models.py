"""What holds of every model: what it answers, what is sampled, what is shared, what is reproducible."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from sensorium_data.errors import BadArgument
from sensorium_data.zoo.registry import models
from tests.zoo.small_models import FILMS, FRAMES, N_LOST, SMALL, facts, inputs, model_of, settle

every = pytest.mark.parametrize("name", models())


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_all_are_tried_here() -> None:
    assert set(SMALL) == set(models())


@every
def test_it_answers_for_each_neuron_and_never_below_zero(name: str) -> None:
    model = settle(model_of(name))
    assert model.n_lost_frames == N_LOST[name]
    answer = model.predict(*inputs(name), session="a")
    assert answer.shape == ((3, FRAMES - N_LOST[name], 6) if name in FILMS else (3, 6))
    assert answer.dtype == torch.float32
    assert answer.min() >= 0
    assert answer.std() > 0
    loud = model.predict(inputs(name)[0] * 1e4, *inputs(name)[1:], session="a")
    assert loud.isfinite().all()
    assert loud.min() >= 0


@every
def test_answers_are_fixed_but_in_training(name: str) -> None:
    model = model_of(name)
    model.train()
    first, second = (model.predict(*inputs(name), session="a") for _ in range(2))
    assert torch.equal(first, second)
    assert model.training
    for part in model.modules():  # so that batch norm is not what differs
        if isinstance(part, (torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)):
            part.eval()
    stimulus, behavior, pupil = inputs(name)
    seen = stimulus[:, None] if name in FILMS else stimulus
    drawn = [model(seen, behavior=behavior, pupil_center=pupil, session="a") for _ in range(2)]
    assert not torch.equal(*drawn)


@every
def test_samples_of_a_batch_do_not_meet(name: str) -> None:
    model = settle(model_of(name))
    together = model.predict(*inputs(name), session="a")
    for one in range(3):
        alone = model.predict(*(each[one : one + 1] for each in inputs(name)), session="a")
        torch.testing.assert_close(together[one : one + 1], alone)


@every
@pytest.mark.parametrize("positions", ["cortex", "free"])
def test_gradients_reach_every_parameter(name: str, positions: str) -> None:
    model = model_of(name, positions=positions, feature_l1=0.1)
    stimulus, behavior, pupil = inputs(name)
    seen = stimulus[:, None] if name in FILMS else stimulus
    answer = model(seen, behavior=behavior, pupil_center=pupil, session="a")
    # Squares, for after a batch norm the gradient of a sum is zero.
    (answer.square().sum() + model.regularizer("a")).backward()
    for part, one in model.named_parameters():
        assert one.grad is not None, part
        assert one.grad.isfinite().all(), part
        if not (part.startswith("core.") and part.endswith((".spatial.bias", ".temporal.bias"))):
            assert one.grad.abs().sum() > 0, part  # those biases the batch norm takes out again


@every
def test_a_seed_makes_the_same_model_and_leaves_random_numbers_alone(name: str) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (model_of(name, facts("a"), facts("b", 4), seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.rand(3), wanted)
    ours, same, different = (each.state_dict() for each in (first, again, other))
    assert all(torch.equal(ours[key], same[key]) for key in ours)
    assert any(not torch.equal(ours[key], different[key]) for key in ours)


@every
def test_sessions_share_the_core_and_nothing_else(name: str) -> None:
    model = settle(model_of(name, facts("a", 6), facts("b", 4)))
    before = model.predict(*inputs(name), session="a")
    assert model.predict(*inputs(name), session="b").shape[-1] == 4
    with torch.no_grad():
        for key, one in model.named_parameters():
            if ".b." in key:
                one.add_(1)
    assert torch.equal(model.predict(*inputs(name), session="a"), before)
    with torch.no_grad():
        next(model.core.parameters()).mul_(-1)  # type: ignore[union-attr]  # every model has a core
    assert not torch.equal(model.predict(*inputs(name), session="a"), before)


@every
def test_behaviour_and_pupil_change_answers_where_they_are_used(name: str) -> None:
    stimulus, behavior, pupil = inputs(name)
    model = settle(model_of(name))
    answer = model.predict(stimulus, behavior, pupil, session="a")
    assert not torch.equal(model.predict(stimulus, behavior + 1, pupil, session="a"), answer)
    assert not torch.equal(model.predict(stimulus, behavior, pupil + 1, session="a"), answer)
    without = model_of(name, behavior=False, shifter=False)
    assert without.n_parameters()["shifters"] == 0
    torch.testing.assert_close(
        without.predict(stimulus, session="a"), without.predict(stimulus, behavior, pupil, session="a")
    )
    with pytest.raises(BadArgument) as raised:
        model.predict(stimulus, session="a")
    assert raised.value.code == "input-missing"


@every
def test_it_is_copied_and_put_back_from_its_state(name: str) -> None:
    model = settle(model_of(name, facts("mouse.a")))
    other = model_of(name, facts("mouse.a"), seed=9)
    other.load_state_dict(model.state_dict())
    wanted = model.predict(*inputs(name), session="mouse.a")
    assert torch.equal(other.predict(*inputs(name), session="mouse.a"), wanted)
    assert torch.equal(deepcopy(model).predict(*inputs(name), session="mouse.a"), wanted)


@every
def test_sessions_may_differ_in_the_size_of_images(name: str) -> None:
    model = model_of(name, facts("a"), replace(facts("b"), image_shape=(1, 24, 24)))
    stimulus, behavior, pupil = inputs(name)
    assert model.predict(stimulus, behavior, pupil, session="a").shape[-1] == 6
    larger = functional.pad(stimulus, (1, 1, 3, 3))
    assert model.predict(larger, behavior, pupil, session="b").shape[-1] == 6
    with pytest.raises(BadArgument, match="has shape"):
        model.predict(larger, behavior, pupil, session="a")
