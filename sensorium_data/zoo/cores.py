"""What cores are stacked from: convolutions in two or three steps, layers with batch norm, planes of behaviour."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch  # noqa: TID253  # models are torch's
from torch import Tensor, nn  # noqa: TID253

from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DepthSeparable2d", "SpaceTime3d", "layer", "planes", "stacked"]


class DepthSeparable2d(nn.Sequential):
    """A convolution in three steps: mix channels, filter each in space, mix again; the map keeps its size.

    With k × k filters it has ``2 c² + k² c`` weights where a full one has ``k² c²`` (Chollet 2017, "Xception"; with the
    first mixing added as in Sensorium 2022, baselines). No biases: a batch norm follows.

    Parameters
    ----------
    n_channels : int
    kernel : int
        Pixels of a side, odd.

    Examples
    --------
    >>> DepthSeparable2d(4, 7)(torch.zeros(1, 4, 28, 56)).shape
    torch.Size([1, 4, 28, 56])
    """

    def __init__(self, n_channels: int, kernel: int) -> None:
        # (batch, channel, y, x) before and after each
        into = nn.Conv2d(n_channels, n_channels, 1, bias=False)
        spatial = nn.Conv2d(n_channels, n_channels, kernel, padding=kernel // 2, groups=n_channels, bias=False)
        out = nn.Conv2d(n_channels, n_channels, 1, bias=False)
        super().__init__(OrderedDict(into=into, spatial=spatial, out=out))


class SpaceTime3d(nn.Sequential):
    """A convolution of a film in two steps, in space and then in time, over whole windows only.

    The map loses ``kernel - 1`` pixels on each axis and ``frames - 1`` frames at the beginning: what comes out for a
    frame rests on it and those before it (Sensorium 2023, baselines, "factorised").

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    kernel : int
        Pixels of a side.
    frames : int

    Examples
    --------
    >>> SpaceTime3d(3, 8, kernel=11, frames=5)(torch.zeros(1, 3, 20, 36, 64)).shape
    torch.Size([1, 8, 16, 26, 54])
    """

    def __init__(self, n_in: int, n_out: int, *, kernel: int, frames: int) -> None:
        spatial = nn.Conv3d(n_in, n_out, (1, kernel, kernel))  # (batch, out, time, y - kernel + 1, x - kernel + 1)
        temporal = nn.Conv3d(n_out, n_out, (frames, 1, 1))  # (batch, out, time - frames + 1, y, x)
        super().__init__(OrderedDict(spatial=spatial, temporal=temporal))


def layer(conv: nn.Module, norm: nn.Module, nonlinearity: nn.Module | None = None) -> nn.Sequential:
    """Return one layer of a core: a convolution, a batch norm, and in all but linear models a nonlinearity.

    Examples
    --------
    >>> [name for name, _ in layer(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ELU()).named_children()]
    ['conv', 'norm', 'nonlinearity']
    """
    parts = OrderedDict(conv=conv, norm=norm)
    return nn.Sequential(parts if nonlinearity is None else parts | OrderedDict(nonlinearity=nonlinearity))


def stacked(layers: Iterable[nn.Module]) -> nn.Sequential:
    """Return layers one after the other; weights of convolutions begin as Glorot & Bengio 2010 drew them, biases at 0.

    Parameters
    ----------
    layers : iterable of Module

    Examples
    --------
    >>> [name for name, _ in stacked([nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3)]).named_children()]
    ['layer0', 'layer1']
    """
    core = nn.Sequential(OrderedDict((f"layer{number}", one) for number, one in enumerate(layers)))
    for module in core.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d)):
            nn.init.xavier_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return core


def planes(stimulus: Tensor, behavior: Tensor | None, n_behavior: int) -> Tensor:
    """Return images or films with behaviour as further channels, each the same over all pixels.

    Parameters
    ----------
    stimulus : (batch, channel, [time,] y, x) float
    behavior : (batch, [time,] channel) float, optional
    n_behavior : int
        Channels of behaviour that the core takes; with 0 they are not looked at.

    Returns
    -------
    (batch, channel + n_behavior, [time,] y, x) float

    Raises
    ------
    BadArgument
        Behaviour is missing.

    Examples
    --------
    >>> film, beside = torch.zeros(1, 1, 5, 2, 2), torch.arange(10.0).reshape(1, 5, 2)
    >>> planes(film, beside, 2).shape, planes(film, beside, 2)[0, :, 3, 1, 0]
    (torch.Size([1, 3, 5, 2, 2]), tensor([0., 6., 7.]))
    """
    if not n_behavior:
        return stimulus
    if behavior is None:
        raise BadArgument("behavior is missing", hint=f"give its {n_behavior} channels", code="input-missing")
    made = behavior.movedim(-1, 1)[..., None, None].expand(-1, -1, *stimulus.shape[2:])
    return torch.cat([stimulus, made.to(stimulus.dtype)], dim=1)
