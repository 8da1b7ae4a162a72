"""What is saved comes back to the bit, in a folder that is whole or as it was, with a card that says what it is of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sensorium_data.errors import BadArgument
from sensorium_data.handle import SessionHandle
from sensorium_data.scales import Scale
from sensorium_data.schemas import Citation, Licence
from sensorium_data.schemas.card import ModelCard, ModelScore, ModelSession, ModelUnits, ModelWeights
from sensorium_data.testing import make_session
from sensorium_data.zoo import Normalisation, SessionFacts
from sensorium_data.zoo.cards import card_text, fact_tensors, facts_of, read_card
from sensorium_data.zoo.checkpoints import from_pretrained, save_pretrained
from sensorium_data.zoo.registry import build
from tests.zoo import tiny
from tests.zoo.tiny import made, opened, same

if TYPE_CHECKING:
    from collections.abc import Sequence

FILES = ["README.md", "config.json", "model.safetensors"]
SMALL: dict[str, dict[str, Any]] = {
    "ln": {"hidden_channels": 4},
    "cnn": {"hidden_channels": 4, "n_layers": 2},
    "ln3d": {"hidden_channels": 4},
    "factorised3d": {"hidden_channels": (3, 4, 4)},
}


def units_of(sessions: Sequence[SessionFacts], step: int = 1) -> Normalisation:
    """Numbers of every stream, of films for every frame."""
    rng = np.random.default_rng(1)
    tables = {
        one.key: {
            "stimulus": Scale.z_score(np.full((1, 1, 1, 1), 110.0), np.full((1, 1, 1, 1), 60.0)),
            "behavior": Scale.by_std(rng.uniform(1, 2, (40, one.n_behavior))),
            "responses": Scale.by_std(rng.uniform(1, 2, (40, one.n_neurons))),
        }
        for one in sessions
    }
    return Normalisation(tables, scaling="per_neuron", step=step)  # type: ignore[arg-type]  # keys are literals


@pytest.mark.parametrize("name", list(SMALL))
def test_a_model_comes_back_to_the_bit(name: str, tmp_path: Path) -> None:
    static = name in ("ln", "cnn")
    sessions = [tiny.facts(), tiny.facts("other.mouse", 3)]
    model = build(name, sessions, SMALL[name], seed=5, normalisation=units_of(sessions, step=2))
    model.train()
    for _ in range(2):  # batch norm has seen something
        model(torch.randn(2, 1, *([] if static else [30]), 36, 64), behavior=torch.randn(2, *([] if static else [30]), 2),
              pupil_center=torch.randn(2, *([] if static else [30]), 2), session="other.mouse")  # fmt: skip
    save_pretrained(model, tmp_path / "mine")
    again = from_pretrained(tmp_path / "mine")
    assert (type(again), again.config, again.training) == (type(model), model.config, False)
    assert again.n_lost_frames == model.n_lost_frames
    assert again.normalisation.extra() == {"scaling": "per_neuron", "step": 2}
    assert same(model, again)
    lead = (2,) if static else (2, 30)
    stimulus = torch.randint(0, 256, (*lead, 72, 128), dtype=torch.uint8)
    behavior, pupil = torch.rand(*lead, 2), torch.rand(*lead, 2)
    for key in ("29515-10-12", "other.mouse"):
        one, two = (each.predict(stimulus, behavior, pupil, session=key) for each in (model, again))
        assert torch.equal(one, two)


def test_what_is_known_of_sessions_comes_back(tmp_path: Path) -> None:
    model = made()
    save_pretrained(model, tmp_path / "mine")
    again = opened(tmp_path / "mine")
    assert list(again.sessions) == list(model.sessions)
    for key, facts in model.sessions.items():
        assert_same_facts(again.sessions[key], facts)


def assert_same_facts(one: SessionFacts, other: SessionFacts) -> None:
    for name in SessionFacts.__dataclass_fields__:
        ours, theirs = getattr(one, name), getattr(other, name)
        if isinstance(theirs, np.ndarray):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
        else:
            assert ours == theirs


def test_weights_stay_in_the_bits_that_they_have(tmp_path: Path) -> None:
    model = made()
    model.core.to(torch.bfloat16)
    save_pretrained(model, tmp_path / "mine")
    again = opened(tmp_path / "mine")
    assert again.get_parameter("core.weight").dtype == torch.bfloat16
    assert same(model, again)


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    class Tied(tiny.Tiny):
        def __init__(self, *of: Any) -> None:
            super().__init__(*of)
            self.twin = self.core

    config, sessions = tiny.TinyConfig(), [tiny.facts()]
    save_pretrained(Tied(config, sessions), tmp_path / "mine")
    again = from_pretrained(
        tmp_path / "mine",
        build=lambda _name, facts, _config, *, normalisation: Tied(tiny.TinyConfig(), facts, normalisation),
    )
    assert again.get_parameter("twin.weight") is again.get_parameter("core.weight")


def test_the_card_says_what_it_is_of(tmp_path: Path) -> None:
    document = SessionHandle(make_session(tmp_path, n_neurons=5, n_train=2)).document
    scores = [ModelScore(preset="s23-server", metric="correlation", tier="oracle", value=0.1234567, session=None)]
    card = save_pretrained(
        made(), tmp_path / "a" / "mine", recipe={"name": "demo", "data": {"step": 1}}, scores=scores, data=[document]
    )
    folder = tmp_path / "a" / "mine"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert sorted(path.name for path in folder.parent.iterdir()) == ["mine"]  # nothing is left beside
    assert read_card(folder) == card
    assert (card.sessions[0].licence, card.sessions[0].citations) == (document.licence, document.citations)
    assert [each.n_neurons for each in card.sessions] == [5, 3]
    assert card.n_parameters["total"] == made().n_parameters()["total"]
    text = (folder / "config.json").read_text("utf-8")
    assert "unit_ids" not in json.loads(text)["sessions"][0]
    assert document.licence is not None
    page = (folder / "README.md").read_text("utf-8")
    for word in (
        "0.1235",
        "s23-server",
        "oracle",
        document.licence.name,
        document.citations[0].text,
        "demo",
        "other.mouse",
    ):
        assert word in page


def test_a_page_is_held_together_by_no_text_of_others(tmp_path: Path) -> None:
    sessions = [tiny.facts("a|b\n## c <script>")]
    save_pretrained(tiny.build("tiny", sessions, normalisation=Normalisation()), tmp_path / "mine")
    rows = [line for line in (tmp_path / "mine" / "README.md").read_text("utf-8").splitlines() if "script" in line]
    assert r"| a\|b ## c &lt;script> | 5 |" in rows[-1]


# -- what cannot be saved


def test_what_is_no_tensor_is_not_saved(tmp_path: Path) -> None:
    class Odd(tiny.Tiny):
        def get_extra_state(self) -> object:
            return {"code": print}

    with pytest.raises(BadArgument, match=r"_extra_state.*dict"):
        save_pretrained(Odd(tiny.TinyConfig(), [tiny.facts()]), tmp_path / "mine")
    model = made()
    model.register_buffer("phases", torch.zeros(2, dtype=torch.complex64))
    with pytest.raises(BadArgument, match="complex64"):
        save_pretrained(model, tmp_path / "mine")
    assert not any(tmp_path.iterdir())


def test_a_card_has_no_nan_and_no_foreign_recording(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="no card"):
        save_pretrained(made(), tmp_path / "mine", recipe={"rate": float("nan")})
    document = SessionHandle(make_session(tmp_path / "data", n_neurons=5, n_train=2)).document
    with pytest.raises(BadArgument, match="was not built for session `29515-10-12`"):
        save_pretrained(
            tiny.build("tiny", [tiny.facts("a")], normalisation=Normalisation()), tmp_path / "mine", data=[document]
        )
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


# -- round trips of anything

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=12)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
SIZES = st.integers(1, 10**6)
SESSIONS = st.builds(
    ModelSession,
    key=TEXTS,
    n_neurons=SIZES,
    unit_ids_digest=DIGESTS,
    image_shape=st.tuples(SIZES, SIZES, SIZES),
    n_behavior=st.integers(0, 5),
    n_pupil_center=st.integers(0, 5),
    source_digest=st.just("") | DIGESTS,
    licence=st.none() | st.builds(Licence, name=TEXTS, url=st.none() | TEXTS),
    citations=st.lists(st.builds(Citation, text=TEXTS, doi=st.none() | TEXTS, url=st.none() | TEXTS), max_size=2).map(
        tuple
    ),
)
CARDS = st.builds(
    ModelCard,
    model=TEXTS,
    modality=st.sampled_from(["static", "dynamic"]),
    config=st.dictionaries(TEXTS, PLAIN, max_size=4),
    sessions=st.lists(SESSIONS, min_size=1, max_size=3).map(tuple),
    normalisation=st.builds(ModelUnits, scaling=st.sampled_from(["raw", "per_neuron", "official"]), step=SIZES),
    weights=st.builds(ModelWeights, bytes=SIZES, sha256=DIGESTS),
    n_parameters=st.dictionaries(TEXTS, SIZES, max_size=3),
    recipe=st.none() | st.dictionaries(TEXTS, PLAIN, max_size=3),
    scores=st.lists(
        st.builds(
            ModelScore,
            preset=TEXTS,
            metric=TEXTS,
            tier=TEXTS,
            session=st.none() | TEXTS,
            value=st.none() | st.floats(-1, 1),
        ),
        max_size=2,
    ).map(tuple),
    package_version=TEXTS,
    torch_version=TEXTS,
    created_at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)


@given(CARDS)
def test_any_card_is_read_as_it_was_written(card: ModelCard) -> None:
    assert ModelCard.model_validate_json(card_text(card)) == card


@st.composite
def sessions_of_any_kind(draw: st.DrawFn) -> list[SessionFacts]:
    numbers = st.floats(allow_nan=True, width=64)
    found = []
    for key in draw(st.lists(TEXTS, min_size=1, max_size=3, unique=True)):
        n = draw(st.integers(1, 6))
        found.append(
            tiny.facts(
                key, n,
                unit_ids=draw(hnp.arrays(np.int64, n)),
                coordinates=draw(st.none() | hnp.arrays(np.float64, (n, 3), elements=numbers)),
                mean_responses=draw(st.none() | hnp.arrays(np.float64, n, elements=numbers)),
            )
        )  # fmt: skip
    return found


@given(sessions_of_any_kind())
def test_neurons_of_any_sessions_come_back(sessions: list[SessionFacts]) -> None:
    from sensorium_data.zoo.cards import card_of

    model = tiny.build("tiny", sessions, normalisation=Normalisation())
    card = card_of(model, ModelWeights(bytes=1, sha256="0" * 64), recipe=None, scores=(), data=())
    again = facts_of(card, fact_tensors(sessions), Path("here"))
    for one, other in zip(again, sessions, strict=True):
        assert_same_facts(one, other)
