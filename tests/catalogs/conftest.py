"""What downloads are tested with: a publisher, a folder, a cache of one's own, and no long waits."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from sensorium_data.remote import patience
from sensorium_data.settings import settings
from tests.catalogs.publisher import Publisher, publishing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ZIP = b"PK\x03\x04"


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SENSORIUM_DATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SENSORIUM_DATA_N_RETRIES", "3")
    monkeypatch.setenv("SENSORIUM_DATA_TIMEOUT_S", "2")
    monkeypatch.setenv("SENSORIUM_DATA_DEADLINE_S", "20")
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(patience, "FIRST_S", 0.002)
    monkeypatch.setattr(patience, "LONGEST_S", 0.01)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], None]:
    """`setting("offline", 1)` sets it for this test."""

    def change(name: str, value: object) -> None:
        monkeypatch.setenv(f"SENSORIUM_DATA_{name.upper()}", str(value))
        settings.cache_clear()

    return change


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as found:
        yield found


@pytest.fixture
def data() -> bytes:
    """Return a file of 400 kB that begins as a zip does."""
    return ZIP + random.Random(7).randbytes(400_000)
