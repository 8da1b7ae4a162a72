"""Recipes: the shipped ones are what was published, and a typo is named with what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sensorium_data.errors import DataInvalid, NoSuchItem, NotFound
from sensorium_data.evaluation.presets import preset
from sensorium_data.schemas.recipe import Recipe
from sensorium_data.zoo.registry import configure
from sensorium_data.zoo.training.recipes import load_recipe, parse_recipe, recipes

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = b'name = "mine"\ndescription = "x"\n[model]\nname = "ln"\n'


@pytest.mark.parametrize("name", recipes())
def test_a_shipped_recipe_is_whole(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    configure(recipe.model.name, recipe.model.config)
    if recipe.validation.preset is not None:
        preset(recipe.validation.preset)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_the_official_ones_train_as_published() -> None:
    official = [load_recipe(name) for name in recipes() if name.startswith("sensorium")]
    assert len(official) == 6
    for recipe in official:
        assert (recipe.loss.scale_by, recipe.loss.reduction, recipe.loss.eps) == ("all-tiers", "sum", 1e-8)
        assert (recipe.data.order, recipe.accumulate, recipe.data.normalisation) == ("longest", "sessions", "official")
        schedule = recipe.schedule
        assert (schedule.patience, schedule.tolerance, schedule.n_rounds, schedule.decay) == (5, 1e-6, 4, 0.3)
        assert (schedule.min_learning_rate, schedule.max_epochs, schedule.decay_at) == (1e-4, 200, "published")
        assert recipe.clip_norm is None
    optimisers = {
        r.name[9:13]: (r.optimiser.name, r.optimiser.learning_rate, r.optimiser.weight_decay) for r in official
    }
    assert optimisers == {"2022": ("adam", 0.009, 0.0), "2023": ("adamw", 0.005, 0.01)}
    assert {(r.name[9:13], r.data.batch_size, r.data.window, r.data.step) for r in official} == {
        ("2022", 128, None, 4),
        ("2023", 8, 80, 1),
    }


@pytest.mark.parametrize(
    ("more", "where", "hint"),
    [
        (b'[loss]\nscal_by = "none"', "loss.scal_by", "`scale_by`"),
        (b"[optimizer]\nlearning_rate = 0.1", "optimizer", "`optimiser`"),
        (b"[validation]\ntiers = 1", "validation.tiers", "`tier`"),
        (b"[data]\nnormalization = 1", "data.normalization", "`normalisation`"),
    ],
)
def test_a_typo_is_named_with_what_was_meant(more: bytes, where: str, hint: str) -> None:
    with pytest.raises(DataInvalid, match=f"`{where}` is no key of a recipe") as refused:
        parse_recipe(PLAIN + more)
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (b"[data]\nwindow = 30.5", "`data.window` is 30.5, expected a valid integer, or 'trial'"),
        (b'[data]\nbatch_size = "four"', "`data.batch_size` is 'four', expected a valid integer"),
        (b"[data]\ntiers = [1]", "`data.tiers.0` is 1, expected a valid string"),
        (b"[optimiser]\nlearning_rate = -1", "`optimiser.learning_rate` is -1, expected greater than 0"),
    ],
)
def test_a_value_that_does_not_fit_is_shown_with_what_would(more: bytes, says: str) -> None:
    with pytest.raises(DataInvalid) as refused:
        parse_recipe(PLAIN + more)
    assert refused.value.message == f"recipe: {says}"


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(DataInvalid) as refused:
        parse_recipe(PLAIN + b'[data]\nbatch_size = 0\nordre = "longest"\n[schedule]\npatience = "many"')
    assert "data.ordre" in str(refused.value)
    assert {problem.where for problem in refused.value.problems} == {"data.batch_size", "schedule.patience"}


@pytest.mark.parametrize(
    "content",
    [b"= 3", b"\xff\xfe", PLAIN + b"[optimiser]\nlearning_rate = nan", PLAIN + b"seed = 2024-01-01", b"", PLAIN + b"a = " + b"[" * 5000],
)  # fmt: skip
def test_what_is_no_recipe_is_refused(content: bytes) -> None:
    with pytest.raises(DataInvalid):
        parse_recipe(content)


def test_a_rate_that_can_only_rise_is_refused() -> None:
    with pytest.raises(DataInvalid, match="can only fall"):
        parse_recipe(PLAIN + b"[optimiser]\nlearning_rate = 1e-5")


def test_by_name_or_by_path(tmp_path: Path) -> None:
    with pytest.raises(NoSuchItem, match="no recipe `sensorium2022-cn`") as missing:
        load_recipe("sensorium2022-cn")
    assert "`sensorium2022-cnn`" in missing.value.hint
    with pytest.raises(NotFound, match="no such file"):
        load_recipe(tmp_path / "mine.toml")
    with pytest.raises(NotFound, match="no such file"):
        load_recipe(f"{tmp_path}/demo-ln.toml")
    with pytest.raises(NotFound, match="is a folder") as folder:
        load_recipe(tmp_path)
    assert "RECIPE STORE..." in folder.value.hint
    (tmp_path / "mine.toml").write_bytes(PLAIN)
    assert load_recipe(str(tmp_path / "mine.toml")).name == "mine"
    assert load_recipe(tmp_path / "mine.toml") == load_recipe(load_recipe(tmp_path / "mine.toml"))
    (tmp_path / "long.toml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(DataInvalid, match="longer than a recipe may be"):
        load_recipe(tmp_path / "long.toml")
