"""The readout against interpolation written out, and its positions against their definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.zoo import SessionFacts, readouts
from sensorium_data.zoo.readouts import GaussianReadout, in_cortex

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def facts(n: int = 6, **more: Any) -> SessionFacts:
    places = np.random.default_rng(n).uniform(0, 600, size=(n, 3))
    return SessionFacts("a", np.arange(n) + 1, (1, 36, 64), **{"coordinates": places, **more})


def free(n: int, at: NDArray[np.float64], n_channels: int = 3) -> GaussianReadout:
    made = GaussianReadout(facts(n), n_channels, init_sigma=0.3, positions="free").double()
    assert made.position is not None
    with torch.no_grad():
        made.position.copy_(torch.from_numpy(at))
        made.features.normal_()
        made.bias.normal_()
    return made


def interpolated(image: NDArray[np.float64], x: float, y: float) -> NDArray[np.float64]:
    """Return the features of an image (channel, y, x) at a place in map units, zeros around it."""
    n_y, n_x = image.shape[1:]
    column, row = (x + 1) / 2 * (n_x - 1), (y + 1) / 2 * (n_y - 1)
    found = np.zeros(len(image))
    for i in (int(np.floor(row)), int(np.floor(row)) + 1):
        for j in (int(np.floor(column)), int(np.floor(column)) + 1):
            if 0 <= i < n_y and 0 <= j < n_x:
                found += max(0, 1 - abs(row - i)) * max(0, 1 - abs(column - j)) * image[:, i, j]
    return found


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(2, 7), st.booleans())
def test_neurons_read_what_is_interpolated_at_their_position(seed: int, n_y: int, n_x: int, shifted: bool) -> None:
    rng = np.random.default_rng(seed)
    at, image, shift = rng.uniform(-1, 1, (5, 2)), rng.normal(size=(2, 3, n_y, n_x)), rng.uniform(-0.9, 0.9, (2, 2))
    readout = free(5, at).eval()
    made = readout(torch.from_numpy(image), torch.from_numpy(shift) if shifted else None)
    weights, bias = readout.features.detach().numpy(), readout.bias.detach().numpy()
    for sample in range(2):
        for neuron in range(5):
            x, y = at[neuron] + (shift[sample] if shifted else 0)
            wanted = interpolated(image[sample], x, y) @ weights[:, neuron] + bias[neuron]
            assert made[sample, neuron].item() == pytest.approx(wanted, abs=1e-9)


def test_positions_come_from_cortex_by_two_layers() -> None:
    readout = GaussianReadout(facts(), 3, init_sigma=0.1).eval()
    w1, b1, w2, b2 = (each.detach().numpy() for each in readout.predictor.parameters())
    hidden = in_cortex(facts()) @ w1.T + b1
    hidden = np.where(hidden > 0, hidden, np.expm1(hidden))
    wanted = np.tanh(hidden @ w2.T + b2)
    np.testing.assert_allclose(readout.positions(1)[0].detach().numpy(), wanted, atol=1e-6)
    assert len(b1) == 30


def test_cortex_is_centred_and_its_largest_distance_is_one() -> None:
    places = facts(50).coordinates
    assert places is not None
    centred = places[:, :2] - places[:, :2].mean(0)
    np.testing.assert_allclose(in_cortex(facts(50)), centred / np.abs(centred).max(), atol=1e-6)
    np.testing.assert_array_equal(in_cortex(facts(1)), [[0, 0]])
    with pytest.raises(BadArgument, match="not known") as raised:
        in_cortex(facts(coordinates=None))
    assert raised.value.code == "no-coordinates"
    places[3, 1] = np.nan
    with pytest.raises(BadArgument, match="not known"):
        GaussianReadout(facts(50, coordinates=places), 3, init_sigma=0.1)


def test_depth_is_not_looked_at() -> None:
    places = facts(50).coordinates
    assert places is not None
    places[:, 2] = np.nan
    np.testing.assert_array_equal(in_cortex(facts(50, coordinates=places)), in_cortex(facts(50)))


def test_positions_are_sampled_in_training_with_the_covariance_that_is_learned() -> None:
    readout = free(2, np.array([[0.1, -0.2], [0.0, 0.3]]))
    with torch.no_grad():
        readout.sigma.copy_(torch.tensor([[[0.1, 0.0], [0.05, 0.02]], [[0.05, -0.05], [0.0, 0.1]]]))
    drawn = readout.positions(40_000).detach()  # (sample, neuron, 2)
    assert not torch.equal(drawn[0], drawn[1])
    for neuron, sigma in enumerate(readout.sigma.detach()):
        seen = torch.cov(drawn[:, neuron].T)
        torch.testing.assert_close(seen, sigma @ sigma.T, rtol=0, atol=3e-4)
    torch.testing.assert_close(drawn.mean(0), readout.mean_positions().detach(), rtol=0, atol=3e-3)
    readout.eval()
    fixed = readout.positions(3)
    assert torch.equal(fixed[0], fixed[2])
    assert torch.equal(fixed[0], readout.mean_positions())


def test_positions_stay_on_the_map() -> None:
    readout = free(3, np.array([[3.0, -4.0], [0.9, 0.9], [0.0, 0.0]]))
    with torch.no_grad():
        readout.sigma.fill_(2.0)
    assert readout.positions(100).abs().max() <= 1
    readout.eval()
    assert readout.positions(1)[0, 0].tolist() == [1, -1]


def test_a_batch_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    readout = GaussianReadout(facts(), 3, init_sigma=0.1).eval()
    features, shift = torch.randn(7, 3, 5, 6), torch.randn(7, 2) / 10
    whole = readout(features, shift)
    monkeypatch.setattr(readouts, "MOST_VALUES", 2 * 3 * 6)
    torch.testing.assert_close(readout(features, shift), whole)
    monkeypatch.setattr(readouts, "MOST_VALUES", 1)
    torch.testing.assert_close(readout(features, shift), whole)


@pytest.mark.parametrize("positions", ["cortex", "free"])
def test_gradients_reach_everything(positions: Any) -> None:
    readout = GaussianReadout(facts(), 3, init_sigma=0.1, positions=positions)
    features, shift = torch.randn(4, 3, 5, 6, requires_grad=True), torch.zeros(4, 2, requires_grad=True)
    readout(features, shift).square().sum().backward()
    for name, one in [*readout.named_parameters(), ("map", features), ("shift", shift)]:
        assert one.grad is not None, name
        assert one.grad.abs().sum() > 0, name


def test_what_it_begins_with() -> None:
    torch.manual_seed(0)
    means = np.array([0.5, 2.0, np.nan, 0.0, 1.0, 3.0])
    made = GaussianReadout(facts(mean_responses=means), 4, init_sigma=0.2, bias_from_means=True)
    np.testing.assert_array_equal(made.bias.detach().numpy(), [0.5, 2, 0, 0, 1, 3])
    assert torch.equal(made.features, torch.full((4, 6), 0.25))
    assert not GaussianReadout(facts(mean_responses=means), 4, init_sigma=0.2).bias.any()
    many = GaussianReadout(facts(2000), 1, init_sigma=0.2, positions="free", init_range=0.3)
    assert many.position is not None
    assert 0.18 < many.sigma.abs().max().item() <= 0.2
    assert 0.28 < many.position.abs().max().item() <= 0.3
    assert abs(many.sigma.mean().item()) < 0.01


def test_reduced_precision_leaves_positions_as_they_are() -> None:
    readout = GaussianReadout(facts(), 3, init_sigma=0.1).eval()
    features = torch.randn(4, 3, 18, 46).bfloat16()
    wanted = readout(features.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = readout(features)
    torch.testing.assert_close(made, wanted)


def test_an_absolute_sum_is_its_penalty() -> None:
    readout = free(4, np.zeros((4, 2)))
    assert readout.regularizer().item() == pytest.approx(np.abs(readout.features.detach().numpy()).sum())
