"""Whatever goes wrong on the way: the bytes that were written, or an error with a name, soon."""

from __future__ import annotations

import random
import warnings
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

import sensorium_data as sd
from sensorium_data.errors import SensoriumError, SlowReadWarning
from tests.servers.faults import seeded
from tests.streaming.everything import batches, everything, in_time, items, same
from tests.streaming.served import is_root, served

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers.faults import Choose, Fault, Request
    from tests.streaming.conftest import Stores
    from tests.streaming.everything import Values

KINDS = (
    "reset", "lost", "truncate", "stall", "wrong-length", "wrong-range", "wrong-bytes", "ignore-range", "html", "redirect",
    "drop-header", "408", "429", "500", "502", "503",
)  # fmt: skip
N_RUNS = 200


def but_the_root(choose: Choose) -> Choose:
    """Leave the bytes of the root as they are: nothing holds a checksum of it, and TCP and TLS have to do."""

    def chosen(request: Request) -> Fault | None:
        fault = choose(request)
        return None if fault is not None and fault.kind == "wrong-bytes" and is_root(request) else fault

    return chosen


def read(where: str | Path, way: str) -> Values:
    if way == "everything":
        return everything(sd.open_session(where))
    if way == "items":
        return items(sd.open_session(where), window=9)
    return batches(sd.open_session(where), window=9, batch_size=3, shuffle=True)


@pytest.fixture(scope="module")
def right(stores: Stores) -> dict[tuple[str, str], Values]:
    names, ways = ("compact", "fast", "portable"), ("everything", "items", "batches")
    return {(name, way): read(getattr(stores, name), way) for name in names for way in ways}


@pytest.mark.sweep
@pytest.mark.parametrize("tenth", range(10))
def test_right_or_named(
    stores: Stores,
    right: dict[tuple[str, str], Values],
    setting: Callable[..., None],
    tmp_path: Path,
    full: bool,
    tenth: int,
) -> None:
    for run in range(N_RUNS // 10 if full else N_RUNS // 100):
        one_run(stores, right, setting, tmp_path / str(run), seed=run * 10 + tenth)


def one_run(
    stores: Stores, right: dict[tuple[str, str], Values], setting: Callable[..., None], cache: Path, seed: int
) -> None:
    rng = random.Random(f"streaming {seed}")
    name, way = rng.choice(["compact", "fast", "portable"]), rng.choice(["everything", "items", "batches"])
    kinds = KINDS if rng.random() < 0.5 else [rng.choice(KINDS)]
    kept = rng.choice([0, 20_000, 1 << 30])
    setting(
        cache=cache,
        stream_cache_bytes=kept,
        n_requests=rng.choice([1, 2, 16]),
        timeout_s=1,
        n_retries=rng.choice([1, 3]),
    )
    with served(getattr(stores, name)) as far, warnings.catch_warnings():
        warnings.simplefilter("ignore", SlowReadWarning)
        far.proxy.clear(but_the_root(seeded(rng, rng.choice([0.02, 0.1, 0.5]), kinds)))
        found: Values | None = None
        with suppress(SensoriumError):  # and no other
            found = in_time(partial(read, far.url, way))
        if found is not None:
            same(right[name, way], found)
        far.proxy.clear()  # and what is kept of a bad time is right
        same(right[name, way], in_time(partial(read, far.url, way)))


@pytest.mark.parametrize("n_requests", [1, 16])
def test_a_bad_time_is_over(
    stores: Stores, right: dict[tuple[str, str], Values], setting: Callable[..., None], n_requests: int
) -> None:
    """What failed for a reader that is open goes well when it is asked again."""
    setting(n_requests=n_requests, n_retries=0, stream_cache_bytes=0)
    with served(stores.compact) as far:
        session = sd.open_session(far.url)
        far.proxy.clear(seeded(random.Random(0), 1.0, ["503"]))
        for _ in range(2):
            with pytest.raises(SensoriumError, match="503"):
                in_time(partial(items, session, window=9))
        far.proxy.clear()
        same(right["compact", "items"], in_time(partial(items, session, window=9)))
