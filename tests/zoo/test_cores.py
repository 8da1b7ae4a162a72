"""Pieces of cores, planes of behaviour and penalties, each against another way to compute it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import convolve  # type: ignore[import-untyped]  # it has no stubs of its own
from torch import nn
from torch.nn import functional

from sensorium_data.errors import BadArgument
from sensorium_data.zoo.cores import DepthSeparable2d, SpaceTime3d, layer, planes, stacked
from sensorium_data.zoo.regularisers import feature_l1, spatial_roughness, temporal_roughness

LAPLACE = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]], dtype=float)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_three_steps_are_one_convolution() -> None:
    made = DepthSeparable2d(3, 5)
    into, spatial, out = (made.get_parameter(f"{name}.weight") for name in ("into", "spatial", "out"))
    whole = torch.einsum("om,mhw,mi->oihw", out[:, :, 0, 0], spatial[:, 0], into[:, :, 0, 0])
    x = torch.randn(2, 3, 9, 11)
    torch.testing.assert_close(made(x), functional.conv2d(x, whole, padding=2), rtol=1e-4, atol=1e-5)


def test_two_steps_are_one_convolution_in_space_and_time() -> None:
    made = SpaceTime3d(2, 3, kernel=4, frames=3)
    spatial, temporal = made.get_parameter("spatial.weight")[:, :, 0], made.get_parameter("temporal.weight")[..., 0, 0]
    whole = torch.einsum("omt,mihw->oithw", temporal, spatial)
    before, after = made.get_parameter("spatial.bias"), made.get_parameter("temporal.bias")
    x = torch.randn(2, 2, 6, 7, 8)
    wanted = functional.conv3d(x, whole, after + temporal.sum(2) @ before)
    assert made(x).shape == (2, 3, 4, 4, 5)
    torch.testing.assert_close(made(x), wanted, rtol=1e-4, atol=1e-5)


def test_weights_begin_as_glorot_drew_them_and_biases_at_zero() -> None:
    core = stacked([nn.Conv2d(8, 24, 9), layer(SpaceTime3d(16, 48, kernel=5, frames=7), nn.BatchNorm3d(48), nn.ELU())])
    for name, values in core.named_parameters():
        if name.endswith("bias"):
            assert not values.any(), name
        elif values.ndim > 1:
            n = values[0, 0].numel()
            wanted = np.sqrt(2 / (n * (values.shape[0] + values.shape[1])))
            assert values.std().item() == pytest.approx(wanted, rel=0.08), name


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3), st.integers(0, 4), st.integers(1, 3), st.booleans())
def test_planes_hold_their_value_at_every_pixel(n_images: int, n_behavior: int, n_batch: int, film: bool) -> None:
    time = (5,) if film else ()
    stimulus, behavior = torch.randn(n_batch, n_images, *time, 3, 4), torch.randn(n_batch, *time, n_behavior)
    made = planes(stimulus, behavior, n_behavior)
    assert made.shape == (n_batch, n_images + n_behavior, *time, 3, 4)
    torch.testing.assert_close(made[:, :n_images], stimulus)
    for channel in range(n_behavior):
        for y, x in ((0, 0), (2, 3), (1, 2)):
            torch.testing.assert_close(made[:, n_images + channel, ..., y, x], behavior[..., channel])


def test_behaviour_that_is_missing_is_said_to_be() -> None:
    assert planes(torch.zeros(1, 1, 4, 4), None, 0).shape == (1, 1, 4, 4)
    with pytest.raises(BadArgument, match="behavior is missing"):
        planes(torch.zeros(1, 1, 4, 4), None, 3)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6))
def test_roughness_in_space_is_the_energy_of_the_laplacian(seed: int, y: int, x: int) -> None:
    filters = np.random.default_rng(seed).normal(size=(3, 2, y, x))
    rough = sum(float((convolve(one, LAPLACE, mode="constant") ** 2).sum()) for one in filters.reshape(6, y, x))
    made = spatial_roughness(torch.from_numpy(filters))
    assert float(made) == pytest.approx(rough / (filters**2).sum())
    assert float(spatial_roughness(torch.from_numpy(filters * -7))) == pytest.approx(float(made))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_roughness_in_time_is_as_published(seed: int, n: int) -> None:
    filters = np.random.default_rng(seed).normal(size=(2, 3, n))
    rough = sum(float((np.convolve(one, [-1, 4, -1], mode="full")[1:-1] ** 2).sum()) for one in filters.reshape(6, n))
    assert float(temporal_roughness(torch.from_numpy(filters))) == pytest.approx(rough / (filters**2).sum())


def test_smooth_filters_cost_less() -> None:
    at = torch.linspace(-2, 2, 11)
    bump = torch.exp(-(at**2))
    noise = torch.randn(11, generator=torch.Generator().manual_seed(1))
    assert temporal_roughness(bump[None, None]) < temporal_roughness(noise[None, None])
    assert spatial_roughness((bump[:, None] * bump)[None, None]) < spatial_roughness(
        (noise[:, None] * noise)[None, None]
    )


def test_features_cost_their_absolute_sum() -> None:
    values = torch.randn(5, 7)
    assert float(feature_l1(values)) == pytest.approx(float(np.abs(values.numpy()).sum()), rel=1e-6)
