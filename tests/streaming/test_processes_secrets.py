"""Sessions at a URL in other processes: the same batches with the same credentials, and nothing waits that was forked."""

from __future__ import annotations

import multiprocessing
import pickle
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch

import sensorium_data as sd
from sensorium_data.loaders import WindowDataset, make_loader
from sensorium_data.reading import open_reader
from sensorium_data.reading.kept import kept
from sensorium_data.remote import Location
from sensorium_data.settings import settings
from tests.streaming.everything import batches, everything, in_time, items, of_item, same
from tests.streaming.served import served
from tests.streaming.test_equal_values import uploaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers.seaweed import Seaweed
    from tests.streaming.conftest import Stores
    from tests.streaming.everything import Values

WAYS = ["spawn", "forkserver", "fork"]
SOME: dict[str, Any] = {"window": 8, "batch_size": 3, "shuffle": True, "seed": 4}


def by_torch(dataset: WindowDataset, way: str) -> Values:
    """Return the items that the workers of a DataLoader make."""
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=None, num_workers=2, multiprocessing_context=way, timeout=100
    )
    return {f"{i}: {name}": value.copy() for i, item in enumerate(loader) for name, value in of_item(item)}


@pytest.mark.parametrize("way", WAYS)
def test_workers_with_credentials(stores: Stores, seaweed: Seaweed, way: str) -> None:
    options = seaweed.storage_options
    folder = uploaded("s3", "s3fs", options, seaweed.create_bucket(), [stores.compact])
    session = sd.open_session(f"{folder}/{stores.compact.name}", storage_options=options)
    some = SOME | {"num_workers": 2, "multiprocessing_context": way}
    items(session, window=8)  # so that clients and threads are there, which no fork takes along
    same(batches(stores.compact, **SOME), in_time(partial(batches, session, **some)))


@pytest.mark.parametrize("way", WAYS)
def test_workers_of_torch(stores: Stores, way: str, setting: Callable[..., None]) -> None:
    setting(stream_cache_bytes=0)
    with served(stores.compact) as far:
        dataset = WindowDataset(sd.open_session(far.url), window=8)
        dataset[0]
        near = WindowDataset(stores.compact, window=8)
        wanted = {f"{i}: {name}": value for i in range(len(near)) for name, value in of_item(near[i])}
        same(wanted, in_time(lambda: by_torch(dataset, way)))


def read_again(taken: bytes, send: Any) -> None:
    settings.cache_clear()
    try:
        found: Any = everything(pickle.loads(taken))
    except BaseException as error:  # noqa: BLE001  # told to who waits
        found = repr(error)
    send.send(found)
    send.close()


@pytest.mark.parametrize("way", WAYS)
def test_session_elsewhere(stores: Stores, way: str) -> None:
    """Forked in the middle of a prefetch as well."""
    context: Any = multiprocessing.get_context(way)
    with served(stores.compact) as far:
        far.proxy.latency_s = 0.02
        session = sd.open_session(far.url)
        dataset = WindowDataset(session, window=8)
        dataset.filler.prefetch([dataset.windows.served(i) for i in range(len(dataset))])
        receive, send = context.Pipe(duplex=False)
        process = context.Process(target=read_again, args=(pickle.dumps(session), send))
        process.start()
        send.close()
        assert receive.poll(100), "still at work"
        found = receive.recv()
        process.join(60)
        assert not isinstance(found, str), found
        same(everything(sd.open_session(stores.compact)), found)


@pytest.mark.parametrize("name", ["compact", "fast"])
def test_readers_pickle(stores: Stores, name: str) -> None:
    with served(getattr(stores, name)) as far:
        store = sd.open_session(far.url).handle.store
        for reader in (open_reader(store, "signals/responses/values"), kept(open_reader(store, "stimuli/frames"))):
            again = pickle.loads(pickle.dumps(reader))
            assert again.store.path == store.path
            for (_, left), (_, right) in zip(reader.pieces(0, 50), again.pieces(0, 50), strict=True):
                assert left.tobytes() == right.tobytes()


# -- what lets one in is shown to nobody

SECRETS = ("hf_AbCdEfSecret", "X-Amz-Signature=deadbeef", "deadbeef", "tests-secret", "top-secret-header")


def shown(value: object) -> Iterator[str]:
    yield repr(value)
    yield str(value)
    if hasattr(value, "_repr_html_"):
        yield value._repr_html_()


def nothing_secret(*texts: str) -> None:
    for text in texts:
        assert not [secret for secret in SECRETS if secret in text]


def nothing_on_disk(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        nothing_secret(str(path), path.read_bytes().decode("latin-1"))


def everything_shown(session: sd.Session) -> list[str]:
    dataset = WindowDataset(session, window=8)
    loader = make_loader(session, **SOME)
    list(loader)
    store = session.handle.store
    values: list[object] = [
        session, session.handle, session.handle.where, store, store.path, dataset, dataset.fingerprint(), loader,
        loader.state_dict(), loader.traffic, open_reader(store, "stimuli/frames"), session["responses"], session.frames,
        session.trials, session.resample(12), sd.open_sessions([session]), dataset.windows,
    ]  # fmt: skip
    return [text for value in values for text in shown(value)]


def errors_of(session: sd.Session, url: str, **named: Any) -> list[str]:
    """Return what is said of what goes wrong, with the chain of what was raised on the way."""
    found: list[str] = []

    def gone() -> object:
        return sd.open_session(f"{url.partition('?')[0]}-gone", **named)

    for act in (lambda: session["none"], lambda: session.trial(-1), gone, lambda: items(session, window=9, stride=3)):
        with pytest.raises(Exception) as seen:  # noqa: PT011  # whatever it is
            act()
        error: BaseException | None = seen.value
        while error is not None:
            found += [str(error), repr(error), str(getattr(error, "hint", ""))]
            error = None if error.__suppress_context__ else error.__context__
    return found


def test_signed_urls_and_headers(
    stores: Stores, tmp_path: Path, caplog: pytest.LogCaptureFixture, setting: Callable[..., None]
) -> None:
    caplog.set_level("WARNING")  # what is shown where nobody asked for more
    with served(stores.compact) as far:
        url = f"{far.url}?X-Amz-Signature=deadbeef&token=hf_AbCdEfSecret"
        for path, data in list(far.server.objects.items()):
            far.server.objects[f"{path}?X-Amz-Signature=deadbeef&token=hf_AbCdEfSecret"] = data
        options = {"headers": {"Authorization": "Bearer top-secret-header"}}
        session = sd.open_session(url, storage_options=options)
        nothing_secret(*everything_shown(session), *shown(Location(url, options)))
        nothing_on_disk(tmp_path / "cache")
        setting(cache=tmp_path / "none", n_retries=0)
        far.server.objects.clear()
        again = [path for path in far.server.objects if path]
        assert not again
        nothing_secret(*errors_of(sd.Session(session.handle), url, storage_options=options), caplog.text)


def test_secrets_of_buckets(
    stores: Stores, seaweed: Seaweed, tmp_path: Path, caplog: pytest.LogCaptureFixture, setting: Callable[..., None]
) -> None:
    caplog.set_level("WARNING")
    options, bucket = seaweed.storage_options, seaweed.create_bucket()
    url = f"{uploaded('s3', 's3fs', options, bucket, [stores.compact])}/{stores.compact.name}"
    session = sd.open_session(url, storage_options=options)
    nothing_secret(*everything_shown(session))
    nothing_on_disk(tmp_path / "cache")
    setting(cache=tmp_path / "none", n_retries=0)
    for path in stores.compact.rglob("c/*/*"):
        if path.is_file() and "sidecar" not in path.parts:
            seaweed.request("DELETE", bucket, f"in/{stores.compact.name}/{path.relative_to(stores.compact).as_posix()}")
    for path in stores.compact.rglob("c/*/*/*"):
        if path.is_file():
            seaweed.request("DELETE", bucket, f"in/{stores.compact.name}/{path.relative_to(stores.compact).as_posix()}")
    nothing_secret(*errors_of(session, url, storage_options=options), caplog.text)
