"""Archives that are damaged or hostile: refused by name, before anything of them is used."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.errors import ArchiveUnsafe, SensoriumError, SourceInvalid
from sensorium_data.sources.members import MemberError, open_members
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
MEMBERS = {"data/videos/0.npy": b"video" * 300, "data/responses/0.npy": b"resp" * 300, "meta/t.npy": b"t" * 9}


def archive(path: Path, extra: dict[str, bytes] | None = None, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in {**MEMBERS, **(extra or {})}.items():
            file.writestr(zipfile.ZipInfo(name), data, method)
    return path


def patch(path: Path, name: str, offset: int, layout: str, value: int) -> None:
    """Overwrite a field of a member's entry in the central directory."""
    data = bytearray(path.read_bytes())
    at = data.index(CENTRAL)
    while data[at + 46 : at + 46 + len(name)] != name.encode():
        at = data.index(CENTRAL, at + 4)
    struct.pack_into(layout, data, at + offset, value)
    path.write_bytes(bytes(data))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_sensorium2023(
        tmp_path / "s", n_neurons=6, n_train=2, n_repeats=1, frame_shape=(8, 12), zipped="deflated"
    )


def link(path: Path) -> None:
    info = zipfile.ZipInfo("data/videos/1.npy")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(info, b"/etc/passwd")


def twice(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("data/videos/0.npy", b"another")


def packed_as(method: int) -> Callable[[Path], None]:
    def add(path: Path) -> None:
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("data/videos/1.npy", b"x" * 100, method)

    return add


def named(name: str) -> Callable[[Path], None]:
    return lambda path: void(archive(path, {name: b"x"}))


def void(_: object) -> None:
    return None


UNSAFE: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "encrypted": (lambda p: patch(p, "data/videos/0.npy", 8, "<H", 1), "zip-encrypted", "is encrypted"),
    "symlink": (link, "zip-symlink", "symbolic link"),
    "duplicate": (twice, "zip-duplicate", "twice"),
    "bzip2": (packed_as(zipfile.ZIP_BZIP2), "zip-method", "compression method 12"),
    "lzma": (packed_as(zipfile.ZIP_LZMA), "zip-method", "compression method 14"),
    "climbs": (named("../data/x.npy"), "zip-escape", "leads out"),
    "climbs-inside": (named("data/../../x.npy"), "zip-escape", "leads out"),
    "absolute": (named("/etc/passwd"), "zip-escape", "leads out"),
    "backslash": (named("..\\x.npy"), "zip-escape", "leads out"),
    "drive": (named("C:/x.npy"), "zip-escape", "leads out"),
}


@pytest.mark.parametrize("kind", UNSAFE)
def test_an_archive_not_to_be_trusted_is_refused_whole(tmp_path: Path, kind: str) -> None:
    harm, code, words = UNSAFE[kind]
    path = archive(tmp_path / "x.zip")
    harm(path)
    before = path.read_bytes()
    with pytest.raises(ArchiveUnsafe, match=words) as caught:
        sd.convert(path, tmp_path / "x.zarr")
    assert caught.value.code == code
    assert caught.value.exit_code == 5
    assert [problem.code for problem in caught.value.problems] == [code]
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["x.zip"]


def test_every_unsafe_name_is_reported(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.zip", {"../a": b"", "/b": b""})
    with pytest.raises(ArchiveUnsafe) as caught:
        open_members(path)
    assert [problem.where for problem in caught.value.problems] == ["../a", "/b"]


def test_two_sessions_in_a_zip(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.zip", {"two/data/videos/0.npy": b"", "three/meta/t.npy": b""})
    with pytest.raises(SourceInvalid, match="holds 3 sessions, expected one") as caught:
        open_members(path)
    assert caught.value.code == "several-sessions"


def test_a_zip_cut_short(recording: Path, tmp_path: Path) -> None:
    data = recording.read_bytes()
    for share in (0.3, 0.9, 0.999):
        recording.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(SourceInvalid, match="cut short or damaged") as caught:
            sd.convert(recording, tmp_path / "x.zarr")
        assert (caught.value.code, caught.value.hint) == ("zip-damaged", "download it again")
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("data", [b"", b"neither", bytes(1000)])
def test_a_file_that_is_no_zip(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(SourceInvalid, match="neither a folder nor a zip"):
        open_members(tmp_path / "x")


def flipped(path: Path, name: str, *, stored: bool) -> None:
    with zipfile.ZipFile(path) as file:
        info = next(i for i in file.infolist() if i.filename.endswith(name))
    data = bytearray(path.read_bytes())
    start = info.header_offset + 30 + len(info.filename)
    assert data[info.header_offset : info.header_offset + 4] == LOCAL
    # The last value of a stored member; the first block's type of a deflated one.
    data[start + info.compress_size - 1 if stored else start] ^= 0x06
    path.write_bytes(bytes(data))


STREAMS = ("videos", "responses", "behavior", "pupil_center")


@pytest.mark.parametrize("stream", STREAMS)
def test_a_wrong_crc_is_found_in_every_stream(tmp_path: Path, stream: str) -> None:
    path = write_sensorium2023(
        tmp_path / "s", n_neurons=6, n_train=2, n_repeats=1, frame_shape=(8, 12), zipped="stored", withhold=False
    )
    flipped(path, f"data/{stream}/3.npy", stored=True)
    with pytest.raises(SourceInvalid, match="CRC-32") as caught:
        sd.convert(path, tmp_path / "x.zarr")
    assert [(p.code, p.where) for p in caught.value.problems] == [("zip-crc", f"data/{stream}/3.npy")]
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


def test_a_wrong_crc_of_a_member_nobody_reads_is_found(tmp_path: Path) -> None:
    path = write_sensorium2023(
        tmp_path / "s", n_neurons=6, n_train=2, n_repeats=1, frame_shape=(8, 12), zipped="stored"
    )
    prefix = path.stem
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(f"{prefix}/notes.txt", b"a note")
    patch(path, f"{prefix}/notes.txt", 16, "<I", 1)
    with pytest.raises(SourceInvalid, match="CRC-32"):
        sd.convert(path, tmp_path / "x.zarr")
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


def test_deflated_bytes_that_do_not_inflate(recording: Path, tmp_path: Path) -> None:
    flipped(recording, "data/videos/0.npy", stored=False)
    with pytest.raises(SourceInvalid) as caught:
        sd.convert(recording, tmp_path / "x.zarr")
    assert {p.code for p in caught.value.problems} <= {"zip-damaged", "zip-crc", "zip-size", "npy-header"}
    assert {p.where for p in caught.value.problems} == {"data/videos/0.npy"}


def test_a_bomb_is_inflated_no_further_than_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "x.zip", {"data/videos/1.npy": bytes(50_000_000)})
    patch(path, "data/videos/1.npy", 24, "<I", 1000)
    asked: list[int] = []
    real = zlib.decompressobj

    class Watched:
        def __init__(self, bits: int) -> None:
            self.inner = real(bits)

        def decompress(self, data: bytes, most: int) -> bytes:
            asked.append(most)
            return self.inner.decompress(data, most)

    monkeypatch.setattr(zlib, "decompressobj", Watched)
    members = open_members(path)
    with pytest.raises(MemberError, match="expands to more than the 1,000 bytes") as caught:
        members.read("data/videos/1.npy")
    assert caught.value.problem_code == "zip-bomb"
    assert asked == [1001]


def test_a_bomb_that_tells_the_truth_is_too_large(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.zip")
    patch(path, "data/videos/0.npy", 24, "<I", (1 << 30) + 1)
    with pytest.raises(MemberError, match="more than the") as caught:
        open_members(path).read("data/videos/0.npy")
    assert caught.value.problem_code == "member-too-large"


def test_a_bomb_in_a_recording_writes_nothing(recording: Path, tmp_path: Path) -> None:
    patch(recording, f"{recording.stem}/data/videos/0.npy", 24, "<I", 500)
    with pytest.raises(SourceInvalid) as caught:
        sd.convert(recording, tmp_path / "x.zarr")
    assert [p.where for p in caught.value.problems] == ["data/videos/0.npy"]
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(st.data())
def test_any_damaged_byte_is_harmless_or_a_readable_error(tmp_path: Path, data: Any) -> None:
    whole = archive(tmp_path / "sound.zip").read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.zip"
    path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
    try:
        members = open_members(path)
        seen = {name: bytes(members.read(name).data) for name in members.sizes}
    except (SensoriumError, MemberError):
        return
    assert sorted(seen.values()) == sorted(v for v in MEMBERS.values()) or len(seen) < len(MEMBERS)
    assert set(seen.values()) <= set(MEMBERS.values())
