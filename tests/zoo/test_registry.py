"""Models by name: near misses, options, seeds, and sessions that one core cannot serve."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sensorium_data.errors import BadArgument
from sensorium_data.zoo import Model, Normalisation, SessionFacts
from sensorium_data.zoo.registry import build, configure, model_class, models
from sensorium_data.zoo.sessions import BySession
from tests.zoo.small_models import SMALL, facts


def refused(*arguments: Any, **options: Any) -> BadArgument:
    with pytest.raises(BadArgument) as raised:
        build(*arguments, **options)
    return raised.value


def test_every_model_says_what_it_is() -> None:
    for name in models():
        kind = model_class(name)
        assert issubclass(kind, Model)
        assert kind.name == name
        assert kind.modality == ("dynamic" if name.endswith("3d") else "static")
        assert isinstance(configure(name), kind.config_type)
        made = build(name, [facts()], SMALL[name])
        assert (made.name, made.config) == (name, configure(name, SMALL[name]))
        assert made.normalisation.extra() == Normalisation().extra()


def test_a_name_that_is_none_has_a_near_miss() -> None:
    error = refused("factorized3d", [facts()])
    assert (error.code, error.hint) == ("no-such-model", "did you mean `factorised3d`?")


def test_an_option_that_is_none_has_a_near_miss_and_all_faults_are_named() -> None:
    error = refused("cnn", [facts()], {"hiden_channels": 3, "n_layers": 0, "momentum": "high"})
    assert {problem.where for problem in error.problems} | {error.message.split("`")[1]} == {
        "hiden_channels",
        "n_layers",
        "momentum",
    }
    assert error.hint.startswith("did you mean `hidden_channels`")
    assert "no-such-option" in {error.code, *(problem.code for problem in error.problems)}


@pytest.mark.parametrize(
    ("name", "config", "says"),
    [
        ("cnn", {"hidden_kernel": 6}, "6 is even"),
        ("cnn", {"n_layers": "4"}, "valid integer"),
        ("ln", {"init_range": 1.5}, "less than or equal to 1"),
        ("cnn", {"feature_l1": float("nan")}, "finite"),
        ("ln3d", {"positions": "soma"}, "'cortex' or 'free'"),
        ("factorised3d", {"hidden_channels": [2, 3]}, "names 2 layers, spatial_kernels 3, temporal_kernels 3"),
        ("factorised3d", {"temporal_kernels": []}, "at least 1 item"),
        ("factorised3d", {"temporal_kernels": [3, -1, 2]}, "greater than 0"),
    ],
)
def test_options_that_cannot_be_are_refused(name: str, config: dict[str, Any], says: str) -> None:
    error = refused(name, [facts()], config)
    assert error.code == "bad-option"
    assert says in str(error)


def test_a_configuration_comes_as_json_has_it_or_as_its_own_kind() -> None:
    for name in models():
        config = configure(name, SMALL[name])
        assert configure(name, json.loads(config.model_dump_json())) == config
        assert configure(name, config) is config
        assert configure(name, None) == configure(name, {})
    assert refused("ln", [facts()], configure("cnn")).code == "bad-config"
    assert refused("ln", [facts()], ["n_layers"]).code == "bad-config"


def test_normalisation_is_the_models_own() -> None:
    given_one = Normalisation(scaling="raw", step=4)
    assert build("ln", [facts()], normalisation=given_one).normalisation is given_one


@pytest.mark.parametrize(
    ("sessions", "code", "says"),
    [
        ([], "no-sessions", "is empty"),
        ([facts("a"), facts("b"), facts("a")], "bad-session-key", "given twice"),
        ([replace(facts(), key="")], "bad-session-key", "is empty"),
        ([facts("a"), replace(facts("b"), n_behavior=3)], "channels-differ", "3 of behaviour, a 1 and 2"),
        ([facts("a"), replace(facts("b"), image_shape=(3, 18, 22))], "channels-differ", "3 channels of images"),
        ([replace(facts("b"), image_shape=(1, 8, 22))], "image-too-small", "8 × 22 pixels, fewer than 9"),
        ([replace(facts("b"), coordinates=None)], "no-coordinates", "b: where its neurons lie"),
    ],
)
def test_sessions_that_cannot_be_served_are_named(sessions: list[SessionFacts], code: str, says: str) -> None:
    error = refused("cnn", sessions, SMALL["cnn"])
    assert error.code == code
    assert says in str(error)


def test_what_is_not_used_may_differ() -> None:
    sessions = [facts("a"), replace(facts("b"), n_behavior=3, n_pupil_center=0), replace(facts("c"), n_behavior=0)]
    model = build("cnn", sessions, {"behavior": False, "positions": "free"})
    assert [each.n_behavior for each in model.sessions.values()] == [0, 0, 0]
    assert list(model.shifters) == ["a", "c"]  # type: ignore[arg-type]  # parts of every model
    assert model.predict(torch.zeros(1, 1, 18, 22), session="b").shape == (1, 6)


@settings(deadline=None)
@given(st.lists(st.text(min_size=1), unique=True, max_size=5))
def test_sessions_may_be_named_anything(keys: list[str]) -> None:
    made = BySession({key: nn.Linear(1, n + 1) for n, key in enumerate(keys)})
    assert list(made) == keys
    assert len(made) == len(keys)
    for n, key in enumerate(keys):
        assert key in made
        assert made[key].out_features == n + 1
    assert len(made.state_dict()) == 2 * len(keys)
    assert all(name.count(".") == 1 for name in made.state_dict())


@pytest.mark.parametrize("key", ["training", "forward", "_modules", "mouse.1", "a%2Eb", "a b/c", "ü", "0"])
def test_keys_that_modules_cannot_have_are_kept(key: str) -> None:
    other = key.replace(".", "%2E")
    model = build("ln", [facts(key)], SMALL["ln"])
    assert list(model.sessions) == [key]
    again = build("ln", [facts(key)], SMALL["ln"], seed=1)
    again.load_state_dict(model.state_dict())
    images, behavior, pupil = torch.randn(2, 1, 18, 22), torch.randn(2, 2), torch.randn(2, 2)
    wanted = model.predict(images, behavior, pupil, session=key)
    assert torch.equal(again.predict(images, behavior, pupil, session=key), wanted)
    if other != key:
        with pytest.raises(BadArgument, match="no session"):
            model.predict(images, behavior, pupil, session=other)
