"""Places that let nobody in, or are none: an error that says which of them it is, without a word of what was tried."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

import sensorium_data as sd
from sensorium_data.errors import BadArgument, NotFound, SensoriumError, StorageFailed
from tests.servers import answers
from tests.servers.faults import always
from tests.servers.proxy import Proxy
from tests.streaming.everything import in_time, items
from tests.streaming.test_equal_values import uploaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.azurite import Azurite
    from tests.servers.gcs import Gcs
    from tests.servers.seaweed import Seaweed
    from tests.streaming.conftest import Stores


def refused(kind: type[SensoriumError], code: str, where: Any, options: dict[str, Any] | None = None) -> None:
    with pytest.raises(kind) as seen:
        in_time(lambda: sd.open_sessions(where, storage_options=options))
    assert seen.value.code == code
    assert "secret" not in str(seen.value)


@pytest.fixture
def bucket(stores: Stores, seaweed: Seaweed, setting: Callable[..., None]) -> str:
    """The folder of a store in a bucket that is not for anyone."""
    setting(n_retries=1)
    return uploaded("s3", "s3fs", seaweed.storage_options, seaweed.create_bucket(), [stores.compact])


def test_wrong_secret(bucket: str, seaweed: Seaweed) -> None:
    wrong = seaweed.options_at(seaweed.endpoint, key=seaweed.key, secret="wrong-secret")
    refused(StorageFailed, "access-denied", f"{bucket}/compact.zarr", wrong)


def test_unknown_key(bucket: str, seaweed: Seaweed) -> None:
    wrong = seaweed.options_at(seaweed.endpoint, key="nobody", secret="wrong-secret")
    refused(StorageFailed, "access-denied", f"{bucket}/compact.zarr", wrong)


def test_token_that_has_run_out(bucket: str, seaweed: Seaweed) -> None:
    old = seaweed.options_at(seaweed.endpoint, key=seaweed.key, secret=seaweed.secret, token="secret-of-yesterday")
    refused(StorageFailed, "access-denied", f"{bucket}/compact.zarr", old)


def test_as_anyone(bucket: str, seaweed: Seaweed) -> None:
    refused(StorageFailed, "access-denied", f"{bucket}/compact.zarr", seaweed.options_at(seaweed.endpoint))


def test_let_out_while_reading(
    bucket: str, seaweed: Seaweed, setting: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials that run out are told from a store that is damaged."""
    said = b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code><Message>secret-of-yesterday</Message></Error>"
    monkeypatch.setattr(answers, "REFUSED", said)
    setting(stream_cache_bytes=0)
    with Proxy(seaweed.address) as proxy:
        options = seaweed.options_at(proxy.endpoint, key=seaweed.key, secret=seaweed.secret)
        session = sd.open_session(f"{bucket}/compact.zarr", storage_options=options)
        proxy.clear(always("403"))
        with pytest.raises(StorageFailed) as seen:
            in_time(lambda: items(session, window=8))
    assert (seen.value.code, seen.value.exit_code) == ("access-denied", 6)
    assert "secret" not in str(seen.value)


def test_no_such_bucket(seaweed: Seaweed, bucket: str) -> None:
    refused(NotFound, "no-such-store", "s3://there-is-no-such-bucket/compact.zarr", seaweed.storage_options)
    refused(NotFound, "no-such-store", f"{bucket}/other.zarr", seaweed.storage_options)


def test_without_listing(stores: Stores, seaweed: Seaweed) -> None:
    folder = uploaded("s3", "s3fs", seaweed.storage_options, seaweed.unlisted, [stores.compact])
    anyone = seaweed.options_at(seaweed.endpoint)
    assert len(sd.open_sessions(f"{folder}/compact.zarr", storage_options=anyone)) == 1
    refused(StorageFailed, "no-listing", f"{folder}/*.zarr", anyone)


def test_gs_and_az(gcs: Gcs, setting: Callable[..., None]) -> None:
    setting(n_retries=0)
    pytest.importorskip("gcsfs")
    refused(NotFound, "no-such-store", "gs://there-is-no-such-bucket/mouse.zarr", gcs.storage_options)
    refused(NotFound, "no-such-store", f"gs://{gcs.create_bucket()}/mouse.zarr", gcs.storage_options)


def test_az(azurite: Azurite, setting: Callable[..., None]) -> None:
    setting(n_retries=0)
    pytest.importorskip("adlfs")
    options = azurite.storage_options
    refused(NotFound, "no-such-store", f"az://{azurite.create_container()}/mouse.zarr", options)
    text = options["connection_string"]
    wrong = {"connection_string": text.replace("AccountKey=E", "AccountKey=F")}
    refused(StorageFailed, "access-denied", f"az://{azurite.create_container()}/mouse.zarr", wrong)


@pytest.mark.parametrize(("scheme", "needs"), [("s3", "s3fs"), ("gs", "gcsfs"), ("az", "adlfs")])
def test_without_its_client(monkeypatch: pytest.MonkeyPatch, scheme: str, needs: str) -> None:
    registry = import_module("fsspec.registry")
    for name in [name for name in sys.modules if name == needs or name.startswith(f"{needs}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, needs, None)
    monkeypatch.delitem(registry._registry, scheme, raising=False)
    with pytest.raises(BadArgument) as seen:
        sd.open_session(f"{scheme}://some-bucket/mouse.zarr")
    assert (seen.value.code, seen.value.exit_code) == ("no-client", 2)
    assert needs in str(seen.value)
    assert "pip install" in seen.value.hint


def test_options_that_nobody_takes(seaweed: Seaweed, bucket: str) -> None:
    refused(BadArgument, "storage-options", f"{bucket}/compact.zarr", seaweed.storage_options | {"secretive": "secret"})
    refused(BadArgument, "storage-options", "http://127.0.0.1:9/mouse.zarr", {"key": "secret"})


def test_nobody_listens(setting: Callable[..., None]) -> None:
    setting(n_retries=1)
    refused(StorageFailed, "unreachable", "http://127.0.0.1:9/mouse.zarr")
