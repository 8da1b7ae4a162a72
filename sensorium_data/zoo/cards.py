"""What is told of a model beside its weights: the card for programs, made of the model, and a page for people."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import torch  # noqa: TID253  # models are torch's
from pydantic import BaseModel, ValidationError

from sensorium_data.errors import BadArgument, DataInvalid, NotFound, Problem, StorageFailed, counted, near_miss
from sensorium_data.schemas.card import (
    CARD_FORMAT,
    CARD_VERSION,
    ModelCard,
    ModelScore,
    ModelSession,
    ModelUnits,
    ModelWeights,
)
from sensorium_data.zoo.contract import SessionFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor  # for type checkers alone

    from sensorium_data.schemas import Session
    from sensorium_data.zoo.contract import Model

__all__ = ["CARD", "FACTS", "PAGE", "card_of", "card_text", "fact_tensors", "facts_of", "read_card"]

CARD, PAGE = "config.json", "README.md"
FACTS = "facts/"  # before the names of tensors that say who the neurons are; no name of a weight has a slash
ARRAYS = ("unit_ids", "coordinates", "mean_responses")
MOST_BYTES = 16 << 20  # of a card: thousands of sessions, and no more memory than that for what claims to be one


def card_of(
    model: Model,
    weights: ModelWeights,
    *,
    recipe: BaseModel | Mapping[str, Any] | None,
    scores: Iterable[ModelScore],
    data: Iterable[Session],
) -> ModelCard:
    """Return the card of a model.

    Parameters
    ----------
    model : Model
    weights : ModelWeights
        The file that they were written to.
    recipe, scores, data
        As for `save_pretrained`.

    Raises
    ------
    BadArgument
        A recording that the model was not built for, or a value that JSON does not hold.
    """
    from sensorium_data import __version__

    documents = {each.identity.key: each for each in data}
    if foreign := [key for key in documents if key not in model.sessions]:
        what = f"data: {model.name} was not built for session `{foreign[0]}`"
        raise BadArgument(what, hint=near_miss(foreign[0], list(model.sessions)), code="no-such-session")
    parts = {
        "model": model.name,
        "modality": model.modality,
        "config": model.config.model_dump(mode="json"),
        "sessions": tuple(_session(facts, documents.get(key)) for key, facts in model.sessions.items()),
        "normalisation": ModelUnits(**model.normalisation.extra()),
        "weights": weights,
        "n_parameters": model.n_parameters(),
        "recipe": _plain(recipe),
        "scores": tuple(scores),
        "package_version": __version__,
        "torch_version": torch.__version__,
        "created_at": datetime.now(UTC),
    }
    try:
        card = ModelCard.model_validate(parts)
        card_text(card)
    except ValueError as error:  # of pydantic, or of JSON, which has no NaN
        raise BadArgument(f"{model.name} has no card: {error}", code="bad-card") from None
    return card


def _plain(recipe: BaseModel | Mapping[str, Any] | None) -> Any:  # noqa: ANN401  # whatever JSON holds
    return recipe.model_dump(mode="json") if isinstance(recipe, BaseModel) else recipe


def _session(facts: SessionFacts, document: Session | None) -> ModelSession:
    return ModelSession(
        key=facts.key,
        n_neurons=facts.n_neurons,
        unit_ids_digest=_digest(facts.unit_ids),
        image_shape=facts.image_shape,
        n_behavior=facts.n_behavior,
        n_pupil_center=facts.n_pupil_center,
        source_digest=facts.source_digest,
        licence=None if document is None else document.licence,
        citations=() if document is None else document.citations,
    )


def _digest(unit_ids: NDArray[np.int64]) -> str:
    return sha256(unit_ids.astype("<i8").tobytes()).hexdigest()


def card_text(card: ModelCard) -> str:
    """Return a card as the text of its file.

    Raises
    ------
    ValueError
        A number that JSON does not hold.
    """
    return json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_card(folder: Path) -> ModelCard:
    """Return the card in the folder of a checkpoint.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    NotFound
        There is none.
    DataInvalid
        It is no card of a model, or one of a version that this package does not know; all its faults are named.
    """
    path = folder / CARD
    try:
        if path.stat().st_size > MOST_BYTES:
            what = f"{path} has {path.stat().st_size:,} bytes, a card has {MOST_BYTES:,} at most"
            raise DataInvalid(what, code="card-invalid")
        text = path.read_bytes()
    except FileNotFoundError:
        hint = "a checkpoint is a folder with config.json and model.safetensors, as `save_pretrained` writes it"
        raise NotFound(f"{path}: there is no card of a model", hint=hint, code="no-such-model") from None
    except OSError as error:
        raise StorageFailed(f"{path}: cannot be read: {error.strerror or error}", code="storage-failed") from None
    try:
        return ModelCard.model_validate_json(text)
    except ValidationError as error:
        raise _no_card(path, text, error) from None


def _no_card(path: Path, text: bytes, error: ValidationError) -> DataInvalid:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        hint = "get the checkpoint again, or save the model again"
        return DataInvalid(f"{path} is not JSON: it is cut off or damaged", hint=hint, code="card-invalid")
    if not isinstance(said, dict) or said.get("format") != CARD_FORMAT:
        hint = "other libraries have a config.json as well; models of this package are written by `save_pretrained`"
        return DataInvalid(f"{path} is no card of a model of this package", hint=hint, code="card-invalid")
    if said.get("version") != CARD_VERSION:
        what = f"{path} is of format version {said.get('version')!r}, expected {CARD_VERSION}"
        return DataInvalid(what, hint="update sensorium-data, or save the model again", code="card-version")
    problems = [
        Problem(each["type"].replace("_", "-"), ".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()
    ]
    what = f"{path} is not what a card should be: {problems[0].where}: {problems[0].what}"
    return DataInvalid(
        what, hint="get the checkpoint again, or save the model again", problems=problems[1:], code="card-invalid"
    )


# -- who the neurons are: large, so with the weights


def fact_tensors(sessions: Iterable[SessionFacts]) -> dict[str, Tensor]:
    """Return what is known of neurons as tensors: ids int64, places and mean responses float64.

    Parameters
    ----------
    sessions : iterable of SessionFacts

    Examples
    --------
    >>> {name: tuple(one.shape) for name, one in fact_tensors([SessionFacts("a", np.arange(3), (1, 4, 4))]).items()}
    {'facts/a/unit_ids': (3,)}
    """
    found = {}
    for facts in sessions:
        for name in ARRAYS:
            values = getattr(facts, name)
            if values is not None:
                kind = np.int64 if name == "unit_ids" else np.float64
                found[f"{FACTS}{facts.key}/{name}"] = torch.from_numpy(np.array(values, kind))
    return found


def facts_of(card: ModelCard, tensors: Mapping[str, Tensor], path: Path) -> list[SessionFacts]:
    """Return what a model knows of its sessions.

    Parameters
    ----------
    card : ModelCard
    tensors : mapping of str to Tensor
        All that the file of weights holds.
    path : Path
        Of that file, for messages.

    Raises
    ------
    DataInvalid
        The card speaks of other neurons than the file.
    """
    sessions, problems = [], []
    for one in card.sessions:
        own = {name: tensors.get(f"{FACTS}{one.key}/{name}") for name in ARRAYS}
        if wrong := [name for name, shape in _shapes(one.n_neurons).items() if not _fits(name, own[name], shape)]:
            problems += [
                Problem("neurons-mismatch", f"{FACTS}{one.key}/{name}", _seen(own[name], one)) for name in wrong
            ]
            continue
        arrays: dict[str, Any] = {name: None if each is None else each.numpy().copy() for name, each in own.items()}
        if _digest(arrays["unit_ids"]) != one.unit_ids_digest:
            problems.append(
                Problem("neurons-mismatch", f"{FACTS}{one.key}/unit_ids", "are not the ids that the card is of")
            )
        channel, y, x = one.image_shape
        sessions.append(
            SessionFacts(
                key=one.key, image_shape=(channel, y, x), n_behavior=one.n_behavior, n_pupil_center=one.n_pupil_center,
                source_digest=one.source_digest, **arrays,
            )
        )  # fmt: skip
    if problems:
        what = f"{path}: neurons are not those of {CARD}: {problems[0].where} {problems[0].what}"
        hint = "the two files are of different checkpoints; get both again"
        raise DataInvalid(what, hint=hint, problems=problems[1:], code="checkpoint-mixed")
    return sessions


def _shapes(n: int) -> dict[str, tuple[int, ...]]:
    return {"unit_ids": (n,), "coordinates": (n, 3), "mean_responses": (n,)}


def _fits(name: str, tensor: Tensor | None, shape: tuple[int, ...]) -> bool:
    if tensor is None:
        return name != "unit_ids"
    return tensor.dtype == (torch.int64 if name == "unit_ids" else torch.float64) and tuple(tensor.shape) == shape


def _seen(tensor: Tensor | None, session: ModelSession) -> str:
    seen = "is missing" if tensor is None else f"is {tensor.dtype} of shape {tuple(tensor.shape)}"
    return f"{seen}, expected numbers of {counted(session.n_neurons, 'neuron')}"
