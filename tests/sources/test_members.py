"""A folder and its zip are the same members: names, sizes, contents, digests, and the digest of the source."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

import sensorium_data as sd
from sensorium_data.errors import NotFound, SourceInvalid
from sensorium_data.sources import members as members_module
from sensorium_data.sources.members import MemberError, Members, digest_of, is_litter, open_members
from sensorium_data.store.opened import OpenStore
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One recording as a folder, a stored zip and a deflated zip."""
    base = tmp_path_factory.mktemp("forms")

    def write(kind: str, zipped: str) -> Path:
        return write_sensorium2023(
            base / kind, n_neurons=6, n_train=2, n_repeats=1, frame_shape=(8, 12),
            zipped=zipped,  # type: ignore[arg-type]
        )  # fmt: skip

    forms = {kind: write(kind, "" if kind == "folder" else kind) for kind in ("folder", "stored", "deflated")}
    litter = (".DS_Store", "._data", "config.json", "data/videos/._0.npy", "__MACOSX/._x", "data/.DS_Store")
    for name in litter:
        path = forms["folder"] / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"litter")
    return forms


def contents(members: Members) -> dict[str, tuple[int, str]]:
    return {name: (size, members.read(name).sha256) for name, size in members.sizes.items()}


def test_folder_and_zips_hold_the_same(forms: dict[str, Path]) -> None:
    opened = {kind: open_members(path) for kind, path in forms.items()}
    held = {kind: contents(members) for kind, members in opened.items()}
    assert held["folder"] == held["stored"] == held["deflated"]
    assert "meta/trials/tiers.npy" in held["folder"]
    assert not [name for name in held["folder"] if is_litter(name)]
    assert len({members.root for members in opened.values()}) == 1
    digests = {kind: digest_of((n, sha) for n, (_, sha) in names.items()) for kind, names in held.items()}
    assert len(set(digests.values())) == 1


def test_digests_are_of_the_bytes_on_the_disk(forms: dict[str, Path]) -> None:
    for name, (size, sha) in contents(open_members(forms["folder"])).items():
        data = (forms["folder"] / name).read_bytes()
        assert (size, sha) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("kind", ["folder", "stored", "deflated"])
def test_head_is_the_beginning(forms: dict[str, Path], kind: str) -> None:
    members = open_members(forms[kind])
    for name in ("meta/trials/tiers.npy", "data/videos/0.npy", "data/responses/0.npy"):
        whole = bytes(members.read(name).data)
        for n_bytes in (1, 10, 128, 4096, len(whole), len(whole) + 100):
            assert members.head(name, n_bytes) == whole[:n_bytes], (name, n_bytes)


def test_stores_of_all_forms_record_one_source(forms: dict[str, Path], tmp_path: Path) -> None:
    made = []
    for kind, path in forms.items():
        sd.convert(path, tmp_path / f"{kind}.zarr")
        made.append(OpenStore(tmp_path / f"{kind}.zarr").session.provenance)
    assert len({(p.source_digest, p.source_members, p.source_bytes) for p in made}) == 1
    held = contents(open_members(forms["folder"]))
    assert made[0].source_digest == digest_of((n, sha) for n, (_, sha) in held.items())


def test_a_folder_that_holds_one_session_is_that_session(forms: dict[str, Path]) -> None:
    inside, outside = open_members(forms["folder"]), open_members(forms["folder"].parent)
    assert (inside.root, dict(inside.sizes)) == (outside.root, dict(outside.sizes))


def test_a_folder_of_several_sessions_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "data").mkdir(parents=True)
    with pytest.raises(SourceInvalid, match="holds 2 sessions, expected one: one, two") as caught:
        open_members(tmp_path)
    assert caught.value.code == "several-sessions"


def test_a_source_that_is_not_there_names_its_neighbours(forms: dict[str, Path]) -> None:
    wrong = forms["stored"].with_name(forms["stored"].name.replace("Video", "Vidoe"))
    with pytest.raises(NotFound, match="no such folder or zip") as caught:
        open_members(wrong)
    assert (caught.value.code, caught.value.exit_code) == ("no-such-source", 4)
    assert forms["stored"].name in caught.value.hint


def test_a_fingerprint_changes_with_the_source(tmp_path: Path) -> None:
    folder = write_sensorium2023(tmp_path, n_neurons=6, n_train=2, n_repeats=1, frame_shape=(8, 12))
    before = open_members(folder).fingerprint()
    assert open_members(folder).fingerprint() == before
    (folder / "meta" / "more.npy").write_bytes(b"x")
    assert open_members(folder).fingerprint() != before


def test_a_file_that_shrinks_while_it_is_read_is_no_shorter_array(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "x.npy"
    file.write_bytes(bytes(100))
    members = open_members(tmp_path)
    file.write_bytes(bytes(60))
    with pytest.raises(MemberError, match="60 bytes where the folder said 100") as caught:
        members.read("data/x.npy")
    assert caught.value.problem_code == "truncated"


def test_a_link_that_leads_nowhere_is_a_readable_error(tmp_path: Path) -> None:
    # What a folder under git-annex holds before its contents are fetched.
    folder = write_sensorium2023(tmp_path / "s", n_neurons=6, n_train=2, n_repeats=1, frame_shape=(8, 12))
    video = folder / "data" / "videos" / "0.npy"
    video.unlink()
    video.symlink_to(tmp_path / "not-fetched")
    with pytest.raises(SourceInvalid, match=r"data/videos/0\.npy"):
        sd.convert(folder, tmp_path / "x.zarr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s"]


def test_a_member_above_the_limit_is_not_read(forms: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    class Small:
        max_member_bytes = 100

    monkeypatch.setattr(members_module, "settings", Small)
    for path in forms.values():
        with pytest.raises(MemberError, match="SENSORIUM_DATA_MAX_MEMBER_BYTES") as caught:
            open_members(path).read("data/videos/0.npy")
        assert caught.value.problem_code == "member-too-large"
