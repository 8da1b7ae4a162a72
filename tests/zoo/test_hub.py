"""A repository is asked for by its name and by nothing else; what the library says is said in our words."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sensorium_data import settings as settings_module
from sensorium_data.errors import BadArgument, NotFound, SensoriumError, StorageFailed
from sensorium_data.settings import Settings
from sensorium_data.zoo import Normalisation, hub
from sensorium_data.zoo.checkpoints import from_pretrained, save_pretrained
from tests.zoo import tiny

if TYPE_CHECKING:
    from pathlib import Path

huggingface_hub = pytest.importorskip("huggingface_hub")
REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_pretrained(tiny.build("tiny", [tiny.facts()], normalisation=Normalisation()), tmp_path / "saved")
    return tmp_path / "saved"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


class Asked:
    """Stands for the network: notes what it was asked for, and answers with a folder or an error."""

    def __init__(self, answer: Path | Exception) -> None:
        self.answer, self.calls = answer, list[dict[str, Any]]()

    def __call__(self, repo_id: str, **options: Any) -> str:
        self.calls.append({"repo_id": repo_id} | options)
        assert huggingface_hub.utils.are_progress_bars_disabled()
        if isinstance(self.answer, Exception):
            raise self.answer
        return str(self.answer)


def answering(monkeypatch: pytest.MonkeyPatch, answer: Path | Exception) -> Asked:
    asked = Asked(answer)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", asked)
    return asked


@pytest.mark.parametrize(
    ("where", "revision", "wanted"),
    [
        ("lab/mouse-v1", None, ("lab/mouse-v1", None)),
        ("hf://lab/mouse-v1", None, ("lab/mouse-v1", None)),
        ("hf://lab/mouse_v1.2@v2", None, ("lab/mouse_v1.2", "v2")),
        ("lab/mouse", "refs/pr/1", ("lab/mouse", "refs/pr/1")),
        ("lab/mouse@v2", "v2", ("lab/mouse", "v2")),
    ],
)
def test_repositories_are_fetched_by_name(
    where: str, revision: str | None, wanted: tuple[str, str | None], saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, saved)
    model = from_pretrained(where, revision=revision, token="secret", build=tiny.build)
    (call,) = asked.calls
    assert (call["repo_id"], call["revision"], call["token"], call["local_files_only"]) == (*wanted, "secret", False)
    assert call["allow_patterns"] == ["model.safetensors", "config.json"]  # never a pickle, whatever is there
    assert model.name == "tiny"
    assert not huggingface_hub.utils.are_progress_bars_disabled()


@pytest.mark.parametrize("where", ["", "mouse", "a/b/c", "/nowhere/mouse", "./a/b", "../b", "~/x", "lab/mo use", "hf://", "hf://mouse",
                                   "hf://a/b/c", "hf://a/../b", "https://huggingface.co/lab/mouse", "s3://lab/mouse", "-a/b", "lab/mouse\n"])  # fmt: skip
def test_nothing_else_is_looked_for_on_the_network(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, RuntimeError("asked"))
    with pytest.raises(SensoriumError) as raised:
        from_pretrained(where, build=tiny.build)
    assert isinstance(raised.value, BadArgument | NotFound)
    assert not asked.calls


def test_a_path_with_a_typo_is_no_repository(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, saved)
    shutil.copytree(saved, "runs/model")
    assert from_pretrained("runs/model", build=tiny.build).name == "tiny"
    with pytest.raises(NotFound, match="runs/modle: no such folder") as raised:
        from_pretrained("runs/modle", build=tiny.build)
    assert raised.value.hint == "did you mean `runs/model`?; a repository of Hugging Face is hf://runs/modle"
    assert not asked.calls
    from_pretrained("hf://runs/modle", build=tiny.build)
    assert asked.calls[0]["repo_id"] == "runs/modle"


def test_revisions_are_of_repositories_and_said_once(saved: Path) -> None:
    with pytest.raises(BadArgument, match="no revision"):
        from_pretrained(saved, revision="main", build=tiny.build)
    with pytest.raises(BadArgument, match="names revision v1"):
        from_pretrained("hf://lab/mouse@v1", revision="v2", build=tiny.build)


def refusal(name: str) -> Exception:
    """An error of the library as it looks, with a secret in its words."""
    kind: Any = getattr(huggingface_hub.utils, name, None) or type(name, (OSError,), {})
    error: Exception = kind.__new__(kind)
    error.args = ("https://huggingface.co?token=secret",)
    return error


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("RepositoryNotFoundError", NotFound, "no-such-model"),
        ("GatedRepoError", StorageFailed, "access-denied"),
        ("RevisionNotFoundError", NotFound, "no-such-revision"),
        ("HFValidationError", BadArgument, "bad-repository"),
        ("LocalEntryNotFoundError", StorageFailed, "unreachable"),
        ("ConnectError", StorageFailed, "unreachable"),
    ],
)
def test_what_the_library_says_is_said_in_our_words(
    name: str, kind: type[SensoriumError], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, refusal(name))
    with pytest.raises(kind) as raised:
        from_pretrained("hf://lab/mouse", token="secret", build=tiny.build)
    assert raised.value.code == code
    assert "hf://lab/mouse" in raised.value.message
    assert "secret" not in f"{raised.value} {raised.value.hint}"
    assert not huggingface_hub.utils.are_progress_bars_disabled()


def test_a_repository_without_a_checkpoint_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    answering(monkeypatch, tmp_path / "empty")
    with pytest.raises(NotFound, match=r"hf://lab/mouse holds no model\.safetensors and config\.json"):
        from_pretrained("lab/mouse", build=tiny.build)


def test_offline_takes_what_is_there_and_asks_nothing(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the library itself, which looks into its own folder alone."""
    monkeypatch.setattr(hub, "settings", lambda: Settings(offline=True))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(StorageFailed, match="never fetched, and settings say offline") as raised:
        from_pretrained("lab/mouse", build=tiny.build)
    assert raised.value.code == "offline"
    kept = tmp_path / "cache" / "models--lab--mouse"
    shutil.copytree(saved, kept / "snapshots" / REVISION)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(REVISION)
    assert from_pretrained("lab/mouse", build=tiny.build).name == "tiny"
    assert settings_module.settings().offline is False  # the test's own, and nobody else's


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'sensorium-data\[cloud\]'"):
        from_pretrained("hf://lab/mouse")
