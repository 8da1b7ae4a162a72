"""What `predict` takes as it is typed, and what `predictions` knows of the recipe that a model was trained by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from sensorium_data.errors import BadArgument
from sensorium_data.testing import make_session
from sensorium_data.zoo import load, normalisation_of, predictions, session_facts
from sensorium_data.zoo.checkpoints import save_pretrained
from sensorium_data.zoo.registry import build
from tests.zoo import tiny

if TYPE_CHECKING:
    from pathlib import Path


def images() -> torch.Tensor:
    return torch.rand((3, 1, 36, 64), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_session(tmp_path_factory.mktemp("films"), n_neurons=3, n_train=2)


@pytest.mark.parametrize(
    "turn", [np.array, np.asfortranarray, lambda x: x[::-1][::-1], lambda x: x.astype(np.longdouble)]
)
def test_arrays_are_taken_as_tensors_are(turn: Any) -> None:
    model = build("ln", [tiny.facts()], {"hidden_channels": 2, "behavior": False, "shifter": False})
    (key,) = model.sessions
    given = turn(images().numpy())
    given.setflags(write=False)
    torch.testing.assert_close(model.predict(given, session=key), model.predict(images(), session=key))


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([[1.0]], "input-type"),
        (np.array(["a"]), "input-type"),
        (torch.zeros(1, 1, 36, 64, dtype=torch.complex64), "input-type"),
        (torch.full((1, 1, 36, 64), torch.inf), "input-infinite"),
        (torch.full((1, 1, 36, 64), torch.nan), "input-nan"),
        (torch.zeros(1, 1, 36, 63), "input-shape"),
    ],
)
def test_what_is_no_input_is_named(given: Any, code: str) -> None:
    model = build("ln", [tiny.facts()], {"hidden_channels": 2, "behavior": False, "shifter": False})
    (key,) = model.sessions
    with pytest.raises(BadArgument) as raised:
        model.predict(given, session=key)
    assert raised.value.code == code


def test_facts_are_those_of_stores_or_of_streams(store: Path) -> None:
    (facts,) = session_facts(store)
    assert (facts.n_neurons, facts.image_shape, facts.n_behavior, facts.n_pupil_center) == (3, (1, 36, 64), 2, 2)
    assert session_facts([store])[0].source_digest == facts.source_digest
    for strange in (None, str(store), facts, [store]):
        with pytest.raises(BadArgument, match="expected a list of SessionFacts"):
            build("ln3d", strange)  # type: ignore[arg-type]  # that is what is refused
    with pytest.raises(BadArgument, match="seed is 'a'"):
        build("ln3d", [facts], seed="a")  # type: ignore[arg-type]  # that is what is refused


def test_a_model_that_was_saved_asks_for_the_inputs_of_its_recipe(store: Path, tmp_path: Path) -> None:
    (facts,) = session_facts(store)
    units = normalisation_of(_streams(store, ["running"]))
    model = build(
        "ln3d", session_facts(_streams(store, ["running"]), units), {"spatial_kernel": 5}, normalisation=units
    )
    assert model.sessions[facts.key].n_behavior == 1
    with pytest.raises(BadArgument, match="2 channels of behaviour"):
        predictions(model, store, tier="oracle")
    save_pretrained(model, tmp_path / "model", recipe={"data": {"signals": ["running", "gaze"]}})
    held = load(tmp_path / "model")
    assert len(list(predictions(held, store, tier="oracle"))) == 5
    save_pretrained(held, tmp_path / "again")
    assert load(tmp_path / "again").recipe == {"data": {"signals": ["running", "gaze"]}}
    held.recipe = {"data": {"another program's": 1}}
    with pytest.raises(BadArgument, match="2 channels of behaviour"):
        predictions(held, store, tier="oracle")


def _streams(store: Path, signals: list[str]) -> Any:
    from sensorium_data.loaders import WindowDataset

    return WindowDataset(store, window=10, signals=["video", "responses", *signals]).streams
