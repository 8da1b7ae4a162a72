"""Whatever is in the place of a checkpoint is refused by name, before memory is taken for it."""

from __future__ import annotations

import json
import pickle
import shutil
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from sensorium_data.errors import BadArgument, DataInvalid, NotFound, SensoriumError
from sensorium_data.zoo import Normalisation
from sensorium_data.zoo.checkpoints import from_pretrained, save_pretrained
from sensorium_data.zoo.registry import build
from sensorium_data.zoo.weights import slots_of
from tests.zoo import tiny
from tests.zoo.tiny import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CARD, WEIGHTS = "config.json", "model.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "mine"
    save_pretrained(tiny.build("tiny", [tiny.facts()], normalisation=Normalisation()), folder)
    return folder


@pytest.fixture
def mine(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "mine")
    return tmp_path / "mine"


def refused(folder: Path, code: str) -> DataInvalid:
    with pytest.raises(DataInvalid) as raised:
        opened(folder)
    assert raised.value.code == code, raised.value
    return raised.value


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the card of a checkpoint."""
    card = json.loads((folder / CARD).read_bytes())
    change(card)
    (folder / CARD).write_text(json.dumps(card))


def rewrite_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object], *, signed: bool = True) -> None:
    """Change the weights of a checkpoint, and what the card says of their file."""
    tensors = load((folder / WEIGHTS).read_bytes())
    change(tensors)
    content = save(tensors)
    (folder / WEIGHTS).write_bytes(content)
    if signed:
        said = {"bytes": len(content), "sha256": sha256(content).hexdigest()}
        rewrite(folder, lambda card: card.update(weights=said))


def test_the_whole_one_is_read(mine: Path) -> None:
    assert opened(mine).name == "tiny"
    rewrite_weights(mine, dict)  # which changes nothing
    rewrite(mine, dict)
    assert opened(mine).name == "tiny"


# -- the file of weights


@given(st.data())
def test_a_file_that_is_cut_off_anywhere_is_named(whole: Path, data: st.DataObject) -> None:
    content = (whole / WEIGHTS).read_bytes()
    n = data.draw(st.integers(0, len(content) - 1))
    folder = whole.parent / "cut"
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    (folder / WEIGHTS).write_bytes(content[:n])
    assert str(folder / WEIGHTS) in refused(folder, "checkpoint-truncated").message


@given(st.data())
def test_no_byte_can_change_unseen(whole: Path, data: st.DataObject) -> None:
    content = bytearray((whole / WEIGHTS).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    folder = whole.parent / "flipped"
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(DataInvalid):
        opened(folder)


@pytest.mark.parametrize(
    ("header", "seen"),
    [
        (b'{"a":{"dtype":"F32","shape":[100000000000],"data_offsets":[0,400000000000]}}', "399,999,999,996 bytes of its tensors are missing"),
        (b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', "are not those of its shape"),
        (b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', "are not those of its shape"),
        (b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', "cannot be read"),
        (b'{"a":{"dtype":"F128","shape":[1],"data_offsets":[0,16]}}', "as F128"),
        (b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"code":"x"}}', "cannot be read"),
        (b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', "`b`"),
        (b'{"a":{"also":"text"}}', "no tensor"),
        (b'["a"]', "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"{}", "goes on for 4 bytes"),
    ],
)  # fmt: skip
def test_headers_that_lie_are_named(header: bytes, seen: str, tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(DataInvalid, match=seen):
        slots_of(path)


def test_a_header_of_the_length_that_pickles_begin_with_is_one(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(0x0280)
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    assert path.read_bytes().startswith(b"\x80\x02")
    assert list(slots_of(path)) == ["a"]


def test_pickles_are_refused_whatever_they_are_called(mine: Path) -> None:
    state = {"weight": torch.zeros(3)}
    for new, content in ((True, None), (False, None), (True, pickle.dumps(state, protocol=4))):
        if content is None:
            torch.save(state, mine / WEIGHTS, _use_new_zipfile_serialization=new)
        else:
            (mine / WEIGHTS).write_bytes(content)
        said = refused(mine, "checkpoint-pickle")
        assert "save_pretrained" in said.hint
    for name in ("pytorch_model.bin", "model.pth", "model.ckpt"):
        (mine / WEIGHTS).replace(mine / name)
        said = refused(mine, "checkpoint-pickle")
        assert name in said.message
        with pytest.raises(DataInvalid, match="pickle") as raised:
            opened(mine / name)
        assert raised.value.code == "checkpoint-pickle"
        (mine / name).replace(mine / WEIGHTS)


# -- the card


@pytest.mark.parametrize(
    ("change", "code", "seen"),
    [
        (lambda card: card.update(version=2), "card-version", "version 2, expected 1"),
        (lambda card: card.update(format="bert"), "card-invalid", "no card of a model of this package"),
        (lambda card: card.update(colour=1), "card-invalid", "colour"),
        (lambda card: card.pop("model"), "card-invalid", "model: Field required"),
        (lambda card: card["sessions"][0].update(n_neurons="5"), "card-invalid", r"sessions\.0\.n_neurons"),
        (lambda card: card["normalisation"].update(scaling="loud"), "card-invalid", r"normalisation\.scaling"),
        (lambda card: card.update(sessions=[]), "card-invalid", "sessions"),
    ],
)
def test_cards_that_are_none_are_named(mine: Path, change: Callable[[Any], object], code: str, seen: str) -> None:
    rewrite(mine, change)
    with pytest.raises(DataInvalid, match=seen):
        opened(mine)
    assert str(mine / CARD) in refused(mine, code).message


def test_all_faults_of_a_card_are_named(mine: Path) -> None:
    rewrite(mine, lambda card: card.update(colour=1, modality="loud", created_at="today"))
    assert {each.where for each in refused(mine, "card-invalid").problems} | {"modality"} == {
        "colour",
        "modality",
        "created_at",
    }


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '"text"', "[" * 100_000, "\ufeff{}", '{"format": "sensorium-data model"']
)
def test_cards_that_are_not_json_are_named(mine: Path, text: str) -> None:
    (mine / CARD).write_text(text, "utf-8")
    refused(mine, "card-invalid")


def test_a_card_without_end_is_not_read(mine: Path) -> None:
    with (mine / CARD).open("wb") as file:
        file.truncate(1 << 40)  # a terabyte that takes no room
    assert "1,099,511,627,776 bytes" in refused(mine, "card-invalid").message


# -- the two together


def test_another_architecture_is_named_by_its_first_key(mine: Path) -> None:
    rewrite(mine, lambda card: card["config"].update(width=4))
    said = refused(mine, "checkpoint-architecture")
    assert "`core.weight` is (4, 2) in the model, (2, 2) in the file" in said.message
    assert [each.where for each in said.problems] == ["core.bias", "readouts.29515-10-12.weight"]


def test_keys_that_are_missing_unknown_or_no_weights_are_named(mine: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors["core.bias"] = torch.zeros(2, dtype=torch.int64)
        tensors["readouts.other.bias"] = tensors.pop("readouts.29515-10-12.bias")

    rewrite_weights(mine, change)
    said = refused(mine, "checkpoint-architecture")
    assert "`core.bias` is torch.float32 in the model, torch.int64 in the file" in said.message
    assert [(each.code, each.where) for each in said.problems] == [
        ("key-missing", "readouts.29515-10-12.bias"),
        ("key-unknown", "readouts.other.bias"),
    ]


@pytest.mark.parametrize(
    ("width", "seen"), [(10**12, "of another architecture"), (2**62, "cannot be built"), (2**70, "cannot be built")]
)
def test_a_card_that_asks_for_all_memory_is_given_none(mine: Path, width: int, seen: str) -> None:
    rewrite(mine, lambda card: card["config"].update(width=width))  # the first has 8 terabytes of weights
    with pytest.raises(DataInvalid, match=seen):
        opened(mine)
    refused(mine, "checkpoint-architecture")


def test_models_that_there_are_none_of_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    save_pretrained(build("ln", [tiny.facts()], {"hidden_channels": 4}), folder)
    rewrite(folder, lambda card: card["config"].update(hidden_chanels=4))
    with pytest.raises(DataInvalid, match="hidden_chanels") as raised:
        from_pretrained(folder)
    assert raised.value.hint.startswith("did you mean `hidden_channels`")
    rewrite(folder, lambda card: card.update(model="lm"))
    with pytest.raises(DataInvalid, match="no model `lm`"):
        from_pretrained(folder)


def test_files_of_two_checkpoints_are_told_apart(mine: Path) -> None:
    rewrite_weights(mine, lambda tensors: tensors["core.bias"].add_(1), signed=False)
    assert "get both again" in refused(mine, "checkpoint-mixed").hint


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (lambda held, name: held.update({name: held[name] + 1}), "not the ids that the card is of"),
        (lambda held, name: held.update({name: held[name][:-1].clone()}), r"of shape \(4,\)"),
        (lambda held, name: held.update({name: held[name].float()}), "float32"),
        (lambda held, name: held.pop(name), "is missing"),
    ],
)
def test_other_neurons_are_named(mine: Path, change: Callable[[Any, str], object], seen: str) -> None:
    rewrite_weights(mine, lambda tensors: change(tensors, "facts/29515-10-12/unit_ids"))
    with pytest.raises(DataInvalid, match=seen):
        opened(mine)
    refused(mine, "checkpoint-mixed")


def test_a_normalisation_of_something_else_is_named(mine: Path) -> None:
    rewrite_weights(mine, lambda tensors: tensors.update({"normalisation.tables.a.code": torch.zeros(1)}))
    refused(mine, "bad-normalisation")


# -- where nothing is


def test_what_is_missing_is_named(mine: Path, tmp_path: Path) -> None:
    for name in (CARD, WEIGHTS):
        (mine / name).unlink()
        with pytest.raises(NotFound, match=name) as raised:
            opened(mine)
        assert raised.value.code == "no-such-model"
    with pytest.raises(NotFound):
        opened(tmp_path)
    with pytest.raises(BadArgument, match="is a file") as refusal:
        opened(mine / "README.md")
    assert str(mine) in refusal.value.hint
    with pytest.raises(BadArgument, match="neither a folder nor"):
        opened(tmp_path / "nothing here")


def test_refusals_are_of_this_package_alone(mine: Path) -> None:
    """Nothing that is put in the place of a file ends in an error of another library."""
    for name in (CARD, WEIGHTS):
        whole = (mine / name).read_bytes()
        for content in (b"", b"\0" * 8, b"\0" * 100, b"\xff" * 100, b"PK\x03\x04" + bytes(100), whole[::-1], whole * 2):
            (mine / name).write_bytes(content)
            with pytest.raises(SensoriumError):
                opened(mine)
        (mine / name).write_bytes(whole)
    assert opened(mine).name == "tiny"
