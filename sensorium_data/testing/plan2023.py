"""Which film is shown when, for how long, and what is withheld: decided before any file is written.

Writer and truth are built from the same plan, so a test can compare what a reader found out from the files alone with
what is known here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.errors import BadArgument, near_miss
from sensorium_data.sources.sensorium2023_facts import MICE, Mouse
from sensorium_data.testing.arguments import at_least

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_NAME", "REAL_LENGTHS", "Presentation", "TrialTruth", "describe_sensorium2023", "plan_sensorium2023"]

DEFAULT_NAME = "dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20"
REAL_LENGTHS: Mapping[str, int] = MappingProxyType(
    {"NaturalVideo": 300, "Gabor": 300, "GaussianDot": 315, "PinkNoise": 324, "RandomDots": 240, "NaturalImages": 305}
)
TEST_TIERS = ("live_test_main", "live_test_bonus", "final_test_main", "final_test_bonus")
NO_FACTS = Mouse("", ("PinkNoise",), ("GaussianDot", "RandomDots"))  # what a mouse sees that is none of the ten
MORE_IMAGES = 0.07  # sequences of images really vary from 305 to 326 frames, repeats of one sequence too


@dataclass(frozen=True, slots=True)
class TrialTruth:
    """What is known of one trial, without reading a file.

    Attributes
    ----------
    trial_id : int
        The file number.
    tier : str
        As in `tiers.npy`.
    film : str
        The same for trials that show the same film; empty where the trial is missing.
    label : str
        Kind of stimulus that was made: `NaturalVideo`, `Gabor`, …; empty where the trial is missing.
    n_valid : int, frames
    withheld : bool
        The responses are published as zeros.
    missing : bool
        The number is listed with tier `none` and has no files.
    """

    trial_id: int
    tier: str
    film: str
    label: str
    n_valid: int
    withheld: bool
    missing: bool


@dataclass(frozen=True, slots=True)
class Presentation:
    """A trial and how its film is made.

    Attributes
    ----------
    number : int
        Of the film; seeds it. -1 where the trial is missing.
    n_film : int, frames
        Longest that this film is shown: shorter presentations are its beginning.
    nudged : bool
        A few pixels are one grey level off.
    """

    truth: TrialTruth
    number: int = -1
    n_film: int = 0
    nudged: bool = False


@dataclass(frozen=True, slots=True)
class _Film:
    """A film, its tier, and how long and how it is shown each time."""

    name: str
    tier: str
    label: str
    lengths: tuple[int, ...]
    nudged: tuple[bool, ...]


def plan_sensorium2023(
    *,
    name: str = DEFAULT_NAME,
    n_train: int = 6,
    n_repeats: int = 3,
    seed: int = 0,
    withhold: bool = True,
    holes: bool = False,
    lengths: Mapping[str, int] | None = None,
) -> tuple[Presentation, ...]:
    """Return the trials of a recording in order of file number; parameters and errors as `describe_sensorium2023`."""
    known = _lengths(lengths)
    at_least(1, n_train=n_train, n_repeats=n_repeats)
    at_least(0, seed=seed)
    mouse = _mouse(name)
    rng = np.random.default_rng([seed, 0])
    films = _films(mouse, n_train, n_repeats, known, rng)
    shown = [(number, repeat) for number, film in enumerate(films) for repeat in range(len(film.lengths))]
    order = [shown[i] for i in rng.permutation(len(shown))]
    if mouse.appended_from is not None:
        # Three of the old mice have their trials of images at the end, wherever those were shown.
        order.sort(key=lambda at: films[at[0]].label == "NaturalImages")
    numbers, n_numbers = np.arange(len(order)), len(order)
    if holes:
        n_numbers += max(2, len(order) // 20)
        numbers = np.sort(rng.permutation(n_numbers)[: len(order)])
    trials = [Presentation(TrialTruth(i, "none", "", "", 0, withheld=False, missing=True)) for i in range(n_numbers)]
    for trial_id, (number, repeat) in zip(numbers.tolist(), order, strict=True):
        film = films[number]
        withheld = withhold and film.tier in TEST_TIERS
        n_valid = film.lengths[repeat]
        truth = TrialTruth(trial_id, film.tier, film.name, film.label, n_valid, withheld=withheld, missing=False)
        trials[trial_id] = Presentation(truth, number, max(film.lengths), film.nudged[repeat])
    return tuple(trials)


def describe_sensorium2023(
    *,
    name: str = DEFAULT_NAME,
    n_train: int = 6,
    n_repeats: int = 3,
    seed: int = 0,
    withhold: bool = True,
    holes: bool = False,
    lengths: Mapping[str, int] | None = None,
) -> tuple[TrialTruth, ...]:
    """Return what is true of the recording that `write_sensorium2023` writes with the same arguments.

    Parameters
    ----------
    name, n_train, n_repeats, seed, withhold, holes, lengths
        As there; its other arguments change no trial.

    Returns
    -------
    tuple of TrialTruth
        One a file number, in order, the missing ones too.

    Raises
    ------
    BadArgument
        A count that is too small, or a kind of stimulus that does not exist.

    Examples
    --------
    >>> trials = describe_sensorium2023(n_train=2)
    >>> len(trials), sum(trial.withheld for trial in trials)
    (27, 20)
    """
    plan = plan_sensorium2023(
        name=name, n_train=n_train, n_repeats=n_repeats, seed=seed, withhold=withhold, holes=holes, lengths=lengths
    )
    return tuple(presentation.truth for presentation in plan)


def _lengths(lengths: Mapping[str, int] | None) -> dict[str, int]:
    known = {kind: frames // 10 for kind, frames in REAL_LENGTHS.items()}
    for kind, frames in (lengths or {}).items():
        if kind not in known:
            raise BadArgument(f"lengths: `{kind}` is no kind of stimulus", hint=near_miss(kind, list(known)))
        # Two, so that a shorter repeat can be a beginning of it.
        at_least(2, **{f"lengths[{kind!r}]": frames})
        known[kind] = frames
    return known


def _mouse(name: str) -> Mouse:
    match = re.match(r"dynamic(\d+-\d+-\d+)(?:-|$)", name)
    return MICE.get(match[1], NO_FACTS) if match else NO_FACTS


def _films(
    mouse: Mouse, n_train: int, n_repeats: int, lengths: Mapping[str, int], rng: np.random.Generator
) -> list[_Film]:
    """Return the training clips, shown once, then two films a tier, shown again and again."""
    natural = ("NaturalVideo", "NaturalVideo")
    live, final = (kinds * 2 if len(kinds) == 1 else kinds for kinds in (mouse.live, mouse.final))
    films = [_Film(f"train-{i}", "train", "NaturalVideo", (lengths["NaturalVideo"],), (False,)) for i in range(n_train)]
    for tier, kinds in zip(("oracle", *TEST_TIERS), (natural, natural, live, natural, final), strict=True):
        for i, kind in enumerate(kinds):
            # Trials were dropped after recording, so repeats are ragged.
            n_shown = n_repeats if i == 0 else max(1, n_repeats - 1)
            shown = _shown(kind, lengths[kind], n_shown, rng)
            if kind == "NaturalImages" and kind not in kinds[:i]:
                # Two of the ten mice have one trial a third longer than the others; it sets the padding of them all.
                shown[0] = lengths[kind] * 4 // 3
            cut = tier == "live_test_bonus" and i == 0 and n_shown > 1
            if cut:
                shown[-1] -= max(1, lengths[kind] // 10)
            nudged = [repeat % 3 == 1 and not (cut and repeat == n_shown - 1) for repeat in range(n_shown)]
            films.append(_Film(f"{tier}-{i}", tier, kind, tuple(shown), tuple(nudged)))
    return films


def _shown(kind: str, length: int, n_shown: int, rng: np.random.Generator) -> list[int]:
    """Return how many frames each presentation of a film lasts."""
    if kind != "NaturalImages":
        return [length] * n_shown
    return [length + int(more) for more in rng.integers(0, int(length * MORE_IMAGES) + 1, n_shown)]
