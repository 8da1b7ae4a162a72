"""The contract of readers can fail: a reader that breaks one promise fails the test of that promise."""

from __future__ import annotations

import inspect
import io
from dataclasses import fields, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from sensorium_data.errors import SourceInvalid
from sensorium_data.schemas import Identity
from sensorium_data.sources import RawSession, installed_sources
from sensorium_data.sources.members import Content, Memory
from sensorium_data.sources.npy import Loaded, load
from sensorium_data.sources.sensorium2023 import Recording, Sensorium2023
from sensorium_data.testing import SourceContract, Truth, describe_sensorium2023, write_sensorium2023
from sensorium_data.testing.watched import Watched, known

if TYPE_CHECKING:
    from sensorium_data.sources import RawStatistic, RawTrial, Scan, Source
    from sensorium_data.sources.members import Members

PLAN: dict[str, Any] = {"n_train": 1, "n_repeats": 2, "withhold": True}
TIERS = "meta/trials/tiers.npy"


def contract_of(broken: Source) -> SourceContract:
    class Contract(SourceContract):
        reader = broken

        def make(self, folder: Path) -> Path:
            return write_sensorium2023(folder, n_neurons=3, frame_shape=(8, 12), **PLAN)

        def truth(self) -> list[Truth]:
            return [
                Truth(t.trial_id, t.tier, t.n_valid, t.withheld, t.missing, t.film)
                for t in describe_sensorium2023(**PLAN)
            ]

    return Contract()


class As(Sensorium2023):
    """The reader of this package, its recordings turned into another class."""

    Kind: ClassVar[type[Recording]]

    def open(self, members: Members) -> RawSession:
        raw = super().open(members)
        return self.Kind(**{field.name: getattr(raw, field.name) for field in fields(raw)})


class NeuronsFirst(As):
    class Kind(Recording):
        def responses(self, trial: RawTrial, n_valid: int, memory: Memory | None = None) -> Loaded:
            loaded = super().responses(trial, n_valid, memory)
            return Loaded(loaded.array.T, loaded.sha256)


class Restless(As):
    class Kind(Recording):
        reads: ClassVar[count[int]] = count()

        def responses(self, trial: RawTrial, n_valid: int, memory: Memory | None = None) -> Loaded:
            loaded = super().responses(trial, n_valid, memory)
            return Loaded(loaded.array + next(self.reads), loaded.sha256)


class OneMemory(As):
    """Threads overwrite each other's signals."""

    class Kind(Recording):
        shared: ClassVar[dict[str, Any]] = {}

        def scan(self, trial: RawTrial, *, allow_nan: bool, memory: Memory | None = None) -> Scan:
            scan = super().scan(trial, allow_nan=allow_nan, memory=memory)
            first = self.shared.setdefault("running", np.zeros(1000))
            first[: len(scan.frames)] += scan.signals["running"]
            return replace(scan, signals=scan.signals | {"running": first[: len(scan.frames)].copy()})


class Blind(As):
    """What is withheld is not told."""

    class Kind(Recording):
        def scan(self, trial: RawTrial, *, allow_nan: bool, memory: Memory | None = None) -> Scan:
            return replace(super().scan(trial, allow_nan=allow_nan, memory=memory), withheld=False)


class Hasty(As):
    class Kind(Recording):
        def scan(self, trial: RawTrial, *, allow_nan: bool, memory: Memory | None = None) -> Scan:
            scan = super().scan(trial, allow_nan=allow_nan, memory=memory)
            return replace(scan, digests=dict.fromkeys(scan.digests, "0" * 64))


class Sideways(As):
    class Kind(Recording):
        def statistic(self, statistic: RawStatistic) -> Loaded:
            return load(self.members, statistic.member)


class Speechless(As):
    class Kind(Recording):
        def label(self, trial: RawTrial, n_valid: int, still: float) -> Any:
            del trial, n_valid, still
            return None, ""


class Relabelled(Sensorium2023):
    def open(self, members: Members) -> RawSession:
        raw = super().open(members)
        return replace(raw, trials=tuple(replace(trial, tier="train") for trial in raw.trials))


class Inventive(Sensorium2023):
    def open(self, members: Members) -> RawSession:
        raw = super().open(members)
        return replace(raw, trials=tuple(replace(trial, tier="holdout") for trial in raw.trials))


class Careless(Sensorium2023):
    """Drops a file into the source, as the official loader does."""

    def open(self, members: Members) -> RawSession:
        (Path(str(members.path)) / "config.json").write_text("{}")
        return super().open(members)


class Eager(Sensorium2023):
    def open(self, members: Members) -> RawSession:
        members.read("data/responses/0.npy")
        return super().open(members)


class Peeking(Sensorium2023):
    def open(self, members: Members) -> RawSession:
        members.head("data/responses/0.npy", 1 << 20)
        return super().open(members)


class Greedy(Sensorium2023):
    def recognises(self, members: Members) -> bool:
        del members
        return True


class Shy(Sensorium2023):
    def recognises(self, members: Members) -> bool:
        del members
        return False


class Twin(Sensorium2023):
    """Claims what another reader claims."""

    name: ClassVar[str] = "twin"


class Nameless(Sensorium2023):
    name: ClassVar[str] = "my reader"


class Mute(Sensorium2023):
    looks_for: ClassVar[str] = " "


class Pathbound(Sensorium2023):
    """Names a recording after the file it lies in."""

    def open(self, members: Members) -> RawSession:
        raw = super().open(members)
        return replace(raw, identity=Identity(**{**raw.identity.model_dump(), "name": members.path.name}))


class Without(Watched):
    """Members without those of some trials, whose tier is said to be `none`."""

    gone: tuple[str, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        return {n: size for n, size in super().sizes.items() if not n.endswith(tuple(f"/{k}.npy" for k in self.gone))}

    def read(self, name: str, memory: Memory | None = None) -> Content:
        content = super().read(name, memory)
        if name != TIERS:
            return content
        tiers = np.load(io.BytesIO(content.data))
        tiers[[int(k) for k in self.gone]] = "none"
        np.save(changed := io.BytesIO(), tiers)
        return Content(memoryview(changed.getvalue()), content.sha256)


class Forgiving(Sensorium2023):
    """Leaves out, without a word, the trials whose files are not what they should be."""

    def open(self, members: Members) -> RawSession:
        try:
            return super().open(members)
        except SourceInvalid as error:
            kept = Without(members)
            kept.gone = tuple({problem.where.split("/")[-1].removesuffix(".npy") for problem in error.problems})
            return super().open(kept)


BROKEN: list[tuple[type[Sensorium2023], str, str]] = [
    (Nameless, "it_has_a_name_and_says_what_it_looks_for", "no plain word"),
    (Mute, "it_has_a_name_and_says_what_it_looks_for", "looks_for is empty"),
    (Shy, "it_recognises_its_own_and_nothing_else", "does not recognise its own"),
    (Greedy, "it_recognises_its_own_and_nothing_else", "an empty folder is recognised"),
    (Eager, "opening_reads_no_samples", r"opening reads samples: \['data/responses/0.npy'\]"),
    (Peeking, "opening_reads_no_samples", "opening reads more than 65536 bytes"),
    (Careless, "the_source_is_never_written", "config.json'] changed"),
    (Restless, "reading_twice_and_from_threads_gives_the_same", "differs from one reading to the next"),
    (OneMemory, "reading_twice_and_from_threads_gives_the_same", "differs from one reading to the next"),
    (NeuronsFirst, "samples_are_as_announced", r"have shape \(3, \d+\)"),
    (Inventive, "samples_are_as_announced", "has tier `holdout`, which is none of train, oracle"),
    (Blind, "samples_are_as_announced", "responses cannot be read"),
    (Speechless, "samples_are_as_announced", "the label is"),
    (Hasty, "digests_are_those_of_the_members", "is not that of its bytes"),
    (Sideways, "statistics_are_as_announced", "has shape"),
    (Relabelled, "trials_are_what_is_known_of_them", "tier is train, expected"),
    (Restless, "the_store_is_proven_equal", "not what the source holds"),
    (Pathbound, "a_zip_is_the_same_recording", "session documents"),
    (Forgiving, "a_member_that_is_cut_short_is_named", "cut short, and the recording was converted"),
    (Forgiving, "a_member_that_holds_a_pickle_is_named", "replaced by a pickle, and the recording was converted"),
    (Forgiving, "a_member_that_is_missing_is_named", "removed, and the recording was converted"),
]


def call(contract: SourceContract, method: str, folder: Path) -> None:
    test = getattr(contract, f"test_{method}")
    test(*[folder] * len(inspect.signature(test).parameters))


@pytest.mark.parametrize(("reader", "method", "words"), BROKEN, ids=[f"{r.__name__}-{m}" for r, m, _ in BROKEN])
def test_a_broken_reader_fails(tmp_path: Path, reader: type[Sensorium2023], method: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        call(contract_of(reader()), method, tmp_path)


def test_every_promise_can_be_broken() -> None:
    methods = {name.removeprefix("test_") for name in dir(SourceContract) if name.startswith("test_")}
    assert {method for _, method, _ in BROKEN} == methods


def test_two_readers_of_one_format(tmp_path: Path) -> None:
    with pytest.raises(SourceInvalid, match="all recognise it"):
        call(contract_of(Twin()), "it_recognises_its_own_and_nothing_else", tmp_path)


def test_a_reader_is_known_for_a_while() -> None:
    from sensorium_data.sources import registry

    with known(Twin()):
        assert "twin" in registry.installed_sources()
    assert "twin" not in registry.installed_sources()
    assert installed_sources().keys() == registry.installed_sources().keys()


def test_a_contract_without_a_recording_says_so() -> None:
    with pytest.raises(TypeError, match="make"):
        SourceContract()  # type: ignore[abstract]  # what a checker would say, without one
