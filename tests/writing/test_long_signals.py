"""Hours of one stream: its samples stay in their own file, and who asks for a table does not read them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import google_crc32c
import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.store import sidecar
from sensorium_data.store.layout import Paths
from sensorium_data.store.opened import OpenStore
from sensorium_data.store.sidecar import pack_sidecar, read_sidecar

if TYPE_CHECKING:
    from pathlib import Path

N = 400_000
VALUES = np.random.default_rng(0).random(N, dtype=np.float32)  # 1.4 MB, however packed
TIMES_S = 1_700_000_000 + np.arange(N) / 100 + np.random.default_rng(1).integers(0, 2**22, N) / 10**9


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("long") / "own.zarr"
    signals = [
        sd.SignalData("running", VALUES, unit="cm/s", times_s=TIMES_S),
        sd.SignalData("pupil", VALUES[:500], unit="px", rate_hz=20, start_s=1_700_000_000),
    ]
    trials = {"start_s": 1_700_000_000 + np.arange(3.0), "stop_s": 1_700_000_000.5 + np.arange(3.0)}
    sd.write_session(target, identity="m", signals=signals, trials=trials)
    return target


def test_long_arrays_are_not_in_the_sidecar(store: Path) -> None:
    chunks = OpenStore(store).sidecar.chunks
    for path, is_held in [(Paths.values("running"), False), (Paths.values("pupil"), True), ("trials/start", True)]:
        data = (store / chunks[path].key).read_bytes()
        assert (chunks[path].size, chunks[path].crc) == (len(data), google_crc32c.value(data))
        assert chunks[path].data == (data if is_held else None)
    assert (store / Paths.sidecar / "c/0").stat().st_size < (store / chunks[Paths.values("running")].key).stat().st_size


def test_they_are_read_all_the_same(store: Path) -> None:
    assert check_store(store).findings == ()
    session = sd.open_session(store)
    np.testing.assert_array_equal(session["running"].to_numpy(), VALUES)
    np.testing.assert_array_equal(session["running"]["time"].to_numpy()[[0, 7, -1]], TIMES_S[[0, 7, -1]])
    assert session.trial(1)["running"].shape == (50,)


@pytest.mark.parametrize("path", [Paths.values("running"), Paths.times("running")])
def test_damage_to_one_is_found(store: Path, path: str) -> None:
    file = store / path / "c/0"
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:-1])
        assert {"sidecar", "digests"} <= {finding.code for finding in check_store(store).findings}
        file.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
        found = check_store(store, codes=["sidecar", "digests"]).findings
        assert [(finding.code, finding.where) for finding in found] == [("digests", f"{path}/c/0")]
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_the_bound_is_one_mebibyte(beyond: int) -> None:
    data = os.urandom(sidecar.LARGE + beyond)
    packed = pack_sidecar([], {"a": ("a/c/0", data), "b": ("b/c/0", b"few")})
    chunks = read_sidecar(packed, "here").chunks
    held = chunks["a"].data
    assert (None if held is None else bytes(held)) == (None if beyond > 0 else data)
    assert (chunks["a"].size, chunks["a"].crc) == (len(data), google_crc32c.value(data))
    assert (bytes(chunks["b"].data or b""), chunks["b"].size) == (b"few", 3)
