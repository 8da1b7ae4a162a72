"""Recipes by name or from a TOML file; what is wrong with one is said key by key, with the key that was meant."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from sensorium_data.errors import DataInvalid, NoSuchItem, NotFound, Problem, StorageFailed, near_miss
from sensorium_data.schemas.recipe import Recipe
from sensorium_data.zoo.faults import faults_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["load_recipe", "parse_recipe", "recipes"]

SUFFIX = ".toml"
MOST_BYTES = 1 << 20
HINT = "`sensorium-data train --list --json` shows the recipes that are shipped, with all their keys"


@cache
def recipes() -> tuple[str, ...]:
    """Return the names of the recipes that are shipped.

    Examples
    --------
    >>> [name for name in recipes() if name.startswith("demo")]
    ['demo-factorised3d', 'demo-ln', 'demo-ln3d']
    """
    there = files("sensorium_data.zoo") / "recipes"
    return tuple(sorted(each.name.removesuffix(SUFFIX) for each in there.iterdir() if each.name.endswith(SUFFIX)))


def load_recipe(recipe: Recipe | str | Path) -> Recipe:
    """Return a recipe.

    Parameters
    ----------
    recipe : Recipe, str or Path
        Itself, the name of one that is shipped, or the path of a TOML file: what ends in ``.toml`` or has a separator.

    Raises
    ------
    NotFound
        No such recipe or file; the hint names near misses.
    DataInvalid
        It is no recipe; all faults are named.
    StorageFailed
        The file cannot be read.

    Examples
    --------
    >>> load_recipe("sensorium2022-cnn").optimiser.learning_rate
    0.009
    """
    if isinstance(recipe, Recipe):
        return recipe
    name = str(recipe)
    if isinstance(recipe, Path) or name.endswith(SUFFIX) or "/" in name:
        return parse_recipe(_read(Path(recipe)), name)
    if name not in recipes():
        raise NoSuchItem(f"no recipe `{name}`", hint=near_miss(name, recipes()), code="no-such-recipe")
    return parse_recipe((files("sensorium_data.zoo") / "recipes" / f"{name}{SUFFIX}").read_bytes(), name)


def parse_recipe(content: bytes, where: str = "recipe") -> Recipe:
    r"""Return the recipe that a TOML file holds.

    Parameters
    ----------
    content : bytes
    where : str
        What messages call it.

    Raises
    ------
    DataInvalid
        It is none; all faults are named.

    Examples
    --------
    >>> parse_recipe(b'name = "mine"\ndescription = "x"\nmodel.name = "ln"\n[loss]\nscal_by = "none"')
    Traceback (most recent call last):
        ...
    sensorium_data.errors.DataInvalid: recipe: `loss.scal_by` is no key of a recipe
    """
    try:
        # By way of JSON, in which a list may be a tuple; dates, which no recipe has, become text.
        values = json.dumps(tomllib.loads(content.decode()), default=str)
        return Recipe.model_validate_json(values)
    except ValidationError as error:
        raise _refused(where, error) from None
    except UnicodeDecodeError:
        raise DataInvalid(f"{where}: is no text in UTF-8", hint=HINT, code="recipe-invalid") from None
    except tomllib.TOMLDecodeError as error:
        raise DataInvalid(f"{where}: is no TOML: {error}", hint=HINT, code="recipe-invalid") from None
    except RecursionError:
        raise DataInvalid(f"{where}: is nested too deep", hint=HINT, code="recipe-invalid") from None


def _read(path: Path) -> bytes:
    try:
        with path.expanduser().open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        hint = f"{near_miss(path.name.removesuffix(SUFFIX), recipes())}; those are shipped, and named without {SUFFIX}"
        raise NotFound(f"{path}: no such file", hint=hint, code="no-such-recipe") from None
    except IsADirectoryError:
        hint = "the recipe comes first, stores after it: `sensorium-data train RECIPE STORE... --run DIR`"
        what = f"{path}: is a folder, expected the name of a recipe or a TOML file"
        raise NotFound(what, hint=hint, code="no-such-recipe") from None
    except OSError as error:
        raise StorageFailed(
            f"{path}: cannot be read: {error.strerror or error}", hint="get access to the file"
        ) from None
    if len(content) > MOST_BYTES:
        raise DataInvalid(f"{path}: is longer than a recipe may be, {MOST_BYTES >> 20} MiB", code="recipe-invalid")
    return content


def _refused(where: str, error: ValidationError) -> DataInvalid:
    problems, hint = [], HINT
    for fault in faults_of(error, Recipe):
        path = ".".join(map(str, fault.path)) or "recipe"
        if fault.unknown:
            problems.append(Problem("no-such-key", path, "is no key of a recipe"))
            hint = near_miss(str(fault.path[-1]), _known(fault.path[:-1])) if hint is HINT else hint
        else:
            problems.append(Problem("bad-value", path, fault.what))
    first = next((each for each in problems if each.code == "no-such-key"), problems[0])
    rest = [each for each in problems if each is not first]
    return DataInvalid(f"{where}: `{first.where}` {first.what}", hint=hint, problems=rest, code="recipe-invalid")


def _known(place: Sequence[Any]) -> list[str]:
    """Return the keys of a part of a recipe."""
    kind: Any = Recipe
    for name in place:
        kind = kind.model_fields[name].annotation
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []
