"""Published weights of 2022: put in where they belong, and refused where they are not what their name says."""

from __future__ import annotations

import os
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sensorium_data.errors import BadArgument, DataInvalid, NotFound, SensoriumError
from sensorium_data.zoo import SessionFacts
from sensorium_data.zoo.published2022 import PUBLISHED, load_published

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = Path(__file__).parents[3] / "shared" / "real" / "checkpoints2022"
KEY = "26872-17-20"
every = pytest.mark.parametrize("name", PUBLISHED)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def places(n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(n).uniform(0, 600, size=(n, 3))


def published(name: str, sessions: dict[str, int]) -> dict[str, Tensor]:
    """Return weights under the names and in the shapes that the published files have."""
    source = torch.Generator().manual_seed(1)

    def draw(*shape: int, scale: float = 0.1) -> Tensor:
        return torch.randn(shape, generator=source) * scale

    behavior = name.endswith("-behavior")
    held = {"core._input_weights_regularizer.laplace.filter": torch.zeros(1, 1, 3, 3)}
    for layer in range(3 if "-ln" in name else 4):
        at = f"core.features.layer{layer}"
        if layer == 0:
            held[f"{at}.conv.weight"] = draw(64, 4 if behavior else 1, 9, 9)
        else:
            held[f"{at}.ds_conv.in_depth_conv.weight"] = draw(64, 64, 1, 1)
            held[f"{at}.ds_conv.spatial_conv.weight"] = draw(64, 1, 7, 7)
            held[f"{at}.ds_conv.out_depth_conv.weight"] = draw(64, 64, 1, 1)
        for part in ("weight", "bias", "running_mean", "running_var"):
            held[f"{at}.norm.{part}"] = draw(64).abs() + 0.5
        held[f"{at}.norm.num_batches_tracked"] = torch.tensor(7)
    for key, n in sessions.items():
        at, grid = f"readout.{key}", places(n)[:, :2]
        grid = grid - grid.mean(0)
        held[f"{at}.sigma"], held[f"{at}._features"] = draw(1, n, 2, 2), draw(1, 64, 1, n)
        held[f"{at}.bias"] = draw(n)
        held[f"{at}.source_grid"] = torch.from_numpy((grid / np.abs(grid).max()).astype(np.float32))
        for layer, shape in ((0, (30, 2)), (2, (2, 30))):
            held[f"{at}.mu_transform.{layer}.weight"] = draw(*shape, scale=1)
            held[f"{at}.mu_transform.{layer}.bias"] = draw(shape[0])
        for layer, shape in ((0, (5, 2)), (2, (5, 5)), (4, (2, 5))) if behavior else ():
            held[f"shifter.{key}.mlp.{layer}.weight"] = draw(*shape, scale=1)
            held[f"shifter.{key}.mlp.{layer}.bias"] = draw(shape[0])
    return held


def answered(held: dict[str, Tensor], key: str, images: Tensor, behavior: Tensor, pupil: Tensor) -> Tensor:
    """Return what published weights answer, from their names and the description of the models alone."""
    linear, x = "core.features.layer3.norm.weight" not in held, images
    if held["core.features.layer0.conv.weight"].shape[1] == 4:
        x = torch.cat([x, behavior[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1)
    for layer in range(3 if linear else 4):
        at = f"core.features.layer{layer}"
        if layer == 0:
            x = functional.conv2d(x, held[f"{at}.conv.weight"])
        else:
            x = functional.conv2d(x, held[f"{at}.ds_conv.in_depth_conv.weight"])
            x = functional.conv2d(x, held[f"{at}.ds_conv.spatial_conv.weight"], padding=3, groups=64)
            x = functional.conv2d(x, held[f"{at}.ds_conv.out_depth_conv.weight"])
        mean, var, gain, bias = (
            held[f"{at}.norm.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = functional.batch_norm(x, mean, var, gain, bias)
        x = x if linear else functional.elu(x)
    at = f"readout.{key}"
    grid = held[f"{at}.source_grid"]
    for layer in (0, 2):
        grid = functional.linear(
            grid, held[f"{at}.mu_transform.{layer}.weight"], held[f"{at}.mu_transform.{layer}.bias"]
        )
        grid = functional.elu(grid) if layer == 0 else grid.tanh()
    grid = grid[None, :, None].expand(len(x), -1, -1, -1)
    if f"shifter.{key}.mlp.0.weight" in held:
        for layer in (0, 2, 4):
            at_shifter = f"shifter.{key}.mlp.{layer}"
            pupil = functional.linear(pupil, held[f"{at_shifter}.weight"], held[f"{at_shifter}.bias"]).tanh()
        grid = grid + pupil[:, None, None]
    seen = functional.grid_sample(x, grid, align_corners=True)[..., 0]
    return functional.elu((seen * held[f"{at}._features"][0, :, 0]).sum(1) + held[f"{at}.bias"]) + 1


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[object], Path]:
    def save(held: object) -> Path:
        torch.save(held, tmp_path / "model.pth")
        return tmp_path / "model.pth"

    return save


def refused(name: str, path: Path) -> SensoriumError:
    with pytest.raises(SensoriumError) as raised:
        load_published(name, path)
    return raised.value


@every
def test_weights_answer_as_their_description_says(name: str, saved: Callable[[object], Path]) -> None:
    sessions = {KEY: 7, "27204-5-13": 5}
    held = published(name, sessions)
    model = load_published(name, saved(held))
    images, behavior, pupil = torch.randn(3, 1, 36, 64), torch.randn(3, 3), torch.randn(3, 2) / 3
    assert not model.training
    assert list(model.sessions) == list(sessions)
    for key, n in sessions.items():
        given = (behavior, pupil) if name.endswith("-behavior") else (None, None)
        made = model.predict(images, *given, session=key)
        assert made.shape == (3, n)
        torch.testing.assert_close(made, answered(held, key, images, behavior, pupil), rtol=1e-5, atol=1e-5)
    facts = model.sessions[KEY]
    behaves = name.endswith("-behavior")
    assert (facts.image_shape, facts.n_behavior, facts.n_pupil_center) == ((1, 36, 64), 3 * behaves, 2 * behaves)
    assert len(model.normalisation.state_dict()) == 0


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the published checkpoints are not beside this checkout")
@pytest.mark.parametrize(("name", "file"), [("cnn", "sensorium_sota_model"), ("ln", "sensorium_ln_model")])
def test_published_models_answer_as_the_published_code_does(name: str, file: str) -> None:
    model = load_published(f"sensorium2022-{name}", SHARED / f"{file}.pth")
    with np.load(SHARED / "reference_outputs.npz", allow_pickle=False) as reference:
        made = model.predict(torch.from_numpy(reference["input"]), behavior=None, pupil_center=None, session=KEY)
        np.testing.assert_allclose(made.numpy(), reference[file], rtol=0, atol=1e-5)
    assert model.n_parameters()["readouts"] == 7776 * 69 + 152


def test_neurons_are_named_from_their_session(saved: Callable[[object], Path]) -> None:
    path = saved(published("sensorium2022-ln", {KEY: 7}))
    assert load_published("sensorium2022-ln", path).sessions[KEY].unit_ids.tolist() == [-1] * 7
    ids = np.array([3, 4, 9, 12, 13, 20, 21])
    session = SessionFacts(KEY, ids, (1, 36, 64), coordinates=places(7), source_digest="ab")
    named = load_published("sensorium2022-ln", path, sessions=[session]).sessions[KEY]
    assert (named.unit_ids.tolist(), named.source_digest) == (ids.tolist(), "ab")
    np.testing.assert_array_equal(named.coordinates, places(7))
    turned = replace(session, coordinates=places(7)[[1, 0, 2, 3, 4, 5, 6]])
    fewer = replace(session, unit_ids=ids[:6], coordinates=places(7)[:6])
    for other, says in ((turned, "2 neurons of the session lie elsewhere"), (fewer, "of 7 neurons, the session has 6")):
        with pytest.raises(BadArgument, match=says) as raised:
            load_published("sensorium2022-ln", path, sessions=[other])
        assert raised.value.code == "neurons-mismatch"
    with pytest.raises(BadArgument, match="not known"):
        load_published("sensorium2022-ln", path, sessions=[replace(session, coordinates=None)])


@every
@pytest.mark.parametrize("other", PUBLISHED)
def test_weights_of_another_name_are_told(name: str, other: str, saved: Callable[[object], Path]) -> None:
    path = saved(published(other, {KEY: 2}))
    if name == other:
        assert load_published(name, path).name in name
        return
    error = refused(name, path)
    assert (error.code, error.hint) == ("checkpoint-mismatch", f"it looks like `{other}`")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda held: held.pop(f"readout.{KEY}.bias"), f"`readout.{KEY}.bias` is missing, expected (4,)"),
        (
            lambda held: held.update({"core.features.layer1.ds_conv.spatial_conv.weight": torch.zeros(64, 1, 5, 5)}),
            "`core.features.layer1.ds_conv.spatial_conv.weight` is (64, 1, 5, 5), expected (64, 1, 7, 7)",
        ),
        (
            lambda held: held.update({f"readout.{KEY}._features": torch.zeros(1, 32, 1, 4)}),
            "is (1, 32, 1, 4), expected (1, 64, 1, 4)",
        ),
        (
            lambda held: held.update({f"readout.{KEY}.scales": torch.zeros(4)}),
            f"`readout.{KEY}.scales` is no weight of this model",
        ),
        (lambda held: held[f"readout.{KEY}.bias"].fill_(torch.nan), "not finite"),
        (lambda held: held.update({f"readout.{KEY}.bias": torch.zeros(4, dtype=torch.float64)}), "is torch.float64"),
        (
            lambda held: held.update({f"readout.{KEY}.source_grid": torch.zeros(4, 3)}),
            "expected torch.float32 (neuron, 2)",
        ),
        (lambda held: held.pop(f"readout.{KEY}.source_grid"), "no readout with places in cortex"),
        (lambda held: held.update({f"shifter.{KEY}.mlp.0.weight": torch.zeros(5, 2)}), "shifter is there"),
        (lambda held: held.pop("core.features.layer0.conv.weight"), "layer0.conv.weight` is missing"),
    ],
)
def test_the_first_weight_that_differs_is_named(
    change: Callable[[dict[str, Tensor]], object], says: str, saved: Callable[[object], Path]
) -> None:
    held = published("sensorium2022-ln", {KEY: 4})
    change(held)
    error = refused("sensorium2022-ln", saved(held))
    assert error.code == "checkpoint-mismatch"
    assert says in str(error)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("harmed",))


def test_code_is_refused_and_not_run(
    saved: Callable[[object], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bare = tmp_path / "bare.pth"
    bare.write_bytes(pickle.dumps({"a": Harmful()}))
    for path in (bare, saved({"a": Harmful()}), saved(torch.nn.Linear(2, 2))):
        assert refused("sensorium2022-ln", path).code == "checkpoint-unsafe"
    assert not (tmp_path / "harmed").exists()
    program = tmp_path / "program.pth"
    with zipfile.ZipFile(program, "w") as archive:
        archive.writestr("program/constants.pkl", b"")
    assert refused("sensorium2022-ln", program).code == "checkpoint-unsafe"


def test_a_truncated_or_damaged_file_is_named(saved: Callable[[object], Path]) -> None:
    path = saved(published("sensorium2022-ln", {KEY: 4}))
    whole = path.read_bytes()
    for n in (len(whole) // 3, len(whole) - 1, 200):
        path.write_bytes(whole[:n])
        error = refused("sensorium2022-ln", path)
        assert isinstance(error, DataInvalid)
        assert (error.code, error.hint) == ("checkpoint-truncated", "download it again")
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0x10
    path.write_bytes(bytes(flipped))
    assert refused("sensorium2022-ln", path).code == "checkpoint-truncated"


def test_archives_that_grow_are_refused(saved: Callable[[object], Path], tmp_path: Path) -> None:
    path, packed = saved({"a": torch.zeros(10_000)}), tmp_path / "packed.pth"
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as other:
        for entry in whole.infolist():
            other.writestr(entry.filename, whole.read(entry))
    assert refused("sensorium2022-ln", packed).code == "checkpoint-unsafe"
    huge = torch.zeros(1, 2).expand(10**9, 2)  # two numbers in the file
    assert refused("sensorium2022-ln", saved({f"readout.{KEY}.source_grid": huge})).code == "not-a-checkpoint"


@pytest.mark.parametrize("held", [{}, [torch.zeros(2)], {"epoch": 3}, {2: torch.zeros(2)}], ids=str)
def test_what_is_no_state_dict_is_said_to_be_none(held: object, saved: Callable[[object], Path]) -> None:
    assert refused("sensorium2022-ln", saved(held)).code == "not-a-checkpoint"


def test_files_and_names_that_are_not_there(tmp_path: Path) -> None:
    assert isinstance(refused("sensorium2022-ln", tmp_path / "none.pth"), NotFound)
    assert refused("sensorium2022-ln", tmp_path).code == "not-a-checkpoint"
    (tmp_path / "empty.pth").touch()
    (tmp_path / "text.pth").write_text("version https://git-lfs.github.com/spec/v1")
    for name in ("empty.pth", "text.pth"):
        assert refused("sensorium2022-ln", tmp_path / name).code == "not-a-checkpoint"
    error = refused("sensorium2022-ln-behaviour", tmp_path)
    assert isinstance(error, BadArgument)
    assert "`sensorium2022-ln-behavior`" in error.hint
