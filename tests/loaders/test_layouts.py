"""The official tuples survive everything that torch and training code do to a batch."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from sensorium_data.errors import BadArgument, NoSuchItem
from sensorium_data.loaders.transforms.layouts import (
    Official,
    Official2022,
    Official2022Images,
    Official2023,
    collate_official,
)


def item(trial: int = 4, session: str = "mouse", n: int = 6) -> Official2023:
    values = [torch.full(shape, float(trial)) for shape in ((3, n, 2, 4), (n, 5), (2, n), (2, n))]
    masks = {name: torch.arange(n) < trial for name in Official2023._fields}
    values[1] = values[1].mT
    return Official2023(*values, extras={"mask": masks, "session": session, "trial_id": trial, "start_frame": 2})


def test_a_tuple_for_code_that_takes_tuples() -> None:
    made = item()
    videos, responses, behavior, pupil_center = made
    assert [*made][0] is made[0]  # noqa: RUF015  # as official code writes it
    assert made[0] is made.videos is videos
    assert made[1:] == (responses, behavior, pupil_center)
    assert len(made) == 4
    assert list(made._asdict()) == list(made._fields) == ["videos", "responses", "behavior", "pupil_center"]
    assert isinstance(made, tuple)


def test_a_mapping_for_code_that_takes_names() -> None:
    made = item()
    assert made["responses"] is made.responses
    assert made["mask"] is made.mask
    assert (made["session"], made.trial_id, made["start_frame"]) == ("mouse", 4, 2)
    assert "videos" in made
    assert "mask" in made
    assert "images" not in made
    assert made.videos in made
    whole: dict[str, Any] = dict(made)
    assert list(whole) == list(made.keys()) == [*made._fields, "mask", "session", "trial_id", "start_frame"]
    assert [*made.values()] == [value for _, value in made.items()]
    assert whole["behavior"] is made.behavior


def test_unknown_names() -> None:
    made = item()
    with pytest.raises(NoSuchItem, match="Official2023 has no `video`") as caught:
        made["video"]
    assert caught.value.hint == "did you mean `videos`?"
    assert not hasattr(made, "video")
    with pytest.raises(BadArgument, match="takes 4 tensors"):
        Official2023(torch.zeros(1))
    with pytest.raises(NoSuchItem, match="no field `video`"):
        made._replace(video=torch.zeros(1))


def same(one: Official, other: Official) -> None:
    assert type(one) is type(other)
    assert one.keys() == other.keys()
    for name in one._fields:
        torch.testing.assert_close(one[name], other[name])
        torch.testing.assert_close(one.mask[name], other.mask[name])
    assert [one[name] for name in ("session", "trial_id", "start_frame")] == [
        other[name] for name in ("session", "trial_id", "start_frame")
    ]


def test_copies_are_equal() -> None:
    made = item()
    for again in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made), made.to("cpu")):
        same(again, made)
    changed = made._replace(behavior=torch.zeros(2, 6))
    assert changed.videos is made.videos
    assert changed.mask is not None
    assert not changed.behavior.any()
    assert Official2023._make(made).videos is made.videos


def test_half_of_a_batch_is_moved_with_its_masks() -> None:
    moved = item().to("meta")
    assert {tensor.device.type for tensor in moved} == {mask.device.type for mask in moved.mask.values()} == {"meta"}
    assert moved.session == "mouse"


@pytest.mark.parametrize("collate", [default_collate, collate_official])
def test_batches(collate: Any) -> None:
    batch = collate([item(1), item(4)])
    assert type(batch) is Official2023
    assert [tuple(value.shape) for value in batch] == [(2, 3, 6, 2, 4), (2, 5, 6), (2, 2, 6), (2, 2, 6)]
    assert batch.responses[:, 0, 0].tolist() == [1, 4]
    assert {name: mask.sum(1).tolist() for name, mask in batch.mask.items()} == {name: [1, 4] for name in batch._fields}
    assert batch.session == "mouse"
    assert batch["trial_id"].tolist() == [1, 4]
    assert batch["start_frame"].dtype == torch.int64
    assert collate([item(session="a"), item(session="b")]).session == ("a", "b")


def test_responses_are_stacked_as_they_lie_in_memory() -> None:
    batch = collate_official([item(1), item(2)])
    assert batch["responses"].mT.is_contiguous()


def test_images_have_no_mask_axis() -> None:
    masks = {name: torch.tensor(True) for name in ("images", "responses")}
    images = [Official2022Images(torch.zeros(1, 3, 3), torch.zeros(2), extras={"mask": masks}) for _ in range(3)]
    assert {mask.shape for mask in default_collate(images).mask.values()} == {(3,)}


@pytest.mark.parametrize("workers", [0, 2])
def test_through_a_data_loader(workers: int) -> None:
    loader: DataLoader[Any] = DataLoader([item(n) for n in range(4)], batch_size=2, num_workers=workers)  # type: ignore[arg-type]
    batches = list(loader)
    assert [batch.trial_id.tolist() for batch in batches] == [[0, 1], [2, 3]]
    assert batches[1].mask["videos"].sum().item() == 5


def test_whoever_drops_the_masks_is_told() -> None:
    loader: DataLoader[Any] = DataLoader([item()], batch_size=None)  # type: ignore[arg-type]
    stripped = next(iter(loader))
    assert not hasattr(stripped, "mask")
    with pytest.raises(AttributeError, match="collate_fn=lambda batch: batch"):
        _ = stripped.mask
    with pytest.raises(NoSuchItem, match="has no `mask`"):
        stripped["mask"]
    kept: DataLoader[Any] = DataLoader([item()], batch_size=None, collate_fn=lambda batch: batch)  # type: ignore[arg-type]
    assert next(iter(kept)).session == "mouse"


def test_repr_says_shapes() -> None:
    text = repr(Official2022(*(torch.zeros(n) for n in (4, 3, 3, 2)), extras={"session": "m", "mask": {}}))
    assert text == "Official2022(images=(4,), responses=(3,), behavior=(3,), pupil_center=(2,), session='m')"
