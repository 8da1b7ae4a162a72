"""The schedule of a made-up recording of images, and the truth that is built from it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.testing import describe_sensorium2022
from sensorium_data.testing.plan2022 import KINDS, ImageIds, Kind, Schedule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensorium_data.testing import ImageTruth

plans: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(get_args(Kind)),
        "n_train": st.integers(2, 9),
        "n_validation": st.integers(1, 4),
        "n_test": st.integers(2, 5),
        "n_repeats": st.integers(1, 12),
        "seed": st.integers(0, 2**63),
    }
)
faults: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "image_ids": st.sampled_from(["published", "with-holes"]),
        "one_id_two_pictures": st.booleans(),
        "two_ids_one_picture": st.booleans(),
    }
)


def by_image(truth: Iterable[ImageTruth]) -> dict[str, set[int]]:
    """The ids of every picture."""
    found: dict[str, set[int]] = defaultdict(set)
    for trial in truth:
        found[trial.image] |= {trial.image_id} if trial.image_id is not None else set()
    return found


def by_id(truth: Iterable[ImageTruth]) -> dict[int, set[str]]:
    """The pictures of every id."""
    found: dict[int, set[str]] = defaultdict(set)
    for trial in truth:
        if trial.image_id is not None:
            found[trial.image_id].add(trial.image)
    return found


@given(plan=plans)
def test_every_tier_has_its_images_and_ragged_repeats(plan: dict[str, Any]) -> None:
    truth = describe_sensorium2022(**plan)
    assert [t.trial_id for t in truth] == list(range(len(truth)))
    shown: dict[str, Counter[str]] = defaultdict(Counter)
    for trial in truth:
        shown[trial.tier][trial.image] += 1
    assert set(shown) == {"train", "validation", *KINDS[plan["kind"]].tiers}
    assert sorted(shown.pop("train").values()) == [1] * plan["n_train"]
    assert sorted(shown.pop("validation").values()) == [1] * plan["n_validation"]
    most = plan["n_repeats"]
    for tier, images in shown.items():
        assert len(images) == plan["n_test"]
        few = [n for n in images.values() if n < max(1, most - 1)]
        assert few == ([3] if tier == "test" and most > 4 else [])
        assert max(images.values()) == most
        assert sum(n < most for n in images.values()) >= (1 if most > 1 else 0)


@given(plan=plans)
def test_ids_name_pictures_one_to_one_and_are_no_count(plan: dict[str, Any]) -> None:
    truth = describe_sensorium2022(**plan)
    assert all(len(ids) == 1 for ids in by_image(truth).values())
    assert all(len(pictures) == 1 for pictures in by_id(truth).values())
    assert all(1 <= image_id <= 5000 for image_id in by_id(truth))
    tiers = {(t.image, t.tier) for t in truth}
    assert len(tiers) == len({image for image, _ in tiers}), "an image has one tier"


@given(plan=plans, faults=faults)
def test_faults_of_ids_are_the_ones_that_were_asked_for(plan: dict[str, Any], faults: dict[str, Any]) -> None:
    truth = describe_sensorium2022(**plan, **faults)
    torn = {image_id: pictures for image_id, pictures in by_id(truth).items() if len(pictures) > 1}
    assert list(torn.values()) == ([{"test-0", "test-1"}] if faults["one_id_two_pictures"] else [])
    double = {image: ids for image, ids in by_image(truth).items() if len(ids) > 1}
    assert list(double) == (["train-0"] if faults["two_ids_one_picture"] else [])
    assert all(len(ids) == 2 for ids in double.values())


@given(plan=plans, faults=faults)
def test_holes_hide_ids_and_change_nothing_else(plan: dict[str, Any], faults: dict[str, Any]) -> None:
    whole = describe_sensorium2022(**plan, **{**faults, "image_ids": "published"})
    holes = describe_sensorium2022(**plan, **{**faults, "image_ids": "with-holes"})
    assert tuple(replace(t, image_id=None) for t in whole) == tuple(replace(t, image_id=None) for t in holes)
    lost = [t for t, other in zip(whole, holes, strict=True) if t != other]
    assert all(t.image_id is not None for t in whole)
    n_repeated = len(KINDS[plan["kind"]].tiers) if plan["n_repeats"] > 1 else 0
    expect = Counter(validation=1, train=plan["n_train"] // 4, **dict.fromkeys(KINDS[plan["kind"]].tiers, 1))
    if not n_repeated:
        expect -= Counter(KINDS[plan["kind"]].tiers)
    assert Counter(t.tier for t in lost) == +expect
    repeated = [t for t in holes if t.image == "test-0"]
    assert any(t.image_id is not None for t in repeated), "a lost id can be found again by its repeats"


@given(plan=plans)
def test_without_a_table_no_trial_has_an_id(plan: dict[str, Any]) -> None:
    whole, absent = (describe_sensorium2022(**plan, image_ids=ids) for ids in ("published", "absent"))
    assert absent == tuple(replace(t, image_id=None) for t in whole)


@given(plan=plans)
def test_withheld_are_both_test_tiers_of_the_competition(plan: dict[str, Any]) -> None:
    for trial in describe_sensorium2022(**plan):
        assert trial.withheld == (plan["kind"] in {"splus", "s"} and trial.tier in {"test", "final_test"})


@given(plan=plans)
def test_kinds_of_one_seed_show_the_same_images_under_the_same_ids(plan: dict[str, Any]) -> None:
    ids = {kind: by_image(describe_sensorium2022(**{**plan, "kind": kind})) for kind in KINDS}
    assert ids["s"] == ids["splus"]
    assert ids["pretrain"] == ids["colour"]
    assert ids["pretrain"].items() <= ids["s"].items()
    assert all(image.startswith("final_test-") for image in ids["s"].keys() - ids["pretrain"].keys())


@given(plan=plans, other=st.integers(0, 2**63))
def test_another_seed_draws_other_ids(plan: dict[str, Any], other: int) -> None:
    assume(other != plan["seed"])
    one, two = (by_image(describe_sensorium2022(**{**plan, "seed": seed})) for seed in (plan["seed"], other))
    assert one.keys() == two.keys()
    assert one != two


@given(plan=plans)
def test_places_in_time_are_unique_and_few_are_missing(plan: dict[str, Any]) -> None:
    places = sorted(shown.presented for shown in Schedule(**plan).presentations())
    assert len(set(places)) == len(places)
    assert 0 <= places[0] <= 3
    assert places[-1] - places[0] < 2 * len(places)


def test_neither_time_nor_tier_orders_the_files() -> None:
    plan = Schedule(n_train=40, n_repeats=10, n_test=4).presentations()
    places = [shown.presented for shown in plan]
    assert places != sorted(places)
    assert max(places) - min(places) >= len(places), "some presentations were dropped"
    for image in {shown.truth.image for shown in plan if shown.truth.tier == "test"} - {"test-3"}:
        shown_in = [shown for shown in plan if shown.truth.image == image]
        for at in ([shown.truth.trial_id for shown in shown_in], [shown.presented for shown in shown_in]):
            assert max(at) - min(at) > len(plan) / 3


def test_no_image_has_the_id_zero() -> None:
    drawn = [by_id(describe_sensorium2022(n_train=2400, seed=seed)).keys() for seed in range(10)]
    assert min(min(ids) for ids in drawn) == 1
    assert max(max(ids) for ids in drawn) == 5000


def test_more_images_than_there_were_ids() -> None:
    assert len(by_id(describe_sensorium2022(n_train=6000))) == 6005


BAD: list[tuple[dict[str, Any], str]] = [
    ({"kind": "color"}, "kind `color` is unknown"),
    ({"image_ids": "holes"}, "image_ids `holes` is unknown"),
    ({"n_train": 0}, "n_train is 0, expected 1 or more"),
    ({"n_validation": 0}, "n_validation is 0, expected 1 or more"),
    ({"n_test": 0}, "n_test is 0, expected 1 or more"),
    ({"n_repeats": 0}, "n_repeats is 0, expected 1 or more"),
    ({"seed": -1}, "seed is -1, expected 0 or more"),
    ({"n_test": 1, "one_id_two_pictures": True}, "n_test is 1, expected 2 or more for one_id_two_pictures"),
    ({"n_train": 1, "two_ids_one_picture": True}, "n_train is 1, expected 2 or more for two_ids_one_picture"),
    ({"image_ids": "absent", "one_id_two_pictures": True}, "so one_id_two_pictures would change nothing"),
    ({"image_ids": "absent", "two_ids_one_picture": True}, "so two_ids_one_picture would change nothing"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[f"{next(iter(a))}-{i}" for i, (a, _) in enumerate(BAD)])
def test_bad_plans_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        describe_sensorium2022(**arguments)


def test_a_misspelt_kind_is_told_its_neighbour() -> None:
    with pytest.raises(BadArgument) as caught:
        describe_sensorium2022(kind="color")  # type: ignore[arg-type]
    assert "colour" in str(caught.value.hint)
    assert get_args(ImageIds) == ("published", "absent", "with-holes")
