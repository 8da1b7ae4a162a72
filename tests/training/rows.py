"""Rows of curves, a recipe and recordings for tests of run folders: no model is trained for them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sensorium_data.schemas.recipe import ModelPart, Recipe
from sensorium_data.schemas.run import RunSession
from sensorium_data.zoo.training.records import EpochRecord

DIGEST = "0" * 64
SCORES = st.floats(-1, 1)
SECONDS = st.floats(0, 1e6)


def row(epoch: int, **changed: Any) -> EpochRecord:
    values: dict[str, Any] = {
        "epoch": epoch, "n_steps": 4, "n_windows": 32, "train_loss": 1 / (epoch + 1), "penalty": 0.01,
        "validation_score": 0.1 * epoch, "learning_rate": 0.005, "is_best": True, "train_s": 2.0, "validation_s": 0.5,
        "wait_s": 0.05,
    }  # fmt: skip
    return EpochRecord(**(values | changed))


def rows_of(n: int) -> list[EpochRecord]:
    return [row(epoch) for epoch in range(n)]


@st.composite
def any_row(draw: st.DrawFn, epoch: int) -> EpochRecord:
    loss = st.none() | st.floats(allow_nan=False)
    return EpochRecord(
        epoch=epoch, n_steps=draw(st.integers(0, 10**12)), n_windows=draw(st.integers(0, 10**12)), train_loss=draw(loss),
        penalty=draw(loss), validation_score=draw(SCORES), learning_rate=draw(st.floats(1e-300, 1)),
        is_best=draw(st.booleans()), train_s=draw(SECONDS), validation_s=draw(SECONDS), wait_s=draw(SECONDS),
    )  # fmt: skip


def a_recipe(**changed: Any) -> Recipe:
    values: dict[str, Any] = {"name": "small", "description": "a test", "model": ModelPart(name="ln")}
    return Recipe(**(values | changed))


def a_session(key: str = "29515-10-12", **changed: Any) -> RunSession:
    values: dict[str, Any] = {
        "key": key, "digest": DIGEST, "units": DIGEST, "store": f"{key}.zarr", "preset": "compact",
        "precision": "float32", "n_neurons": 7, "n_trials": {"train": 6},
    }  # fmt: skip
    return RunSession(**(values | changed))
