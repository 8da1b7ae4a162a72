"""Whether a run that goes on is the run that was begun: the same recipe, the same recordings; all differences by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensorium_data.errors import BadArgument, Problem, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sensorium_data.schemas.recipe import Recipe
    from sensorium_data.schemas.run import Run, RunSession

__all__ = ["require_same"]

MATTERS = ("digest", "units", "precision", "n_neurons", "n_trials")  # where a store lies and how it is packed does not


def require_same(run: Run, recipe: Recipe, data: Sequence[RunSession], where: str) -> None:
    """Raise unless a run rests on a recipe and on recordings.

    Parameters
    ----------
    run : Run
        As it was begun.
    recipe : Recipe
    data : sequence of RunSession
        In the order that they are given in: batches follow it.
    where : str
        The folder, for people.

    Raises
    ------
    BadArgument
        They are others; every difference is named.
    """
    problems = [*_recipes(run.recipe, recipe), *_recordings(run.data, data)]
    if problems:
        what = f"{where} was begun otherwise: {counted(len(problems), 'difference')}"
        hint = "go on with the same recipe and stores, or begin in another folder: `--run DIR`"
        raise BadArgument(what, hint=hint, problems=problems, code="run-differs")


def _recipes(before: Recipe, now: Recipe) -> Iterator[Problem]:
    was, is_now = (dict(_flat(each.model_dump(mode="json"))) for each in (before, now))
    for name in sorted(was.keys() | is_now.keys()):
        if (name in was) != (name in is_now) or was[name] != is_now[name]:
            yield Problem("recipe-differs", name, f"was {was.get(name)!r}, is {is_now.get(name)!r}")


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _recordings(before: Sequence[RunSession], now: Sequence[RunSession]) -> Iterator[Problem]:
    was, is_now = ({each.key: each for each in listed} for listed in (before, now))
    yield from (Problem("session-missing", key, "was trained on and is not given") for key in was if key not in is_now)
    yield from (Problem("session-new", key, "was not trained on") for key in is_now if key not in was)
    if was.keys() == is_now.keys() and list(was) != list(is_now):
        yield Problem("session-order", "the sessions", f"were {', '.join(was)}, are {', '.join(is_now)}")
    for key in was.keys() & is_now.keys():
        for name in MATTERS:
            one, other = getattr(was[key], name), getattr(is_now[key], name)
            if one != other:
                yield Problem("session-differs", f"{key}, {name}", f"was {one}, is {other}")
