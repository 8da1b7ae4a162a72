"""A linear-nonlinear model of films: what a filter in space and time can do, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn  # noqa: TID253  # models are torch's
from torch.nn import functional  # noqa: TID253

from sensorium_data.schemas.base import Document, Positive
from sensorium_data.zoo.contract import Modality, Model
from sensorium_data.zoo.cores import SpaceTime3d, layer, planes, stacked
from sensorium_data.zoo.options import Momentum, PositiveFloat, UnitRange, Weight
from sensorium_data.zoo.readouts import GaussianReadout, Positions
from sensorium_data.zoo.regularisers import spatial_roughness, temporal_roughness
from sensorium_data.zoo.sessions import BySession, share_core
from sensorium_data.zoo.shifters import Shifter, shift_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.zoo.contract import SessionFacts
    from sensorium_data.zoo.normalisation import Normalisation

__all__ = ["Ln3d", "Ln3dConfig"]


class Ln3dConfig(Document):
    """Sizes and weights of `Ln3d`; by default it sees as many pixels and frames as `factorised3d`."""

    hidden_channels: Positive = 64
    spatial_kernel: Positive = 19
    temporal_kernel: Positive = 19
    momentum: Momentum = 0.7
    behavior: bool = True  # as planes beside the film, where it is recorded
    shifter: bool = True  # where the position of the pupil is recorded
    shifter_channels: Positive = 5
    positions: Positions = "cortex"
    predictor_channels: Positive = 30
    init_sigma: PositiveFloat = 1.0
    init_range: UnitRange = 0.2  # of free positions
    bias_from_means: bool = True
    spatial_roughness: Weight = 10.0
    temporal_roughness: Weight = 0.01
    feature_l1: Weight = 0.0


class Ln3d(Model):
    """Linear filters in space and time that all sessions share, read at one position by each neuron; one nonlinearity.

    The baseline that a film model must beat: `factorised3d` with a single layer and nothing between it and the
    readout. Its filters are as large as the whole receptive field of that model (19 × 19 pixels, 19 frames), so that
    what it lacks is nonlinearity and not sight. No such model was published with Sensorium 2023; it follows the LN
    baseline of 2022 (Willeke et al. 2022, arXiv 2206.08666), readout, shifter and penalties the film baseline of 2023.
    Neuron n answers at frame t::

        L(s, v)  convolution in space, convolution in time, batch norm: 64 filters that are sums of 64 separable ones
        r_n(t) = ELU( w_n · L(s, v)(t)[μ_n + Σ_n ε(t) + Δ(p(t))] + b_n ) + 1

    with noise ε in training alone, μ_n from the neuron's place in cortex and Δ from the pupil.

    Parameters
    ----------
    config : Ln3dConfig
    sessions : sequence of SessionFacts
        Films of one number of channels, ``(1, 36, 64)`` as published.
    normalisation : Normalisation, optional

    Raises
    ------
    BadArgument
        Sessions that one core cannot serve, or neurons whose place is not known.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sensorium_data.zoo.contract import SessionFacts
    >>> from sensorium_data.zoo.registry import build
    >>> small = {"hidden_channels": 4, "temporal_kernel": 7, "positions": "free"}
    >>> model = build("ln3d", [SessionFacts("a", np.arange(5), (1, 36, 64))], small)
    >>> model.predict(torch.zeros(2, 8, 36, 64), session="a").shape, model.n_lost_frames
    (torch.Size([2, 2, 5]), 6)
    """

    name: ClassVar[str] = "ln3d"
    modality: ClassVar[Modality] = "dynamic"
    config_type: ClassVar[type[Ln3dConfig]] = Ln3dConfig
    config: Ln3dConfig

    def __init__(
        self, config: Ln3dConfig, sessions: Sequence[SessionFacts], normalisation: Normalisation | None = None
    ) -> None:
        used, n_in = share_core(
            self.name, sessions, behavior=config.behavior, shifter=config.shifter, least_side=config.spatial_kernel
        )
        super().__init__(config, used, normalisation)
        self.n_lost_frames = config.temporal_kernel - 1
        c = config.hidden_channels
        # (batch, 1 film + 2 behaviour, time, 36, 64) -> (batch, 64, time - 18, 18, 46)
        conv = SpaceTime3d(n_in, c, kernel=config.spatial_kernel, frames=config.temporal_kernel)
        self.core = stacked([layer(conv, nn.BatchNorm3d(c, momentum=config.momentum))])
        self.readouts = BySession({one.key: self._readout(one) for one in used})
        n_hidden = config.shifter_channels
        self.shifters = BySession(
            {one.key: Shifter(one.n_pupil_center, n_hidden) for one in used if one.n_pupil_center}
        )

    def _readout(self, facts: SessionFacts) -> GaussianReadout:
        config = self.config
        return GaussianReadout(
            facts,
            config.hidden_channels,
            init_sigma=config.init_sigma,
            positions=config.positions,
            n_hidden=config.predictor_channels,
            init_range=config.init_range,
            bias_from_means=config.bias_from_means,
        )

    def forward(
        self, stimulus: Tensor, *, behavior: Tensor | None = None, pupil_center: Tensor | None = None, session: str
    ) -> Tensor:
        """Return the responses to normalised films, (batch, time - 18, neuron): see `Model.forward`."""
        x = planes(stimulus, behavior, self.sessions[session].n_behavior)  # (batch, 1 + 2, time, 36, 64)
        x = self.core(x)  # (batch, 64, time - 18, 18, 46), linear so far
        n_batch, _, n_frames, *_ = x.shape
        shift = shift_of(self.shifters, session, pupil_center)  # (batch, time, 2)
        if shift is not None:
            shift = shift[:, -n_frames:].flatten(
                0, 1
            )  # (batch × (time - 18), 2): the pupil at the frame that is answered to
        x = x.transpose(1, 2).flatten(0, 1)  # (batch × (time - 18), 64, 18, 46): each frame is a sample
        x = self.readouts[session](x, shift)  # (batch × (time - 18), neuron)
        x = x.reshape(n_batch, n_frames, -1)
        return functional.elu(x) + 1  # (batch, time - 18, neuron), never negative

    def regularizer(self, session: str) -> Tensor:
        """Return the penalty of rough first filters and of features of a session's neurons, ()."""
        in_space = self.core.get_parameter("layer0.conv.spatial.weight")[:, :, 0]  # (64, 1 + 2, 19, 19)
        in_time = self.core.get_parameter("layer0.conv.temporal.weight")[..., 0, 0]  # (64, 64, 19)
        penalty = self.config.spatial_roughness * spatial_roughness(in_space)
        penalty = penalty + self.config.temporal_roughness * temporal_roughness(in_time)
        return penalty + self.config.feature_l1 * self.readouts[session].regularizer()
