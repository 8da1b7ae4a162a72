"""Where training stands, in one file that is there whole or as it was before: tensors by name, all else as JSON, no pickle.

A state is taken between two steps of the optimiser: weights, moments, the scaler, the schedule, the loader's place, the best
weights and the curve so far. What the recordings say, such as the numbers that the model normalises by, is not in it: it is
made of them again, and the loader refuses others. Random numbers follow from seed, epoch and batch, so there is no
generator to save.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import torch  # noqa: TID253  # models are torch's

from sensorium_data.catalogs.disk import disk_errors, write_whole
from sensorium_data.errors import BadArgument, DataInvalid, Problem
from sensorium_data.zoo.weights import Slot, differences, pack, slots_of, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from sensorium_data.schemas.recipe import Recipe

__all__ = [
    "Weights",
    "load_moments",
    "load_state",
    "load_weights",
    "moments_of",
    "require_recipe",
    "save_state",
    "weights_of",
]

Weights: TypeAlias = "dict[str, Tensor]"
VERSION = 1
PLAIN = "plain.json"  # the tensor that is JSON, one byte an element
NORMALISATION = "normalisation."


def weights_of(model: nn.Module) -> Weights:
    """Return a copy of a model's parameters and buffers, on the CPU, without what it normalises by."""
    return {
        name: tensor.detach().to("cpu", copy=True)
        for name, tensor in model.state_dict().items()
        if not name.startswith(NORMALISATION)
    }


def load_weights(model: nn.Module, weights: Weights) -> None:
    """Put weights into the model that they are of.

    Raises
    ------
    DataInvalid
        They are of another one; the keys are named.
    """
    own = {name: one for name, one in model.state_dict().items() if not name.startswith(NORMALISATION)}
    problems = differences(*({name: Slot(tuple(t.shape), t.dtype) for name, t in of.items()} for of in (own, weights)))
    if problems:
        what = f"the saved weights are of another model: `{problems[0].where}` {problems[0].what}"
        raise DataInvalid(what, hint="begin again in a new folder", problems=problems, code="state-mismatch")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights[name])


def moments_of(optimiser: Optimizer, model: nn.Module) -> Weights:
    """Return what an optimiser remembers of each parameter, as `<parameter>/<what>`."""
    names: dict[Tensor, str] = {one: name for name, one in model.named_parameters()}
    return {
        f"{names[parameter]}/{what}": torch.as_tensor(value).detach().to("cpu", copy=True)
        for parameter, held in optimiser.state.items()
        for what, value in held.items()
    }


def load_moments(optimiser: Optimizer, model: nn.Module, moments: Weights) -> None:
    """Have an optimiser remember what `moments_of` returned."""
    trained = [name for name, one in model.named_parameters() if one.requires_grad]
    places = {name: place for place, name in enumerate(trained)}
    state: dict[int, dict[str, Tensor]] = {}
    for path, tensor in moments.items():
        name, _, what = path.rpartition("/")
        state.setdefault(places[name], {})[what] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def save_state(path: Path, parts: Mapping[str, Weights], plain: Mapping[str, Any]) -> None:
    """Write a state.

    Parameters
    ----------
    path : Path
        A file; its folder is there.
    parts : mapping of str to mapping of str to Tensor
    plain : mapping
        What JSON can hold.

    Raises
    ------
    StorageFailed
        The disk is full, or will not have it; the state that was there is as it was.
    """
    text = json.dumps({"version": VERSION, **plain}).encode()
    tensors = {f"{part}:{name}": tensor for part, held in parts.items() for name, tensor in held.items()}
    tensors[PLAIN] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    part = path.name + ".part"
    try:
        with disk_errors(path):
            write_whole(path, pack(tensors), beside=part)
    except BaseException:
        path.with_name(part).unlink(missing_ok=True)  # what was begun takes the room that is needed
        raise


def load_state(path: Path) -> tuple[dict[str, Weights], dict[str, Any]]:
    """Return the parts and the plain values of a state.

    Raises
    ------
    DataInvalid
        It is cut off, damaged, a pickle, or of another release.
    StorageFailed
        It cannot be read.
    """
    slots_of(path)  # held against the file before memory is taken
    tensors, _ = unpack(path)
    text = bytes(tensors.pop(PLAIN, torch.zeros(0, dtype=torch.uint8)).numpy())
    try:
        plain: dict[str, Any] = json.loads(text)
    except ValueError:
        raise DataInvalid(f"{path} is no state of a training run", hint=_HINT, code="state-invalid") from None
    if plain.pop("version", None) != VERSION:
        what = f"{path} is the state of another release, this one reads version {VERSION}"
        raise DataInvalid(what, hint=_HINT, code="state-invalid")
    parts: dict[str, Weights] = {}
    for path_in, tensor in tensors.items():
        part, _, name = path_in.partition(":")
        parts.setdefault(part, {})[name] = tensor
    return parts, plain


_HINT = "begin again in a new folder; the best model so far is in `model/`"


def require_recipe(saved: Mapping[str, Any], recipe: Recipe) -> None:
    """Raise unless a state is of a recipe.

    Raises
    ------
    BadArgument
        It is of another one; every difference is named.
    """
    theirs, ours = _flat(saved), _flat(recipe.model_dump(mode="json"))
    problems = [
        Problem("state-mismatch", name, f"{theirs.get(name, 'nothing')} in the state, {ours.get(name, 'nothing')} here")
        for name in dict.fromkeys([*ours, *theirs])
        if theirs.get(name) != ours.get(name)
    ]
    if problems:
        hint = "go on with the recipe that the run began with, or begin another run"
        raise BadArgument("the state is of another recipe", hint=hint, problems=problems, code="state-mismatch")


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {before + name: value}
    return flat
