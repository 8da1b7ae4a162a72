"""Pieces of an object on disk, and the room for all of them, against a model: in any order of what may happen."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sensorium_data.remote import quota as quotas
from sensorium_data.remote.quota import Quota
from sensorium_data.remote.sparse import SparseObject, held_bytes

N, NAMES = 12, ("a", "b", "c")
PIECES = st.tuples(st.integers(0, N - 1), st.integers(1, N)).map(lambda pair: (pair[0], min(N, pair[0] + pair[1])))


class Cache(RuleBasedStateMachine):
    """Objects in two processes: what one has added the other has; nothing is ever read that was not added."""

    @initialize(
        limit=st.integers(0, 40_000), rests=st.booleans(), sizes=st.lists(st.integers(1, 3000), min_size=N, max_size=N)
    )
    def begin(self, limit: int, rests: bool, sizes: list[int]) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
        self.quotas = [Quota(self.folder, limit, rests_s=600 if rests else 0) for _ in range(2)]
        self.gives_up = not rests
        self.objects = [
            {name: SparseObject(self.folder / "store" / name, self.starts[-1], N, quota) for name in NAMES}
            for quota in self.quotas
        ]
        self.model: dict[str, set[int]] = {name: set() for name in NAMES}

    def teardown(self) -> None:
        shutil.rmtree(getattr(self, "folder", "none"), ignore_errors=True)

    def bytes_of(self, name: str, first: int, stop: int) -> bytes:
        own = np.random.default_rng(ord(name)).integers(1, 256, self.starts[-1], np.uint8)
        return bytes(own[self.starts[first] : self.starts[stop]])

    @rule(process=st.integers(0, 1), name=st.sampled_from(NAMES), pieces=PIECES)
    def add(self, process: int, name: str, pieces: tuple[int, int]) -> None:
        first, stop = pieces
        one = self.objects[process][name]
        one.add(self.starts[first], self.bytes_of(name, first, stop), first, stop)
        if one.has(first, stop):
            self.model[name] |= set(range(first, stop))

    @rule(process=st.integers(0, 1), name=st.sampled_from(NAMES), pieces=PIECES)
    def drop(self, process: int, name: str, pieces: tuple[int, int]) -> None:
        self.objects[process][name].drop(*pieces)
        if self.objects[process][name]._state is not None:
            self.model[name] -= set(range(*pieces))

    @rule(process=st.integers(0, 1), name=st.sampled_from(NAMES), pieces=PIECES)
    def read(self, process: int, name: str, pieces: tuple[int, int]) -> None:
        first, stop = pieces
        out = np.zeros(self.starts[stop] - self.starts[first], np.uint8)
        one = self.objects[process][name]
        there = one.has(first, stop)
        if one.read(self.starts[first], out, first, stop):
            assert there
            assert set(range(first, stop)) <= self.model[name]
            assert out.tobytes() == self.bytes_of(name, first, stop)
        elif there:
            pytest.fail("what is there cannot be read")

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        """Somebody tidies up by hand."""
        for ending in ("map", "data"):
            (self.folder / "store" / f"{name}.{ending}").unlink(missing_ok=True)
        for objects in self.objects:
            objects[name].drop(0, N)
        self.model[name].clear()

    @rule()
    def forget_when(self) -> None:
        """Seconds pass."""
        for quota in self.quotas:
            quota._looked = 0.0

    @invariant()
    def bounded(self) -> None:
        if hasattr(self, "folder"):
            limit = self.quotas[0].limit
            assert self.quotas[0].used() <= limit
            assert sum(path.stat().st_blocks * 512 for path in self.folder.glob("*/*.data")) <= limit

    @invariant()
    def has_what_was_added(self) -> None:
        """Without giving up, everything; else at most that."""
        for objects in getattr(self, "objects", ()):
            for name, one in objects.items():
                there = {k for k in range(N) if one.has(k, k + 1)}
                assert there <= self.model[name]


TestCache = Cache.TestCase
TestCache.settings = hypothesis_settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_room_of_one_thread_is_not_that_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gives up waiting for the lock leaves the one that has it alone."""
    monkeypatch.setattr(quotas, "TRIES", 2)
    quota = Quota(tmp_path, 1000)
    refused: list[bool] = []

    def other() -> None:
        with quota.granted(10, tmp_path) as granted:
            refused.append(granted)

    with quota.granted(100, tmp_path) as granted:
        assert granted
        thread = Thread(target=other)
        thread.start()
        thread.join(60)
        quota.took(100)
    assert refused == [False]
    assert quota.used() == 100


def test_a_map_that_is_none(tmp_path: Path) -> None:
    for text in (b"", b"SDM1", b"none of ours, but long enough"):
        (tmp_path / "x.map").write_bytes(text)
        assert held_bytes(tmp_path / "x.map") == 0
    assert held_bytes(tmp_path / "y.map") == 0
