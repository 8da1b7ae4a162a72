"""Buckets of every make, on real servers: what is written is read, and what goes wrong has a name."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from sensorium_data.errors import NotFound, StorageFailed
from sensorium_data.remote import Location, open_objects
from tests.servers.faults import Fault, always, once
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sensorium_data.remote import Objects
    from tests.servers.azurite import Azurite
    from tests.servers.seaweed import Seaweed
    from tests.servers.server import Server

MAKES = {"s3": ("seaweed", "s3fs"), "gs": ("gcs", "gcsfs"), "az": ("azurite", "adlfs"), "memory": ("", "fsspec")}
SECRET = "hush-7f3a"
DATA = bytes(range(256)) * 40
KEYS = [
    "zarr.json",
    "c/0/0",
    "with space",
    "100%",
    "a%20b",
    "a#b",
    "a+b&c=d",
    "m\u00e4use/\u732b",
    "x[1]",
    "star*",
    "it's",
]


@dataclass(frozen=True)
class Bucket:
    """An empty bucket of a running server; `location(endpoint)` is it at another address, such as that of a proxy."""

    scheme: str
    server: Server | None
    name: str

    def location(self, endpoint: str | None = None) -> Location:
        server: Any = self.server
        options = {} if server is None else server.storage_options
        if endpoint and self.scheme == "s3":
            options = server.options_at(endpoint, key=server.key, secret=server.secret)
        elif endpoint:
            options = server.options_at(endpoint)
        return Location(f"{self.scheme}://{self.name}/stores/mouse.zarr", options)


@pytest.fixture(params=MAKES)
def bucket(request: pytest.FixtureRequest) -> Bucket:
    fixture, package = MAKES[request.param]
    if find_spec(package) is None:
        pytest.skip(f"no {package}")
    if not fixture:
        return Bucket(request.param, None, f"box-{os.urandom(4).hex()}")
    server = request.getfixturevalue(fixture)
    name = server.create_container() if fixture == "azurite" else server.create_bucket()
    return Bucket(request.param, server, name)


@pytest.fixture
def proxied(bucket: Bucket) -> Iterator[tuple[Proxy, Objects]]:
    if bucket.server is None:
        pytest.skip("needs no network")
    with Proxy(bucket.server.address) as proxy:
        yield proxy, open_objects(bucket.location(proxy.endpoint))


def test_round_trip(bucket: Bucket, setting: Callable[..., None]) -> None:
    setting(timeout_s=20, deadline_s=60)
    objects = open_objects(bucket.location())
    keys = [key for key in KEYS if not (bucket.scheme == "gs" and "*" in key)]
    for n, key in enumerate(keys):
        objects.put(key, DATA[n:])
    for n, key in enumerate(keys):
        info = objects.head(key)
        assert info is not None
        assert info.size == len(DATA) - n
        assert objects.read(key) == DATA[n:]
        assert objects.read(key, 3, 700) == DATA[n:][3:700]
    assert list(objects.listing()) == sorted((key, len(DATA) - n) for n, key in enumerate(keys))
    objects.put("zarr.json", b"anew")
    assert objects.read("zarr.json") == b"anew"
    objects.delete("zarr.json")
    objects.delete("zarr.json")  # is fine
    assert objects.head("zarr.json") is None


def test_what_is_not_there(bucket: Bucket) -> None:
    objects = open_objects(bucket.location())
    assert objects.head("none") is None
    assert list(objects.listing()) == []
    for span in ((), (0, 5)):
        with pytest.raises(NotFound) as caught:
            objects.read("none", *span)
        assert caught.value.code == "no-such-object"
    objects.put("folder/x", b"x")
    assert objects.head("folder") is None


def test_beyond_the_end(bucket: Bucket) -> None:
    objects = open_objects(bucket.location())
    objects.put("short", b"0123456789")
    assert objects.read("short", 9, 10) == b"9"
    assert objects.read("short", 5, 5) == b""
    for span in ((5, 15), (10, 12), (20, 30)):
        with pytest.raises(StorageFailed):
            objects.read("short", *span)


def test_empty_objects(bucket: Bucket) -> None:
    objects = open_objects(bucket.location())
    objects.put("none", b"")
    info = objects.head("none")
    assert info is not None
    assert info.size == 0
    assert objects.read("none") == b""
    assert list(objects.listing()) == [("none", 0)]


def test_a_large_file_goes_up(bucket: Bucket, tmp_path: Path, setting: Callable[..., None]) -> None:
    setting(timeout_s=20, deadline_s=60)
    data = os.urandom(1 << 20) * 12
    (tmp_path / "large").write_bytes(data)
    objects = open_objects(bucket.location())
    objects.put("large", tmp_path / "large")
    assert objects.read("large") == data
    assert objects.read("large", 7_000_001, 7_000_011) == data[7_000_001:7_000_011]


def test_goes_to_another_process(bucket: Bucket) -> None:
    location = bucket.location()
    open_objects(location / "x").put("y", b"yes")
    assert open_objects(pickle.loads(pickle.dumps(location))).read("x/y") == b"yes"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_clients_of_its_own(bucket: Bucket) -> None:
    if bucket.scheme != "s3":
        pytest.skip("one make shows it")
    objects = open_objects(bucket.location())
    objects.put("x", b"yes")
    if (pid := os.fork()) == 0:
        try:
            os._exit(0 if objects.read("x") == b"yes" else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert objects.read("x") == b"yes"


@pytest.mark.parametrize("kind", ["stall", "reset", "500", "503"])
def test_faults_that_stay_end_at_the_deadline(
    proxied: tuple[Proxy, Objects], kind: str, setting: Callable[..., None]
) -> None:
    setting(deadline_s=1)
    proxy, objects = proxied
    proxy.choose = always(Fault(kind))
    for act in (lambda: objects.read("x"), lambda: objects.read("x", 0, 5), lambda: objects.head("x")):
        with pytest.raises(StorageFailed) as caught:
            act()
        assert caught.value.code == "unreachable"
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", ["reset", "503", "truncate"])
def test_a_fault_that_passes(proxied: tuple[Proxy, Objects], kind: str, setting: Callable[..., None]) -> None:
    setting(timeout_s=10, deadline_s=60, n_retries=4)
    proxy, objects = proxied
    objects.put("x", DATA)
    proxy.clear(once(Fault(kind), only=lambda request: request.method == "GET"))
    assert objects.read("x", 10, 9000) == DATA[10:9000]
    assert [one.fault for one in proxy.seen].count(kind) == 1


def s3(seaweed: Seaweed, name: str, **who: Any) -> Objects:
    return open_objects(Location(f"s3://{name}", seaweed.options_at(seaweed.endpoint, **who)))


def test_anybody(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    seaweed.put(seaweed.public, "anybody/x", b"open")
    options = seaweed.options_at(seaweed.endpoint)
    del options["anon"]
    for given in (options, options | {"anon": True}):
        objects = open_objects(Location(f"s3://{seaweed.public}/anybody", given))
        assert objects.read("x") == b"open"
        assert list(objects.listing()) == [("x", 4)]
        with pytest.raises(StorageFailed) as caught:
            objects.put("y", b"no")
        assert caught.value.code == "access-denied"


def test_a_bucket_that_tells_nobody_what_it_has(seaweed: Seaweed) -> None:
    seaweed.put(seaweed.unlisted, "a/x", b"open")
    objects = s3(seaweed, f"{seaweed.unlisted}/a")
    assert objects.read("x") == b"open"
    assert objects.read("x", 1, 3) == b"pe"
    with pytest.raises(StorageFailed) as caught:
        list(objects.listing())
    assert caught.value.code == "no-listing"


@pytest.mark.parametrize(
    "who",
    [
        {"key": "nobody", "secret": SECRET},
        {"key": "tests-key", "secret": SECRET},
        {"key": "tests-key", "secret": "tests-secret", "token": SECRET, "anon": True},
        {"anon": True},
    ],
)
def test_who_may_not_come_in(seaweed: Seaweed, who: dict[str, Any]) -> None:
    name = seaweed.create_bucket()
    seaweed.put(name, "x", b"closed")
    objects = s3(seaweed, name, **who)
    acts: list[Callable[[], object]] = [lambda: objects.read("x"), lambda: objects.read("x", 0, 3)]
    acts.append(lambda: objects.put("y", b""))
    for act in acts:
        with pytest.raises(StorageFailed) as caught:
            act()
        assert caught.value.code == "access-denied"
        assert SECRET not in str(caught.value.as_dict())


def test_a_bucket_that_is_not_there(seaweed: Seaweed) -> None:
    objects = s3(seaweed, "no-such-bucket-here", key=seaweed.key, secret=seaweed.secret)
    assert objects.head("x") is None
    with pytest.raises(NotFound):
        objects.read("x")


def test_a_wrong_key_of_azure(azurite: Azurite) -> None:
    name = azurite.create_container()
    wrong = azurite.connection_string.replace("AccountKey=", "AccountKey=AAAA")
    objects = open_objects(Location(f"az://{name}/x", {"connection_string": wrong}))
    with pytest.raises(StorageFailed) as caught:
        objects.read("y", 0, 5)
    assert caught.value.code == "access-denied"
    assert "AAAA" not in str(caught.value.as_dict())
