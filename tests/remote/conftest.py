"""The servers, and settings of a test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sensorium_data.settings import settings
from tests.servers.fixtures import azurite, gcs, nginx, seaweed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["azurite", "gcs", "nginx", "seaweed"]

FOREIGN = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`setting(timeout_s=1)` sets what the environment says, for one test."""

    def set_(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"SENSORIUM_DATA_{name.upper()}", str(value))
        settings.cache_clear()

    return set_


@pytest.fixture(autouse=True)
def quick(setting: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Short waits, and no way around through a proxy of this machine."""
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sensorium_data.remote.patience.FIRST_S", 0.002)
    setting(timeout_s=2, deadline_s=6, n_retries=2)
    yield
    monkeypatch.undo()
    settings.cache_clear()
