"""The factorised baseline of Sensorium 2023: films to responses."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from pydantic import model_validator
from torch import Tensor, nn  # noqa: TID253  # models are torch's
from torch.nn import functional  # noqa: TID253

from sensorium_data.schemas.base import Document, Positive
from sensorium_data.zoo.contract import Modality, Model
from sensorium_data.zoo.cores import SpaceTime3d, layer, planes, stacked
from sensorium_data.zoo.options import Momentum, PositiveFloat, Sizes, UnitRange, Weight
from sensorium_data.zoo.readouts import GaussianReadout, Positions
from sensorium_data.zoo.regularisers import spatial_roughness, temporal_roughness
from sensorium_data.zoo.sessions import BySession, share_core
from sensorium_data.zoo.shifters import Shifter, shift_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from sensorium_data.zoo.contract import SessionFacts
    from sensorium_data.zoo.normalisation import Normalisation

__all__ = ["Factorised3d", "Factorised3dConfig"]


class Factorised3dConfig(Document):
    """Sizes and weights of `Factorised3d`; the published ones by default. One size for each layer."""

    hidden_channels: Sizes = (32, 64, 128)
    spatial_kernels: Sizes = (11, 5, 5)
    temporal_kernels: Sizes = (11, 5, 5)
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

    @model_validator(mode="after")
    def _one_size_each(self) -> Self:
        n = len(self.hidden_channels)
        if len(self.spatial_kernels) != n or len(self.temporal_kernels) != n:
            what = f"hidden_channels names {n} layers, spatial_kernels {len(self.spatial_kernels)}"
            raise ValueError(f"{what}, temporal_kernels {len(self.temporal_kernels)}")
        return self


class Factorised3d(Model):
    """A stack of convolutions in space and then in time that all sessions share, read at one position by each neuron.

    Turishcheva et al. 2023, "The Dynamic Sensorium competition for predicting large-scale mouse visual cortex activity
    from videos" (arXiv 2305.19654), the factorised baseline. For a film s, behaviour v and the position of the pupil
    p, neuron n answers at frame t::

        φ(s, v)  three layers of convolution in space, convolution in time, batch norm and ELU
        r_n(t) = ELU( w_n · φ(s, v)(t)[μ_n + Σ_n ε(t) + Δ(p(t))] + b_n ) + 1

    where φ(t) rests on frames t - 18 … t, φ[x] is the vector of features at position x, ε is standard normal noise of
    training alone, μ_n comes from the neuron's place in cortex, and Δ from the pupil. Biases begin at the mean
    responses. The penalty is ``10 · spatial + 0.01 · temporal roughness of the first filters``, features cost nothing.
    For the five scored mice (40,034 neurons) it has 382,176 parameters in its core, 5,325,282 in its readouts and 285
    in its shifters.

    Parameters
    ----------
    config : Factorised3dConfig
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
    >>> small = {"hidden_channels": [4, 8, 8], "positions": "free"}
    >>> model = build("factorised3d", [SessionFacts("a", np.arange(5), (1, 36, 64))], small)
    >>> model.predict(torch.zeros(2, 20, 36, 64), session="a").shape, model.n_lost_frames
    (torch.Size([2, 2, 5]), 18)
    """

    name: ClassVar[str] = "factorised3d"
    modality: ClassVar[Modality] = "dynamic"
    config_type: ClassVar[type[Factorised3dConfig]] = Factorised3dConfig
    config: Factorised3dConfig

    def __init__(
        self, config: Factorised3dConfig, sessions: Sequence[SessionFacts], normalisation: Normalisation | None = None
    ) -> None:
        least_side = 1 + sum(kernel - 1 for kernel in config.spatial_kernels)
        used, n_in = share_core(
            self.name, sessions, behavior=config.behavior, shifter=config.shifter, least_side=least_side
        )
        super().__init__(config, used, normalisation)
        self.n_lost_frames = sum(frames - 1 for frames in config.temporal_kernels)
        # (batch, 1 film + 2 behaviour, time, 36, 64) -> (batch, 32, time - 10, 26, 54)
        #   -> (batch, 64, time - 14, 22, 50) -> (batch, 128, time - 18, 18, 46)
        sizes = zip(
            pairwise((n_in, *config.hidden_channels)), config.spatial_kernels, config.temporal_kernels, strict=True
        )
        self.core = stacked(
            layer(
                SpaceTime3d(n_before, n_after, kernel=kernel, frames=frames),
                nn.BatchNorm3d(n_after, momentum=config.momentum),
                nn.ELU(),
            )
            for (n_before, n_after), kernel, frames in sizes
        )
        self.readouts = BySession({one.key: self._readout(one) for one in used})
        n_hidden = config.shifter_channels
        self.shifters = BySession(
            {one.key: Shifter(one.n_pupil_center, n_hidden) for one in used if one.n_pupil_center}
        )

    def _readout(self, facts: SessionFacts) -> GaussianReadout:
        config = self.config
        return GaussianReadout(
            facts,
            config.hidden_channels[-1],
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
        x = self.core(x)  # (batch, 128, time - 18, 18, 46)
        n_batch, _, n_frames, *_ = x.shape
        shift = shift_of(self.shifters, session, pupil_center)  # (batch, time, 2)
        if shift is not None:
            shift = shift[:, -n_frames:].flatten(
                0, 1
            )  # (batch × (time - 18), 2): the pupil at the frame that is answered to
        x = x.transpose(1, 2).flatten(0, 1)  # (batch × (time - 18), 128, 18, 46): each frame is a sample
        x = self.readouts[session](x, shift)  # (batch × (time - 18), neuron)
        x = x.reshape(n_batch, n_frames, -1)
        return functional.elu(x) + 1  # (batch, time - 18, neuron), never negative

    def regularizer(self, session: str) -> Tensor:
        """Return the penalty of rough first filters and of features of a session's neurons, ()."""
        in_space = self.core.get_parameter("layer0.conv.spatial.weight")[:, :, 0]  # (32, 1 + 2, 11, 11)
        in_time = self.core.get_parameter("layer0.conv.temporal.weight")[..., 0, 0]  # (32, 32, 11)
        penalty = self.config.spatial_roughness * spatial_roughness(in_space)
        penalty = penalty + self.config.temporal_roughness * temporal_roughness(in_time)
        return penalty + self.config.feature_l1 * self.readouts[session].regularizer()
