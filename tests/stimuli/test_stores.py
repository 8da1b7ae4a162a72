"""Real stores: films that two mice saw are found whatever dtype they were stored in, by the library and the command."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import sensorium_data as sd
from sensorium_data.cli import main
from sensorium_data.cli.app import cli
from sensorium_data.errors import StimulusLeakWarning
from sensorium_data.store.opened import OpenStore
from sensorium_data.testing import describe_sensorium2023, write_sensorium2023

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAGE = Path(__file__).parents[2] / "docs" / "stimuli.md"
MICE: dict[str, dict[str, Any]] = {
    "A": {"name": "dynamic29156-11-10-Video-x", "n_repeats": 2, "holes": True, "dtype": "float32"},
    "F": {"name": "dynamic29515-10-12-Video-x", "n_repeats": 3},
    # One film with fractional levels makes floats of all: no digest equals one of the others.
    "E": {"name": "dynamic29514-2-9-Video-x", "n_repeats": 2},
}
KEYS = {"A": "29156-11-10", "F": "29515-10-12", "E": "29514-2-9"}
COMMON: dict[str, Any] = {"n_train": 3, "seed": 5}
TESTS = ["live_test_main", "live_test_bonus", "final_test_main", "final_test_bonus"]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `mouse-A.zarr`, `mouse-F.zarr` and `mouse-E.zarr`; not to be changed."""
    folder = tmp_path_factory.mktemp("stores")
    for letter, how in MICE.items():
        source = write_sensorium2023(
            folder, **how, **COMMON, fractional=letter == "E", n_neurons=2, frame_shape=(8, 12)
        )  # fmt: skip
        sd.convert(source, folder / f"mouse-{letter}.zarr")
    return folder


def _films(letter: str) -> list[tuple[str, str] | None]:
    """What each trial shows: films are drawn from their seed and number, so kind and name tell them apart."""
    how = {name: value for name, value in MICE[letter].items() if name != "dtype"}
    trials = describe_sensorium2023(**how, **COMMON)
    return [None if trial.missing else (trial.label, trial.film) for trial in trials]


def test_films_are_those_that_were_made(stores: Path) -> None:
    groups = sd.stimulus_groups([stores / f"mouse-{letter}.zarr" for letter in MICE])
    number: dict[tuple[str, str], int] = {}
    for letter, key in KEYS.items():
        films = _films(letter)
        assert len(films) == len(groups[key])
        for film, group in zip(films, groups[key].tolist(), strict=True):
            if film is None:
                assert group == -1
            else:
                assert number.setdefault(film, group) == group
                assert groups.labels[group] in {"", film[0]}  # short films of two kinds are told apart by nothing
    assert len(set(number.values())) == len(number) == groups.n_groups
    # Mouse E saw other kinds in the bonus tiers.
    assert groups.shared == (
        (KEYS["A"], KEYS["F"], 13),
        (KEYS["A"], KEYS["E"], 9),
        (KEYS["F"], KEYS["E"], 9),
    )


def test_paths_sessions_and_handles_are_all_understood(stores: Path) -> None:
    a, f = stores / "mouse-A.zarr", stores / "mouse-F.zarr"
    wanted = sd.stimulus_groups([str(a), f])
    found = sd.stimulus_groups([sd.open_session(a), sd.open_session(f).handle])
    assert found.occurrences == wanted.occurrences
    assert sd.stimulus_groups(a).keys == (KEYS["A"],)


def test_equal_films_are_not_compared(stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    plain = OpenStore.read

    def noted(self: OpenStore, array: Any, key: Any) -> NDArray[Any]:
        if array.path.endswith("frames"):
            read.append(len(range(*key.indices(array.shape[0]))))
        return plain(self, array, key)

    monkeypatch.setattr(OpenStore, "read", noted)
    handles = [sd.open_session(stores / f"mouse-{letter}.zarr").handle for letter in "AF"]
    sd.stimulus_groups(handles)
    assert read
    assert max(read) <= 60


@pytest.fixture
def run(stores: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(stores)

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["stimuli", *map(str, words)])
        assert isinstance(ended.value.code, int)
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


def test_command_prints_pairs_and_kinds(run: Any) -> None:
    code, out, err = run("mouse-A.zarr", "mouse-F.zarr", "mouse-E.zarr", "--quiet")
    groups = sd.stimulus_groups(["mouse-A.zarr", "mouse-F.zarr", "mouse-E.zarr"])
    assert (code, err) == (0, "")
    first, pairs, kinds = out.strip().split("\n\n")
    assert f"StimulusGroups: {first}" == repr(groups)
    rows = [line.split() for line in pairs.splitlines()[1:]]
    assert sorted(rows) == sorted([s.one, s.other, str(s.n_groups)] for s in groups.shared)
    assert [int(row[2]) for row in rows] == sorted((s.n_groups for s in groups.shared), reverse=True)
    table = groups.table
    for line in kinds.splitlines()[1:]:
        kind, *numbers = re.split(r" {2,}", line)
        mine = table.isel(group=(table.label == kind.replace("(no label)", "")).to_numpy())
        found = (mine.sizes["group"], (mine.n_sessions > 1).sum(), mine.n_trials.sum())
        assert [int(n) for n in numbers] == [int(n) for n in found]


def test_command_warns_and_still_succeeds(run: Any) -> None:
    words = [f"--train={KEYS['A']}:{tier}" for tier in TESTS]
    code, out, err = run("mouse-A.zarr", "mouse-F.zarr", "--train", "train", *words, "--json")
    told = json.loads(out)
    train = {KEYS["A"]: ["train", *TESTS], KEYS["F"]: ["train"]}
    with pytest.warns(StimulusLeakWarning) as caught:
        groups = sd.stimulus_groups(["mouse-A.zarr", "mouse-F.zarr"], train=train)
    assert code == 0
    assert err == f"warning[shared-films]: {caught[0].message}\n"
    assert told["warnings"] == [{"code": "shared-films", "message": str(caught[0].message)}]
    assert told["sessions"] == list(groups.keys)
    assert told["leaks"] == [leak._asdict() for leak in groups.leaks]
    assert len({leak["group"] for leak in told["leaks"]}) == 8
    assert told["shared"] == [pair._asdict() for pair in groups.shared]
    rows = [
        (row["group"], at["session"], at["tier"], at["role"], at["n_trials"])
        for row in told["groups"]
        for at in row["occurrences"]
    ]
    assert rows == [tuple(o) for o in groups.occurrences]
    assert [row["identity"] for row in told["groups"]] == list(groups.identities)


def test_command_tells_leaks_within_a_session(run: Any) -> None:
    code, out, err = run("mouse-A.zarr", "--train", "live_test_main", "--json", "--quiet")
    assert (code, err, json.loads(out)["leaks_within"]) == (0, "", [])


def test_command_writes_every_row_once(run: Any, tmp_path: Path) -> None:
    target = tmp_path / "films.csv"
    code, _, err = run("mouse-A.zarr", "mouse-F.zarr", "--out", target)
    assert (code, re.sub(r"\s+\d+", " N", err)) == (0, "scan N films\n")
    groups = sd.stimulus_groups(["mouse-A.zarr", "mouse-F.zarr"])
    with target.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(int(r["group"]), r["session"], r["tier"], r["role"], int(r["n_trials"])) for r in rows] == [
        tuple(o) for o in groups.occurrences
    ]
    assert all(r["identity"] == groups.identities[int(r["group"])] for r in rows)
    assert all(r["label"] == groups.labels[int(r["group"])] for r in rows)
    assert all(int(r["n_frames"]) == groups.n_frames[int(r["group"])] for r in rows)
    before = target.read_bytes()
    code, out, err = run("mouse-A.zarr", "mouse-F.zarr", "--out", target)
    assert (code, out) == (7, "")
    assert err.startswith(f"error[target-exists]: {target}: ")
    assert target.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code", "begins"),
    [
        ((), 2, "error[usage]: missing argument 'STORE...'"),
        (("mouse-A.zar",), 4, "error[no-such-store]: mouse-A.zar: "),
        (("mouse-A.zarr", "./mouse-A.zarr"), 2, "error[store-twice]: mouse-A.zarr "),
        (("mouse-A.zarr", "--train", "tran"), 4, "error[no-such-tier]: no tier `tran`\nhint: did you mean `train`?"),
        (("mouse-A.zarr", "--train", "29156-11-1:train"), 4, "error[no-such-session]: no session `29156-11-1`\nhint: "),
        (("mouse-A.zarr", "--train", "x", "--train", f"{KEYS['A']}:train"), 4, "error[no-such-tier]: 29156-11-10: "),
        (("mouse-A.zarr", "--out", "nowhere/films.csv"), 4, "error[not-found]: nowhere: "),
        (("mouse-A.zarr", "--out", "mouse-A.zarr"), 7, "error[target-exists]: mouse-A.zarr: "),
    ],
)
def test_command_refuses(run: Any, words: tuple[str, ...], code: int, begins: str) -> None:
    ended, out, err = run(*words)
    assert (ended, out) == (code, "")
    assert err.startswith(begins)
    assert "\nhint: " in err


def test_output_stays_short(stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.stimuli.made import Made, noise

    sessions = {f"s{i}": Made(f"s{i}", [noise(0, 1), noise(i + 1, 1)], label=f"kind {i}") for i in range(30)}
    monkeypatch.setattr(
        "sensorium_data.viewing.opening.opened",
        lambda stores, _: {store.name: SimpleNamespace(handle=sessions[store.name]) for store in stores},
    )
    done = CliRunner().invoke(cli, ["stimuli", *sessions, "--quiet"])
    assert done.exit_code == 0, done.output
    assert "… and 415 more; --json lists all" in done.output
    assert len(done.output.splitlines()) < 60


def test_a_table_that_cannot_be_written_leaves_nothing(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, os.strerror(28))

    plain = Path.open

    def opened(self: Path, *how: Any, **more: Any) -> Any:
        file = plain(self, *how, **more)
        if self.name == "films.csv":
            monkeypatch.setattr(file, "flush", full, raising=False)
        return file

    monkeypatch.setattr(Path, "open", opened)
    code, _, err = run("mouse-A.zarr", "--out", tmp_path / "films.csv")
    assert code == 6
    assert err.startswith(f"error[storage-failed]: {tmp_path / 'films.csv'}: the disk is full")
    assert list(tmp_path.iterdir()) == []


def test_blocks_of_the_page_run_in_order(stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stores)
    names: dict[str, Any] = {}
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert [language for language, _ in blocks] == ["sh", "python", "python", "python"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-euc", blocks[0][1]], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _, block in blocks[1:]:
            exec(block, names)
    assert [warning.category for warning in caught] == [StimulusLeakWarning]
    assert set(names["mine"].sizes) == {"trial"}
    assert names["folds"].keys() == set(names["groups"].keys)
