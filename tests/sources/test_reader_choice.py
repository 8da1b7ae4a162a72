"""Which reader opens a source is decided by what the source holds, and a third party can add one."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, EntryPoints
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest

from sensorium_data.errors import NoSuchItem, SourceInvalid
from sensorium_data.sources import installed_sources, open_source, registry
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.sources import RawSession
    from sensorium_data.sources.members import Members


class Elsewhere:
    """A third party's reader of folders that hold `eeg/`."""

    name: ClassVar[str] = "elsewhere"
    looks_for: ClassVar[str] = "eeg/N.npy"
    opened: ClassVar[list[Members]] = []

    def recognises(self, members: Members) -> bool:
        return any(name.startswith("eeg/") for name in members.sizes)

    def open(self, members: Members) -> RawSession:
        self.opened.append(members)
        raise SourceInvalid("opened by the third party")


class Greedy(Elsewhere):
    """A reader that takes everything."""

    name: ClassVar[str] = "greedy"

    def recognises(self, members: Members) -> bool:
        return bool(members.sizes)


def install(monkeypatch: pytest.MonkeyPatch, *classes: type[Elsewhere]) -> None:
    """Make entry points that load the classes, beside the one of this package."""
    module = "sensorium_data.sources.sensorium2023:Sensorium2023"
    points = [EntryPoint("sensorium2023", module, registry.GROUP)]
    for number, found in enumerate(classes):
        monkeypatch.setattr(registry, f"third_{number}", found, raising=False)
        points.append(EntryPoint(found.name, f"{registry.__name__}:third_{number}", registry.GROUP))

    def entry_points(*, group: str) -> EntryPoints:
        return EntryPoints(points).select(group=group)

    monkeypatch.setattr(registry, "entry_points", entry_points)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return write_sensorium2023(tmp_path, n_neurons=6, n_train=2, n_repeats=1, frame_shape=(8, 12))


def test_the_reader_is_installed() -> None:
    assert "sensorium2023" in installed_sources()


@pytest.mark.parametrize("name", ["x", "static20457-5-9-preproc0", "mouse F (copy).zip", "été"])
def test_a_recording_is_recognised_whatever_it_is_called(session: Path, name: str) -> None:
    n_trials = len(open_source(session)[1].trials)
    source, raw = open_source(session.rename(session.with_name(name)))
    assert (source.name, len(raw.trials), raw.identity.name) == ("sensorium2023", n_trials, name)


def test_a_name_alone_is_not_recognised(tmp_path: Path) -> None:
    folder = tmp_path / "dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20"
    (folder / "data" / "images").mkdir(parents=True)
    np.save(folder / "data" / "images" / "0.npy", np.zeros(3))
    with pytest.raises(SourceInvalid, match=r"sensorium2023 looks for data/videos/N\.npy.*found data") as caught:
        open_source(folder)
    assert caught.value.code == "not-a-session"


def test_an_empty_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SourceInvalid, match="found no files") as caught:
        open_source(tmp_path)
    assert (caught.value.code, caught.value.exit_code) == ("not-a-session", 5)
    assert "`data/`" in caught.value.hint


def test_a_third_party_reader_is_found_and_chosen_by_content(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Elsewhere)
    other = tmp_path / "other"
    (other / "eeg").mkdir(parents=True)
    np.save(other / "eeg" / "0.npy", np.zeros(3))
    with pytest.raises(SourceInvalid, match="opened by the third party"):
        open_source(other)
    assert list(Elsewhere.opened[-1].sizes) == ["eeg/0.npy"]
    assert open_source(session)[0].name == "sensorium2023"


def test_two_readers_that_recognise_a_source_are_not_guessed_between(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Greedy)
    with pytest.raises(SourceInvalid, match="greedy, sensorium2023 all recognise it") as caught:
        open_source(session)
    assert (caught.value.code, caught.value.hint) == ("ambiguous", "choose one with --reader")
    assert open_source(session, "sensorium2023")[0].name == "sensorium2023"


def test_an_unknown_reader_names_near_misses(session: Path) -> None:
    with pytest.raises(NoSuchItem, match="no reader `sensorium2032`") as caught:
        open_source(session, "sensorium2032")
    assert (caught.value.code, caught.value.exit_code) == ("no-such-reader", 4)
    assert caught.value.hint.startswith("did you mean `sensorium20")
    assert {"`sensorium2022`", "`sensorium2023`"} <= set(re.findall("`[^`]+`", caught.value.hint))


def test_a_reader_that_is_asked_for_is_used_whatever_the_content(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Elsewhere)
    with pytest.raises(SourceInvalid, match="opened by the third party"):
        open_source(session, "elsewhere")
