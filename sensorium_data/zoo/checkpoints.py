"""Own checkpoints: weights as safetensors, a card as JSON, a page for people; no pickle is written or opened.

A folder with `model.safetensors`, `config.json` and `README.md`, as Hugging Face has them. Who opens a file of weights
from somewhere runs nothing of it: the architecture is one of this package, the file holds numbers.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch  # noqa: TID253  # models are torch's

from sensorium_data.errors import DataInvalid, SensoriumError, StorageFailed
from sensorium_data.schemas.card import ModelWeights
from sensorium_data.zoo.cards import CARD, FACTS, PAGE, card_of, card_text, fact_tensors, facts_of, read_card
from sensorium_data.zoo.hub import WEIGHTS, checkpoint_folder
from sensorium_data.zoo.normalisation import Normalisation
from sensorium_data.zoo.pages import page_of
from sensorium_data.zoo.putting import put, settle
from sensorium_data.zoo.tensors import moved
from sensorium_data.zoo.weights import Slot, differences, pack, slots_of, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pydantic import BaseModel
    from torch import Tensor  # for type checkers alone

    from sensorium_data.schemas import Session
    from sensorium_data.schemas.card import ModelCard, ModelScore
    from sensorium_data.zoo.contract import Model, SessionFacts
    from sensorium_data.zoo.putting import Existing

__all__ = ["Build", "from_pretrained", "save_pretrained"]

UNITS = "normalisation."  # before the names of its tensors
TRIES = 5  # a run that finds a better model may put it here between two reads


class Build(Protocol):
    """What makes a model of its name: the registry, or one's own."""

    def __call__(
        self,
        name: str,
        sessions: Sequence[SessionFacts],
        config: Mapping[str, Any],
        *,
        normalisation: Normalisation,
    ) -> Model:
        """Return the model, its weights whatever they are before training."""


# -- writing


def save_pretrained(
    model: Model,
    folder: str | Path,
    *,
    recipe: BaseModel | Mapping[str, Any] | None = None,
    scores: Iterable[ModelScore] = (),
    data: Iterable[Session] = (),
    existing: Existing = "error",
) -> ModelCard:
    """Write a model into a folder that `from_pretrained` reads, here or from a repository of Hugging Face.

    The folder is there whole, or as it was before: it is written beside and renamed.

    Parameters
    ----------
    model : Model
    folder : str or Path
        One that is not there, is empty, or holds a checkpoint that is to be replaced.
    recipe : BaseModel or mapping, optional
        What it was trained by; by default what the model says itself, as one that was read or trained does.
    scores : iterable of ModelScore, optional
        With the presets that they were found with.
    data : iterable of schemas.Session, optional
        Documents of the recordings, as `session.document`: licence and citations go into the card.
    existing : {"error", "replace"}
        What becomes of a checkpoint that is there.

    Returns
    -------
    ModelCard
        What `config.json` says.

    Raises
    ------
    TargetExists
        Something is there that must not, or must not yet, be replaced; or another process is saving there.
    BadArgument
        The model holds what such files do not, or was not built for a recording of `data`.
    StorageFailed
        The disk is full, or nothing can be written there; what was there is as it was.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.testing import make_session
    >>> from sensorium_data.loaders import WindowDataset
    >>> from sensorium_data.zoo.facts import normalisation_of, session_facts
    >>> from sensorium_data.zoo.registry import build
    >>> streams = WindowDataset(make_session(tempfile.mkdtemp()), window=10).streams
    >>> units = normalisation_of(streams)
    >>> model = build("factorised3d", session_facts(streams, units), normalisation=units)
    >>> card = save_pretrained(model, f"{tempfile.mkdtemp()}/mine", data=[each.handle.document for each in streams])
    >>> card.model, card.sessions[0].key
    ('factorised3d', '29515-10-12')
    """
    target = Path(folder).expanduser().resolve()
    settle(target, existing)
    weights = pack(model.state_dict() | fact_tensors(model.sessions.values()))
    written = ModelWeights(bytes=len(weights), sha256=sha256(weights).hexdigest())
    card = card_of(model, written, recipe=model.recipe if recipe is None else recipe, scores=scores, data=data)
    put(target, {WEIGHTS: weights, CARD: card_text(card).encode(), PAGE: page_of(card).encode()})
    return card


# -- reading


def from_pretrained(
    where: str | Path,
    *,
    revision: str | None = None,
    device: str | torch.device = "cpu",
    token: str | None = None,
    build: Build | None = None,
) -> Model:
    """Return a model that was saved, in evaluation mode.

    Parameters
    ----------
    where : str or Path
        A folder; or ``owner/name`` or ``hf://owner/name`` of a repository of Hugging Face, of which the weights and the
        card are fetched and kept where `huggingface_hub` keeps them. Nothing else is looked for on the network.
    revision : str, optional
        Branch, tag or commit of a repository.
    device : str or torch.device
    token : str, optional
        That lets one into a repository which is not public.
    build : callable, optional
        Makes a model of name, sessions and config; by default the registry of this package.

    Raises
    ------
    NotFound
        No such folder or repository, or no checkpoint in it.
    DataInvalid
        A file is damaged, cut off or a pickle; or of another architecture than the card: all keys that differ are named.
    BadArgument
        What was given is neither a folder nor the name of a repository, or there is no such device.
    StorageFailed
        A repository is out of reach, or settings say to ask nothing of the network.

    Examples
    --------
    >>> from_pretrained("no-such-model")
    Traceback (most recent call last):
    sensorium_data.errors.BadArgument: no-such-model is neither a folder nor the name of a repository
    """
    for _ in range(TRIES):
        folder = checkpoint_folder(where, revision=revision, token=token)
        before = _identity(folder)
        try:
            model = _read(folder, build)
        except SensoriumError:
            if _identity(folder) == before:
                raise
        else:
            return moved(model, device).eval()
    what = f"{where} was replaced again and again while it was read"
    raise StorageFailed(what, hint="try again once nobody saves there", code="checkpoint-changing")


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another one under its name, or None where there is none."""
    try:
        about = folder.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns


def _read(folder: Path, build: Build | None) -> Model:
    card, path = read_card(folder), folder / WEIGHTS
    slots = slots_of(path)
    tensors, digest = unpack(path)
    sessions = facts_of(card, tensors, path)
    units = {name.removeprefix(UNITS): one for name, one in tensors.items() if name.startswith(UNITS)}
    make = _maker(folder, card, sessions, units, build)
    weights = {name: slot for name, slot in slots.items() if not name.startswith(FACTS)}
    # Without memory first: a card may ask for any size, and the file says what there is.
    if (skeleton := _without_memory(make)) is not None:
        _compare(path, card, skeleton, weights)
    model = _built(make, folder, card)
    _compare(path, card, model, weights)
    if digest != card.weights.sha256:
        hint = "the two are of different checkpoints, or one is damaged; get both again"
        raise DataInvalid(f"{path} is not the file that {CARD} was written with", hint=hint, code="checkpoint-mixed")
    _fill(model, {name: tensors[name] for name in weights})
    model.recipe = card.recipe
    return model


def _maker(
    folder: Path, card: ModelCard, sessions: Sequence[SessionFacts], units: Mapping[str, Tensor], build: Build | None
) -> Callable[[], Model]:
    """Return what builds the model of a card, faults named with its folder."""
    if build is None:
        from sensorium_data.zoo.registry import build as registered
    builder: Build = registered if build is None else build

    def make() -> Model:
        try:
            normalisation = Normalisation.from_tensors(units, **card.normalisation.model_dump())
            return builder(card.model, sessions, card.config, normalisation=normalisation)
        except SensoriumError as error:
            what = f"{folder}: the model of its card cannot be built: {error.message}"
            raise DataInvalid(what, hint=error.hint, problems=error.problems, code=error.code) from None

    return make


def _without_memory(make: Callable[[], Model]) -> Model | None:
    try:
        with torch.device("meta"):
            return make()
    except SensoriumError:
        raise
    except (RuntimeError, TypeError, ValueError):
        return None  # its first weights follow from numbers, which tensors without memory do not have


def _built(make: Callable[[], Model], folder: Path, card: ModelCard) -> Model:
    try:
        return make()
    except SensoriumError:
        raise
    except (RuntimeError, MemoryError, OverflowError, TypeError, ValueError) as error:  # sizes that no tensor has
        said = str(error).partition("\n")[0]
        what = f"{folder}: `{card.model}` cannot be built as its card says: {said}"
        raise DataInvalid(what, hint="get the checkpoint again", code="checkpoint-architecture") from error


def _compare(path: Path, card: ModelCard, model: Model, found: Mapping[str, Slot]) -> None:
    wanted = {name: Slot(tuple(one.shape), one.dtype) for name, one in model.state_dict().items()}
    problems = differences(wanted, found)
    if problems:
        what = f"{path} is of another architecture than `{card.model}` of its card: `{problems[0].where}` {problems[0].what}"
        hint = "weights and card are of different models, or the architecture has changed since: train it again"
        raise DataInvalid(what, hint=hint, problems=problems[1:], code="checkpoint-architecture")


def _fill(model: Model, tensors: Mapping[str, Tensor]) -> None:
    """Put weights into a model, in the bits that they were kept in."""
    for name, held in model.state_dict(keep_vars=True).items():
        if held.dtype != tensors[name].dtype:
            held.data = held.data.to(tensors[name].dtype)
    model.load_state_dict(dict(tensors), strict=True)
