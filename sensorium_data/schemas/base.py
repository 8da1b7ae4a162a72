"""What all documents have in common: frozen, strict, and no field that nobody declared."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Digest", "Document", "Name", "NonNegative", "Positive"]

Name = Annotated[str, Field(min_length=1, max_length=200)]
NonNegative = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, hexadecimal")]


class Document(BaseModel):
    """A value that can be written as JSON and read back equal."""

    # Strict, so that pydantic and the rendered JSON Schema give the same verdict: "5" is not an integer for either.
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)
