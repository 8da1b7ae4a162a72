"""Facts about the ten recordings of Sensorium 2023 that their files do not hold.

Sources: session keys and tier tables of the competition's public code; stimulus kinds per mouse and tier as two
community labelings agree on all 7,145 trials (github.com/anaflom/sensorium, CC0, and github.com/bryanlimy/
ViV1T-closed-loop, MIT); lengths per kind from the former; order of presentation from the timelines of the five old mice.
"""

from __future__ import annotations

from dataclasses import dataclass

from sensorium_data.schemas import Citation, Licence

__all__ = ["CITATIONS", "KIND_LENGTHS", "LICENCE", "MICE", "NATURAL_TIERS", "ORDER_BASIS", "SHORTEST_IMAGES", "Mouse"]


@dataclass(frozen=True, slots=True)
class Mouse:
    """One of the ten: its letter, the kinds shown in its two bonus tiers, and where appended trials begin."""

    letter: str
    live: tuple[str, ...]
    final: tuple[str, ...]
    appended_from: int | None = None


MICE = {
    "29156-11-10": Mouse("A", ("PinkNoise",), ("GaussianDot", "RandomDots")),
    "29228-2-10": Mouse("B", ("Gabor",), ("PinkNoise", "NaturalImages"), 660),
    "29234-6-9": Mouse("C", ("RandomDots",), ("Gabor", "NaturalImages"), 680),
    "29513-3-5": Mouse("D", ("NaturalImages",), ("PinkNoise", "GaussianDot"), 660),
    "29514-2-9": Mouse("E", ("GaussianDot",), ("RandomDots", "Gabor")),
    "29515-10-12": Mouse("F", ("PinkNoise",), ("GaussianDot", "RandomDots")),
    "29623-4-9": Mouse("G", ("Gabor",), ("RandomDots", "NaturalImages")),
    "29647-19-8": Mouse("H", ("GaussianDot",), ("PinkNoise", "NaturalImages")),
    "29712-5-9": Mouse("I", ("RandomDots",), ("GaussianDot", "Gabor")),
    "29755-2-8": Mouse("J", ("NaturalImages",), ("PinkNoise", "Gabor")),
}

# Valid frames of each kind; sequences of images vary from 305 to 326 (once 403, once 414) and have no entry.
KIND_LENGTHS = {"Gabor": 300, "GaussianDot": 315, "PinkNoise": 324, "RandomDots": 240}
SHORTEST_IMAGES = 305

NATURAL_TIERS = frozenset({"train", "oracle", "live_test_main", "final_test_main"})

ORDER_BASIS = (
    "file numbers are presentation order: the timelines of mice A to E agree with them, and those of F to J follow "
    "their partner's; natural-image trials of B, C and D are appended at the end, their true place unknown"
)

LICENCE = Licence(name="CC BY-NC-ND 4.0", url="https://creativecommons.org/licenses/by-nc-nd/4.0/")

CITATIONS = (
    Citation(
        text="Turishcheva et al., The Dynamic Sensorium competition for predicting large-scale mouse visual cortex "
        "activity from videos, 2023",
        url="https://arxiv.org/abs/2305.19654",
    ),
    Citation(
        text="Turishcheva et al., Retrospective for the Dynamic Sensorium Competition for predicting large-scale mouse "
        "primary visual cortex activity from videos, 2024",
        url="https://arxiv.org/abs/2407.09100",
    ),
)
