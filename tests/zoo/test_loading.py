"""One name, one model: published ones by name, one's own by folder, near misses for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sensorium_data.errors import BadArgument, DataInvalid, NotFound
from sensorium_data.store.publish import Scratch
from sensorium_data.zoo import loading, published2022
from sensorium_data.zoo.checkpoints import save_pretrained
from sensorium_data.zoo.loading import PUBLISHED, load
from sensorium_data.zoo.registry import build
from tests.zoo import tiny

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sensorium_data.zoo import Model, SessionFacts


def made() -> Model:
    return build("ln", [tiny.facts()], {"hidden_channels": 4})


def test_folders_of_checkpoints_and_of_runs_are_loaded(tmp_path: Path) -> None:
    save_pretrained(made(), tmp_path / "mine")
    save_pretrained(made(), tmp_path / "run" / "model")
    (tmp_path / "run" / "recipe.toml").write_text("")
    for where in (tmp_path / "mine", str(tmp_path / "run"), tmp_path / "run" / "model"):
        assert load(where).name == "ln"


def test_a_run_killed_as_it_kept_a_better_model_still_has_the_last_one(tmp_path: Path) -> None:
    save_pretrained(made(), tmp_path / "run" / "model")
    with Scratch(tmp_path / "run" / "model") as scratch:
        (tmp_path / "run" / "model").replace(scratch.root / "replaced")
        assert load(tmp_path / "run").name == "ln"


def test_published_names_go_to_their_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def noted(name: str, path: Path, *, sessions: Sequence[SessionFacts]) -> Model:
        asked.append((name, path, len(sessions)))
        return made()

    monkeypatch.setattr(published2022, "load_published", noted)
    for name in PUBLISHED:
        load(name, tmp_path / "weights.pth", sessions=[tiny.facts()])
    assert asked == [(name, tmp_path / "weights.pth", 1) for name in PUBLISHED]
    assert set(PUBLISHED) == set(published2022.PUBLISHED)


def test_a_published_name_needs_its_file_unless_a_folder_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadArgument, match="needs the file of its weights") as raised:
        load("sensorium2022-cnn")
    assert "sensorium2022-cnn" in raised.value.hint
    save_pretrained(made(), "sensorium2022-cnn")
    assert load("sensorium2022-cnn").name == "ln"


@pytest.mark.parametrize(
    ("name", "path"), [("sensorium2022-cmn", None), ("sensorium2022-cmn", "weights.pth"), ("sensorium2022-lm", None)]
)
def test_unknown_names_are_told_what_is_near(
    name: str, path: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match=name) as raised:
        load(name, path)
    assert "did you mean `sensorium2022-" in raised.value.hint
    assert raised.value.code == "no-such-model"


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="holds no"):
        load(tmp_path)
    (tmp_path / "weights.pth").write_bytes(b"")
    with pytest.raises(DataInvalid, match="pickle"):
        load(tmp_path / "weights.pth")
    with pytest.raises(NotFound, match="no folder and no published model"):
        load(tmp_path / "lab" / "mouse")


def test_a_repository_is_asked_for_by_its_scheme_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(loading, "from_pretrained", lambda where, device: asked.append((where, device)))
    load("hf://lab/mouse", device="meta")
    with pytest.raises(NotFound):
        load("lab/mouse")
    assert asked == [("hf://lab/mouse", "meta")]


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cpu:x"])
def test_a_device_that_is_not_there_is_named(device: str, tmp_path: Path) -> None:
    save_pretrained(made(), tmp_path / "mine")
    with pytest.raises(BadArgument, match=f"ln cannot be moved to device '{device}'") as raised:
        load(tmp_path / "mine", device=device)
    assert raised.value.code == "no-such-device"
