"""Rules of scoring by name: which frames count, in which unit, and how neurons become one number.

Two published codes that both report "the correlation" of a model differ in all of these. A score is a number only together
with its preset (Sensorium 2023, scores and the exact frame window).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from sensorium_data.errors import BadArgument, NoSuchItem, Problem, near_miss
from sensorium_data.evaluation.correlations import EPS
from sensorium_data.evaluation.predictions import ResponseScale
from sensorium_data.evaluation.weighting import MeanScore, ScoreNan, Weighting, mean_score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

__all__ = ["PRESETS", "Preset", "preset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How predictions are scored.

    Parameters
    ----------
    name : str
    description : str
        What it is and where it comes from.
    skip : int
        Frames at the beginning of each trial that are not scored.
    limit : int or None
        Frame of a trial from which on nothing counts; None: the trial's own end.
    drop_last : int
        Frames before that end that are not scored either.
    scaling : {"official", "per_neuron", "raw"}
        What responses, and predictions, are multiples of; see `TrialPrediction`.
    weighting : {"neuron", "mouse"}
        See `mean_score`.
    nan : {"zero", "keep", "omit", "raise"}
        What becomes of neurons without a correlation in the mean; see `mean_score`. FEVE is always averaged over the
        neurons that have one.
    per_trial : bool
        Correlate over the time of each trial and average, instead of over all trials laid end to end.
    eps : float, 0 or more, unit of the responses
        Added to each population standard deviation.

    Raises
    ------
    BadArgument
        Frames or eps below 0, or options that are none; all of them are in its problems.

    Examples
    --------
    >>> from dataclasses import replace
    >>> mine = replace(preset("s23-server"), name="mine", description="from frame 30 on", skip=30)
    >>> mine.window(300), mine.window(20)
    ((30, 299), (30, 30))
    """

    name: str
    description: str
    skip: int = 0
    limit: int | None = None
    drop_last: int = 0
    scaling: ResponseScale = "official"
    weighting: Weighting = "neuron"
    nan: ScoreNan = "zero"
    per_trial: bool = False
    eps: float = EPS

    def __post_init__(self) -> None:
        """Refuse what is no rule."""
        problems = [
            Problem("negative", name, f"{value!r}, expected 0 or more")
            for name, value in (
                ("skip", self.skip),
                ("limit", self.limit),
                ("drop_last", self.drop_last),
                ("eps", self.eps),
            )
            if value is not None and not 0 <= value < float("inf")
        ]
        for name, value, known in (
            ("scaling", self.scaling, get_args(ResponseScale)),
            ("weighting", self.weighting, get_args(Weighting)),
            ("nan", self.nan, get_args(ScoreNan)),
        ):
            if value not in known:
                problems.append(Problem("unknown", name, f"{value!r}, {near_miss(str(value), known)}"))
        if problems:
            raise BadArgument(f"preset {self.name!r} is none", problems=problems, code="bad-preset")

    def window(self, n_valid: int) -> tuple[int, int]:
        """Return the frames that are scored, [start, stop) of a trial; empty where it is too short.

        Parameters
        ----------
        n_valid : int
            Valid frames of the trial, 1 for an image.

        Raises
        ------
        BadArgument
            Fewer than 0 frames.

        Examples
        --------
        >>> preset("s23-server").window(324), preset("s23-head").window(324), preset("s22").window(1)
        ((50, 299), (50, 300), (0, 1))
        """
        if n_valid < 0:
            raise BadArgument(f"a trial of {n_valid} frames, expected 0 or more", code="bad-window")
        stop = (n_valid if self.limit is None else min(n_valid, self.limit)) - self.drop_last
        return self.skip, max(self.skip, stop)

    def mean(self, scores: Mapping[str, ArrayLike]) -> MeanScore:
        """Return the mean of correlations by the rules for weighting and NaN.

        Parameters
        ----------
        scores : mapping of session to (neuron,) array_like

        Raises
        ------
        BadArgument
            As `mean_score`.

        Examples
        --------
        >>> scores = {"A": [0.1, 0.3], "B": [0.5]}
        >>> round(preset("s23-server").mean(scores).value, 6), round(preset("mouse-mean").mean(scores).value, 6)
        (0.3, 0.35)
        """
        return mean_score(scores, weighting=self.weighting, nan=self.nan)


S22 = Preset(
    name="s22",
    description=(
        "Sensorium 2022, both tracks: every presentation of an image is one sample, responses divided by each neuron's "
        "published standard deviation, neurons weigh the same, NaN is kept. Source: sinzlab/sensorium, utility/metrics.py."
    ),
    nan="keep",
)
S23_SERVER = Preset(
    name="s23-server",
    description=(
        "Sensorium 2023 as the server scored it: frames [50, min(V, 300) - 1) of a film of V frames, responses times the "
        "published precision of each neuron and frame, trials laid end to end, NaN counts as 0, neurons of all mice weigh "
        "the same. The last frame was lost when the loader of that time rescaled films before it cut them at NaN; the "
        "leading entries sent 249 frames of 300. Source: ecker-lab/sensorium_2023, utility/scores.py, and those entries."
    ),
    skip=50,
    limit=300,
    drop_last=1,
)
S23_HEAD = replace(
    S23_SERVER,
    name="s23-head",
    description=(
        "Sensorium 2023 as its public code does today: as s23-server, but with frames [50, min(V, 300)), 250 of 300, since "
        "the loader now cuts before it rescales. Source: ecker-lab/sensorium_2023, utility/scores.py."
    ),
    drop_last=0,
)
MOUSE_MEAN = replace(
    S23_SERVER,
    name="mouse-mean",
    description=(
        "As s23-server, but each mouse weighs the same however many neurons it has: the mean of the mice's means, as the "
        "first and third entries of 2023 reported their models. Source: lRomul/sensorium and bryanlimy/ViV1T."
    ),
    weighting="mouse",
)
PER_TRIAL = replace(
    S23_SERVER,
    name="per-trial",
    description=(
        "The frames, unit and weights of s23-server, but correlated over the time of each trial and averaged over trials: "
        "another quantity that goes by the name single-trial correlation. Source: bryanlimy/ViV1T-closed-loop, metrics.py, "
        "whose own window is one frame later."
    ),
    per_trial=True,
)
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {one.name: one for one in (S22, S23_SERVER, S23_HEAD, MOUSE_MEAN, PER_TRIAL)}
)


def preset(name: str) -> Preset:
    """Return a preset by its name.

    Raises
    ------
    NoSuchItem
        There is none of that name; the hint names near misses.

    Examples
    --------
    >>> preset("s23-sever")
    Traceback (most recent call last):
    sensorium_data.errors.NoSuchItem: no preset is called 's23-sever'
    >>> list(PRESETS)
    ['s22', 's23-server', 's23-head', 'mouse-mean', 'per-trial']
    """
    if name not in PRESETS:
        raise NoSuchItem(
            f"no preset is called {name!r}", hint=near_miss(str(name), list(PRESETS)), code="no-such-preset"
        )
    return PRESETS[name]
