"""What a reader of a published format hands to the conversion: facts at once, arrays when they are asked for.

A third party adds a reader by registering a class with the `Source` methods under the entry point
``sensorium_data.sources``. Readers never write, never guess, and never raise at the first problem: they collect.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium_data.errors import Problem
    from sensorium_data.schemas import Channel, Citation, Identity, Licence, Note
    from sensorium_data.schemas.stimulus import LabelSource
    from sensorium_data.sources.members import Members, Memory
    from sensorium_data.sources.npy import Loaded

__all__ = ["RawColumn", "RawSession", "RawSignal", "RawStatistic", "RawTrial", "Scan", "Source"]


@dataclass(frozen=True, slots=True)
class RawTrial:
    """One trial before its samples are known.

    ``contiguous`` is True when it was shown right after the trial before it in the list; ``missing`` when the source
    lists it and has no data for it.
    """

    trial_id: int
    tier: str
    missing: bool = False
    contiguous: bool = True


@dataclass(frozen=True, slots=True)
class RawSignal:
    """A stream beside film and responses: dims after time, channels, unit, and the dtype it was published in."""

    name: str
    dims: tuple[str, ...]
    dtype: np.dtype[Any]
    unit: str | None = None
    channels: tuple[Channel, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class RawColumn:
    """A column of a table, rows first, and the member it comes from."""

    values: NDArray[Any]
    dims: tuple[str, ...]
    member: str
    unit: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class RawStatistic:
    """An array of statistics as shipped: where it goes, what it is, and the dims it has once time comes first."""

    path: str
    signal: str
    measure: str
    dims: tuple[str, ...]
    member: str

    @property
    def framed(self) -> bool:
        """True when there is a value for each frame; published with time last."""
        return bool(self.dims) and self.dims[0].startswith("frame")


@dataclass(frozen=True, slots=True)
class Scan:
    """All of one trial but its responses: the valid samples of film and signals, and what was found out on the way.

    Attributes
    ----------
    frames : (time, …, y, x) uint8, float32 or float64, grey levels
        uint8 where every pixel is an integer from 0 to 255, else as published.
    signals : dict of (time, …) arrays
        As published, cut to the valid samples.
    withheld : bool
        The responses are published as zeros.
    digests : dict of str
        SHA-256 of each member that was read whole.
    blank : tuple of str
        Signals that are zeros here, as they cannot be; one that is so in every trial was withheld.
    """

    frames: NDArray[Any]
    signals: dict[str, NDArray[Any]]
    withheld: bool
    digests: dict[str, str]
    note_codes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    blank: tuple[str, ...] = ()


@dataclass(frozen=True)
class RawSession(ABC):
    """A published recording: what is known at once, and its arrays on demand, safe from several threads.

    ``batch`` is how many trials are read as one task (some 60 MB of them); ``stimulus_ids`` what the source calls the
    film or image of a trial, by trial id, where it calls it anything. Grouping is by content, and is held against them.
    """

    identity: Identity
    licence: Licence | None
    citations: tuple[Citation, ...]
    trials: tuple[RawTrial, ...]
    signals: tuple[RawSignal, ...]
    neurons: dict[str, RawColumn]
    trial_variables: dict[str, RawColumn]
    statistics: tuple[RawStatistic, ...]
    n_neurons: int
    response_dtype: np.dtype[Any]
    film_dtype: np.dtype[Any]
    frame_shape: tuple[int, ...]
    members: Members
    digests: dict[str, str]
    notes: tuple[Note, ...] = ()
    rate: Fraction = Fraction(30)
    order_basis: str = ""
    note_texts: dict[str, str] = field(default_factory=dict)
    batch: int = 8
    stimulus_ids: dict[int, str] | None = None

    @abstractmethod
    def scan(self, trial: RawTrial, *, allow_nan: bool, memory: Memory | None = None) -> Scan:
        """Return film and signals of one trial, checked; problems are collected, never raised.

        The film may lie in the memory, and is then gone when the memory is used again; signals are the caller's own.
        """

    @abstractmethod
    def responses(self, trial: RawTrial, n_valid: int, memory: Memory | None = None) -> Loaded:
        """Return the responses of one trial, (time, neuron) as published; a transposed view of the memory is welcome."""

    def responses_member(self, trial: RawTrial) -> str:
        """Return the member that holds a trial's responses, as problems and digests name it."""
        return f"data/responses/{trial.trial_id}.npy"

    @abstractmethod
    def statistic(self, statistic: RawStatistic) -> Loaded:
        """Return one array of the shipped statistics, time first."""

    @abstractmethod
    def label(self, trial: RawTrial, n_valid: int, still: float) -> tuple[str, LabelSource]:
        """Return what kind of stimulus a trial showed and how that is known.

        ``still`` is the share of frames that equal the frame before them.
        """


class Source(Protocol):
    """A reader of one published format, chosen by what a source holds and not by its name."""

    name: ClassVar[str]
    looks_for: ClassVar[str]

    def recognises(self, members: Members) -> bool:
        """True when the members have the shape of this format; reads names only."""

    def open(self, members: Members) -> RawSession:
        """Return the recording.

        Raises
        ------
        SourceInvalid
            With every problem that names, headers and tables show.
        """
