"""The weights that were published with SENSORIUM 2022, put into the models of this package.

Each file is the state dict of one model. What it holds says how it was built: its sessions and their neurons, whether
behaviour came with the images, whether there is a shifter. It says neither which neuron is which, nor in which units of
cortex they lie, nor how images were normalised: those are of the published sessions, whose order of neurons it has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch  # noqa: TID253  # models are torch's

from sensorium_data.errors import BadArgument, DataInvalid, Problem, counted, near_miss
from sensorium_data.zoo.contract import SessionFacts
from sensorium_data.zoo.readouts import in_cortex
from sensorium_data.zoo.registry import build
from sensorium_data.zoo.state_dicts import read_state_dict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor  # for type checkers alone

    from sensorium_data.zoo.contract import Model

__all__ = ["PUBLISHED", "load_published"]


@dataclass(frozen=True, slots=True)
class Published:
    """What the name of published weights says of them."""

    model: str
    n_layers: int
    n_behavior: int
    n_pupil_center: int


PUBLISHED: Mapping[str, Published] = {
    "sensorium2022-cnn": Published("cnn", n_layers=4, n_behavior=0, n_pupil_center=0),
    "sensorium2022-ln": Published("ln", n_layers=3, n_behavior=0, n_pupil_center=0),
    "sensorium2022-cnn-behavior": Published("cnn", n_layers=4, n_behavior=3, n_pupil_center=2),
    "sensorium2022-ln-behavior": Published("ln", n_layers=3, n_behavior=3, n_pupil_center=2),
}
IMAGE = (1, 36, 64)  # 144 × 256, a quarter on each side
FIRST = "core.features.layer0.conv.weight"
UNUSED = re.compile(r"core\._input_weights_regularizer\.")  # the filter of a penalty, not a weight
UNNAMED = -1  # the id of a neuron of which the order alone is known
CLOSE = 1e-4  # of places about their mean, the largest distance 1: float32 rounding, and no two neurons

# This package's names of weights and the published ones.
RENAMED = (
    (r"core\.(layer\d+)\.conv\.into\.", r"core.features.\1.ds_conv.in_depth_conv."),
    (r"core\.(layer\d+)\.conv\.spatial\.", r"core.features.\1.ds_conv.spatial_conv."),
    (r"core\.(layer\d+)\.conv\.out\.", r"core.features.\1.ds_conv.out_depth_conv."),
    (r"core\.(layer\d+)\.", r"core.features.\1."),
    (r"readouts\.([^.]+)\.features", r"readout.\1._features"),
    (r"readouts\.([^.]+)\.predictor\.", r"readout.\1.mu_transform."),
    (r"readouts\.([^.]+)\.", r"readout.\1."),
    (r"shifters\.([^.]+)\.", r"shifter.\1.mlp."),
)


def load_published(name: str, path: str | Path, *, sessions: Sequence[SessionFacts] = ()) -> Model:
    """Return a published model of 2022 with its weights.

    It carries no normalisation: give images as the official layout has them (36 × 64, z-scored; behaviour over
    its standard deviation, position of the pupil z-scored), or as `Normalisation.inputs` makes them. Responses are in
    units of each neuron's standard deviation ("official").

    Parameters
    ----------
    name : {"sensorium2022-cnn", "sensorium2022-ln", "sensorium2022-cnn-behavior", "sensorium2022-ln-behavior"}
        The generalisation model, of seven sessions, is a "sensorium2022-cnn".
    path : str or Path
        The `.pth` file that was published.
    sessions : sequence of SessionFacts, optional
        Of the converted sessions, as `session_facts` returns them: they give the neurons their ids. Without, all ids
        are -1 and ``coordinates`` hold what the file has of them: x and y about their mean, the largest distance 1.

    Raises
    ------
    NotFound
        No such file.
    BadArgument
        No published model of this name; or `sessions` with other neurons, or in another order.
    StorageFailed
        The file cannot be read.
    DataInvalid
        It is truncated, holds code, or other weights than the name says: the first that differs is named.

    Examples
    --------
    >>> load_published("sensorium2022-sota", "sensorium_sota_model.pth")
    Traceback (most recent call last):
    sensorium_data.errors.BadArgument: no published model `sensorium2022-sota`
    """
    if name not in PUBLISHED:
        raise BadArgument(f"no published model `{name}`", hint=near_miss(name, list(PUBLISHED)), code="no-such-model")
    held = read_state_dict(path)
    _require_kind(name, held, path)
    facts = _sessions(PUBLISHED[name], held, path)
    model = build(PUBLISHED[name].model, facts, {"n_layers": PUBLISHED[name].n_layers})
    model.load_state_dict(_translated(name, model, held, path))
    model.sessions = {one.key: _named(one, sessions) for one in facts}
    return model.eval()


def _require_kind(name: str, held: Mapping[str, Tensor], path: str | Path) -> None:
    """Raise unless layers, behaviour and shifter are those that a name says."""
    wanted = PUBLISHED[name]
    layers = {found[1] for key in held if (found := re.match(r"core\.features\.layer(\d+)\.", key))}
    n_in = held[FIRST].shape[1] if FIRST in held and held[FIRST].ndim == 4 else 0
    shifted = any(key.startswith("shifter.") for key in held)
    if not layers or not n_in:
        raise DataInvalid(f"{path}: holds no weights of 2022: `{FIRST}` is missing", code="checkpoint-mismatch")
    problems = []
    if len(layers) != wanted.n_layers:
        problems.append(
            Problem("checkpoint-mismatch", "core", f"has {counted(len(layers), 'layer')}, not {wanted.n_layers}")
        )
    if n_in != 1 + wanted.n_behavior:
        what = f"takes {counted(n_in, 'channel')}, not {1 + wanted.n_behavior}"
        problems.append(Problem("checkpoint-mismatch", FIRST, what))
    if shifted != bool(wanted.n_pupil_center):
        problems.append(Problem("checkpoint-mismatch", "shifter", "is there" if shifted else "is missing"))
    if problems:
        seen = (len(layers), n_in, shifted)
        fits = [
            key for key, one in PUBLISHED.items() if (one.n_layers, 1 + one.n_behavior, one.n_pupil_center > 0) == seen
        ]
        what = f"{path}: is not {name}: {problems[0].where} {problems[0].what}"
        hint = f"it looks like `{fits[0]}`" if fits else ""
        raise DataInvalid(what, hint=hint, problems=problems[1:], code="checkpoint-mismatch")


def _sessions(kind: Published, held: Mapping[str, Tensor], path: str | Path) -> list[SessionFacts]:
    """Return what a file says of its sessions."""
    facts = []
    for key in held:
        found = re.fullmatch(r"readout\.([^.]+)\.source_grid", key)
        if not found:
            continue
        if held[key].ndim != 2 or held[key].shape[1] != 2 or held[key].dtype != torch.float32:
            what = f"{path}: `{key}` is {held[key].dtype} {tuple(held[key].shape)}, expected torch.float32 (neuron, 2)"
            raise DataInvalid(what, code="checkpoint-mismatch")
        n = len(held[key])
        places = np.full((n, 3), np.nan)
        places[:, :2] = held[key].numpy()
        facts.append(
            SessionFacts(found[1], np.full(n, UNNAMED), IMAGE, kind.n_behavior, kind.n_pupil_center, coordinates=places)
        )
    if not facts:
        raise DataInvalid(f"{path}: holds no readout with places in cortex", code="checkpoint-mismatch")
    return facts


def _translated(name: str, model: Model, held: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """Return published weights under this package's names.

    Raises
    ------
    DataInvalid
        A weight is missing, of another shape, not finite, or none of the model's; the first is in the message.
    """
    made, problems = {}, []
    theirs = {ours: _published_name(ours) for ours in model.state_dict()}
    for ours, tensor in model.state_dict().items():
        key, wanted = theirs[ours], _published_shape(ours, tuple(tensor.shape))
        seen = held.get(key)
        if seen is None:
            problems.append(Problem("checkpoint-mismatch", key, f"is missing, expected {wanted}"))
        elif tuple(seen.shape) != wanted:
            problems.append(Problem("checkpoint-mismatch", key, f"is {tuple(seen.shape)}, expected {wanted}"))
        elif seen.dtype != tensor.dtype:
            problems.append(Problem("checkpoint-mismatch", key, f"is {seen.dtype}, expected {tensor.dtype}"))
        elif not bool(seen.isfinite().all()):
            problems.append(Problem("checkpoint-mismatch", key, "holds values that are not finite"))
        else:
            made[ours] = seen.reshape(tensor.shape)
    known = set(theirs.values())
    more = [key for key in held if key not in known and not UNUSED.match(key)]
    problems += [Problem("checkpoint-mismatch", key, "is no weight of this model") for key in more]
    if problems:
        what = f"{path}: weights are not those of {name}: `{problems[0].where}` {problems[0].what}"
        raise DataInvalid(what, problems=problems[1:], code="checkpoint-mismatch")
    return made


def _published_name(ours: str) -> str:
    for own, published in RENAMED:
        if re.match(own, ours):
            return re.sub(f"^{own}", published, ours)
    return ours


def _published_shape(ours: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a published weight, which for readouts has axes of one more."""
    if ours.endswith(".sigma"):
        return (1, *shape)  # (1, neuron, 2, 2)
    if ours.startswith("readouts.") and ours.endswith(".features"):
        return (1, shape[0], 1, shape[1])  # (1, channel, 1, neuron)
    return shape


def _named(facts: SessionFacts, sessions: Sequence[SessionFacts]) -> SessionFacts:
    """Return the facts of a session with the ids of its neurons, where they are given and are the same neurons.

    Raises
    ------
    BadArgument
        They lie elsewhere: other neurons, or another order.
    """
    given = next((one for one in sessions if one.key == facts.key), None)
    if given is None:
        return facts
    if given.n_neurons != facts.n_neurons:
        what = (
            f"{facts.key}: the weights are of {counted(facts.n_neurons, 'neuron')}, the session has {given.n_neurons:,}"
        )
        raise BadArgument(what, hint="give the session whole", code="neurons-mismatch")
    apart = np.abs(in_cortex(given) - in_cortex(facts)).max(axis=1)  # (neuron,)
    if n := int((apart > CLOSE).sum()):
        what = f"{facts.key}: {counted(n, 'neuron')} of the session lie elsewhere than those of the weights"
        raise BadArgument(what, hint="neurons must be in the published order", code="neurons-mismatch")
    kept = replace(facts, unit_ids=given.unit_ids, coordinates=given.coordinates)
    return replace(kept, mean_responses=given.mean_responses, source_digest=given.source_digest)
