"""The convolutional baseline of SENSORIUM 2022: images to responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn  # noqa: TID253  # models are torch's
from torch.nn import functional  # noqa: TID253

from sensorium_data.schemas.base import Document, Positive
from sensorium_data.zoo.contract import Modality, Model
from sensorium_data.zoo.cores import DepthSeparable2d, layer, planes, stacked
from sensorium_data.zoo.options import Momentum, Odd, PositiveFloat, UnitRange, Weight
from sensorium_data.zoo.readouts import GaussianReadout, Positions
from sensorium_data.zoo.regularisers import spatial_roughness
from sensorium_data.zoo.sessions import BySession, share_core
from sensorium_data.zoo.shifters import Shifter, shift_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.zoo.contract import SessionFacts
    from sensorium_data.zoo.normalisation import Normalisation

__all__ = ["Cnn", "CnnConfig"]


class CnnConfig(Document):
    """Sizes and weights of `Cnn`; the published ones by default."""

    n_layers: Positive = 4
    hidden_channels: Positive = 64
    input_kernel: Positive = 9
    hidden_kernel: Odd = 7
    momentum: Momentum = 0.9
    behavior: bool = True  # as planes beside the image, where it is recorded
    shifter: bool = True  # where the position of the pupil is recorded
    shifter_channels: Positive = 5
    positions: Positions = "cortex"
    predictor_channels: Positive = 30
    init_sigma: PositiveFloat = 0.1
    init_range: UnitRange = 0.3  # of free positions
    bias_from_means: bool = False
    input_roughness: Weight = 6.3831
    feature_l1: Weight = 0.0076


class Cnn(Model):
    """A stack of convolutions that all sessions share, read at one position by each neuron.

    Willeke et al. 2022, "The Sensorium competition on predicting large-scale mouse primary visual cortex activity"
    (arXiv 2206.08666), the CNN baseline of both tracks; after Lurz et al. 2021. For an image s, behaviour v and the
    position of the pupil p, neuron n answers::

        φ(s, v)  four layers of convolution, batch norm and ELU
        r_n = ELU( w_n · φ(s, v)[μ_n + Σ_n ε + Δ(p)] + b_n ) + 1

    where φ[x] is the vector of features at position x, ε is standard normal noise of training alone, μ_n comes from the
    neuron's place in cortex, and Δ from the pupil. The penalty is
    ``6.3831 · roughness of the first filters + 0.0076 · Σ |w|``.
    Details are those of the published weights, which `load_published` puts in.

    Parameters
    ----------
    config : CnnConfig
    sessions : sequence of SessionFacts
        Images of one number of channels, ``(1, 36, 64)`` as published.
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
    >>> model = build("cnn", [SessionFacts("a", np.arange(5), (1, 36, 64))], {"positions": "free"})
    >>> model.predict(torch.zeros(2, 1, 36, 64), session="a").shape, model.n_parameters()["core"]
    (torch.Size([2, 5]), 39680)
    """

    name: ClassVar[str] = "cnn"
    modality: ClassVar[Modality] = "static"
    config_type: ClassVar[type[CnnConfig]] = CnnConfig
    config: CnnConfig

    def __init__(
        self, config: CnnConfig, sessions: Sequence[SessionFacts], normalisation: Normalisation | None = None
    ) -> None:
        used, n_in = share_core(
            self.name, sessions, behavior=config.behavior, shifter=config.shifter, least_side=config.input_kernel
        )
        super().__init__(config, used, normalisation)
        c, k = config.hidden_channels, config.hidden_kernel
        # (batch, 1 image + 3 behaviour, 36, 64) -> (batch, 64, 28, 56), valid; then three more that keep the size
        convs: list[nn.Module] = [nn.Conv2d(n_in, c, config.input_kernel, bias=False)]
        convs += [DepthSeparable2d(c, k) for _ in range(config.n_layers - 1)]
        self.core = stacked(layer(conv, nn.BatchNorm2d(c, momentum=config.momentum), nn.ELU()) for conv in convs)
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
        """Return the responses to normalised images, (batch, neuron): see `Model.forward`."""
        x = planes(stimulus, behavior, self.sessions[session].n_behavior)  # (batch, 1 + 3, 36, 64)
        x = self.core(x)  # (batch, 64, 28, 56)
        shift = shift_of(self.shifters, session, pupil_center)  # (batch, 2)
        x = self.readouts[session](x, shift)  # (batch, neuron)
        return functional.elu(x) + 1  # (batch, neuron), never negative

    def regularizer(self, session: str) -> Tensor:
        """Return the penalty of rough first filters and of features of a session's neurons, ()."""
        filters = self.core.get_parameter("layer0.conv.weight")  # (64, 1 + 3, 9, 9)
        penalty = self.config.input_roughness * spatial_roughness(filters)
        return penalty + self.config.feature_l1 * self.readouts[session].regularizer()
