"""Signals: named streams, each with its own exact clock, dims, units and channels."""

from __future__ import annotations

from itertools import pairwise
from math import gcd
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sensorium_data.schemas.base import Document, Integer, Name, NonNegative, Positive

__all__ = ["Channel", "Clock", "ExplicitClock", "Rate", "RegularClock", "Rounding", "SegmentedClock", "Signal"]


class Rate(Document):
    """An exact sampling rate in hertz, as a fraction in lowest terms.

    Examples
    --------
    >>> Rate(numerator=30, denominator=1)
    Rate(numerator=30, denominator=1)
    """

    numerator: Positive
    denominator: Positive

    @model_validator(mode="after")
    def _lowest_terms(self) -> Self:
        if gcd(self.numerator, self.denominator) != 1:
            msg = f"rate {self.numerator}/{self.denominator} is not in lowest terms"
            raise ValueError(msg)
        return self


class RegularClock(Document):
    """Samples at ``origin_ns / 1e9 + k / rate`` seconds, k = 0 … n_samples - 1."""

    kind: Literal["regular"]
    origin_ns: Integer = Field(description="time of tick 0, nanoseconds of the session's time axis")
    rate: Rate
    n_samples: NonNegative
    nominal: bool = Field(default=False, description="true where the source has no true clock and the rate is nominal")


class SegmentedClock(Document):
    """As a regular clock, but sampled only in some half-open runs of ticks; rows count through the runs."""

    kind: Literal["segmented"]
    origin_ns: Integer
    rate: Rate
    segments: tuple[tuple[Integer, Integer], ...] = Field(
        description="half-open runs of ticks [start, stop), ascending"
    )
    nominal: bool = False

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if any(start >= stop for start, stop in self.segments):
            msg = "a segment is empty or runs backwards"
            raise ValueError(msg)
        if any(before[1] >= after[0] for before, after in pairwise(self.segments)):
            msg = "segments touch, overlap or are not ascending"
            raise ValueError(msg)
        return self


class ExplicitClock(Document):
    """Every sample has its own time, kept in the signal's ``time`` array as int64 nanoseconds."""

    kind: Literal["explicit"]
    n_samples: NonNegative


Clock = Annotated[RegularClock | SegmentedClock | ExplicitClock, Field(discriminator="kind")]


class Channel(Document):
    """One column of a signal that has few of them."""

    name: Name
    unit: str | None = None
    description: str = ""


class Rounding(Document):
    """What a change of precision did to a signal's values."""

    source_dtype: Name
    stored_dtype: Name
    exact: bool = Field(description="true when every value survived to the bit")
    max_abs_error: Annotated[float, Field(ge=0)] = Field(default=0.0, description="in the signal's unit")


class Signal(Document):
    """A stream of samples: ``values`` has the clock's samples first, then channels or neurons."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    dims: tuple[Name, ...] = Field(min_length=1)
    unit: str | None = None
    description: str = ""
    channels: tuple[Channel, ...] = ()
    clock: Clock
    rounding: Rounding
    withheld: bool = Field(default=False, description="published as zeros in every trial; there are no samples")

    @model_validator(mode="after")
    def _time_first(self) -> Self:
        if self.dims[0] != "time":
            msg = f"dims {self.dims} do not begin with time"
            raise ValueError(msg)
        names = [channel.name for channel in self.channels]
        if len(set(names)) != len(names):
            msg = f"channel names {names} are not unique"
            raise ValueError(msg)
        return self
