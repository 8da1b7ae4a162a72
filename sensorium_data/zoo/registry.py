"""Models by name: which there are, and one built for some sessions from a configuration and a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253  # models are torch's
from pydantic import BaseModel, ValidationError

from sensorium_data.errors import BadArgument, Problem, near_miss
from sensorium_data.zoo.cnn import Cnn
from sensorium_data.zoo.contract import SessionFacts
from sensorium_data.zoo.factorised3d import Factorised3d
from sensorium_data.zoo.faults import faults_of
from sensorium_data.zoo.ln import Ln
from sensorium_data.zoo.ln3d import Ln3d

if TYPE_CHECKING:
    from sensorium_data.zoo.contract import Model
    from sensorium_data.zoo.normalisation import Normalisation

__all__ = ["build", "configure", "model_class", "models"]

MODELS: Mapping[str, type[Model]] = {each.name: each for each in (Ln, Cnn, Ln3d, Factorised3d)}


def models() -> tuple[str, ...]:
    """Return the names of all models.

    Examples
    --------
    >>> models()
    ('ln', 'cnn', 'ln3d', 'factorised3d')
    """
    return tuple(MODELS)


def model_class(name: str) -> type[Model]:
    """Return the class of a model.

    Raises
    ------
    BadArgument
        No such model.

    Examples
    --------
    >>> model_class("cnn").modality
    'static'
    """
    if name not in MODELS:
        raise BadArgument(f"no model `{name}`", hint=near_miss(name, list(MODELS)), code="no-such-model")
    return MODELS[name]


def configure(name: str, config: Mapping[str, Any] | BaseModel | None = None) -> BaseModel:
    """Return the whole configuration of a model: what is given, and for the rest what was published.

    Parameters
    ----------
    name : str
        Of the model.
    config : mapping or BaseModel, optional
        As in a recipe or a card, or the model's own kind.

    Raises
    ------
    BadArgument
        No such model, or options that it does not have or cannot take; all are named.

    Examples
    --------
    >>> configure("cnn", {"n_layers": 2}).hidden_channels
    64
    """
    wanted = model_class(name).config_type
    if config is None:
        return wanted()
    if isinstance(config, BaseModel):
        if type(config) is not wanted:
            what = f"{name} is configured by {wanted.__name__}, not by {type(config).__name__}"
            raise BadArgument(what, hint="give a mapping of options", code="bad-config")
        return config
    if not isinstance(config, Mapping):
        raise BadArgument(f"{name}: config is a {type(config).__name__}, not a mapping", code="bad-config")
    try:
        return wanted.model_validate(dict(config))
    except ValidationError as error:
        raise _refused(name, wanted, error) from None


def _refused(name: str, wanted: type[BaseModel], error: ValidationError) -> BadArgument:
    problems, known = [], list(wanted.model_fields)
    for fault in faults_of(error, wanted):
        where = ".".join(map(str, fault.path)) or "config"
        problems.append(
            Problem("no-such-option", where, "is no option")
            if fault.unknown
            else Problem("bad-option", where, fault.what)
        )
    first = problems[0]
    typo = next((each.where for each in problems if each.code == "no-such-option"), None)
    hint = f"options and what was published: `zoo.configure({name!r})`" if typo is None else near_miss(typo, known)
    return BadArgument(f"{name}: `{first.where}` {first.what}", hint=hint, problems=problems[1:], code=first.code)


def build(
    name: str,
    sessions: Sequence[SessionFacts],
    config: Mapping[str, Any] | BaseModel | None = None,
    *,
    seed: int = 0,
    normalisation: Normalisation | None = None,
) -> Model:
    """Return a model with weights as they are before training.

    Parameters
    ----------
    name : str
        One of `models()`.
    sessions : sequence of SessionFacts
        As `session_facts` returns them; the model answers for their neurons.
    config : mapping or BaseModel, optional
        What differs from the published configuration.
    seed : int
        The same seed, the same weights; torch's own random numbers are left as they are.
    normalisation : Normalisation, optional
        As `normalisation_of` returns it; by default none: inputs come normalised.

    Raises
    ------
    BadArgument
        No such model, options that it does not have, or sessions that it cannot be built for.

    Examples
    --------
    >>> import numpy as np
    >>> from sensorium_data.zoo.contract import SessionFacts
    >>> facts = [SessionFacts("a", np.arange(5), (1, 36, 64), coordinates=np.eye(5, 3))]
    >>> build("ln", facts, {"hidden_channels": 4}, seed=3).n_parameters()
    {'core': 804, 'readouts': 197, 'shifters': 0, 'total': 1001}
    """
    kind, checked = model_class(name), configure(name, config)
    _require_facts(name, sessions)
    with torch.random.fork_rng(devices=[]):
        try:
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed accelerators, too
        except (RuntimeError, TypeError):
            raise BadArgument(f"{name}: seed is {seed!r}, expected an integer of 64 bits", code="bad-seed") from None
        return kind(checked, sessions, normalisation)


def _require_facts(name: str, sessions: object) -> None:
    """Raise unless sessions are given as what is known of them."""
    if isinstance(sessions, Sequence) and not isinstance(sessions, str):
        strange = [each for each in sessions if not isinstance(each, SessionFacts)]
    else:
        strange = [sessions]
    if strange:
        what = f"{name}: sessions has a {type(strange[0]).__name__}, expected a list of SessionFacts"
        hint = "`zoo.session_facts(stores)` returns them for session stores"
        raise BadArgument(what, hint=hint, code="bad-sessions")
