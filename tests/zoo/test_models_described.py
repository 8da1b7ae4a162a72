"""Every model against its own description: how far it sees, what is linear, what it computes, what is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sensorium_data.errors import BadArgument
from sensorium_data.zoo.registry import build, configure
from sensorium_data.zoo.regularisers import spatial_roughness, temporal_roughness
from tests.zoo.small_models import FILMS, FRAMES, STILLS, X, Y, drive, facts, inputs, model_of, settle

films = pytest.mark.parametrize("name", FILMS)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@films
def test_an_answer_rests_on_its_frame_and_those_before_it(name: str) -> None:
    model, (film, behavior, pupil) = settle(model_of(name)), inputs(name, n_batch=1)
    lost, frame = model.n_lost_frames, 8
    answer = model.predict(film, behavior, pupil, session="a")

    def changed(at: int, *, pupil_too: bool = False) -> Tensor:
        other_film, other_behavior, other_pupil = film.clone(), behavior.clone(), pupil.clone()
        other_film[:, at] += torch.randn(Y, X)
        other_behavior[:, at] += 3
        other_pupil[:, at] += 3 * pupil_too
        other = model.predict(other_film, other_behavior, other_pupil, session="a")
        return (other != answer).any(dim=(0, 2))  # (time - lost,)

    for at in (frame - lost - 1, frame + 1):
        assert not changed(at)[frame - lost]
    for at in (frame - lost, frame - 1, frame):
        assert changed(at)[frame - lost]
    moved = pupil.clone()
    moved[:, frame] += 1
    only = (model.predict(film, behavior, moved, session="a") != answer).any(dim=(0, 2))
    assert only.nonzero().flatten().tolist() == [frame - lost]


@films
def test_windows_and_whole_films_agree(name: str) -> None:
    model, (film, behavior, pupil) = settle(model_of(name)), inputs(name, n_batch=2, n_frames=20)
    whole, lost = model.predict(film, behavior, pupil, session="a"), model.n_lost_frames
    for start in (0, 3, 9):
        cut = slice(start, start + lost + 2)
        part = model.predict(film[:, cut], behavior[:, cut], pupil[:, cut], session="a")
        torch.testing.assert_close(part, whole[:, start : start + 2], rtol=1e-4, atol=1e-5)
    with pytest.raises(BadArgument, match=f"2 fewer than the {lost + 1}"):
        model.predict(film[:, : lost - 1], behavior[:, : lost - 1], pupil[:, : lost - 1], session="a")


@pytest.mark.parametrize(("name", "linear"), [("ln", True), ("ln3d", True), ("cnn", False), ("factorised3d", False)])
def test_what_is_called_linear_is_linear_up_to_its_elu(name: str, linear: bool) -> None:
    model = settle(model_of(name))
    model.double()
    first, second = (tuple(each.double() for each in inputs(name, seed=seed)) for seed in (1, 2))
    pupil = first[2]  # moves positions, and is no part of the filter

    def driven(stimulus: Tensor, behavior: Tensor) -> Tensor:
        seen = stimulus[:, None] if name in FILMS else stimulus
        with torch.no_grad():
            answer: Tensor = model(seen, behavior=behavior, pupil_center=pupil, session="a")
        return drive(answer)

    model.eval()
    none = driven(torch.zeros_like(first[0]), torch.zeros_like(first[1]))
    both = driven(0.5 * first[0] - 2 * second[0], 0.5 * first[1] - 2 * second[1])
    apart = none + 0.5 * (driven(*first[:2]) - none) - 2 * (driven(*second[:2]) - none)
    assert torch.allclose(both, apart, rtol=1e-6, atol=1e-8) == linear


@pytest.mark.parametrize(
    ("name", "side"), [("ln", 9 + 6 + 6), ("cnn", 9 + 6 + 6 + 6), ("ln3d", 7), ("factorised3d", 9)]
)
def test_a_neuron_sees_as_far_as_its_filters_reach(name: str, side: int) -> None:
    wide = replace(facts("a", 1), image_shape=(1, 40, 40), n_behavior=0, n_pupil_center=0)
    model = settle(model_of(name, wide))
    model.eval()
    n_frames = 1 + model.n_lost_frames
    image = torch.randn(1, 1, *((n_frames,) if name in FILMS else ()), 40, 40, requires_grad=True)
    model(image, session="a").sum().backward()
    assert image.grad is not None
    seen = image.grad.flatten(0, -3).abs().sum(0) > 0  # (y, x)
    # Between four pixels of the map, so one more than a filter.
    for axis in (0, 1):
        assert side <= int(seen.any(dim=axis).sum()) <= side + 1


def test_cnn_is_what_its_description_says() -> None:
    model = settle(model_of("cnn"))
    images, behavior, pupil = inputs("cnn")
    weights = model.state_dict()

    def normed(x: Tensor, at: str) -> Tensor:
        mean, var, gain, bias = (
            weights[f"core.{at}.norm.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        made: Tensor = (x - mean) / (var + 1e-5).sqrt() * gain + bias
        return made

    x = torch.cat([images, behavior[:, :, None, None].expand(-1, -1, Y, X)], 1)
    x = functional.elu(normed(functional.conv2d(x, weights["core.layer0.conv.weight"]), "layer0"))
    for number in (1, 2, 3):
        into, spatial, out = (weights[f"core.layer{number}.conv.{one}.weight"] for one in ("into", "spatial", "out"))
        x = functional.conv2d(functional.conv2d(x, into), spatial, padding=3, groups=4)
        x = functional.elu(normed(functional.conv2d(x, out), f"layer{number}"))
    assert x.shape == (3, 4, Y - 8, X - 8)
    model.eval()
    with torch.no_grad():
        x = model.readouts["a"](x, model.shifters["a"](pupil))  # type: ignore[operator,index]  # parts of every model
    torch.testing.assert_close(model.predict(images, behavior, pupil, session="a"), functional.elu(x) + 1)


def test_factorised3d_is_what_its_description_says() -> None:
    model = settle(model_of("factorised3d"))
    film, behavior, pupil = inputs("factorised3d")
    weights = model.state_dict()
    x = torch.cat([film[:, None], behavior.permute(0, 2, 1)[..., None, None].expand(-1, -1, -1, Y, X)], 1)
    for at in ("layer0", "layer1", "layer2"):
        for step in ("spatial", "temporal"):
            name = f"core.{at}.conv.{step}"
            x = functional.conv3d(x, weights[f"{name}.weight"], weights[f"{name}.bias"])
        norm = (weights[f"core.{at}.norm.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        x = functional.elu(functional.batch_norm(x, *norm))
    assert x.shape == (3, 5, FRAMES - 6, Y - 8, X - 8)
    model.eval()
    answer = model.predict(film, behavior, pupil, session="a")
    for frame in range(FRAMES - 6):
        with torch.no_grad():
            shift = model.shifters["a"](pupil[:, frame + 6])  # type: ignore[operator,index]  # parts of every model
            one = model.readouts["a"](x[:, :, frame], shift)  # type: ignore[operator,index]
        torch.testing.assert_close(answer[:, frame], functional.elu(one) + 1)


def test_the_penalty_is_of_the_first_filters_and_of_features() -> None:
    for name in STILLS:
        model = model_of(name, facts("a"), facts("b", 4))
        still = model.state_dict()
        for key in ("a", "b"):
            wanted = 6.3831 * spatial_roughness(still["core.layer0.conv.weight"])
            wanted += 0.0076 * still[f"readouts.{key}.features"].abs().sum()
            torch.testing.assert_close(model.regularizer(key).detach(), wanted)
    for name in FILMS:
        model = model_of(name)
        film = model.state_dict()
        wanted = 10 * spatial_roughness(film["core.layer0.conv.spatial.weight"].squeeze(2))
        wanted += 0.01 * temporal_roughness(film["core.layer0.conv.temporal.weight"].flatten(2))
        torch.testing.assert_close(model.regularizer("a").detach(), wanted)


def test_factorised3d_has_the_published_number_of_parameters() -> None:
    mice = {"29515-10-12": 7863, "29623-4-9": 7908, "29647-19-8": 8202, "29712-5-9": 7939, "29755-2-8": 8122}
    sessions = [replace(facts(key, n), image_shape=(1, 36, 64)) for key, n in mice.items()]
    with torch.device("meta"):
        model = build("factorised3d", sessions)
    assert model.n_parameters() == {"core": 382_176, "readouts": 5_325_282, "shifters": 285, "total": 5_707_743}
    assert model.n_lost_frames == 80 - 62


def test_published_values_are_the_defaults() -> None:
    shared = {"behavior": True, "shifter": True, "shifter_channels": 5, "positions": "cortex", "predictor_channels": 30}
    cnn = {"n_layers": 4, "hidden_channels": 64, "input_kernel": 9, "hidden_kernel": 7, "momentum": 0.9}
    cnn |= {
        "init_sigma": 0.1,
        "init_range": 0.3,
        "bias_from_means": False,
        "input_roughness": 6.3831,
        "feature_l1": 0.0076,
    }
    film = {"momentum": 0.7, "init_sigma": 1.0, "init_range": 0.2, "bias_from_means": True, "feature_l1": 0.0}
    film |= {"spatial_roughness": 10.0, "temporal_roughness": 0.01}
    sizes = {"hidden_channels": (32, 64, 128), "spatial_kernels": (11, 5, 5), "temporal_kernels": (11, 5, 5)}
    assert configure("cnn").model_dump() == shared | cnn
    assert configure("ln").model_dump() == shared | cnn | {"n_layers": 3}
    assert configure("factorised3d").model_dump() == shared | film | sizes
    reach = {"hidden_channels": 64, "spatial_kernel": 19, "temporal_kernel": 19}
    assert configure("ln3d").model_dump() == shared | film | reach
