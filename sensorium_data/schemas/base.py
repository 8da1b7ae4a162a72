"""What all documents have in common: frozen, strict, and no field that nobody declared.

pydantic and the rendered JSON Schema must give one verdict on every JSON text, so the types here close the two gaps
between them: JSON has one kind of number, and pydantic reads many spellings of a time.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticKnownError

__all__ = [
    "Digest",
    "Document",
    "FirstVersion",
    "Integer",
    "Name",
    "NonNegative",
    "Options",
    "Positive",
    "RowOrMissing",
    "Text",
    "Timestamp",
]

# RFC 3339 with a capital T and at most microseconds, which is what datetime holds. [0-9], for \d is any script's digit.
_LOCAL = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
_OFFSET = r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"


def _whole(value: object, info: ValidationInfo) -> object:
    # In JSON 1.0 and 1 are one number, and JSON Schema takes both for an integer. In Python they are two types.
    if info.mode == "json" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _first(value: object, info: ValidationInfo) -> object:
    # In Python True is 1, in JSON it is not.
    if value is True:
        raise PydanticKnownError("literal_error", {"expected": "1"})
    return _whole(value, info)


def _rfc3339(value: object, info: ValidationInfo) -> object:
    # pydantic also reads "1700000000" and times without seconds. That an offset is missing it says better itself.
    if info.mode != "json" or not isinstance(value, str):
        return value
    if not re.fullmatch(f"{_LOCAL}{_OFFSET}?", value):
        raise PydanticKnownError("string_pattern_mismatch", {"pattern": f"^{_LOCAL}{_OFFSET}$"})
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:  # 30 February
        raise PydanticKnownError("datetime_parsing", {"error": str(error)}) from None


Name = Annotated[str, Field(min_length=1, max_length=255)]  # as long as a file name may be
Text = Annotated[str, Field(min_length=1)]
Integer = Annotated[int, BeforeValidator(_whole)]
# The bound stands before the validator: the other way round pydantic renders `ge`, which no JSON Schema knows.
NonNegative = Annotated[int, Field(ge=0), BeforeValidator(_whole)]
Positive = Annotated[int, Field(gt=0), BeforeValidator(_whole)]
RowOrMissing = Annotated[int, Field(ge=-1), BeforeValidator(_whole)]
FirstVersion = Annotated[Literal[1], BeforeValidator(_first)]
# pydantic would render a definition that allows everything, and refer to it.
Options = Annotated[dict[str, JsonValue], WithJsonSchema({"type": "object", "additionalProperties": True})]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, hexadecimal")]
Timestamp = Annotated[
    AwareDatetime, BeforeValidator(_rfc3339), Field(json_schema_extra={"pattern": f"^{_LOCAL}{_OFFSET}$"})
]


class Document(BaseModel):
    """A value that can be written as JSON and read back equal."""

    # Strict, so that pydantic and the rendered JSON Schema give the same verdict: "5" is not an integer for either.
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)
