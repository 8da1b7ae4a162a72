"""A store that becomes another one under whoever reads it: an error that says so, and never values of both."""

from __future__ import annotations

import pickle
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import sensorium_data as sd
from sensorium_data.errors import SensoriumError, StoreInvalid
from sensorium_data.loaders import WindowDataset, make_loader
from tests.servers.faults import Fault, always, once
from tests.streaming.everything import batches, in_time, items, of_item, same
from tests.streaming.served import Served, is_root, is_shard, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.streaming.conftest import Stores
    from tests.streaming.everything import Values

SOME: dict[str, Any] = {"window": 8, "batch_size": 2}


@pytest.fixture
def far(stores: Stores) -> Iterator[Served]:
    with served(stores.compact) as far:
        yield far


def until_it_fails(loader: Any, after_first: Callable[[], object]) -> tuple[Values, SensoriumError | None]:
    """Return the batches of an epoch up to the error that ends it, with something done after the first."""
    found: Values = {}
    try:
        for b, batch in enumerate(loader):
            found |= {f"{b}: {name}": value.copy() for name, value in of_item(batch)}
            if b == 0:
                after_first()
    except SensoriumError as error:
        return found, error
    return found, None


def beginning(values: Values, whole: Values) -> bool:
    return same(values, {name: whole[name] for name in values})


@pytest.mark.parametrize("order", ["at once", "shards first", "root first"])
def test_under_a_loader(stores: Stores, far: Served, setting: Callable[..., None], order: str) -> None:
    setting(stream_cache_bytes=0)
    right = batches(stores.compact, **SOME)
    loader = make_loader(sd.open_session(far.url), n_ahead=0, **SOME)

    def replace() -> None:
        if order != "root first":
            for part in ("signals", "stimuli"):
                far.put(stores.replaced, only=part)
        if order != "shards first":
            for part in ("zarr.json", "sidecar"):
                far.put(stores.replaced, only=part)

    found, error = in_time(partial(until_it_fails, loader, replace))
    beginning(found, right)
    if order == "root first":  # every byte is still that of the store that was opened
        assert error is None
        same(found, right)
        return
    assert isinstance(error, StoreInvalid)
    assert error.code == ("store-changed" if order == "at once" else "chunk-damaged")


def test_removed_under_a_loader(stores: Stores, far: Served, setting: Callable[..., None]) -> None:
    setting(stream_cache_bytes=0)
    right = batches(stores.compact, **SOME)
    loader = make_loader(sd.open_session(far.url), n_ahead=0, **SOME)
    found, error = in_time(partial(until_it_fails, loader, far.server.objects.clear))
    beginning(found, right)
    assert isinstance(error, StoreInvalid)
    assert error.code == "store-changed"


def test_what_is_on_disk_stays_right(stores: Stores, far: Served) -> None:
    session = sd.open_session(far.url)
    right = items(session, window=8)
    far.server.objects.clear()
    far.put(stores.replaced)
    same(right, items(session, window=8))
    same(items(stores.replaced, window=8), items(far.url, window=8))


def test_smaller_objects(stores: Stores, far: Served, setting: Callable[..., None]) -> None:
    setting(stream_cache_bytes=0, n_retries=1)
    dataset = WindowDataset(sd.open_session(far.url), window=8)
    for key, data in far.server.objects.items():
        far.server.objects[key] = data[:10]
    with pytest.raises(StoreInvalid) as seen:
        in_time(lambda: [dataset[i] for i in range(len(dataset))])
    assert seen.value.code == "store-changed"


def test_opened_while_it_is_replaced(stores: Stores, far: Served) -> None:
    for part in ("zarr.json", "signals", "stimuli"):
        far.put(stores.replaced, only=part)
    far.proxy.clear(once(Fault("replace", hook=lambda _: far.put(stores.replaced)), at=1, only=is_root))
    same(items(stores.replaced, window=8), items(far.url, window=8))


def test_opened_half_way(stores: Stores, far: Served) -> None:
    far.put(stores.replaced, only="zarr.json")
    with pytest.raises(StoreInvalid, match="sidecar") as seen:
        in_time(partial(sd.open_session, far.url))
    assert seen.value.code == "store-changed"
    assert 2 <= far.asked()["zarr.json"] <= 5


@pytest.mark.parametrize("what", ["dataset", "session"])
def test_reopened_after_it_was_replaced(stores: Stores, far: Served, what: str) -> None:
    """Windows were chosen in the store that was: a copy in another process does not read them from this one."""
    session = sd.open_session(far.url)
    taken = pickle.dumps(WindowDataset(session, window=8) if what == "dataset" else session)
    far.put(stores.replaced)
    with pytest.raises(StoreInvalid) as seen:
        pickle.loads(taken)
    assert seen.value.code == "store-changed"


def test_damage_is_not_replacement(far: Served, setting: Callable[..., None]) -> None:
    setting(stream_cache_bytes=0)
    far.proxy.clear(always("wrong-bytes", only=is_shard))
    with pytest.raises(StoreInvalid) as seen:
        items(far.url, window=8)
    assert seen.value.code == "chunk-damaged"
