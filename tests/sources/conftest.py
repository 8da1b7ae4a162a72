"""A web server for each test that asks for one, and little patience with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sensorium_data.settings import settings
from tests.sources.webserver import Web, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("SENSORIUM_DATA_N_RETRIES", "1")
    settings.cache_clear()
    with serving() as web:
        yield web
    settings.cache_clear()
