"""Recipes and scores: the rules that join fields, which JSON Schema has no word for, and looking for one score."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sensorium_data.errors import NoSuchItem
from sensorium_data.schemas import Bootstrap, PresetFacts, Recipe, Score, ScoredSession, ScoreReport

FACTS = PresetFacts(
    name="s22", skip=0, drop_last=0, scaling="per_neuron", weighting="neuron", nan="keep", per_trial=False, eps=1e-8
)


def _score(**changes: Any) -> Score:
    fields: dict[str, Any] = {"session": "a", "tier": "test", "preset": "s22", "measures": ()}
    return Score(**(fields | {"n_trials": 1, "n_frames": 1, "n_stimuli": 1} | changes))


def _report(*scores: Score) -> ScoreReport:
    sessions = (ScoredSession(key="a", n_neurons=3, n_scored=3),)
    return ScoreReport(
        predictions="m", preset=FACTS, bootstrap=Bootstrap(n=0), sessions=sessions, scores=scores, version="1"
    )


@pytest.mark.parametrize("rate", [1e-4, 0.005])
def test_learning_rate_of_a_recipe_only_falls(rate: float) -> None:
    fields = {"name": "a", "description": "b", "model": {"name": "ln"}, "optimiser": {"learning_rate": rate}}
    assert Recipe.model_validate(fields | {"schedule": {"min_learning_rate": rate}}).optimiser.learning_rate == rate
    with pytest.raises(ValidationError, match="the rate can only fall"):
        Recipe.model_validate(fields | {"schedule": {"min_learning_rate": 2 * rate}})


def test_scores_of_a_report_are_by_its_preset() -> None:
    assert _report(_score()).of().preset == "s22"
    with pytest.raises(ValidationError, match="scores by preset s23-head in a report of s22"):
        _report(_score(), _score(preset="s23-head"))


def test_score_that_is_not_there_says_what_is() -> None:
    with pytest.raises(NoSuchItem, match="no score of a oracle") as caught:
        _report(_score()).of(tier="oracle")
    assert caught.value.hint == "scored: a test"
    with pytest.raises(NoSuchItem, match="no score of a") as caught:
        _report().of()
    assert caught.value.hint == "scored: nothing"
