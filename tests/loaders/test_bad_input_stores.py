"""Stores that are damaged, changed or removed: found when they are read, named, and never served."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

import sensorium_data as sd
from sensorium_data.errors import NotFound, SensoriumError, StoreInvalid
from sensorium_data.loaders import WindowLoader, make_loader
from sensorium_data.store.opened import OpenStore
from tests.loaders.conftest import FIRST
from tests.loaders.served import copied, differences, no_reader_threads, same
from tests.store.damage import Damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.loaders.conftest import Mice

ONE_BY_ONE: Any = {"window": "trial", "tier": "train", "shuffle": False, "batch_size": 1}
FILM, RESPONSES = "stimuli/frames", "signals/responses/values"
CHUNK = 20  # rows


@pytest.fixture(scope="module")
def raw(mice: Mice, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first mouse in a store whose films and responses are as they are in memory."""
    store = tmp_path_factory.mktemp("raw") / f"{FIRST}.zarr"
    sd.convert(mice.sources[0], store, preset="fast")
    return store


@dataclass
class Spoilt:
    """A copy of a store, and where the third training trial is in it."""

    path: Path

    def rows(self, array: str) -> slice:
        handle = sd.open_session(self.path).handle
        row = (handle.trials["tier"] == "train").nonzero()[0][2]
        found = handle.frames(row) if array == FILM else handle.rows("responses", row)
        assert found is not None
        return found

    def flip(self, array: str, *, quietly: bool = False) -> tuple[str, int]:
        """Flip a bit in the last chunk of the trial; return its file and number. Quietly: the file looks as it did."""
        store = OpenStore(self.path)
        chunk = (self.rows(array).stop - 1) // CHUNK
        offset, length = store.sidecar.shards[array][0].index[chunk].tolist()
        (file,) = (p for p in (self.path / array).rglob("*") if p.is_file() and p.name != "zarr.json")
        key, before = str(file.relative_to(self.path)), file.stat()
        row = (self.rows(array).stop - 1) % CHUNK if length % CHUNK == 0 else CHUNK // 2
        Damaged(self.path).flip(key, offset + row * (length // CHUNK) + 2)
        if quietly:
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        return key, chunk


@pytest.fixture
def spoilt(mice: Mice, raw: Path, tmp_path: Path) -> Callable[[str], Spoilt]:
    """`spoilt("compact")` is a copy of the first mouse, to be spoiled."""

    def make(preset: str) -> Spoilt:
        return Spoilt(shutil.copytree(raw if preset == "fast" else mice.first, tmp_path / f"{preset} {FIRST}.zarr"))

    return make


def until_error(iterator: Iterator[Any]) -> tuple[list[Any], SensoriumError]:
    """Copies of the batches until something is raised, and what it is."""
    seen: list[Any] = []
    with pytest.raises(SensoriumError) as caught:
        seen.extend(copied([batch])[0] for batch in iterator)
    return seen, caught.value


@pytest.mark.parametrize("n_threads", [0, 2])
@pytest.mark.parametrize("array", [FILM, RESPONSES])
@pytest.mark.parametrize("preset", ["compact", "fast"])
def test_a_flipped_bit_is_named_and_never_served(
    spoilt: Callable[[str], Spoilt], run: Callable[..., tuple[int, str, str]], preset: str, array: str, n_threads: int
) -> None:
    store = spoilt(preset)
    wanted = copied(make_loader(store.path, **ONE_BY_ONE))
    file, chunk = store.flip(array)
    loader = make_loader(store.path, n_threads=n_threads, **ONE_BY_ONE)
    for _ in range(2):  # it stays unseen in the next epoch
        seen, error = until_error(iter(loader))
        assert len(seen) < len(wanted)
        assert differences(seen, wanted[: len(seen)]) == []
        assert (type(error), error.code) == (StoreInvalid, "chunk-damaged")
        assert f"{store.path}: `{array}` is damaged in {file}, chunk {chunk} (rows {chunk * CHUNK} to" in error.message
        assert "sensorium-data check" in error.hint
        assert "\n" not in error.message
    no_reader_threads()
    code, out, err = run("check", store.path)
    assert code == 5
    assert file in out + err


@pytest.mark.parametrize("name", ["pupil", "gaze", "running"])
def test_small_signals_are_checked_as_well(spoilt: Callable[[str], Spoilt], name: str) -> None:
    store = spoilt("compact")
    array = f"signals/{name}/values"
    (file,) = (p for p in (store.path / array).rglob("*") if p.is_file() and p.name != "zarr.json")
    Damaged(store.path).flip(str(file.relative_to(store.path)), 40)
    with pytest.raises(
        StoreInvalid, match=f"`{array}` is damaged in {file.relative_to(store.path)}, chunk 0"
    ) as caught:
        list(make_loader(store.path, **ONE_BY_ONE))
    assert caught.value.code == "chunk-damaged"


def test_without_checksums_a_flipped_bit_is_served(spoilt: Callable[[str], Spoilt]) -> None:
    """What `never` means, where nothing is decoded."""
    store = spoilt("fast")
    wanted = copied(make_loader(store.path, **ONE_BY_ONE))
    store.flip(FILM)
    served = list(make_loader(store.path, verify="never", **ONE_BY_ONE))
    wrong = [one["video"] != other["video"] for one, other in zip(served, wanted, strict=True)]
    assert sum(int(pixels.sum()) for pixels in wrong) == 1
    assert all(same(one["responses"], other["responses"]) for one, other in zip(served, wanted, strict=True))


def test_always_finds_what_went_bad_after_the_first_read(spoilt: Callable[[str], Spoilt]) -> None:
    store = spoilt("fast")
    loaders = {verify: make_loader(store.path, verify=verify, **ONE_BY_ONE) for verify in ("first", "always")}
    wanted = {verify: copied(loader) for verify, loader in loaders.items()}
    assert differences(wanted["first"], wanted["always"]) == []
    file, chunk = store.flip(RESPONSES, quietly=True)
    assert len(list(loaders["first"])) == len(wanted["first"])  # each chunk was sound when it was first read
    seen, error = until_error(iter(loaders["always"]))
    assert differences(seen, wanted["always"][: len(seen)]) == []
    assert f"is damaged in {file}, chunk {chunk} " in error.message


# -- stores that change under a loader


def replaced(store: Path, source: Path) -> None:
    sd.convert(source, store, existing="replace", preset="portable")


def removed(store: Path, source: Path) -> None:
    shutil.rmtree(store)


def moved(store: Path, source: Path) -> None:
    other = store.with_name("other.zarr")
    sd.convert(source, other)
    shutil.rmtree(store)
    other.rename(store)


def written(store: Path, source: Path) -> None:
    Damaged(store).flip(f"{FILM}/c/0/0/0")


CHANGES: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "converted again": (replaced, "was removed or replaced since the session was opened"),
    "removed": (removed, "was removed or replaced since the session was opened"),
    "another in its place": (moved, "was removed or replaced since the session was opened"),
    "written to": (written, "was written to since the session was opened"),
}


@pytest.mark.parametrize("n_threads", [0, 2])
@pytest.mark.parametrize("change", CHANGES)
def test_a_store_that_changes_while_batches_are_made(
    mice: Mice, spoilt: Callable[[str], Spoilt], change: str, n_threads: int
) -> None:
    store, (spoil, said) = spoilt("compact"), CHANGES[change]
    options: Any = {"window": 9, "stride": 3, "batch_size": 2, "shuffle": False, "n_threads": n_threads}
    wanted = copied(make_loader(store.path, **options))
    loader = make_loader(store.path, n_ahead=2, **options)
    iterator = iter(loader)
    seen = copied([next(iterator), next(iterator)])
    spoil(store.path, mice.sources[0])
    more, error = until_error(iterator)
    seen += more
    assert 2 <= len(seen) < len(wanted)
    assert differences(seen, wanted[: len(seen)]) == []
    assert (type(error), error.code) == (StoreInvalid, "store-changed")
    assert said in error.message
    assert "open the session again" in error.hint
    no_reader_threads()
    assert list(iterator) == []
    assert loader.state_dict()["n_consumed"] == len(seen)  # where a new loader can go on


def test_a_store_that_is_gone_before_the_first_batch(spoilt: Callable[[str], Spoilt]) -> None:
    store = spoilt("compact")
    loader = make_loader(store.path, window=9, signals=["video", "responses"])
    shutil.rmtree(store.path)
    _, error = until_error(iter(loader))
    assert type(error) in (StoreInvalid, NotFound)
    assert str(store.path) in error.message
    assert error.hint


def test_a_loader_made_anew_goes_on_with_the_new_store(mice: Mice, spoilt: Callable[[str], Spoilt]) -> None:
    """Conversions of one recording hold the same numbers, whatever their codecs: a state of one fits the other."""
    store = spoilt("compact")

    def make() -> WindowLoader:
        return make_loader(store.path, window=9, stride=3, batch_size=2)

    wanted = copied(make())
    loader = make()
    iterator = iter(loader)
    next(iterator)
    replaced(store.path, mice.sources[0])
    until_error(iterator)
    state, again = loader.state_dict(), make()
    again.load_state_dict(state)
    n_seen = int(str(state["n_consumed"]))
    assert 0 < n_seen < len(wanted)
    assert differences(list(again), wanted[n_seen:]) == []
