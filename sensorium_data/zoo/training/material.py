"""From recordings to what is trained on: windows of the recipe's tiers, and the numbers that a model is built from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import BadArgument, Problem, counted, listed
from sensorium_data.loaders import make_loader
from sensorium_data.loaders.statistics import Statistics
from sensorium_data.loaders.transforms import fill_missing
from sensorium_data.shipped import Shipped
from sensorium_data.viewing.opening import opened
from sensorium_data.zoo.facts import normalisation_of, session_facts
from sensorium_data.zoo.registry import model_class, models
from sensorium_data.zoo.tensors import BEHAVIOR, FILMS, PUPIL_CENTER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sensorium_data.loaders.loader import WindowLoader
    from sensorium_data.schemas.recipe import DataPart, Recipe
    from sensorium_data.streams import Streams
    from sensorium_data.viewing.opening import Opened
    from sensorium_data.views import Session
    from sensorium_data.zoo.contract import Model, SessionFacts
    from sensorium_data.zoo.normalisation import Normalisation

__all__ = ["Material", "material_of", "options_of", "require_fit"]

SIGNALS = (*BEHAVIOR, *PUPIL_CENTER)


@dataclass(frozen=True, slots=True)
class Material:
    """What a run is trained on.

    Attributes
    ----------
    sessions : mapping of str to Session
        By key.
    loader : WindowLoader
        Of the training windows, as stored.
    normalisation : Normalisation
        That the model is to carry.
    facts : list of SessionFacts
    n_trials : mapping of str to (int, int)
        Of each session: trials with data, and those of them that are trained on.
    """

    sessions: Mapping[str, Session]
    loader: WindowLoader
    normalisation: Normalisation
    facts: list[SessionFacts]
    n_trials: Mapping[str, tuple[int, int]]


def material_of(recipe: Recipe, sessions: Opened | Iterable[Opened]) -> Material:
    """Return what a recipe makes of some sessions.

    Parameters
    ----------
    recipe : Recipe
    sessions : path, Session, SessionSet, or several of them

    Raises
    ------
    BadArgument
        Withheld tiers, sessions without published statistics, a rate that is not theirs, or no window at all.
    NotFound
        A session, tier or stream that is not there.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.schemas.recipe import DataPart, ModelPart, Recipe
    >>> from sensorium_data.testing import make_session
    >>> recipe = Recipe(name="mine", description="mine", model=ModelPart(name="ln3d"), data=DataPart(window=12))
    >>> made = material_of(recipe, make_session(tempfile.mkdtemp(), n_neurons=4))
    >>> made.facts[0].n_neurons, made.n_trials["29515-10-12"][1]
    (4, 6)
    """
    there = dict(opened(sessions))
    _refuse_other_modality(recipe, there)
    _refuse_withheld(recipe, there)
    data = recipe.data
    loader = make_loader(
        list(there.values()), tier=data.tiers, window=data.window, batch_size=data.batch_size, order=data.order,
        drop_last=data.drop_last, seed=recipe.seed, **options_of(data, there),
    )  # fmt: skip
    streams = loader.dataset.streams
    if data.normalisation == "official":
        _refuse_other_rates(streams)
    normalisation = normalisation_of(streams, data.normalisation, step=data.step)
    n_trials = {key: _n_trials(session, data.tiers) for key, session in there.items()}
    return Material(there, loader, normalisation, session_facts(streams, normalisation), n_trials)


def options_of(data: DataPart, sessions: Mapping[str, Session]) -> dict[str, Any]:
    """Return what loaders of training and validation have in common, as arguments of `WindowDataset`."""
    first = next(iter(sessions.values())).handle
    film = first.document.identity.film
    # What some sessions alone have is left for the loader to name, with all differences.
    known = set().union(*(session.handle.signals for session in sessions.values()))
    beside = [name for name in SIGNALS if name in known] if data.signals is None else list(data.signals)
    needed = [film, "responses", *(beside if data.missing == "skip" else ())]
    return {
        "signals": [film, "responses", *beside],
        "require": needed,
        "rate_hz": data.rate_hz,
        "transform": fill_missing() if data.missing == "fill" and beside else None,
    }


def require_fit(model: Model, material: Material) -> None:
    """Raise unless a model takes the windows of a recipe.

    Raises
    ------
    BadArgument
        Windows are too short for its receptive field, or an input that it takes is missing throughout.
    """
    dataset = material.loader.dataset
    _refuse_unknown_inputs(model, dataset.streams)
    shortest, needed = int(dataset.windows.n_samples.min()), model.n_lost_frames + 1
    if model.modality == "dynamic" and shortest < needed:
        what = (
            f"a window of {counted(shortest, 'frame')} is {needed - shortest} fewer than the {needed} that one answer"
        )
        raise BadArgument(
            f"{what} of `{model.name}` rests on", hint=f"data.window = {needed + 30}", code="window-too-short"
        )


def _n_trials(session: Session, tiers: tuple[str, ...]) -> tuple[int, int]:
    trials = session.handle.trials
    there = ~np.asarray(trials["missing"], bool)
    return int(there.sum()), int((there & np.isin(trials["tier"].astype(str), tiers)).sum())


def _refuse_other_modality(recipe: Recipe, sessions: Mapping[str, Session]) -> None:
    """Raise where a model of images would be given films, or the other way round."""
    takes, holds = model_class(recipe.model.name).modality, {"static": "images", "dynamic": "films"}
    others = [key for key, one in sessions.items() if one.handle.document.identity.modality != takes]
    if others:
        what = holds["static" if takes == "dynamic" else "dynamic"]
        fit = listed([f"`{name}`" for name in models() if model_class(name).modality != takes])
        seen = (
            "the sessions hold"
            if len(others) == len(sessions)
            else f"{listed(others, most=4)} hold{'s' * (len(others) == 1)}"
        )
        raise BadArgument(
            f"`{recipe.model.name}` is a model of {holds[takes]}, {seen} {what}",
            hint=f"models of {what}: {fit}; `sensorium-data train --list` lists recipes",
            code="model-modality",
        )


def _refuse_unknown_inputs(model: Model, sessions: Sequence[Streams]) -> None:
    """Raise where an input is missing in all training trials: there is no mean to put there."""
    problems = []
    for streams in sessions:
        facts, known = model.sessions[streams.key], Statistics.stored([streams]).of(streams)
        used = (*(BEHAVIOR if facts.n_behavior else ()), *(PUPIL_CENTER if facts.n_pupil_center else ()))
        problems += [
            Problem("input-withheld", f"{streams.key}: `{name}`", "is missing in every training trial")
            for name in used
            if name in streams and not np.isfinite(known[name].mean).any()
        ]
    if problems:
        first, *others = problems
        hint = "`data.signals = []` trains without, or names those that there are: `--set data.signals=[]`"
        raise BadArgument(f"{first.where} {first.what}", hint=hint, problems=others, code=first.code)


def _refuse_withheld(recipe: Recipe, sessions: Mapping[str, Session]) -> None:
    """Raise where the responses of a tier that is to be trained or validated on were not published."""
    problems = []
    for use, tiers in (("train", recipe.data.tiers), ("validate", (recipe.validation.tier,))):
        for key, session in sessions.items():
            trials = session.handle.trials
            of = np.isin(trials["tier"].astype(str), tiers)
            withheld = int((of & np.asarray(trials["responses_withheld"], bool)).sum())
            if withheld:
                what = (
                    f"responses of {withheld:,} of {counted(int(of.sum()), 'trial')} are withheld: nothing to {use} on"
                )
                problems.append(Problem("responses-withheld", f"{key}, tier {listed(tiers)}", what))
    if problems:
        hint = "tiers with responses are for training (`train`) and validation (`oracle`, `validation`)"
        raise BadArgument("there are tiers without responses", hint=hint, problems=problems, code="responses-withheld")


def _refuse_other_rates(streams: Iterable[Streams]) -> None:
    """Raise where statistics go by the frame, and frames come at another rate than theirs."""
    for each in streams:
        shipped, native = Shipped(each), each.handle.grid.rate
        per_frame = any(shipped.has(name, ("std",)) and shipped.per_frame(name) for name in each if name not in FILMS)
        if per_frame and each.rate != native:
            what = f"{each.key}: the published statistics are for frames at {native} Hz, not at {each.rate} Hz"
            hint = 'leave data.rate_hz out, or normalise by data.normalisation = "fitted"'
            raise BadArgument(what, hint=hint, code="statistics-rate")
