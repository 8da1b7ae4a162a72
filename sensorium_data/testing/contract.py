"""What every reader of a published format must do, as tests: subclass `SourceContract` in the tests of your reader.

Nothing here needs pytest: the methods take a folder and raise AssertionError.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, get_args

import numpy as np

from sensorium_data.conversion import audit_source, check_store, convert
from sensorium_data.errors import SourceInvalid
from sensorium_data.schemas.stimulus import LabelSource
from sensorium_data.sources import installed_sources
from sensorium_data.sources.members import Memory, open_members
from sensorium_data.sources.registry import source_for
from sensorium_data.testing.announced import all_of, hold_film, hold_responses, hold_signals, members_of, present
from sensorium_data.testing.published2022 import write_sensorium2022
from sensorium_data.testing.published2023 import write_sensorium2023
from sensorium_data.testing.watched import Watched, as_zip, hold, known, tree_of
from sensorium_data.views import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sensorium_data.sources import RawSession, Source

__all__ = ["SourceContract", "Truth"]

LONGEST_HEAD = 65536  # bytes of a member that may be read to open a recording
N_THREADS = 4
OURS: dict[str, Callable[[Path], Path]] = {
    "sensorium2022": lambda folder: write_sensorium2022(folder, n_neurons=2, n_train=1, frame_shape=(8, 12)),
    "sensorium2023": lambda folder: write_sensorium2023(folder, n_neurons=2, n_train=1, frame_shape=(8, 12)),
}
PICKLED = np.array([{"a": 1}, None], dtype=object)


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of one trial of the recording that the test makes; None is not known.

    Attributes
    ----------
    trial_id : int
    tier : str
    n_valid : int or None, samples
    withheld : bool or None
    missing : bool
    stimulus : str or None
        The same for trials that show the same film, and for no others.
    """

    trial_id: int
    tier: str
    n_valid: int | None = None
    withheld: bool | None = None
    missing: bool = False
    stimulus: str | None = None


class SourceContract(ABC):
    """The tests of a reader; subclass it, name your reader, and write a small recording.

    Attributes
    ----------
    reader : Source or str
        Your reader, or its name if its entry point is installed.
    zipped : bool
        A recording may also be one zip with its folder inside.

    Examples
    --------
    >>> class TestOfficial(SourceContract):
    ...     reader = "sensorium2023"
    ...
    ...     def make(self, folder):
    ...         return write_sensorium2023(folder, n_neurons=3, n_train=1, frame_shape=(8, 12))
    >>> import pathlib, tempfile
    >>> TestOfficial().test_samples_are_as_announced(pathlib.Path(tempfile.mkdtemp()))
    """

    reader: ClassVar[Source | str]
    zipped: ClassVar[bool] = True

    @abstractmethod
    def make(self, folder: Path) -> Path:
        """Write a small recording in your format into a folder that is there, and return its own folder.

        It needs a few trials; each data file should hold the samples of one trial.
        """

    def truth(self) -> Sequence[Truth]:
        """Return what is known of the trials of that recording; nothing, if you leave it out."""
        return ()

    def _reader(self) -> Source:
        return installed_sources()[self.reader] if isinstance(self.reader, str) else self.reader

    def _made(self, folder: Path) -> Path:
        (folder / "made").mkdir()
        return self.make(folder / "made")

    def _opened(self, folder: Path) -> RawSession:
        return self._reader().open(open_members(self._made(folder)))

    def test_it_has_a_name_and_says_what_it_looks_for(self) -> None:
        """Both are shown to users."""
        reader = self._reader()
        hold(re.fullmatch(r"[A-Za-z0-9][\w.-]*", reader.name), f"name {reader.name!r} is no plain word")
        hold(str(reader.looks_for).strip(), "looks_for is empty")
        if isinstance(self.reader, str):
            hold(reader.name == self.reader, f"entry point `{self.reader}` loads a reader called `{reader.name}`")

    def test_it_recognises_its_own_and_nothing_else(self, tmp_path: Path) -> None:
        """No two readers may claim one recording."""
        reader, source = self._reader(), self._made(tmp_path)
        with known(reader):
            hold(reader.recognises(open_members(source)), f"{reader.name} does not recognise its own recording")
            found = source_for(open_members(source), None)
        hold(found.name == reader.name, f"{found.name} is chosen for a recording of {reader.name}")
        (tmp_path / "empty").mkdir()
        hold(not reader.recognises(open_members(tmp_path / "empty")), "an empty folder is recognised")
        for name, write in OURS.items():
            if name != reader.name:
                other = write(tmp_path / name)
                hold(not reader.recognises(open_members(other)), f"a recording of {name} is recognised")

    def test_opening_reads_no_samples(self, tmp_path: Path) -> None:
        """Names, headers and tables are enough to open: `--dry-run` must not take minutes."""
        source, reader = self._made(tmp_path), self._reader()
        opening = Watched.of(source)
        raw = reader.open(opening)
        samples = {name for trial in present(raw) for name in members_of(reader, source, trial)}
        hold(samples, "no member is read for any trial")
        read = sorted(opening.whole & samples)
        hold(not read, f"opening reads samples: {read[:3]}")
        long = sorted(n for n, size in opening.heads.items() if n in samples and size > LONGEST_HEAD)
        hold(not long, f"opening reads more than {LONGEST_HEAD} bytes of {long[:3]}")

    def test_the_source_is_never_written(self, tmp_path: Path) -> None:
        """Not even beside it: published recordings lie on media that cannot be written."""
        source, reader = self._made(tmp_path), self._reader()
        before = tree_of(tmp_path)
        reader.recognises(open_members(source))
        raw = reader.open(open_members(source))
        for trial in present(raw):
            all_of(raw, trial)
        for statistic in raw.statistics:
            raw.statistic(statistic)
        with known(reader):
            audit_source(source, reader=reader.name)
        changed = {name for name, _ in set(before.items()) ^ set(tree_of(tmp_path).items())}
        hold(not changed, f"{sorted(changed)[:3]} changed")

    def test_reading_twice_and_from_threads_gives_the_same(self, tmp_path: Path) -> None:
        """Trials are read in any order, by several threads at once, each with its own memory."""
        raw = self._opened(tmp_path)
        again = self._reader().open(open_members(raw.members.path))
        hold(again.identity == raw.identity, "the identity changes from one opening to the next")
        hold(again.trials == raw.trials, "the trials change from one opening to the next")
        serial = [all_of(raw, trial) for trial in present(raw)]
        with ThreadPoolExecutor(N_THREADS) as pool:
            threads = list(pool.map(lambda trial: all_of(again, trial, Memory()), present(again) * 2))
        for trial, one, other in zip(present(raw) * 2, serial * 2, threads, strict=True):
            hold(one == other, f"trial {trial.trial_id} differs from one reading to the next")

    def test_samples_are_as_announced(self, tmp_path: Path) -> None:
        """Shapes, dtypes and lengths are what the recording said before any sample was read."""
        raw = self._opened(tmp_path)
        hold(present(raw), "the recording has no trial")
        for trial in present(raw):
            scan = raw.scan(trial, allow_nan=False)
            hold(not scan.problems, f"trial {trial.trial_id}: {[str(problem) for problem in scan.problems]}")
            hold_film(raw, trial, scan)
            hold_signals(raw, trial, scan)
            hold_responses(raw, trial, scan)
            label: tuple[object, object] = raw.label(trial, len(scan.frames), 0.0)
            words = isinstance(label[0], str) and label[1] in get_args(LabelSource)
            hold(words, f"trial {trial.trial_id}: the label is {label}")

    def test_digests_are_those_of_the_members(self, tmp_path: Path) -> None:
        """The digest of a source is made of them."""
        raw = self._opened(tmp_path)
        found = dict(raw.digests)
        for trial in present(raw):
            found |= raw.scan(trial, allow_nan=False).digests
        for name, sha256 in found.items():
            hold(name in raw.members.sizes, f"a digest is given for `{name}`, which is no member")
            hold(raw.members.read(name).sha256 == sha256, f"the digest of {name} is not that of its bytes")

    def test_statistics_are_as_announced(self, tmp_path: Path) -> None:
        """Time comes first, and a dim of neurons has as many."""
        raw = self._opened(tmp_path)
        for statistic in raw.statistics:
            shape = raw.statistic(statistic).array.shape
            hold(
                len(shape) == len(statistic.dims), f"{statistic.path} has shape {shape}, its dims are {statistic.dims}"
            )
            sizes = dict(zip(statistic.dims, shape, strict=True))
            hold(sizes.get("neuron", raw.n_neurons) == raw.n_neurons, f"{statistic.path} has shape {shape}")

    def test_trials_are_what_is_known_of_them(self, tmp_path: Path) -> None:
        """Held against `truth`, in a store."""
        source, reader, truth = self._made(tmp_path), self._reader(), self.truth()
        if not truth:
            return
        with known(reader):
            convert(source, tmp_path / "x.zarr", reader=reader.name)
        table = open_session(tmp_path / "x.zarr").trials
        rows = {int(k): i for i, k in enumerate(table["trial_id"].values)}
        hold(sorted(rows) == sorted(one.trial_id for one in truth), f"the store has trials {sorted(rows)}")
        columns = {"tier": "tier", "n_valid": "n_valid", "withheld": "responses_withheld", "missing": "missing"}
        groups: set[tuple[str, int]] = set()
        for one in truth:
            row = rows[one.trial_id]
            for name, column in columns.items():
                wanted, seen = getattr(one, name), table[column].values[row]
                if wanted is not None:
                    hold(seen == wanted, f"trial {one.trial_id}: {column} is {seen}, expected {wanted}")
            if one.stimulus is not None and not one.missing:
                groups.add((one.stimulus, int(table["stimulus"].values[row])))
        hold(all(len({g[i] for g in groups}) == len(groups) for i in (0, 1)), f"films and groups are paired {groups}")

    def test_the_store_is_proven_equal(self, tmp_path: Path) -> None:
        """Every published value is in the store, to the bit or as rounded."""
        source, reader = self._made(tmp_path), self._reader()
        before = tree_of(tmp_path / "made")
        with known(reader):
            convert(source, tmp_path / "x.zarr", reader=reader.name)
            report = check_store(tmp_path / "x.zarr", against=source)
        wrong = [f"{f.where}: {f.what} [{f.code}]" for f in report.findings if f.severity == "error"]
        hold(not wrong, f"the store is not what the source holds: {wrong[:3]}")
        hold({"responses"} <= {equal.name for equal in report.equality}, "responses were not compared")
        differs = [equal.name for equal in report.equality if equal.holds == "differs"]
        hold(not differs, f"{differs} differ")
        hold(tree_of(tmp_path / "made") == before, "the source was written to")

    def test_a_zip_is_the_same_recording(self, tmp_path: Path) -> None:
        """Members and store are those of the folder."""
        if not self.zipped:
            return
        source, reader = self._made(tmp_path), self._reader()
        zipped = as_zip(source, tmp_path / f"{source.name}.zip")
        sizes = [dict(open_members(path).sizes) for path in (source, zipped)]
        hold(sizes[0] == sizes[1], "folder and zip name other members")
        with known(reader):
            for path, name in ((source, "a.zarr"), (zipped, "b.zarr")):
                convert(path, tmp_path / name, reader=reader.name)
        trees = [{k: v for k, v in tree_of(tmp_path / s).items() if k != "zarr.json"} for s in ("a.zarr", "b.zarr")]
        documents = [open_session(tmp_path / s).document.model_dump(mode="json") for s in ("a.zarr", "b.zarr")]
        for document in documents:
            del document["provenance"]["converted_at"], document["provenance"]["source_name"]
        hold(documents[0] == documents[1], "the session documents of folder and zip differ")
        hold(trees[0] == trees[1], f"the stores differ in {sorted(set(trees[0].items()) ^ set(trees[1].items()))[:3]}")

    def test_a_member_that_is_cut_short_is_named(self, tmp_path: Path) -> None:
        """Downloads break off."""
        self._hold_refusal(tmp_path, "cut short", lambda file: file.write_bytes(file.read_bytes()[:-8]))

    def test_a_member_that_holds_a_pickle_is_named(self, tmp_path: Path) -> None:
        """Loading one would run what is in it."""

        def pickle(file: Path) -> None:
            with file.open("wb") as target:
                np.save(target, PICKLED, allow_pickle=True)

        self._hold_refusal(tmp_path, "replaced by a pickle", pickle)

    def test_a_member_that_is_missing_is_named(self, tmp_path: Path) -> None:
        """The last trial lacks a file: nothing else shows that it was there."""
        self._hold_refusal(tmp_path, "removed", lambda file: file.unlink())

    def _hold_refusal(self, folder: Path, how: str, harm: Callable[[Path], object]) -> None:
        """Harm each member of the last trial in turn; conversion must name it and write nothing."""
        source, reader = self._made(folder), self._reader()
        last = present(reader.open(open_members(source)))[-1]
        for name in sorted(members_of(reader, source, last)):
            file = source / name
            whole = file.read_bytes()
            harm(file)
            before = tree_of(folder)
            try:
                with known(reader):
                    convert(source, folder / "x.zarr", reader=reader.name)
            except SourceInvalid as error:
                named = [p for p in error.problems if name in p.where or name in p.what]
                hold(named, f"{name} was {how}, and the problems do not name it: {[str(p) for p in error.problems]}")
            else:
                raise AssertionError(f"{name} was {how}, and the recording was converted")
            hold(tree_of(folder) == before, f"{name} was {how}, and something was written")
            file.write_bytes(whole)
