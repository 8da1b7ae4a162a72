"""A recipe as TOML, for those that were never a file or were changed on the command line."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sensorium_data.schemas.recipe import Recipe

__all__ = ["recipe_toml"]


def recipe_toml(recipe: Recipe) -> bytes | None:
    """Return a file that holds a recipe, or None where TOML cannot say it: it has no null.

    Parameters
    ----------
    recipe : Recipe

    Examples
    --------
    >>> from sensorium_data.schemas.recipe import ModelPart, Recipe
    >>> made = recipe_toml(Recipe(name="small", description="a test", model=ModelPart(name="ln")))
    >>> print(made.decode())
    name = "small"
    description = "a test"
    ...
    [model]
    name = "ln"
    ...
    """
    values = {name: value for name, value in recipe.model_dump(mode="json").items() if value is not None}
    content = "\n".join(_table(values)).encode() + b"\n"
    read = type(recipe).model_validate_json(json.dumps(tomllib.loads(content.decode())))
    return content if read == recipe else None


def _table(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    tables = {name: value for name, value in values.items() if isinstance(value, dict) and value}
    plain = {name: value for name, value in values.items() if name not in tables and value is not None}
    if path and (plain or not tables):
        yield ""
        yield f"[{'.'.join(map(_key, path))}]"
    yield from (f"{_key(name)} = {_value(value)}" for name, value in plain.items())
    for name, value in tables.items():
        yield from _table(value, (*path, name))


def _key(name: str) -> str:
    plain = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if plain else _value(name)


def _value(value: Any) -> str:  # noqa: ANN401  # whatever JSON holds
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)} = {_value(one)}" for name, one in value.items() if one is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value if one is not None) + "]"
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f") if isinstance(value, str) else text
