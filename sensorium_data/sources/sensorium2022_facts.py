"""Facts about the recordings of Sensorium 2022, and of their siblings in colour, that their files do not hold.

Sources: the competition's public code and README (github.com/sinzlab/sensorium) for keys and roles; the timelines of
the five pre-training recordings for how images were shown: 0.517 s each, grey before and after, about one a second.
"""

from __future__ import annotations

from sensorium_data.schemas import Citation, Licence

__all__ = ["CITATIONS", "COLOUR", "COLOUR_CITATIONS", "LICENCE", "MICE", "ORDER_BASIS"]

# The two competition recordings have names in the literature; the five for pre-training have only keys.
MICE: dict[str, str | None] = {
    "26872-17-20": "S0",
    "27204-5-13": "S1",
    "21067-10-18": None,
    "22846-10-16": None,
    "23343-5-17": None,
    "23656-14-22": None,
    "23964-4-22": None,
}

COLOUR = "-ColorImageNet-"  # in the folder names of Franke et al. 2022

ORDER_BASIS = "file numbers, which say nothing of when an image was shown; no trial is taken to follow another"

LICENCE = Licence(
    name="Creative Commons, see the LICENSE of the source repository",
    url="https://gin.g-node.org/cajal/Sensorium2022",
)

CITATIONS = (
    Citation(
        text="Willeke et al., The Sensorium competition on predicting large-scale mouse primary visual cortex "
        "activity, 2022",
        url="https://arxiv.org/abs/2206.08666",
    ),
)

COLOUR_CITATIONS = (
    Citation(
        text="Franke et al., State-dependent pupil dilation rapidly shifts visual feature selectivity, Nature 2022",
        doi="10.1038/s41586-022-05270-3",
    ),
)
