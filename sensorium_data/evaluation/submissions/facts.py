"""What the two competitions took: names of files, mice that were scored, and how many trials and neurons each has.

Sources: the code and READMEs of the competitions (github.com/sinzlab/sensorium, github.com/ecker-lab/sensorium_2023) for
names and columns; the tables of trials by github.com/anaflom/sensorium (CC0) for their counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from sensorium_data.errors import BadArgument, near_miss
from sensorium_data.sources.sensorium2023_facts import MICE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sensorium_data.schemas import Identity

__all__ = [
    "LARGEST",
    "OLD",
    "SCORED",
    "TRACKS",
    "WINDOW_LENGTHS",
    "Mouse",
    "SubmissionTrack",
    "SubmissionWindow",
    "Track",
    "folder_of",
    "track_named",
    "window_named",
]

SubmissionTrack: TypeAlias = Literal["main", "bonus", "2022"]
SubmissionWindow: TypeAlias = Literal["s23-server", "s23-head"]

LARGEST = 5 * 10**9  # bytes of an upload
# What films of 300 frames, and those of 240 that some bonus tiers show, come to in the two windows.
WINDOW_LENGTHS: Mapping[str, tuple[int, ...]] = MappingProxyType({"s23-server": (249, 189), "s23-head": (250, 190)})


@dataclass(frozen=True, slots=True)
class Track:
    """One upload of a competition.

    Attributes
    ----------
    name : str
    modality : {"dynamic", "static"}
    files : mapping of tier to str
        Names that the server wanted, at the root of one zip.
    """

    name: SubmissionTrack
    modality: Literal["dynamic", "static"]
    files: Mapping[str, str]

    @property
    def suffix(self) -> str:
        """What the names of its files end with."""
        return ".csv" if self.modality == "static" else ".parquet.brotli"


@dataclass(frozen=True, slots=True)
class Mouse:
    """A mouse of a competition.

    Attributes
    ----------
    name : str
        Of its published folder.
    n_neurons : int
    n_trials : mapping of tier to int
        Of the tiers that were scored, where they are known.
    """

    name: str
    n_neurons: int
    n_trials: Mapping[str, int] = field(default_factory=dict)


TRACKS: Mapping[str, Track] = MappingProxyType(
    {
        "main": Track(
            "main",
            "dynamic",
            {
                "live_test_main": "predictions_live_main.parquet.brotli",
                "final_test_main": "predictions_final_main.parquet.brotli",
            },
        ),
        "bonus": Track(
            "bonus",
            "dynamic",
            {
                "live_test_bonus": "predictions_live_test_bonus_ood.parquet.brotli",
                "final_test_bonus": "predictions_final_test_bonus_ood.parquet.brotli",
            },
        ),
        "2022": Track(
            "2022",
            "static",
            {"test": "submission_file_live_test.csv", "final_test": "submission_file_final_test.csv"},
        ),
    }
)

TIERS = ("live_test_main", "live_test_bonus", "final_test_main", "final_test_bonus")


def _new(key: str, n_neurons: int, *n_trials: int) -> Mouse:
    name = f"dynamic{key}-Video-9b4f6a1a067fe51e15306b9628efea20"
    return Mouse(name, n_neurons, dict(zip(TIERS, n_trials, strict=True)))


def _image(key: str, n_neurons: int) -> Mouse:
    return Mouse(f"static{key}-GrayImageNet-94c6ff995dac583098847cfecd43e7b6", n_neurons)


# The mice whose test responses are withheld, by key: those of 2023 in one upload, those of 2022 in one of their own each.
SCORED: Mapping[str, Mapping[str, Mouse]] = MappingProxyType(
    {
        "dynamic": {
            "29515-10-12": _new("29515-10-12", 7863, 56, 58, 57, 134),
            "29623-4-9": _new("29623-4-9", 7908, 53, 57, 56, 131),
            "29647-19-8": _new("29647-19-8", 8202, 60, 58, 59, 120),
            "29712-5-9": _new("29712-5-9", 7939, 60, 80, 60, 120),
            "29755-2-8": _new("29755-2-8", 8122, 60, 60, 60, 119),
        },
        "static": {"26872-17-20": _image("26872-17-20", 7776), "27204-5-13": _image("27204-5-13", 7538)},
    }
)
# Those of 2023 that became public with all their responses, and were not scored.
OLD: Mapping[str, str] = MappingProxyType(
    {key: f"dynamic{key}-Video-8744edeac3b4d1ce16b680916b5267ce" for key in MICE if key not in SCORED["dynamic"]}
)


def folder_of(identity: Identity) -> str:
    """Return the name of the folder that a recording was published in, whatever the copy at hand was called.

    Examples
    --------
    >>> from sensorium_data.schemas import Identity
    >>> folder_of(Identity(key="29515-10-12", name="dynamic29515-10-12", modality="dynamic"))
    'dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20'
    """
    known = SCORED[identity.modality].get(identity.key)
    if known is not None:
        return known.name
    return OLD.get(identity.key, identity.name) if identity.modality == "dynamic" else identity.name


def track_named(name: str) -> Track:
    """Return a track.

    Raises
    ------
    BadArgument
        There is none of that name.
    """
    if name not in TRACKS:
        raise BadArgument(f"no track `{name}`", hint=near_miss(str(name), list(TRACKS)), code="bad-track")
    return TRACKS[name]


def window_named(name: str) -> str:
    """Return the name of a window of frames.

    Raises
    ------
    BadArgument
        There is none of that name.
    """
    known: Sequence[str] = get_args(SubmissionWindow)
    if name not in known:
        raise BadArgument(f"no window `{name}`", hint=near_miss(str(name), known), code="bad-window")
    return name
