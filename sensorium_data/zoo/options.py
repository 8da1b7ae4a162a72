"""Kinds of numbers that models are configured by."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from sensorium_data.schemas.base import Positive

__all__ = ["Momentum", "Odd", "PositiveFloat", "Sizes", "UnitRange", "Weight"]


def _odd(value: int) -> int:
    if value % 2 == 0:
        what = f"{value} is even: a filter needs a middle for the map to keep its size"
        raise ValueError(what)
    return value


Odd = Annotated[Positive, AfterValidator(_odd)]
Momentum = Annotated[float, Field(gt=0, le=1)]  # of batch norm, as torch counts it: the share of the newest batch
Weight = Annotated[float, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
UnitRange = Annotated[float, Field(gt=0, le=1)]
Sizes = Annotated[tuple[Positive, ...], Field(min_length=1, strict=False)]  # JSON and TOML have lists
