"""Penalties on filters that are rough in space or time, and on features that many neurons would need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional  # noqa: TID253  # models are torch's

if TYPE_CHECKING:
    from torch import Tensor  # for type checkers alone

__all__ = ["feature_l1", "spatial_roughness", "temporal_roughness"]

LAPLACE = ((0.0, -1.0, 0.0), (-1.0, 4.0, -1.0), (0.0, -1.0, 0.0))
# As published; a second difference would have 2 in its middle.
LAPLACE_IN_TIME = (-1.0, 4.0, -1.0)


def spatial_roughness(filters: Tensor) -> Tensor:
    """Return how rough filters are in space, whatever their size: the energy of their Laplacian over their own.

    ``sum (L * w)² / sum w²`` over all filters, with zeros around them ("LaplaceL2norm" of the published models:
    Sensorium 2022 and 2023, baselines).

    Parameters
    ----------
    filters : (out, in, y, x) float

    Returns
    -------
    () float

    Examples
    --------
    >>> import torch
    >>> rough = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])[None, None]
    >>> spatial_roughness(rough), spatial_roughness(3 * rough.abs())
    (tensor(36.), tensor(4.))
    """
    kernel = filters.new_tensor(LAPLACE)[None, None]  # (1, 1, 3, 3)
    each = filters.flatten(0, 1)[:, None]  # (out × in, 1, y, x)
    return functional.conv2d(each, kernel, padding=1).square().sum() / each.square().sum()


def temporal_roughness(filters: Tensor) -> Tensor:
    """Return how rough filters are in time: the energy of their second difference over their own, as published.

    Parameters
    ----------
    filters : (out, in, time) float

    Returns
    -------
    () float

    Examples
    --------
    >>> import torch
    >>> temporal_roughness(torch.tensor([[[0.0, 1.0, 0.0]]])), temporal_roughness(torch.tensor([[[1.0, 1.0]]]))
    (tensor(18.), tensor(9.))
    """
    kernel = filters.new_tensor(LAPLACE_IN_TIME)[None, None]  # (1, 1, 3)
    each = filters.flatten(0, 1)[:, None]  # (out × in, 1, time)
    return functional.conv1d(each, kernel, padding=1).square().sum() / each.square().sum()


def feature_l1(features: Tensor) -> Tensor:
    """Return the sum of absolute weights, which keeps neurons to few features.

    Parameters
    ----------
    features : (channel, neuron) float

    Returns
    -------
    () float

    Examples
    --------
    >>> import torch
    >>> feature_l1(torch.tensor([[1.0, -2.0], [0.0, 0.5]]))
    tensor(3.5000)
    """
    return features.abs().sum()
