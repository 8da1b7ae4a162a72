"""A foreign zip: names, folders, litter, damage and bombs; and that a check reads nothing it was not promised."""

from __future__ import annotations

import shutil
import stat
import warnings
import zipfile
from typing import TYPE_CHECKING

import pytest

from sensorium_data.errors import DataInvalid, StorageFailed
from sensorium_data.evaluation.submissions import opening
from sensorium_data.evaluation.submissions.checking import check_submission, tier_of_name
from sensorium_data.evaluation.submissions.reading import read_submission
from sensorium_data.schemas.submission import SubmissionReport
from tests.evaluation.submitted import (
    BONUS,
    MAIN,
    STATIC,
    Mice,
    codes,
    film_rows,
    image_lines,
    made_once,
    trials,
    write_csv,
    write_parquet,
    write_zip,
)

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("pyarrow")

LIVE, FINAL = "predictions_live_main.parquet.brotli", "predictions_final_main.parquet.brotli"
OOD = ("predictions_live_test_bonus_ood.parquet.brotli", "predictions_final_test_bonus_ood.parquet.brotli")


@pytest.fixture(scope="module")
def mice(tmp_path_factory: pytest.TempPathFactory) -> Mice:
    return made_once(tmp_path_factory)


@pytest.fixture(scope="module")
def members(mice: Mice, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Sound files of both tracks."""
    path = tmp_path_factory.mktemp("members") / "one.parquet"
    wanted = zip((LIVE, FINAL, *OOD), (*MAIN, *BONUS), strict=True)
    return {name: write_parquet(path, film_rows(mice.new, tier)).read_bytes() for name, tier in wanted}


def _main(members: dict[str, bytes]) -> dict[str, bytes]:
    return {LIVE: members[LIVE], FINAL: members[FINAL]}


def _codes(path: Path, mice: Mice) -> set[str]:
    return codes(check_submission(path, mice.new)) - {"mice-missing"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stored_and_deflated_zips_are_sound(mice: Mice, members: dict[str, bytes], tmp_path: Path, method: int) -> None:
    path = write_zip(tmp_path / "main.zip", _main(members), method)
    report = check_submission(path, mice.new)
    assert codes(report) == {"mice-missing"}
    assert (report.track, [file.tier for file in report.files]) == ("main", list(MAIN))
    assert [file.n_bytes for file in report.files] == [len(members[LIVE]), len(members[FINAL])]
    assert len(list(read_submission(path, mice.new))) == sum(len(trials(mice.new, tier)) for tier in MAIN)
    assert SubmissionReport.model_validate_json(report.model_dump_json()) == report


def test_both_files_of_2022_in_a_zip(mice: Mice, tmp_path: Path) -> None:
    names = ("submission_file_live_test.csv", "submission_file_final_test.csv")
    files = {n: write_csv(tmp_path / n, image_lines(mice.images, t)) for n, t in zip(names, STATIC, strict=True)}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = write_zip(tmp_path / "S1.zip", files, method)
        assert check_submission(path, mice.images).findings == ()
        assert len(list(read_submission(path, mice.images, tier="test"))) == len(trials(mice.images, "test"))


def test_a_zipped_folder_is_named_and_still_looked_at(mice: Mice, members: dict[str, bytes], tmp_path: Path) -> None:
    path = write_zip(tmp_path / "main.zip", {f"predictions/{name}": data for name, data in _main(members).items()})
    found = {each.code: each.what for each in check_submission(path, mice.new).findings}
    assert found["zip-folder"] == f"holds predictions/{LIVE}, expected {LIVE} at its root"
    short = write_parquet(tmp_path / "short", film_rows(mice.new)[1:])
    path = write_zip(tmp_path / "main.zip", {f"predictions/{LIVE}": short})
    assert {"zip-folder", "file-missing", "trials-missing"} <= _codes(path, mice)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("predictions_file_live_test_main_main_track.parquet.brotli", LIVE),
        ("predictions_live_main.parquet", LIVE),
        ("Predictions_live_main.parquet.brotli", LIVE),
    ],
)
def test_other_names_are_named_with_the_right_ones(
    mice: Mice, members: dict[str, bytes], tmp_path: Path, name: str, expected: str
) -> None:
    path = write_zip(tmp_path / "main.zip", {name: members[LIVE], FINAL: members[FINAL]})
    report = check_submission(path, mice.new)
    assert [each.what for each in report.findings if each.code == "file-name"] == [f"expected {expected}"]
    assert codes(report, "error") == {"file-name"}


def test_a_name_that_says_nothing(mice: Mice, members: dict[str, bytes], tmp_path: Path) -> None:
    path = write_zip(tmp_path / "main.zip", {"mine.parquet": members[LIVE]})
    assert _codes(path, mice) == {"file-name"}


def test_files_that_lack_are_too_many_or_of_two_tracks(mice: Mice, members: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "main.zip"
    assert _codes(write_zip(path, {LIVE: members[LIVE]}), mice) == {"file-missing"}
    more = _main(members) | {"readme.txt": b"hello", "__MACOSX/._x": b"", ".DS_Store": b""}
    report = check_submission(write_zip(path, more), mice.new)
    assert report.ok
    assert codes(report) == {"mice-missing", "zip-extra", "zip-litter"}
    assert _codes(write_zip(path, members), mice) == {"two-tracks"}
    assert _codes(write_zip(path, {OOD[0]: members[OOD[0]], OOD[1]: members[OOD[1]]}), mice) == set()
    assert _codes(write_zip(path, {}), mice) == {"zip-empty"}
    assert _codes(write_zip(path, {"readme.txt": b""}), mice) == {"zip-empty", "zip-extra"}


def test_files_swapped_between_tiers_are_named(mice: Mice, members: dict[str, bytes], tmp_path: Path) -> None:
    path = write_zip(tmp_path / "main.zip", {LIVE: members[FINAL], FINAL: members[LIVE]})
    assert _codes(path, mice) == {"trial-tier", "trials-missing"}


def test_members_that_are_something_else(mice: Mice, members: dict[str, bytes], tmp_path: Path) -> None:
    path = write_zip(tmp_path / "main.zip", {LIVE: b"a,b\n1,2\n", FINAL: members[FINAL][:-3]})
    assert _codes(path, mice) == {"format-unknown", "parquet-damaged"}


def test_damaged_zips_are_named(mice: Mice, members: dict[str, bytes], tmp_path: Path) -> None:
    path = write_zip(tmp_path / "main.zip", _main(members))
    whole = path.read_bytes()
    for n in (10, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:n])
        assert _codes(path, mice) == {"zip-damaged"}
        with pytest.raises(DataInvalid, match="is cut short or damaged"):
            read_submission(path, mice.new)
    at = whole.index(b"PAR1") + 200
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    report = check_submission(path, mice.new)
    assert "does not unpack (Bad CRC-32" in next(each.what for each in report.findings if each.code == "zip-damaged")
    with pytest.raises(DataInvalid, match="does not unpack"):
        list(read_submission(path, mice.new))


def test_flipped_bytes_of_a_zip_raise_nothing_else(mice: Mice, members: dict[str, bytes], tmp_path: Path) -> None:
    path = write_zip(tmp_path / "main.zip", _main(members), zipfile.ZIP_DEFLATED)
    whole = path.read_bytes()
    directory = whole.index(b"PK\x01\x02")
    for at in [*range(60), *range(directory, len(whole))]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x21]) + whole[at + 1 :])
        assert check_submission(path, mice.new).path == str(path)


def test_encrypted_linked_and_doubled_members_are_not_read(
    mice: Mice, members: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "main.zip"
    link, odd = zipfile.ZipInfo(LIVE), zipfile.ZipInfo(FINAL)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    odd.compress_type = zipfile.ZIP_BZIP2
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr(odd, members[FINAL])
    found = [each.what for each in check_submission(path, mice.new).findings if each.code == "zip-unsafe"]
    assert found == ["is a symbolic link", "uses compression method 12, expected stored or deflated"]
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            archive.writestr(LIVE, members[LIVE])
    assert {"zip-unsafe", "file-missing"} == _codes(path, mice)
    whole = bytearray(write_zip(path, _main(members)).read_bytes())
    whole[whole.index(b"PK\x01\x02") + 8] |= 1  # the flag of encryption, in the directory
    path.write_bytes(bytes(whole))
    assert "zip-unsafe" in _codes(path, mice)


def test_bombs_are_not_unpacked(
    mice: Mice, members: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path / "main.zip", {LIVE: bytes(1_000_000)}, zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(opening, "LARGEST", 200_000)
    assert _codes(path, mice) == {"zip-bomb"}
    with pytest.raises(DataInvalid, match="not read"):
        read_submission(path, mice.new)
    monkeypatch.undo()
    monkeypatch.setattr(opening, "MOST_MEMBERS", 1)
    assert _codes(write_zip(path, _main(members)), mice) == {"zip-bomb"}


def test_members_that_are_larger_than_they_say_are_not_followed(mice: Mice, tmp_path: Path) -> None:
    """The directory promises ten bytes of a megabyte of zeros; neither more memory nor more disk is used."""
    path = write_zip(tmp_path / "main.zip", {LIVE: bytes(1_000_000)}, zipfile.ZIP_DEFLATED)
    whole = path.read_bytes()
    directory = whole.index(b"PK\x01\x02")
    lying = whole[:directory] + whole[directory:].replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    path.write_bytes(lying)
    assert "zip-damaged" in _codes(path, mice)


def test_no_room_to_unpack_is_said(
    mice: Mice, members: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path / "main.zip", _main(members), zipfile.ZIP_DEFLATED)

    class Little:
        free = 10

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Little)
    with pytest.raises(StorageFailed, match="are needed to unpack predictions_live_main"):
        check_submission(path, mice.new)


def test_what_names_mean() -> None:
    names = {
        "live_test.csv": "test",
        "x/final_test.csv": "final_test",
        LIVE: MAIN[0],
        "predictions_file_final_test_bonus_bonus_track.parquet.brotli": BONUS[1],
        OOD[0]: BONUS[0],
        "oracle.parquet": "",
    }
    assert {name: tier_of_name(name) for name in names} == names
