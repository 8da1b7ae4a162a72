"""Recipes of the benchmark: the models of the zoo made small, each with the budget of its kind.

Those of films see every second pixel, and as many frames as `factorised3d` has here: 13. All of one kind train on the same
windows, with the same schedule: what differs is the model.
"""

from __future__ import annotations

from typing import Any

from sensorium_data.schemas.recipe import Recipe

__all__ = ["film_recipes", "image_recipes", "published"]

FILM_MODELS: dict[str, dict[str, Any]] = {
    "ln3d": {"hidden_channels": 32, "spatial_kernel": 11, "temporal_kernel": 13},
    "factorised3d": {"hidden_channels": [16, 32], "spatial_kernels": [9, 3], "temporal_kernels": [11, 3]},
}
IMAGE_MODELS: dict[str, dict[str, Any]] = {
    "ln": {"hidden_channels": 32},
    "cnn": {"hidden_channels": 32, "n_layers": 3},
}
STEADY = {"momentum": 0.1}  # of batch norm: batches are smaller than those that 0.7 and 0.9 were published for


def film_recipes(epochs: int, seed: int) -> list[Recipe]:
    """Return the recipes of films, the linear one first."""
    data = {"window": 120, "batch_size": 1, "step": 2}
    more = STEADY | {"init_sigma": 0.3}
    return [
        _recipe(name, config | more, data, {"tier": "oracle", "preset": "s23-server"}, 0.005, epochs, seed)
        for name, config in FILM_MODELS.items()
    ]


def image_recipes(epochs: int, seed: int) -> list[Recipe]:
    """Return the recipes of images, the linear one first; a quarter of the published pixels, as published."""
    data = {"batch_size": 32, "step": 4}
    return [
        _recipe(name, config | STEADY, data, {"tier": "validation", "batch_size": 64}, 0.005, epochs, seed)
        for name, config in IMAGE_MODELS.items()
    ]


def _recipe(
    name: str, config: dict[str, Any], data: dict[str, Any], validation: dict[str, Any], rate: float, epochs: int, seed: int
) -> Recipe:  # fmt: skip
    made = {
        "name": name, "description": "of the benchmark", "seed": seed, "model": {"name": name, "config": config},
        "data": data, "validation": validation, "optimiser": {"learning_rate": rate, "weight_decay": 0.01},
        "schedule": {"max_epochs": epochs, "patience": max(2, epochs // 4), "n_rounds": 2},
    }  # fmt: skip
    return Recipe.model_validate(made, strict=False)


def published(seed: int) -> Recipe:
    """Return the published recipe of films for one epoch, so that its waiting can be measured."""
    from sensorium_data.zoo.training import load_recipe

    recipe = load_recipe("sensorium2023-factorised3d")
    validation = recipe.validation.model_copy(update={"preset": None})
    schedule = recipe.schedule.model_copy(update={"max_epochs": 1})
    return recipe.model_copy(update={"seed": seed, "schedule": schedule, "validation": validation})
