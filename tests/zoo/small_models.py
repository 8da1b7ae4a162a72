"""Small models of every kind, what they are built for, and what they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sensorium_data.zoo import Model, SessionFacts
from sensorium_data.zoo.registry import build

SMALL: dict[str, dict[str, Any]] = {
    "ln": {"hidden_channels": 4},
    "cnn": {"hidden_channels": 4},
    "ln3d": {"hidden_channels": 4, "spatial_kernel": 7, "temporal_kernel": 5},
    "factorised3d": {"hidden_channels": (3, 4, 5), "spatial_kernels": (5, 3, 3), "temporal_kernels": (4, 3, 2)},
}
N_LOST = {"ln": 0, "cnn": 0, "ln3d": 4, "factorised3d": 6}
FILMS, STILLS = ("ln3d", "factorised3d"), ("ln", "cnn")
Y, X, FRAMES = 18, 22, 12


def facts(key: str = "a", n: int = 6) -> SessionFacts:
    places = np.random.default_rng(n).uniform(0, 600, size=(n, 3))
    means = np.full(n, 0.3)
    return SessionFacts(key, np.arange(n) + 1, (1, Y, X), 2, 2, coordinates=places, mean_responses=means)


def model_of(name: str, *sessions: SessionFacts, seed: int = 0, **config: Any) -> Model:
    return build(name, sessions or [facts()], SMALL[name] | config, seed=seed)


def inputs(name: str, n_batch: int = 3, n_frames: int = FRAMES, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return a stimulus as `predict` takes it, behaviour and the position of the pupil."""
    source = torch.Generator().manual_seed(seed)
    time = (n_frames,) if name in FILMS else ()
    channel = () if name in FILMS else (1,)
    return (
        torch.randn(n_batch, *time, *channel, Y, X, generator=source),
        torch.randn(n_batch, *time, 2, generator=source),
        torch.randn(n_batch, *time, 2, generator=source),
    )


def drive(answer: Tensor) -> Tensor:
    """Return what an answer was before its ELU + 1."""
    return torch.where(answer > 1, answer - 1, answer.log())


def settle(model: Model) -> Model:
    """Let batch norms hold other numbers than 0 and 1, as after training."""
    for part in model.modules():
        if isinstance(part, (torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)):
            for values, low, high in ((part.running_mean, -0.3, 0.3), (part.running_var, 0.5, 2.0)):
                assert values is not None
                values.uniform_(low, high)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.uniform_(part.bias, -0.3, 0.3)
    return model
