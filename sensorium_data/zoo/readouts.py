"""From a map to neurons: each reads the features at one position, which is learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch  # noqa: TID253  # models are torch's
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional  # noqa: TID253

from sensorium_data.errors import BadArgument
from sensorium_data.zoo.regularisers import feature_l1

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.zoo.contract import SessionFacts

__all__ = ["GaussianReadout", "Positions", "in_cortex"]

Positions: TypeAlias = Literal["cortex", "free"]
MOST_VALUES = 2**25  # held at once beside what is kept for gradients: 128 MiB


class GaussianReadout(nn.Module):
    """Every neuron reads the features of a map at one position and weighs them.

    In training a position is drawn anew for every sample and neuron, ``μ + Σ ε`` with standard normal ε; otherwise it
    is μ. Between pixels of the map features are interpolated (bilinear). Map coordinates run from (-1, -1), the centre
    of the upper left pixel, to (1, 1), that of the lower right; positions are held within, then shifted, and what a
    shift brings outside reads zeros. μ is predicted from where the neuron lies in cortex by a network that all neurons
    of the session share ("cortex"; retinotopy is smooth), or is a parameter of its own ("free"). Lurz et al. 2021,
    "Generalization in data-driven models of primary visual cortex", section 3; numbers of Sensorium 2022 and 2023,
    baselines.

    Parameters
    ----------
    facts : SessionFacts
        Of the session whose neurons answer: how many, where they lie, their mean responses.
    n_channels : int
        Features of the map.
    init_sigma : float
        The four numbers of Σ begin uniform within ± this, in map units.
    positions : {"cortex", "free"}
    n_hidden : int
        Hidden units between cortex and μ: two linear layers, an ELU between them, tanh at the end.
    init_range : float
        Free positions begin uniform within ± this.
    bias_from_means : bool
        Biases begin at the mean responses, else at 0.

    Raises
    ------
    BadArgument
        Positions are to come from cortex, and where the neurons lie is not known.

    Examples
    --------
    >>> from sensorium_data.zoo import SessionFacts
    >>> facts = SessionFacts("a", np.arange(5), (1, 36, 64), coordinates=np.random.default_rng(0).normal(size=(5, 3)))
    >>> GaussianReadout(facts, 8, init_sigma=0.1)(torch.zeros(2, 8, 28, 56)).shape
    torch.Size([2, 5])
    """

    source_grid: Tensor

    def __init__(
        self,
        facts: SessionFacts,
        n_channels: int,
        *,
        init_sigma: float,
        positions: Positions = "cortex",
        n_hidden: int = 30,
        init_range: float = 0.3,
        bias_from_means: bool = False,
    ) -> None:
        super().__init__()
        n = facts.n_neurons
        self.position: nn.Parameter | None = None
        if positions == "cortex":
            self.register_buffer("source_grid", torch.from_numpy(in_cortex(facts)))  # (neuron, axis = x, y)
            self.predictor = nn.Sequential(nn.Linear(2, n_hidden), nn.ELU(), nn.Linear(n_hidden, 2), nn.Tanh())
        else:
            self.position = nn.Parameter(torch.empty(n, 2).uniform_(-init_range, init_range))
        self.sigma = nn.Parameter(torch.empty(n, 2, 2).uniform_(-init_sigma, init_sigma))
        self.features = nn.Parameter(torch.full((n_channels, n), 1 / n_channels))
        self.bias = nn.Parameter(torch.zeros(n))
        if bias_from_means and facts.mean_responses is not None:
            means = np.nan_to_num(facts.mean_responses.astype(np.float32))
            with torch.no_grad():
                self.bias.copy_(torch.from_numpy(means))

    def mean_positions(self) -> Tensor:
        """Return where each neuron reads on average, (neuron, axis = x, y) in map units."""
        if self.position is None:
            predicted: Tensor = self.predictor(self.source_grid)  # (neuron, 2), within ±1 by its tanh
            return predicted
        with torch.no_grad():
            self.position.clamp_(-1, 1)  # past the edge no gradient would bring it back
        return self.position

    def positions(self, n_samples: int) -> Tensor:
        """Return where each neuron reads in each sample, (sample, neuron, axis = x, y) in map units."""
        mean = self.mean_positions()  # (neuron, 2)
        if not self.training:
            return mean.expand(n_samples, -1, -1)  # (sample, neuron, 2)
        noise = torch.randn(n_samples, *mean.shape, device=mean.device, dtype=mean.dtype)  # (sample, neuron, 2)
        return (mean + torch.einsum("nij,bnj->bni", self.sigma, noise)).clamp(-1, 1)  # (sample, neuron, 2)

    def forward(self, features: Tensor, shift: Tensor | None = None) -> Tensor:
        """Return what each neuron makes of a map, before any nonlinearity.

        Parameters
        ----------
        features : (sample, channel, y, x) float
        shift : (sample, axis = x, y) float, optional
            Of all positions, in map units.

        Returns
        -------
        (sample, neuron) float
        """
        # In whole precision: of 8 bits a position on a map of 46 pixels would be right to a third of one.
        with torch.autocast(features.device.type, enabled=False):
            at = self.positions(len(features))  # (sample, neuron, 2)
            if shift is not None:
                at = at + shift[:, None].to(at.dtype)
            n_at_once = max(1, MOST_VALUES // self.features.numel())  # samples
            parts = zip(torch.split(features, n_at_once), torch.split(at, n_at_once), strict=True)
            read = torch.cat([self._read(*part) for part in parts])
            return read + self.bias  # (sample, neuron)

    def _read(self, features: Tensor, at: Tensor) -> Tensor:
        seen = functional.grid_sample(features.to(at.dtype), at[:, :, None], align_corners=True)
        return (seen[..., 0] * self.features).sum(1)  # (sample, channel, neuron, 1) -> (sample, neuron)

    def regularizer(self) -> Tensor:
        """Return the sum of the absolute weights of features, ()."""
        return feature_l1(self.features)


def in_cortex(facts: SessionFacts) -> NDArray[np.float32]:
    """Return where neurons lie in cortex: about their mean, the largest distance on an axis 1.

    Parameters
    ----------
    facts : SessionFacts

    Returns
    -------
    (neuron, axis = x, y) float32

    Raises
    ------
    BadArgument
        It is not known for all of them.

    Examples
    --------
    >>> from sensorium_data.zoo import SessionFacts
    >>> at = np.array([[10.0, 0.0, 200.0], [30.0, 10.0, 225.0]])
    >>> in_cortex(SessionFacts("a", np.arange(2), (1, 36, 64), coordinates=at)).tolist()
    [[-1.0, -0.5], [1.0, 0.5]]
    """
    if facts.coordinates is None or not np.isfinite(facts.coordinates[:, :2]).all():
        what = f"{facts.key}: where its neurons lie in cortex is not known for all of them"
        raise BadArgument(what, hint='`positions = "free"` learns every position by itself', code="no-coordinates")
    places = facts.coordinates[:, :2].astype(np.float64)
    places = places - places.mean(axis=0)
    largest = np.abs(places).max(initial=0.0)
    scaled: NDArray[np.float32] = (places / (largest or 1.0)).astype(np.float32)
    return scaled
