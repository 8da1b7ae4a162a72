"""Which picture is shown in which trial, under which id, and what is withheld: decided before any file is written.

Writer and truth are built from the same plan, so a test can compare what a reader found out from the files alone with
what is known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from sensorium_data.errors import BadArgument
from sensorium_data.testing.arguments import at_least, one_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["KINDS", "ImageIds", "ImageTruth", "Kind", "Presentation", "Schedule", "describe_sensorium2022"]

Kind = Literal["pretrain", "splus", "s", "colour"]
ImageIds = Literal["published", "absent", "with-holes"]

GREY = "GrayImageNet-94c6ff995dac583098847cfecd43e7b6"
COLOUR = "ColorImageNet-104e446ed0128d89c639eef0abe4655b"
N_IDS = 5000  # the published ids are drawn from more pictures than one mouse saw
FEWEST = 3  # of the images of `test` one lost most of its repeats
DROPPED = 0.05  # share of the presentations that were left out of the publication


@dataclass(frozen=True, slots=True)
class Published:
    """What sets a kind of recording apart.

    Attributes
    ----------
    key : str
        Animal, session and scan of the recording that the kind is named after.
    picture_shape : (channel, y, x)
    prefix : str
        Of the tables of trials that are about the picture.
    tiers : tuple of str
        Those whose images are shown again and again.
    hides_responses : bool
        The responses of those tiers are published as zeros, and the order of presentation as hashes.
    hides_mouse : bool
        Behaviour and gaze of all trials are published as zeros.
    """

    key: str
    release: str = GREY
    picture_shape: tuple[int, int, int] = (1, 144, 256)
    prefix: str = "frame"
    tiers: tuple[str, ...] = ("test",)
    hides_responses: bool = False
    hides_mouse: bool = False

    @property
    def name(self) -> str:
        """The session's folder as it was published."""
        return f"static{self.key}-{self.release}"


_BOTH = ("test", "final_test")
KINDS: Mapping[Kind, Published] = MappingProxyType(
    {
        "pretrain": Published("21067-10-18"),
        "splus": Published("27204-5-13", tiers=_BOTH, hides_responses=True),
        "s": Published("26872-17-20", tiers=_BOTH, hides_responses=True, hides_mouse=True),
        "colour": Published("25311-10-26", COLOUR, (2, 36, 64), "colorframeprojector"),
    }
)


@dataclass(frozen=True, slots=True)
class ImageTruth:
    """What is known of one trial, without reading a file.

    Attributes
    ----------
    trial_id : int
        The file number.
    tier : str
        As in `tiers.npy`.
    image : str
        The same for trials that show the same picture, whatever their ids say.
    image_id : int or None
        As in the table of ids; None where that has a hole, or is not there.
    withheld : bool
        The responses are published as zeros.
    """

    trial_id: int
    tier: str
    image: str
    image_id: int | None
    withheld: bool


@dataclass(frozen=True, slots=True)
class Presentation:
    """A trial and how its picture is made.

    Attributes
    ----------
    number : int
        Of the picture; seeds it.
    repeat : int
        How many trials of this image come before this one in the plan.
    presented : int
        Place in the order of presentation; presentations that were dropped leave gaps.
    """

    truth: ImageTruth
    number: int
    repeat: int
    presented: int


@dataclass(frozen=True, slots=True)
class _Image:
    """An image: its place in its tier, the picture it shows, its id, and how often it is shown."""

    tier: str
    place: int
    number: int
    picture: str
    image_id: int
    n_shown: int

    def has_hole(self, repeat: int) -> bool:
        """Whether this presentation has no id, in a table with holes."""
        if self.tier == "train":
            return self.place % 4 == 3
        return self.place == 0 and repeat == (0 if self.tier == "validation" else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The arguments that change trials; as those of `describe_sensorium2022`, with its errors."""

    kind: Kind = "pretrain"
    n_train: int = 16
    n_validation: int = 3
    n_test: int = 2
    n_repeats: int = 4
    seed: int = 0
    image_ids: ImageIds = "published"
    one_id_two_pictures: bool = False
    two_ids_one_picture: bool = False

    def __post_init__(self) -> None:
        one_of(get_args(Kind), kind=self.kind)
        one_of(get_args(ImageIds), image_ids=self.image_ids)
        at_least(1, n_train=self.n_train, n_validation=self.n_validation, n_test=self.n_test, n_repeats=self.n_repeats)
        at_least(0, seed=self.seed)
        faults = (
            ("one_id_two_pictures", self.one_id_two_pictures, "n_test", self.n_test),
            ("two_ids_one_picture", self.two_ids_one_picture, "n_train", self.n_train),
        )
        for fault, wanted, name, count in faults:
            if wanted and count < 2:
                raise BadArgument(f"{name} is {count}, expected 2 or more for {fault}")
            if wanted and self.image_ids == "absent":
                raise BadArgument(f"image_ids is 'absent', so {fault} would change nothing")

    @property
    def published(self) -> Published:
        """What sets this kind of recording apart."""
        return KINDS[self.kind]

    def presentations(self) -> tuple[Presentation, ...]:
        """Return the trials in order of file number."""
        rng = np.random.default_rng([self.seed, 0])
        shown = [(image, repeat) for image in self._images(rng) for repeat in range(image.n_shown)]
        gaps = 1 + (rng.random(len(shown)) < DROPPED)
        presented = rng.permutation(np.cumsum(gaps) + rng.integers(3) - 1)
        # Drawn apart: file numbers were published in random order, and say nothing of time.
        order = rng.permutation(len(shown))
        return tuple(
            self._presentation(trial_id, *shown[at], presented=int(presented[at]))
            for trial_id, at in enumerate(order.tolist())
        )

    def _presentation(self, trial_id: int, image: _Image, repeat: int, *, presented: int) -> Presentation:
        unknown = self.image_ids == "absent" or (self.image_ids == "with-holes" and image.has_hole(repeat))
        withheld = self.published.hides_responses and image.tier in self.published.tiers
        truth = ImageTruth(trial_id, image.tier, image.picture, None if unknown else image.image_id, withheld)
        return Presentation(truth, image.number, repeat, presented)

    def _images(self, rng: np.random.Generator) -> Iterator[_Image]:
        """Yield every image of every tier."""
        counts = {"train": self.n_train, "validation": self.n_validation}
        counts |= dict.fromkeys(self.published.tiers, self.n_test)
        places = [(tier, place) for tier, count in counts.items() for place in range(count)]
        ids = 1 + rng.permutation(max(N_IDS, 2 * len(places)))
        for own, (tier, place) in enumerate(places):
            number, id_from = own, own
            if self.two_ids_one_picture and (tier, place) == ("train", 1):
                number = own - 1
            if self.one_id_two_pictures and (tier, place) == ("test", 1):
                id_from = own - 1
            picture = "-".join(map(str, places[number]))
            yield _Image(tier, place, number, picture, int(ids[id_from]), self._n_shown(tier, place))

    def _n_shown(self, tier: str, place: int) -> int:
        if tier in {"train", "validation"}:
            return 1
        # Trials were dropped after recording, so repeats are ragged.
        n_shown = self.n_repeats if place % 2 == 0 else max(1, self.n_repeats - 1)
        return min(FEWEST, n_shown) if (tier, place) == ("test", self.n_test - 1) else n_shown


def describe_sensorium2022(
    *,
    kind: Kind = "pretrain",
    n_train: int = 16,
    n_validation: int = 3,
    n_test: int = 2,
    n_repeats: int = 4,
    seed: int = 0,
    image_ids: ImageIds = "published",
    one_id_two_pictures: bool = False,
    two_ids_one_picture: bool = False,
) -> tuple[ImageTruth, ...]:
    """Return what is true of the recording that `write_sensorium2022` writes with the same arguments.

    Parameters
    ----------
    kind, n_train, n_validation, n_test, n_repeats, seed, image_ids, one_id_two_pictures, two_ids_one_picture
        As there; its other arguments change no trial.

    Returns
    -------
    tuple of ImageTruth
        One a file number, in order.

    Raises
    ------
    BadArgument
        A count that is too small, an unknown word, or a fault that these arguments leave no room for.

    Examples
    --------
    >>> trials = describe_sensorium2022(kind="splus", n_train=5)
    >>> len(trials), sum(trial.withheld for trial in trials)
    (22, 14)
    """
    schedule = Schedule(
        kind=kind, n_train=n_train, n_validation=n_validation, n_test=n_test, n_repeats=n_repeats, seed=seed,
        image_ids=image_ids, one_id_two_pictures=one_id_two_pictures, two_ids_one_picture=two_ids_one_picture,
    )  # fmt: skip
    return tuple(presentation.truth for presentation in schedule.presentations())
