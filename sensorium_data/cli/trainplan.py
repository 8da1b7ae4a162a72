"""What training would do, found out before anything is written: recipe, recordings, model, and how long an epoch is."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium_data.errors import DataInvalid, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch  # for type checkers alone

    from sensorium_data.schemas.recipe import Recipe
    from sensorium_data.schemas.run import RunSession, TrainReport
    from sensorium_data.views import Session

__all__ = ["Planned", "chosen_recipe", "plan_lines", "plan_training"]

STATES = 8  # of the parameters: now, at their best, two moments of the optimiser; and all that as it is written anew
MODELS = 2  # the best one, and the next as it is written beside
SHOWN = 8  # sessions, in lines for people


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be trained.

    Attributes
    ----------
    recipe : Recipe
    given : bytes or None
        The file that it is from, where nothing of it was changed.
    sessions : sequence of Session
    data : sequence of RunSession
    device : torch.device
    n_parameters : dict of str to int
    n_batches, n_steps : int
        Of an epoch.
    n_bytes : int
        That its folder takes at most, less curves and pictures: a model carries its normalisation and its neurons.
    """

    recipe: Recipe
    given: bytes | None
    sessions: Sequence[Session]
    data: Sequence[RunSession]
    device: torch.device
    n_parameters: dict[str, int]
    n_batches: int
    n_steps: int
    n_bytes: int

    def report(self, run: Path | None, **more: Any) -> TrainReport:  # noqa: ANN401  # fields of a document, which refuses others
        """Return the plan, or with more fields the outcome, as a document."""
        from sensorium_data.schemas.run import TrainReport

        return TrainReport(
            **{
                "run": None if run is None else str(run), "status": "planned", "recipe": self.recipe,
                "data": tuple(self.data), "device": str(self.device), "n_parameters": self.n_parameters,
                "n_batches": self.n_batches, "n_steps": self.n_steps,
            } | more
        )  # fmt: skip


def chosen_recipe(word: str, settings: Sequence[str]) -> tuple[Recipe, bytes | None]:
    """Return the recipe that is meant, and the file that it is from where it is that file.

    Parameters
    ----------
    word : str
        The name of one that is shipped, or the path of a TOML file.
    settings : sequence of str
        ``key=value`` each.

    Raises
    ------
    NotFound, DataInvalid
        No such recipe, or it is none.
    BadArgument
        A key that no recipe has, or a value that it does not take.
    """
    from sensorium_data.zoo.runs.overrides import overridden
    from sensorium_data.zoo.training.recipes import load_recipe, parse_recipe, recipes

    recipe = load_recipe(word)
    if settings:
        return overridden(recipe, settings), None
    shipped = files("sensorium_data.zoo") / "recipes" / f"{word}.toml"
    content = shipped.read_bytes() if word in recipes() else Path(word).expanduser().read_bytes()
    try:
        same = parse_recipe(content, word) == recipe
    except DataInvalid:  # written anew between the two looks at it
        same = False
    return recipe, content if same else None


def plan_training(
    recipe: Recipe, given: bytes | None, stores: Sequence[str | Path], options: dict[str, Any] | None, device: str | None
) -> Planned:  # fmt: skip
    """Return what training would do; roots, tables and statistics of the stores are read.

    Parameters
    ----------
    recipe, given
        As `chosen_recipe` returns them.
    stores : sequence of path or URL
    options : dict or None
        How to get in, where they are URLs.
    device : str or None
        None takes a GPU where there is one.

    Raises
    ------
    BadArgument, NotFound, DataInvalid, StorageFailed
        Recipe, model, sessions and device do not fit together, or are not there.
    """
    from sensorium_data.loaders.ranks import find_ranks
    from sensorium_data.viewing.opening import opened
    from sensorium_data.zoo.cards import fact_tensors
    from sensorium_data.zoo.registry import build
    from sensorium_data.zoo.runs.data import recorded
    from sensorium_data.zoo.training.distributed import Group, device_of
    from sensorium_data.zoo.training.material import material_of, require_fit
    from sensorium_data.zoo.training.validation import Validation

    ranks, chosen = find_ranks(), device_of(device)
    sessions = list(opened(stores, options).values())
    material = material_of(recipe, sessions)
    model = build(
        recipe.model.name, material.facts, recipe.model.config, seed=recipe.seed, normalisation=material.normalisation
    )
    require_fit(model, material)
    Validation(recipe, material.sessions, Group(*ranks, chosen))
    handles = [session.handle for session in sessions]
    tiers = [*recipe.data.tiers, recipe.validation.tier]
    n_batches = len(material.loader)
    a_step = len(sessions) if recipe.accumulate == "sessions" else recipe.accumulate
    n_steps = -(-n_batches // -(-a_step // ranks.world_size))
    counts, data = model.n_parameters(), recorded(handles, tiers)
    n_bytes = STATES * sum(one.nbytes for one in model.parameters()) + MODELS * sum(
        one.nbytes for one in (*model.state_dict().values(), *fact_tensors(material.facts).values())
    )
    return Planned(recipe, given, sessions, data, chosen, counts, n_batches, n_steps, n_bytes)


def plan_lines(planned: Planned, run: Path | None, verb: str) -> Iterator[str]:
    """Yield what is trained, on what and where it goes, in lines for people.

    Parameters
    ----------
    planned : Planned
    run : Path or None
        Its folder.
    verb : str
        As "train", or "would train".
    """
    recipe = planned.recipe
    parts = ", ".join(f"{name} {n:,}" for name, n in planned.n_parameters.items() if name != "total")
    total = planned.n_parameters["total"]
    yield f"{verb} {recipe.model.name}: {counted(total, 'parameter')} ({parts}), recipe {recipe.name}, seed {recipe.seed}"
    yield from _session_lines(planned.data)
    epochs = counted(recipe.schedule.max_epochs, "epoch")
    batches = f"{planned.n_batches:,} batch{'es' * (planned.n_batches != 1)}"
    length = f"at most {epochs} of {batches} in {counted(planned.n_steps, 'step')}"
    yield f"epochs  {length}; {recipe.precision} on {planned.device}"
    if run is not None:
        from sensorium_data.catalogs.disk import free_bytes
        from sensorium_data.spelling import human_bytes

        size = human_bytes(planned.n_bytes)
        yield f"folder  {run}: at most {size}; {human_bytes(free_bytes(run))} free"


def _session_lines(data: Sequence[RunSession]) -> Iterator[str]:
    for one in data[:SHOWN]:
        trials = ", ".join(f"{tier} {counted(n, 'trial')}" for tier, n in one.n_trials.items())
        yield f"session {one.key}: {counted(one.n_neurons, 'neuron')}, {trials}"
    if len(data) > SHOWN:
        more = data[SHOWN:]
        n_trials = sum(sum(one.n_trials.values()) for one in more)
        yield f"and {len(more)} more: {sum(one.n_neurons for one in more):,} neurons, {counted(n_trials, 'trial')}"
