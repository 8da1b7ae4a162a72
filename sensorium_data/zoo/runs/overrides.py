"""A recipe with some of its values changed by name, as on a command line: `optimiser.learning_rate=0.01`."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from sensorium_data.errors import BadArgument, Problem, near_miss
from sensorium_data.schemas.recipe import Recipe
from sensorium_data.zoo.faults import faults_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensorium_data.zoo.faults import Fault

__all__ = ["overridden"]


def overridden(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return a recipe with some values changed.

    Parameters
    ----------
    recipe : Recipe
    settings : iterable of str
        Each ``key=value``: the key of a part with dots between, the value as TOML writes it, or `null`; what is neither
        is text. Later ones win.

    Raises
    ------
    BadArgument
        A key that no recipe has, or a value that it does not take; all are named.

    Examples
    --------
    >>> from sensorium_data.schemas.recipe import ModelPart
    >>> recipe = Recipe(name="small", description="a test", model=ModelPart(name="ln"))
    >>> changed = overridden(recipe, ["optimiser.learning_rate=0.01", "data.window=trial", "model.config.n_layers=1"])
    >>> changed.optimiser.learning_rate, changed.data.window, changed.model.config
    (0.01, 'trial', {'n_layers': 1})
    >>> overridden(recipe, ["optimiser.learning_rat=0.01"])
    Traceback (most recent call last):
        ...
    sensorium_data.errors.BadArgument: `optimiser.learning_rat` is no key of a recipe
    """
    values = recipe.model_dump(mode="json")
    problems: list[Problem] = []
    hints: list[str] = []
    for setting in settings:
        key, separator, text = setting.partition("=")
        path = key.strip().split(".")
        if not separator:
            problems.append(Problem("bad-setting", f"`{setting}`", "has no `=`: expected KEY=VALUE"))
        elif (unknown := _unknown(path)) is not None:
            hints.append(near_miss(*unknown) if unknown[1] else "")
            meant = f"; {hints[-1]}" if problems and hints[-1] else ""  # of the first it is the hint
            problems.append(Problem("no-such-key", f"`{key}`", f"is no key of a recipe{meant}"))
        else:
            _put(values, path, _value(text))
    if not problems:
        try:
            return Recipe.model_validate_json(json.dumps(values))
        except ValidationError as error:
            problems = [
                Problem("bad-value", f"`{'.'.join(map(str, fault.path)) or 'recipe'}`", _said(fault))
                for fault in faults_of(error, Recipe)
            ]
    first, *rest = problems
    hint = next(filter(None, hints), "") or "`--list --json` shows the recipes that are shipped, with all their keys"
    raise BadArgument(f"{first.where} {first.what}", hint=hint, problems=rest, code="bad-setting")


def _unknown(path: list[str]) -> tuple[str, list[str]] | None:
    """Return where a path goes wrong and the keys that there are, none below a value; None where it leads somewhere."""
    kind: Any = Recipe
    for name in path:
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return None if getattr(kind, "__origin__", kind) is dict else (name, [])
        if name not in kind.model_fields:
            return name, list(kind.model_fields)
        kind = kind.model_fields[name].annotation
    return None


def _put(values: dict[str, Any], path: list[str], value: object) -> None:
    part = values
    for name in path[:-1]:
        if not isinstance(part.get(name), dict):
            part[name] = {}
        part = part[name]
    part[path[-1]] = value


def _value(text: str) -> object:
    if text.strip() == "null":
        return None
    try:
        value = tomllib.loads(f"value = {text}")["value"]
        json.dumps(value, allow_nan=False)
    except (tomllib.TOMLDecodeError, TypeError, ValueError):  # a date is no value of a recipe
        return text
    return value


def _said(fault: Fault) -> str:
    return "is no key of a recipe" if fault.unknown else fault.what
