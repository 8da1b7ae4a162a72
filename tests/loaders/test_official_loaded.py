"""Official items and batches as the loaders serve them, in this process and in workers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import sensorium_data as sd
from sensorium_data.loaders import WindowDataset, make_loader
from sensorium_data.loaders.statistics_fit import fit_statistics
from sensorium_data.loaders.transforms import (
    Official2022,
    Official2023,
    collate_official,
    compose,
    fill_missing,
    normalise,
    official2022,
    official2023,
)
from sensorium_data.testing import write_sensorium2022, write_sensorium2023
from tests.loaders.chains import chain2022, chain2023

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PARTNER = "dynamic29156-11-10-Video-8744edeac3b4d1ce16b680916b5267ce"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """Stores by the recordings they are of: two mice of 4 and 6 neurons."""
    folder = tmp_path_factory.mktemp("loaded")
    made = {}
    for n_neurons, how in ((4, {}), (6, {"name": PARTNER, "seed": 1})):
        source = write_sensorium2023(folder, n_neurons=n_neurons, n_train=24, frame_shape=(4, 6), **how)  # type: ignore[arg-type]
        made[source] = folder / f"{n_neurons}.zarr"
        sd.convert(source, made[source], precision="source")
    return made


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("loaded")
    source = write_sensorium2022(folder, n_neurons=5, n_train=12, frame_shape=(8, 12))
    sd.convert(source, folder / "images.zarr")
    return source, folder / "images.zarr"


def agree(got: Mapping[str, Any], wanted: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-6, atol=1e-6, equal_nan=True, err_msg=name)


@pytest.mark.parametrize("window", [9, "trial"])
@pytest.mark.parametrize("tier", ["train", "oracle"])
def test_windows_are_those_of_the_published_chain(films: dict[Path, Path], tier: str, window: Any) -> None:
    source, store = next(iter(films.items()))
    data = WindowDataset(store, tier=tier, window=window, seed=4, transform=official2023(pupil_center_channels=True))
    for index in range(len(data)):
        at = data.windows[index]
        wanted = chain2023(source, at.trial_id, at.start_frame, at.n_samples, pupil=True)
        agree(data[index], wanted, Official2023._fields)
    assert len(data) > 4


def test_batches_of_several_mice(films: dict[Path, Path]) -> None:
    loader = make_loader(list(films.values()), window=8, batch_size=3, seed=1, transform=official2023())
    folders = {sd.open_session(store).document.identity.key: source for source, store in films.items()}
    keys = set()
    for batch in loader:
        assert isinstance(batch, Official2023)
        assert isinstance(batch.trial_id, torch.Tensor)
        assert isinstance(batch.start_frame, torch.Tensor)
        assert batch.videos.shape[1:] == (3, 8, 4, 6)
        for row, (trial, start) in enumerate(zip(batch.trial_id.tolist(), batch.start_frame.tolist(), strict=True)):
            wanted = chain2023(folders[str(batch.session)], trial, start, 8)
            agree({name: batch[name][row] for name in batch._fields}, wanted, batch._fields)
        keys.add(batch.session)
    assert keys == set(folders)


def test_padded_trials(films: dict[Path, Path]) -> None:
    store = next(iter(films.values()))
    every = [["oracle", "live_test_bonus", "final_test_bonus"], "train"]
    for tier in every:
        loader = make_loader(store, tier=tier, window="trial", batch_size=40, transform=official2023())
        for batch in loader:
            lengths = batch.mask["behavior"].sum(1)
            assert lengths.min() > 0
            for row, n in enumerate(lengths.tolist()):
                assert torch.isnan(batch.videos[row, :, n:]).all()
                assert torch.isfinite(batch.behavior[row, :, :n]).all()


def test_selected_neurons(films: dict[Path, Path]) -> None:
    store = list(films.values())[1]
    few = sd.open_session(store).select(neurons=[4, 0])
    whole, part = (WindowDataset(one, window=8, transform=official2023()) for one in (store, few))
    assert part[0].responses.equal(whole[0].responses[[4, 0]])


def test_images(images: tuple[Path, Path]) -> None:
    source, store = images
    transform = official2022(behavior="channels")
    for batch in make_loader(store, batch_size=4, transform=transform):
        assert isinstance(batch, Official2022)
        assert isinstance(batch.trial_id, torch.Tensor)
        assert batch.images.shape[1:] == (4, 2, 3)
        assert batch.mask["images"].all()
        for row, trial in enumerate(batch.trial_id.tolist()):
            wanted = chain2022(source, trial, behavior="channels", pupil="vectors")
            agree({name: batch[name][row] for name in batch._fields}, wanted, batch._fields)


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_in_workers(films: dict[Path, Path], context: str) -> None:
    data = WindowDataset(next(iter(films.values())), tier="oracle", window=8, transform=official2023())
    loader: DataLoader[Any] = DataLoader(data, batch_size=2, num_workers=1, multiprocessing_context=context)
    batches = list(loader)
    whole = collate_official([data[index] for index in range(len(data))])
    for name in whole._fields:
        torch.testing.assert_close(torch.cat([batch[name] for batch in batches]), whole[name], equal_nan=True)
        assert torch.cat([batch.mask[name] for batch in batches]).equal(whole.mask[name])
    assert {batch.session for batch in batches} == {whole.session}


def test_fitted_on_what_is_served(films: dict[Path, Path]) -> None:
    plain = WindowDataset(list(films.values()), window=8)
    fitted = fit_statistics(plain)
    transform = compose(fill_missing(statistics=fitted), normalise(responses="per_neuron", statistics=fitted))
    data = WindowDataset(list(films.values()), window="trial", stride=None, transform=transform)
    by_key: dict[str, list[Any]] = {}
    for index in range(len(data)):
        item = data[index]
        by_key.setdefault(item["session"], []).append(item)
    assert set(by_key) == set(plain.keys)
    for items in by_key.values():
        responses = torch.cat([item["responses"] for item in items]).double()
        np.testing.assert_allclose(responses.std(0, correction=0), 1, rtol=1e-6)
        video = torch.cat([item["video"].reshape(-1) for item in items]).double()
        np.testing.assert_allclose([video.mean(), video.std(correction=0)], [0, 1], atol=1e-5)


def test_pinned_and_moved_batches_keep_their_masks(films: dict[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", torch.Tensor.clone)  # pinning needs an accelerator
    batch = next(iter(make_loader(next(iter(films.values())), window=8, transform=official2023())))
    pinned = import_module("torch.utils.data._utils.pin_memory").pin_memory(batch)
    assert type(pinned) is Official2023
    assert pinned.videos is not batch.videos
    assert all(pinned.mask[name].equal(batch.mask[name]) for name in batch.mask)
    assert pinned.session == batch.session
