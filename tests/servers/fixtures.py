"""Fixtures of the real servers, for a conftest to import; each skips with the reason where its server is absent.

A conftest that imports them lists them in its `__all__`. Several may: there is one server of a kind for each process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.azurite import Azurite
from tests.servers.gcs import QUIET, Gcs
from tests.servers.nginx import Nginx
from tests.servers.running import OneServer, obtain
from tests.servers.seaweed import Seaweed
from tests.servers.server import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["azurite", "gcs", "nginx", "seaweed"]


def _obtained(kind: type[OneServer]) -> OneServer:
    try:
        return obtain(kind)
    except Unavailable as problem:
        pytest.skip(str(problem))


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Seaweed]:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in Seaweed.environment.items():
            patched.setenv(name, value)
        yield _obtained(Seaweed)


@pytest.fixture(scope="session")
def nginx() -> Nginx:
    return _obtained(Nginx)


@pytest.fixture(scope="session")
def azurite() -> Azurite:
    return _obtained(Azurite)


@pytest.fixture(scope="session")
def gcs() -> Iterator[Gcs]:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in QUIET.items():
            patched.setenv(name, value)
        yield _obtained(Gcs)
