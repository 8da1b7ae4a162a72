"""Settings: environment over file over defaults, and a refusal that says where the value came from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sensorium_data.errors import BadArgument
from sensorium_data.settings import Settings, load_settings, settings

if TYPE_CHECKING:
    from pathlib import Path


def _config(folder: Path, text: str) -> str:
    path = folder / "config.toml"
    path.write_text(text, "utf-8")
    return str(path)


def test_defaults_hold_when_nothing_is_set() -> None:
    assert load_settings({"HOME": "/nowhere", "SENSORIUM_THREADS": "7"}) == Settings()


def test_environment_wins_over_file_and_file_over_default(tmp_path: Path) -> None:
    config = _config(tmp_path, "threads = 3\nmax_member_bytes = 4096\n")
    found = load_settings({"SENSORIUM_DATA_CONFIG": config, "SENSORIUM_DATA_THREADS": "5"})
    assert found == Settings(threads=5, max_member_bytes=4096, no_progress=False)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("true", True), ("YES", True), ("0", False), ("False", False), ("no", False)],
)
def test_switches_read_yes_and_no(text: str, value: bool) -> None:
    assert load_settings({"SENSORIUM_DATA_NO_PROGRESS": text}).no_progress is value


def test_switch_in_a_file_is_a_switch(tmp_path: Path) -> None:
    assert load_settings({"SENSORIUM_DATA_CONFIG": _config(tmp_path, "no_progress = true\n")}).no_progress is True


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("THREADS", "two", "a whole number"),
        ("THREADS", "1.5", "a whole number"),
        ("THREADS", "", "a whole number"),
        ("THREADS", "-1", "0 or more"),
        ("NO_PROGRESS", "maybe", "yes or no"),
    ],
)
def test_unreadable_value_names_its_variable(name: str, text: str, expected: str) -> None:
    with pytest.raises(BadArgument, match=f"SENSORIUM_DATA_{name}.*expected {expected}") as caught:
        load_settings({f"SENSORIUM_DATA_{name}": text})
    assert caught.value.code == "bad-setting"


def test_unknown_name_in_the_file_gets_a_near_miss(tmp_path: Path) -> None:
    config = _config(tmp_path, "thread = 3\n")
    with pytest.raises(BadArgument, match="`thread` is not a setting") as caught:
        load_settings({"SENSORIUM_DATA_CONFIG": config})
    assert config in str(caught.value)
    assert caught.value.hint == "did you mean `threads`?"


@pytest.mark.parametrize("text", ["threads = ", None], ids=["not toml", "absent"])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    config = str(tmp_path / "absent.toml") if text is None else _config(tmp_path, text)
    with pytest.raises(BadArgument, match="cannot be read as settings") as caught:
        load_settings({"SENSORIUM_DATA_CONFIG": config})
    assert str(caught.value).startswith(config)


def test_zero_threads_means_every_core() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    assert Settings().n_threads == cores
    assert Settings(threads=3).n_threads == 3


def test_settings_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.cache_clear()
    try:
        monkeypatch.setenv("SENSORIUM_DATA_THREADS", "3")
        assert settings().threads == 3
        monkeypatch.setenv("SENSORIUM_DATA_THREADS", "4")
        assert settings().threads == 3
    finally:
        settings.cache_clear()
