"""How much is asked for: two requests to open a store, one for a clip and array, none for what is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.loaders import WindowDataset, make_loader
from sensorium_data.store.layout import SHARD
from tests.streaming.everything import everything, items, same
from tests.streaming.served import served

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers.nginx import Nginx
    from tests.streaming.conftest import Stores

OPENING = {"zarr.json": 1, "sidecar/index/c/0": 1}
FRAMES, RESPONSES = "stimuli/frames/c/", "signals/responses/values/c/"


def test_opening_as_the_server_counts(stores: Stores, web: Callable[[Path], str], nginx: Nginx) -> None:
    url, mark = web(stores.compact), nginx.mark()
    session = sd.open_session(url)
    asked = [(one.method, one.path.split(".zarr/")[1]) for one in nginx.requests(mark)]
    assert sorted(asked) == [("GET", "sidecar/index/c/0"), ("GET", "zarr.json")]
    mark = nginx.mark()
    assert WindowDataset(session, window=12)[3]
    data = nginx.requests(mark)
    assert {(one.method, one.status) for one in data} == {("GET", 206)}
    assert len({one.path for one in data}) == len(data)


def test_opening_asks_twice_and_tables_nothing(stores: Stores) -> None:
    with served(stores.compact) as far:
        session = sd.open_session(far.url)
        assert far.asked() == OPENING
        for table in (session.trials, session.neurons, session.stimuli):
            table.load()
        for node in session.statistics.subtree:
            node.to_dataset().load()
        assert repr(session)
        assert session._repr_html_()
        assert session.handle.store.n_bytes
        WindowDataset(session, window=12)
        assert not far.asked()


@pytest.mark.parametrize("name", ["compact", "fast", "portable", "static"])
def test_one_for_each_clip_and_array(stores: Stores, name: str, setting: Callable[..., None]) -> None:
    setting(stream_cache_bytes=0)
    with served(getattr(stores, name)) as far:
        dataset = WindowDataset(sd.open_session(far.url), window=1 if name == "static" else 12)
        far.asked()
        for i in np.random.default_rng(1).integers(0, len(dataset), 12).tolist():
            dataset[i]
            asked = far.asked()
            assert set(asked.values()) == {1}
            assert len([key for key in asked if key.startswith(FRAMES)]) == 1


def test_one_for_each_shard(stores: Stores, setting: Callable[..., None]) -> None:
    setting(stream_cache_bytes=0)
    with served(stores.long) as far:
        dataset = WindowDataset(sd.open_session(far.url), window=20, stride=7, signals=["responses", "video"])
        rows, windows = dataset.streams[0].handle.rows, dataset.windows
        firsts = [
            (rows("responses", row) or slice(0, 0)).start + start
            for row, start in zip(windows.trial_row.tolist(), windows.start_frame.tolist(), strict=True)
        ]
        over = [i for i, first in enumerate(firsts) if first < SHARD < first + 20]
        assert over
        far.asked()
        for i in [*over, 0, 5, len(dataset) - 1]:
            dataset[i]
            asked = far.asked()
            assert set(asked.values()) == {1}
            assert len([key for key in asked if key.startswith(RESPONSES)]) == 1 + (i in over)


@pytest.mark.parametrize("name", ["compact", "fast"])
def test_a_batch_asks_once_for_what_is_near(stores: Stores, name: str, setting: Callable[..., None]) -> None:
    setting(stream_cache_bytes=0)
    with served(getattr(stores, name)) as far:
        dataset = WindowDataset(sd.open_session(far.url), window=6)
        far.asked()
        assert len(dataset.__getitems__([3, 1, 0, 2])) == 4
        asked = far.asked()
        assert set(asked.values()) == {1}
        assert any(key.startswith(RESPONSES) for key in asked)


@pytest.mark.parametrize("order", ["round_robin", "mixed"])
def test_an_epoch_asks_at_most_once_for_each_clip_and_array(
    stores: Stores, order: str, setting: Callable[..., None]
) -> None:
    setting(stream_cache_bytes=0)
    with served(stores.compact) as far:
        loader = make_loader(sd.open_session(far.url), window=12, batch_size=3, shuffle=True, order=order)  # type: ignore[arg-type]
        far.asked()
        n_batches = len(list(loader))
        asked = far.asked()
        assert max(asked.values()) <= n_batches


@pytest.mark.parametrize("name", ["compact", "fast", "portable"])
def test_nothing_that_is_on_disk(stores: Stores, name: str) -> None:
    """Raw clips as well, which end inside chunks."""
    with served(getattr(stores, name)) as far:
        session = sd.open_session(far.url)
        first = items(session, window=7, stride=5)
        assert far.asked()
        same(first, items(session, window=7, stride=5))
        assert not far.asked()
        again = sd.open_session(far.url)
        assert far.asked() == OPENING
        same(first, items(again, window=7, stride=5))
        everything(again)
        few = far.asked()
        assert set(few) <= {key for key in few if key.startswith((FRAMES, RESPONSES, "signals/"))}
        same(everything(again), everything(sd.open_session(getattr(stores, name))))


def test_announced_ranges_are_not_asked_for_again(stores: Stores, setting: Callable[..., None]) -> None:
    """A batch is announced as a whole, and read in parts."""
    setting(stream_cache_bytes=0)
    with served(stores.long) as far:
        dataset = WindowDataset(sd.open_session(far.url), window=40, stride=37, signals=["responses", "video"])
        far.asked()
        dataset.__getitems__(range(0, 40, 2))
        assert set(far.asked().values()) == {1}


def test_bytes_are_counted(stores: Stores) -> None:
    with served(stores.compact) as far:
        loader = make_loader(sd.open_session(far.url), window=12, batch_size=3)
        list(loader)
        first = loader.traffic
        list(loader)
        second = loader.traffic
        sent = sum(one.n_bytes for one in far.proxy.seen if one.range)
        assert first.n_bytes_read == sent
        assert second.n_bytes_read == first.n_bytes_read
        assert second.n_bytes_kept > first.n_bytes_kept
