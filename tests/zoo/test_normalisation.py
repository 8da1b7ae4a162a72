"""What a model carries makes of raw samples what the official loaders do, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from sensorium_data import convert
from sensorium_data.loaders import WindowDataset, collate, fit_statistics, normalise, official2022, official2023
from sensorium_data.scales import Scale
from sensorium_data.testing import make_session, write_sensorium2022
from sensorium_data.zoo import Normalisation
from sensorium_data.zoo.facts import normalisation_of, session_facts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_session(tmp_path_factory.mktemp("films"), n_neurons=6)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    convert(write_sensorium2022(folder, n_neurons=6), folder / "images.zarr")
    return folder / "images.zarr"


def batch_of(dataset: WindowDataset, indices: range = range(3)) -> Any:
    return collate([dataset[index] for index in indices])


def close(made: torch.Tensor | None, wanted: torch.Tensor) -> None:
    """Equal, but 0 where the official numbers are none: what never varied says nothing."""
    assert made is not None
    known = wanted.isfinite()
    assert known.any()
    assert (made[~known] == 0).all() or made[~known].isnan().all()
    made, wanted = made[known], wanted[known]
    torch.testing.assert_close(made, wanted, rtol=1e-5, atol=1e-5, equal_nan=True)


def test_films_are_those_of_the_official_layout(films: Path) -> None:
    raw = WindowDataset(films, window=11, stride=7)
    wanted = batch_of(WindowDataset(films, window=11, stride=7, transform=official2023()))
    batch, made = batch_of(raw), normalisation_of(raw.streams)
    behavior = torch.stack([batch["pupil"], batch["running"]], dim=-1)
    firsts = batch["start_frame"]
    assert len(set(firsts.tolist())) > 1
    seen, moved, looked = made.inputs(
        raw.keys[0], "dynamic", batch["video"], behavior, batch["gaze"], first_frame=firsts
    )
    close(seen[:, 0], wanted.videos[:, 0])
    close(moved, wanted.behavior.mT)
    close(looked, wanted.pupil_center.mT)
    close(made.responses(raw.keys[0], batch["responses"], first_frame=firsts), wanted.responses.mT)


@pytest.mark.parametrize("step", [1, 4])
def test_images_are_those_of_the_official_layout(images: Path, step: int) -> None:
    raw = WindowDataset(images)
    wanted = batch_of(WindowDataset(images, transform=official2022(scale=1 / step)))
    batch, made = batch_of(raw), normalisation_of(raw.streams, step=step)
    behavior = torch.cat([batch["pupil"], batch["running"].reshape(-1, 1)], dim=-1)
    seen, moved, looked = made.inputs(raw.keys[0], "static", batch["image"], behavior, batch["gaze"])
    close(seen, wanted.images)
    close(moved, wanted.behavior)
    close(looked, wanted.pupil_center)
    close(made.responses(raw.keys[0], batch["responses"]), wanted.responses)


def test_fitted_numbers_are_those_of_the_transform(films: Path) -> None:
    raw = WindowDataset(films, window=11, stride=7)
    statistics = fit_statistics(raw)
    how = normalise(responses="per_neuron", statistics=statistics)
    wanted, batch = batch_of(WindowDataset(films, window=11, stride=7, transform=how)), batch_of(raw)
    made = normalisation_of(raw.streams, "fitted", statistics=statistics)
    seen, moved, _ = made.inputs(
        raw.keys[0], "dynamic", batch["video"], torch.stack([batch["pupil"], batch["running"]], dim=-1)
    )
    close(seen[:, 0], wanted["video"])
    close(moved, torch.stack([wanted["pupil"], wanted["running"]], dim=-1))
    close(made.responses(raw.keys[0], batch["responses"]), wanted["responses"])


def test_it_is_made_again_from_its_tensors(films: Path) -> None:
    raw = WindowDataset(films, window=11)
    made = normalisation_of(raw.streams)
    again = Normalisation.from_tensors(made.state_dict(), **made.extra())
    values = torch.rand(2, 400, 6)
    close(again.responses(raw.keys[0], values, first_frame=3), made.responses(raw.keys[0], values, first_frame=3))
    assert again.extra() == made.extra()


def test_past_the_published_frames_inputs_go_on_and_responses_do_not(films: Path) -> None:
    raw = WindowDataset(films, window=11)
    made, key = normalisation_of(raw.streams), raw.keys[0]
    n = int(raw.streams[0].n_frames[raw.windows.trial_row].max())
    film = torch.full((1, n + 5, 36, 64), 7.0)
    seen, _, _ = made.inputs(key, "dynamic", film)
    assert seen.isfinite().all()
    answered = made.responses(key, torch.ones(1, n + 5, 6))
    assert answered[:, :n].isfinite().all()
    assert answered[:, n:].isnan().all()


def test_facts_are_in_the_units_of_the_responses(films: Path) -> None:
    raw = WindowDataset(films, window=11)
    for how in ("official", "fitted"):
        made = normalisation_of(raw.streams, how)
        (one,) = session_facts(raw.streams, made)
        tensors = [raw[index]["responses"][None] for index in range(len(raw))]
        scaled = made.responses(one.key, torch.cat(tensors)).mean((0, 1))
        assert one.mean_responses is not None
        # Windows are a part of the trials, and frames have numbers of their own: alike, not the same.
        assert np.corrcoef(one.mean_responses, scaled.numpy())[0, 1] > 0.8


def test_keys_may_be_any_text() -> None:
    halved = Scale.by_std(np.full((1, 1, 1, 1), 2.0))
    made = Normalisation({"a.b": {"stimulus": halved}, "training": {"stimulus": halved}})
    again = Normalisation.from_tensors(made.state_dict(), **made.extra())
    for key in ("a.b", "training"):
        close(again.inputs(key, "static", torch.ones(1, 2, 2))[0], torch.full((1, 1, 2, 2), 0.5))


def test_what_never_varied_becomes_0_as_an_input_and_stays_unknown_as_a_response() -> None:
    gain = np.array([[np.inf, 0.5], [np.inf, 0.5], [np.nan, np.nan]])
    still = Scale.of(None, gain)
    made = Normalisation({"a": {"behavior": still, "responses": still}})
    values = torch.ones(1, 3, 2)
    _, moved, _ = made.inputs("a", "dynamic", torch.ones(1, 3, 2, 2), values)
    close(moved, torch.tensor([[[0, 0.5]] * 3]))
    answered = made.responses("a", values)
    assert answered[0, :2, 1].tolist() == [0.5, 0.5]
    assert not answered[0, :, 0].isfinite().any()
    assert answered[0, 2].isnan().all()
