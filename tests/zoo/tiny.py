"""Models of a few numbers: quick to build, and easy to see through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sensorium_data.schemas.base import Document, NonNegative, Positive
from sensorium_data.zoo import Model, Normalisation, SessionFacts
from sensorium_data.zoo.checkpoints import from_pretrained
from sensorium_data.zoo.sessions import BySession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sensorium_data.zoo.contract import Modality


class TinyConfig(Document):
    """How far back it looks, whether it sees the whole film at once, and how wide it is."""

    n_lost: NonNegative = 3
    sees_all: bool = False
    width: Positive = 2


class Tiny(Model):
    """Brightness of the last frames, behaviour and pupil, weighed by each neuron."""

    name: ClassVar[str] = "tiny"
    modality: ClassVar[Modality] = "dynamic"
    config: TinyConfig

    def __init__(
        self, config: TinyConfig, sessions: Sequence[SessionFacts], normalisation: Normalisation | None = None
    ) -> None:
        super().__init__(config, sessions, normalisation)
        self.n_lost_frames = config.n_lost if self.modality == "dynamic" else 0
        self.core = nn.Linear(2, config.width)
        self.readouts = BySession(
            {one.key: nn.Linear(config.width + one.n_behavior + one.n_pupil_center, one.n_neurons) for one in sessions}
        )

    def forward(
        self, stimulus: Tensor, *, behavior: Tensor | None = None, pupil_center: Tensor | None = None, session: str
    ) -> Tensor:
        film = stimulus if self.modality == "dynamic" else stimulus[:, :, None]
        left, right = (half.mean((1, 3, 4)) for half in film.tensor_split(2, dim=-1))
        bright = torch.stack([left, right], dim=-1)  # (batch, time, 2)
        if self.config.sees_all:
            bright = bright - bright.mean(1, keepdim=True)
        seen = self.core(bright.unfold(1, self.n_lost_frames + 1, 1).mean(-1))
        beside = [one if one.ndim == 3 else one[:, None] for one in (behavior, pupil_center) if one is not None]
        made: Tensor = self.readouts[session](torch.cat([seen, *(one[:, self.n_lost_frames :] for one in beside)], -1))
        made = nn.functional.softplus(made)
        return made if self.modality == "dynamic" else made[:, 0]

    def regularizer(self, session: str) -> Tensor:
        return self.readouts[session].weight.abs().sum()


class TinyImages(Tiny):
    name: ClassVar[str] = "tiny-images"
    modality: ClassVar[Modality] = "static"


KINDS: Mapping[str, type[Tiny]] = {each.name: each for each in (Tiny, TinyImages)}


def build(
    name: str,
    sessions: Sequence[SessionFacts],
    config: Mapping[str, Any] | None = None,
    *,
    normalisation: Normalisation,
) -> Tiny:
    """The registry of the tests."""
    return KINDS[name](TinyConfig.model_validate(dict(config or {})), sessions, normalisation)


def facts(key: str = "29515-10-12", n: int = 5, **changes: Any) -> SessionFacts:
    """A session that no store is needed for."""
    rng = np.random.default_rng(n)
    parts: dict[str, Any] = {
        "unit_ids": rng.permutation(100)[:n].astype(np.int64),
        "image_shape": (1, 36, 64),
        "n_behavior": 2,
        "n_pupil_center": 2,
        "coordinates": rng.normal(size=(n, 3)),
        "mean_responses": rng.random(n),
        "source_digest": "ab" * 32,
    }
    return SessionFacts(key, **(parts | changes))


def made(seed: int = 0, **config: Any) -> Tiny:
    """A model of two sessions."""
    torch.manual_seed(seed)
    sessions = [facts(), facts("other.mouse", 3, coordinates=None, mean_responses=None, source_digest="")]
    return build("tiny", sessions, config, normalisation=Normalisation())


def opened(folder: Path) -> Model:
    """A model of the tests that was saved."""
    return from_pretrained(folder, build=build)


def same(one: Model, other: Model) -> bool:
    """Whether two models have the same weights to the bit."""
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(
        ours[name].dtype == theirs[name].dtype and torch.equal(ours[name], theirs[name]) for name in ours
    )
