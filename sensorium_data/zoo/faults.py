"""What pydantic refuses, in the words of this package: where, what was seen, and what was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import ValidationError

__all__ = ["Fault", "faults_of"]

EXPECTED = "Input should be "
OWN = "Value error, "  # before what a validator of this package says
SHOWN = 60  # characters of a value


class Fault(NamedTuple):
    """One thing that is wrong with a document.

    Attributes
    ----------
    path : tuple of str or int
        Where, as its author wrote it.
    unknown : bool
        There is no such key.
    what : str
        What is wrong, as what follows the place in a sentence.
    """

    path: tuple[str | int, ...]
    unknown: bool
    what: str


def faults_of(error: ValidationError, kind: type[BaseModel]) -> Iterator[Fault]:
    """Yield all that is wrong, each place once, however many types a value might have had there.

    Parameters
    ----------
    error : ValidationError
    kind : type of BaseModel
        What the document was held against.

    Examples
    --------
    >>> from pydantic import ValidationError
    >>> from sensorium_data.schemas.recipe import DataPart
    >>> try:
    ...     DataPart.model_validate({"window": 3.5, "batch_sise": 2})
    ... except ValidationError as error:
    ...     [(*fault.path, fault.what) for fault in faults_of(error, DataPart)]
    [('window', "is 3.5, expected a valid integer, or 'trial'"), ('batch_sise', 'is no key')]
    """
    found: dict[tuple[str | int, ...], list[Any]] = {}
    for fault in error.errors(include_url=False, include_context=False):
        found.setdefault(tuple(_path(kind, fault["loc"])), []).append(fault)
    for path, faults in found.items():
        yield Fault(path, faults[0]["type"] == "extra_forbidden", _what(faults))


def _path(kind: Any, place: Sequence[str | int]) -> Iterator[str | int]:  # noqa: ANN401  # types of fields are anything
    """Yield a place without the names that pydantic gives to the types that it tried there."""
    for name in place:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield name
            field = kind.model_fields.get(str(name))
            kind = None if field is None else field.annotation
        elif isinstance(name, int):
            yield name
        elif getattr(kind, "__origin__", None) is dict:
            yield name
            kind = None


def _what(faults: Sequence[Any]) -> str:
    first = faults[0]
    if first["type"] == "extra_forbidden":
        return "is no key"
    if first["type"] == "missing":
        return "is missing"
    if all(each["msg"].startswith(EXPECTED) for each in faults):
        seen = repr(first["input"])
        seen = seen if len(seen) <= SHOWN else f"{seen[:SHOWN]}…"
        wanted = dict.fromkeys(each["msg"].removeprefix(EXPECTED) for each in faults)
        return f"is {seen}, expected {', or '.join(wanted)}"
    return f"is refused: {first['msg'].removeprefix(OWN)}"
