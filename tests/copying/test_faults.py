"""Whatever goes wrong on the way: the whole store, or an error with a name and nothing that could be opened."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from sensorium_data.copying import copy_store
from sensorium_data.errors import SensoriumError
from tests.copying.places import files, objects
from tests.servers.faults import Fault, always, once, seeded
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers.faults import Request
    from tests.servers.seaweed import Seaweed

KINDS = (
    "reset", "lost", "truncate", "stall", "wrong-length", "wrong-range", "wrong-bytes", "ignore-range", "html",
    "drop-header", "429", "500", "502", "503",
)  # fmt: skip
N_RUNS = 40


def is_put(request: Request) -> bool:
    return request.method == "PUT"


def failure(store: str | Path, target: str | Path, options: dict[str, Any]) -> str:
    """Copy, and return the code of the error that it ends with, "" where it ends well; anything else is raised."""
    try:
        copy_store(store, target, storage_options=options)
    except SensoriumError as error:
        return error.code
    return ""


@pytest.mark.sweep
def test_up(seaweed: Seaweed, store: Path, setting: Callable[..., None], tmp_path: Path, full: bool) -> None:
    where = seaweed.create_bucket()
    for run in range(N_RUNS if full else N_RUNS // 20):
        rng = random.Random(f"up {run}")
        setting(cache=tmp_path / f"cache-{run}", timeout_s=1, deadline_s=20)
        target, right = f"s3://{where}/{run}.zarr", seaweed.storage_options
        kinds = KINDS if rng.random() < 0.7 else [rng.choice(KINDS)]
        share = rng.choice([0.005, 0.03, 0.2])
        with Proxy(seaweed.address, seeded(rng, share, kinds), whole=seaweed.whole) as proxy:
            options = right | seaweed.options_at(proxy.endpoint) | {"anon": False}
            failed = failure(store, target, options)
            left = objects(target, right)
            # With an error the root is there only where what failed was to look at it again.
            assert ("zarr.json" in left) or failed
            assert "zarr.json" not in left or left == files(store)
        again = copy_store(store, target, existing="resume", storage_options=right)
        assert again.status in {"resumed", "copied", "up-to-date"}
        assert objects(target, right) == files(store)


@pytest.mark.sweep
def test_down(seaweed: Seaweed, store: Path, setting: Callable[..., None], tmp_path: Path, full: bool) -> None:
    source, right = f"s3://{seaweed.create_bucket()}/mouse.zarr", seaweed.storage_options
    copy_store(store, source, storage_options=right)
    for run in range(N_RUNS if full else N_RUNS // 20):
        rng = random.Random(f"down {run}")
        setting(cache=tmp_path / f"cache-{run}", timeout_s=1, deadline_s=20)
        target = tmp_path / f"{run}.zarr"
        kinds = KINDS if rng.random() < 0.7 else [rng.choice(KINDS)]
        with Proxy(seaweed.address, seeded(rng, rng.choice([0.005, 0.03, 0.2]), kinds), whole=seaweed.whole) as proxy:
            options = right | seaweed.options_at(proxy.endpoint) | {"anon": False}
            failed = failure(source, target, options)
        assert target.exists() != bool(failed)
        if failed:
            copy_store(source, target, storage_options=right)
        assert files(target) == files(store)


def test_what_is_written_is_refused(seaweed: Seaweed, store: Path) -> None:
    target = f"s3://{seaweed.create_bucket()}/mouse.zarr"
    with Proxy(seaweed.address, always("503", only=is_put)) as proxy:
        options = seaweed.storage_options | seaweed.options_at(proxy.endpoint) | {"anon": False}
        with pytest.raises(SensoriumError) as caught:
            copy_store(store, target, storage_options=options)
    assert caught.value.code == "unreachable"
    assert objects(target, seaweed.storage_options) == {}


def test_an_answer_that_is_lost(seaweed: Seaweed, store: Path) -> None:
    """What arrived and was not acknowledged is sent again, or found to be there; the store is whole."""
    target = f"s3://{seaweed.create_bucket()}/mouse.zarr"
    with Proxy(seaweed.address, once("lost", at=5, only=is_put)) as proxy:
        options = seaweed.storage_options | seaweed.options_at(proxy.endpoint) | {"anon": False}
        assert copy_store(store, target, storage_options=options).status == "copied"
        assert any(seen.fault == "lost" for seen in proxy.seen)
    assert objects(target, seaweed.storage_options) == files(store)


def test_a_source_replaced_half_way(seaweed: Seaweed, store: Path, other: Path, tmp_path: Path) -> None:
    bucket = seaweed.create_bucket()
    source, right = f"s3://{bucket}/mouse.zarr", seaweed.storage_options
    copy_store(store, source, storage_options=right)
    done = [False]

    def replace(request: Request) -> None:
        del request
        if not done[0]:
            done[0] = True
            for key, data in files(other).items():
                seaweed.put(bucket, f"mouse.zarr/{key}", data)

    def is_shard(request: Request) -> bool:
        return request.method == "GET" and "/stimuli/frames/c/" in request.path

    with Proxy(seaweed.address, once(Fault("replace", hook=replace), only=is_shard)) as proxy:
        options = right | seaweed.options_at(proxy.endpoint) | {"anon": False}
        with pytest.raises(SensoriumError) as caught:
            copy_store(source, tmp_path / "copy.zarr", storage_options=options)
    assert caught.value.code == "changed-remote"
    assert not (tmp_path / "copy.zarr").exists()
