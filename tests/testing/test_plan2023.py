"""The schedule of a made-up recording, and the truth that is built from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_data.sources.sensorium2023_facts import MICE
from sensorium_data.testing import REAL_LENGTHS, TrialTruth, describe_sensorium2023
from sensorium_data.testing.films import KINDS

TEST_TIERS = ("live_test_main", "live_test_bonus", "final_test_main", "final_test_bonus")
plans: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["mouse", *(f"dynamic{key}-Video-x" for key in sorted(MICE))]),
        "n_train": st.integers(1, 9),
        "n_repeats": st.integers(1, 9),
        "seed": st.integers(0, 2**63),
        "withhold": st.booleans(),
        "holes": st.booleans(),
    }
)


@given(plan=plans)
def test_every_tier_has_its_films_and_ragged_repeats(plan: dict[str, Any]) -> None:
    truth = describe_sensorium2023(**plan)
    assert [t.trial_id for t in truth] == list(range(len(truth)))
    repeats = sorted((max(1, plan["n_repeats"] - 1), plan["n_repeats"]))
    for tier in ("oracle", *TEST_TIERS):
        shown = Counter(t.film for t in truth if t.tier == tier)
        assert sorted(shown.values()) == repeats
    train = Counter(t.film for t in truth if t.tier == "train")
    assert sorted(train.values()) == [1] * plan["n_train"]
    tier_of = {(t.film, t.tier, t.label) for t in truth if not t.missing}
    assert len(tier_of) == len({film for film, _, _ in tier_of}), "a film has one tier and one label"


@given(plan=plans)
def test_withheld_and_missing_are_what_was_asked_for(plan: dict[str, Any]) -> None:
    truth = describe_sensorium2023(**plan)
    assert all(t.withheld == (plan["withhold"] and t.tier in TEST_TIERS) for t in truth)
    missing = [t for t in truth if t.missing]
    assert bool(missing) == plan["holes"]
    assert all(t == TrialTruth(t.trial_id, "none", "", "", 0, withheld=False, missing=True) for t in missing)
    assert all(t.tier != "none" and t.n_valid > 0 for t in truth if not t.missing)


@given(plan=plans)
def test_withholding_changes_nothing_else(plan: dict[str, Any]) -> None:
    one, other = (describe_sensorium2023(**{**plan, "withhold": withhold}) for withhold in (True, False))
    assert tuple(replace(t, withheld=False) for t in one) == other


@given(plan=plans, n_repeats=st.integers(2, 9))
def test_one_film_of_the_live_bonus_tier_is_once_cut_short(plan: dict[str, Any], n_repeats: int) -> None:
    truth = describe_sensorium2023(**{**plan, "n_repeats": n_repeats}, lengths=REAL_LENGTHS)
    bonus = [t for t in truth if t.tier == "live_test_bonus"]
    assert [t.n_valid < REAL_LENGTHS[t.label] for t in bonus].count(True) == 1


@pytest.mark.parametrize("key", sorted(MICE))
def test_bonus_tiers_follow_the_facts(key: str) -> None:
    truth = describe_sensorium2023(name=f"dynamic{key}-Video-x", lengths=REAL_LENGTHS)
    kinds = {tier: {t.label for t in truth if t.tier == tier} for tier in ("live_test_bonus", "final_test_bonus")}
    assert kinds == {"live_test_bonus": set(MICE[key].live), "final_test_bonus": set(MICE[key].final)}
    images = [t.n_valid for t in truth if t.label == "NaturalImages"]
    assert sum(n > 330 for n in images) == (1 if images else 0), "one trial of images is far too long"


def test_repeats_are_spread_through_the_session() -> None:
    truth = describe_sensorium2023(n_train=40, n_repeats=10)
    for tier in ("oracle", *TEST_TIERS):
        for film in {t.film for t in truth if t.tier == tier}:
            at = [t.trial_id for t in truth if t.film == film]
            assert max(at) - min(at) > len(truth) / 3


def test_images_of_three_old_mice_come_last() -> None:
    truth = describe_sensorium2023(name="dynamic29228-2-10-Video-x")
    are_images = [t.label == "NaturalImages" for t in truth]
    assert are_images == sorted(are_images)
    assert any(are_images)


def test_lengths_are_a_tenth_of_the_real_ones_unless_given() -> None:
    assert set(REAL_LENGTHS) == set(KINDS)
    train = [t.n_valid for t in describe_sensorium2023(lengths={"Gabor": 7}) if t.tier == "train"]
    assert train == [30] * 6
    given_ = {t.n_valid for t in describe_sensorium2023(lengths={"NaturalVideo": 7}) if t.tier == "oracle"}
    assert given_ == {7}
