"""The document of a small session, which every store made here carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sensorium_data.reading import memory
from sensorium_data.store.opened import OpenStore
from sensorium_data.testing import make_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sensorium_data.schemas import Session


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole session store, not to be changed."""
    return make_session(tmp_path_factory.mktemp("session"), n_neurons=6, n_train=3)


@pytest.fixture(scope="session")
def document(sound: Path) -> Session:
    return OpenStore(sound).session


@pytest.fixture(autouse=True, scope="session")
def _slabs_of_one_chunk() -> Iterator[None]:
    """Have budgets asked for single chunks: the arrays of these tests are smaller than what is asked for at once."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(memory, "SLAB", 1)
        yield
