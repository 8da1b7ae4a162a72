"""Shifts against the network written out, and the way they move what is read."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sensorium_data.errors import BadArgument
from sensorium_data.zoo import SessionFacts
from sensorium_data.zoo.readouts import GaussianReadout
from sensorium_data.zoo.sessions import BySession
from sensorium_data.zoo.shifters import Shifter, shift_of


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_it_is_three_layers_each_with_tanh() -> None:
    shifter, at = Shifter().double(), torch.randn(9, 2, dtype=torch.float64) * 3
    values = at.numpy()
    weights = [each.detach().numpy() for each in shifter.parameters()]
    for weight, bias in zip(weights[::2], weights[1::2], strict=True):
        values = np.tanh(values @ weight.T + bias)
    np.testing.assert_allclose(shifter(at).detach().numpy(), values)
    assert [tuple(each.shape) for each in shifter.parameters()] == [(5, 2), (5,), (5, 5), (5,), (2, 5), (2,)]


def test_films_have_a_shift_for_each_frame() -> None:
    shifters = BySession({"a": Shifter()})
    film = torch.randn(3, 7, 2)
    made = shift_of(shifters, "a", film)
    assert made is not None
    assert made.shape == (3, 7, 2)
    torch.testing.assert_close(made[1, 4], shifters["a"](film[1, 4]))


def test_sessions_without_one_are_not_shifted() -> None:
    shifters = BySession({"a": Shifter()})
    assert shift_of(shifters, "b", torch.zeros(1, 2)) is None
    with pytest.raises(BadArgument, match="pupil_center is missing"):
        shift_of(shifters, "a", None)


@pytest.mark.parametrize(("axis", "shift"), [(0, 0.25), (0, -0.5), (1, 0.5), (1, -0.125)])
def test_a_shift_moves_what_is_read_along_its_axis(axis: int, shift: float) -> None:
    facts = SessionFacts("a", np.arange(4), (1, 36, 64), coordinates=np.random.default_rng(0).normal(size=(4, 3)))
    readout = GaussianReadout(facts, 2, init_sigma=0.1, positions="free", init_range=0.4).double().eval()
    with torch.no_grad():
        readout.features.copy_(torch.eye(2)[axis][:, None].expand(2, 4))
    # A map that says where it is: channel 0 the column, channel 1 the row, in map units.
    y, x = torch.meshgrid(torch.linspace(-1, 1, 9), torch.linspace(-1, 1, 17), indexing="ij")
    place = torch.stack([x, y])[None].double()
    by = torch.zeros(1, 2, dtype=torch.float64)
    by[0, axis] = shift
    with torch.no_grad():
        torch.testing.assert_close(readout(place)[0], readout.mean_positions()[:, axis])
        moved = readout(place, by) - readout(place)
    torch.testing.assert_close(moved, torch.full_like(moved, shift))
