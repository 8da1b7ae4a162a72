"""Items of a dataset are slices of `session.trial`: for every tier and length, wherever a window begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.loaders import WindowDataset
from sensorium_data.loaders.collate import collate
from tests.loaders.byhand import ByHand
from tests.loaders.conftest import FIRST
from tests.loaders.served import differences

if TYPE_CHECKING:
    from tests.loaders.conftest import Mice, Pictures

TIERS = ["train", "oracle", "live_test_main", "live_test_bonus", "final_test_main", "final_test_bonus"]
TEST_TIERS = TIERS[2:]


def wrong_items(dataset: WindowDataset, by_hand: ByHand) -> list[str]:
    """Say where items differ from what the trial itself holds."""
    return [
        what for i, window in enumerate(dataset.windows) for what in differences(dataset[i], by_hand.window(window))
    ]


@pytest.mark.parametrize("tier", TIERS)
def test_items_are_slices_of_their_trials(mice: Mice, tier: str) -> None:
    dataset = WindowDataset(mice.both, tier=tier, window=9, stride=4)
    assert len({window.session for window in dataset.windows}) == 2
    assert wrong_items(dataset, mice.by_hand) == []


@given(
    tier=st.sampled_from([*TIERS, None, ("train", "oracle"), {"tier": "live_test_bonus", "n_valid": slice(28, None)}]),
    window=st.integers(1, 24),
    stride=st.one_of(st.none(), st.just("random"), st.integers(1, 40)),
    burn_in=st.integers(0, 5),
    within=st.sampled_from(["trial", "segment"]),
    seed=st.integers(0, 9),
    epoch=st.integers(0, 3),
)
@settings(deadline=None, max_examples=40)
def test_items_of_any_windows(
    mice: Mice, tier: Any, window: int, stride: Any, burn_in: int, within: Any, seed: int, epoch: int
) -> None:
    dataset = WindowDataset(
        mice.both, tier=tier, window=window, stride=stride, burn_in=burn_in, within=within, seed=seed
    )
    dataset.set_epoch(epoch)
    by_hand = mice.by_hand
    inside = [i for i, w in enumerate(dataset.windows) if w.start_frame + window <= by_hand.n_of(w.session, w.trial_id)]
    assert inside or within == "segment"
    for i in inside[:8]:
        got = dataset[i]
        assert differences(got, by_hand.window(dataset.windows[i])) == []
        assert all(bool(mask.all()) for name, mask in got["mask"].items() if name != "responses")


@pytest.mark.parametrize("tier", TEST_TIERS)
def test_a_withheld_tier_loads_with_masked_responses(mice: Mice, tier: str) -> None:
    dataset = WindowDataset(mice.first, tier=tier, window=12)
    for item in dataset:
        assert item["responses"].isnan().all()
        assert not item["mask"]["responses"].any()
        assert item["mask"]["video"].all()
        assert item["mask"]["pupil"].all()


def test_tiers_with_and_without_responses_load_together(mice: Mice) -> None:
    dataset = WindowDataset(mice.first, tier=None, window=12)
    known = [bool(dataset[i]["mask"]["responses"].all()) for i in range(len(dataset))]
    assert 0 < sum(known) < len(known)


def test_whole_trials_are_served_each_as_long_as_it_is(mice: Mice) -> None:
    """Where the eye was lost the samples are NaN and masked; nothing is cut."""
    dataset = WindowDataset(mice.both, tier=None, window="trial")
    handles = [session.handle for session in mice.by_hand.sessions.values()]
    n_there = sum(int((~handle.trials["missing"]).sum()) for handle in handles)
    assert len(dataset) == n_there
    assert {window.start_frame for window in dataset.windows} == {0}
    assert len({window.n_samples for window in dataset.windows}) > 2
    assert wrong_items(dataset, mice.by_hand) == []
    holes = [bool((~item["mask"]["pupil"]).any() & item["mask"]["pupil"].any()) for item in dataset]
    assert sum(holes) == 2  # one training trial and one of `oracle`


def test_no_window_holds_a_lost_eye_unless_it_is_not_required(mice: Mice) -> None:
    strict = WindowDataset(mice.first, window=12, stride=1)
    assert all(bool(item["mask"]["pupil"].all()) for item in strict)
    loose = WindowDataset(mice.first, window=12, stride=1, require=["video", "responses"])
    assert len(loose) > len(strict)
    assert not all(bool(item["mask"]["pupil"].all()) for item in loose)
    assert wrong_items(loose, mice.by_hand) == []


def test_windows_longer_than_the_chosen_are_padded_with_the_mask(mice: Mice) -> None:
    dataset = WindowDataset(mice.first, tier="live_test_bonus", window="trial")
    batch = dataset.__getitems__(range(len(dataset)))
    lengths = [window.n_samples for window in dataset.windows]
    assert min(lengths) < max(lengths)
    for item, n in zip(batch, lengths, strict=True):
        assert item["video"].shape[0] == max(lengths)
        assert item["mask"]["video"].tolist() == [True] * n + [False] * (max(lengths) - n)
        assert not item["video"][n:].any()
        assert item["pupil"][n:].isnan().all()
        assert item["pupil"][:n].isfinite().all()


@pytest.mark.parametrize("tier", ["train", "validation", "test", "final_test", None])
def test_images_come_one_a_presentation(pictures: Pictures, tier: str | None) -> None:
    dataset = WindowDataset(pictures.store, tier=tier)
    assert dataset.static
    assert len(dataset)
    assert wrong_items(dataset, ByHand([pictures.store])) == []
    assert dataset[0]["image"].shape == (16, 20)
    assert dataset[0]["mask"]["image"].shape == ()


def test_images_whose_mouse_was_not_seen_are_served_where_it_is_not_required(pictures: Pictures) -> None:
    strict = WindowDataset(pictures.store)
    loose = WindowDataset(pictures.store, require=["image", "responses"])
    assert len(loose) == len(strict) + 1
    known = [bool(item["mask"]["pupil"]) for item in loose]
    assert known.count(False) == 1
    assert loose[known.index(False)]["pupil"].isnan().any()


def test_several_items_at_once_are_the_same_items(mice: Mice, pictures: Pictures) -> None:
    for dataset in (WindowDataset(mice.both, window=9, stride=5), WindowDataset(pictures.store)):
        chosen = np.random.default_rng(0).permutation(len(dataset))[:7].tolist()
        for indices in (chosen, chosen[:1], sorted(chosen)[-3:]):
            at_once = dataset.__getitems__(indices)
            assert [differences(one, dataset[i]) for one, i in zip(at_once, indices, strict=True)] == [[]] * len(
                indices
            )
        assert dataset.__getitems__([]) == []


def test_a_dataset_is_a_sequence(mice: Mice) -> None:
    dataset = WindowDataset(mice.first, window=12, seed=3)
    assert len(list(dataset)) == len(dataset) == 6
    assert differences(dataset[-1], dataset[5]) == []
    with pytest.raises(IndexError, match="window 6 of 6"):
        dataset[6]
    assert repr(dataset) == f"WindowDataset: 6 windows of 1 session ({FIRST}), video, responses, pupil, running, gaze"


def test_random_starts_are_drawn_anew_for_each_epoch_and_reach_every_start(mice: Mice) -> None:
    dataset = WindowDataset(mice.first, window=26, seed=1)
    seen: dict[int, set[int]] = {}
    for epoch in range(60):
        dataset.set_epoch(epoch)
        for window in dataset.windows:
            seen.setdefault(window.trial_id, set()).add(window.start_frame)
    lengths = {trial: mice.by_hand.n_of(FIRST, trial) for trial in seen}
    assert {trial: set(range(lengths[trial] - 26 + 1)) for trial in seen} == seen
    dataset.set_epoch(0)
    again = WindowDataset(mice.first, window=26, seed=1)
    assert torch.equal(dataset[2]["video"], again[2]["video"])
    assert dataset.windows == again.windows


def test_what_a_collate_of_ones_own_changed_is_not_lost(mice: Mice) -> None:
    dataset = WindowDataset(mice.both[0], window=9, seed=1)
    untouched = dataset.__getitems__([0, 1, 2])
    assert collate(untouched) is collate(untouched)
    changed = dataset.__getitems__([0, 1, 2])
    for item in changed:
        item["responses"] = torch.full_like(item["responses"], 7)
    assert (collate(changed)["responses"] == 7).all()
    masked = dataset.__getitems__([0, 1, 2])
    masked[1]["mask"]["pupil"] = torch.zeros_like(masked[1]["mask"]["pupil"])
    assert not collate(masked)["mask"]["pupil"][1].any()
    fewer = dataset.__getitems__([0, 1, 2])
    fewer.reverse()
    fewer.pop()
    batch = collate(fewer)
    assert batch["trial_id"].tolist() == untouched_ids(dataset, [2, 1])
    assert torch.equal(batch["video"], torch.stack([dataset[2]["video"], dataset[1]["video"]]))
    extended = dataset.__getitems__([0, 1])
    for item in extended:
        item["gain"] = 2
    assert collate(extended)["gain"].tolist() == [2, 2]


def untouched_ids(dataset: WindowDataset, indices: list[int]) -> list[int]:
    return [dataset[index]["trial_id"] for index in indices]
