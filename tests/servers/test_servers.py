"""The real servers: each serves ranges to the client that the library uses, counts, and is gone when it is stopped."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.faults import Fault, once
from tests.servers.nginx import Nginx
from tests.servers.process import is_running
from tests.servers.proxy import Proxy
from tests.servers.running import KINDS, SHARED, obtain, start, started, stop
from tests.servers.server import Server, Unavailable

if TYPE_CHECKING:
    from tests.servers.azurite import Azurite
    from tests.servers.gcs import Gcs
    from tests.servers.seaweed import Seaweed

ROOT = Path(__file__).parents[2]
DATA = random.Random(7).randbytes(300_000)


def filesystem(kind: str, needs: str, options: dict[str, Any]) -> Any:
    """Return an fsspec file system of its own, which remembers no listing."""
    pytest.importorskip(needs)
    import fsspec

    return fsspec.filesystem(kind, skip_instance_cache=True, use_listings_cache=False, **options)


def exchanged(files: Any, folder: str) -> None:
    """Put, list, and read ranges."""
    files.pipe_file(f"{folder}/deep/object", DATA)
    assert [name.rsplit("/", 1)[-1] for name in files.ls(f"{folder}/deep", detail=False)] == ["object"]
    assert files.cat_file(f"{folder}/deep/object", start=1000, end=2000) == DATA[1000:2000]
    assert files.cat_ranges([f"{folder}/deep/object"] * 2, [0, 299_000], [10, 300_000]) == [DATA[:10], DATA[299_000:]]
    assert files.info(f"{folder}/deep/object")["size"] == len(DATA)


def test_seaweed_takes_objects(seaweed: Seaweed) -> None:
    exchanged(filesystem("s3", "s3fs", seaweed.storage_options), seaweed.create_bucket())


def test_seaweed_through_a_proxy(seaweed: Seaweed) -> None:
    bucket = seaweed.create_bucket()
    with Proxy(seaweed.address, whole=seaweed.whole) as proxy:
        options = seaweed.options_at(proxy.endpoint, key=seaweed.key, secret=seaweed.secret)
        files = filesystem("s3", "s3fs", options)
        exchanged(files, bucket)
        proxy.clear(once("ignore-range"))
        assert files.cat_file(f"{bucket}/deep/object", start=5, end=9) == DATA
        told = [(one.method, one.path, one.range, one.status, one.n_bytes, one.fault) for one in proxy.seen]
        assert told == [("GET", f"/{bucket}/deep/object", "bytes=5-8", 200, len(DATA), "ignore-range")]


def test_seaweed_replaced_half_way(seaweed: Seaweed) -> None:
    bucket = seaweed.create_bucket()
    seaweed.put(bucket, "object", DATA)
    with Proxy(seaweed.address) as proxy:
        options = seaweed.options_at(proxy.endpoint, key=seaweed.key, secret=seaweed.secret)
        files = filesystem("s3", "s3fs", options)
        hook = Fault("replace", hook=lambda _: seaweed.put(bucket, "object", DATA[::-1]))
        proxy.choose = once(hook, at=1, only=lambda request: request.method == "GET")
        assert files.cat_file(f"{bucket}/object", start=0, end=9) == DATA[:9]
        assert files.cat_file(f"{bucket}/object", start=0, end=9) == DATA[::-1][:9]


def test_seaweed_for_anyone(seaweed: Seaweed) -> None:
    private = seaweed.create_bucket()
    for bucket in (seaweed.public, seaweed.unlisted, private):
        seaweed.put(bucket, "folder/object", DATA)
    files = filesystem("s3", "s3fs", seaweed.options_at(seaweed.endpoint))
    assert files.cat_file(f"{seaweed.public}/folder/object", start=0, end=5) == DATA[:5]
    assert files.ls(f"{seaweed.public}/folder", detail=False) == [f"{seaweed.public}/folder/object"]
    assert files.cat_file(f"{seaweed.unlisted}/folder/object", start=0, end=5) == DATA[:5]
    with pytest.raises(PermissionError):
        files.ls(f"{seaweed.unlisted}/folder")
    with pytest.raises(PermissionError):
        files.cat_file(f"{private}/folder/object")
    with pytest.raises(PermissionError):
        files.pipe_file(f"{seaweed.public}/folder/another", b"x")


def test_seaweed_refuses_others(seaweed: Seaweed) -> None:
    bucket = seaweed.create_bucket()
    seaweed.put(bucket, "folder/object", DATA)
    wrong = seaweed.options_at(seaweed.endpoint, key=seaweed.key, secret="wrong")
    with pytest.raises(PermissionError):
        filesystem("s3", "s3fs", wrong).cat_file(f"{bucket}/folder/object")
    pair = {"key": seaweed.unlisting_key, "secret": seaweed.unlisting_secret}
    files = filesystem("s3", "s3fs", seaweed.options_at(seaweed.endpoint, **pair))
    assert files.cat_file(f"{bucket}/folder/object") == DATA
    with pytest.raises(PermissionError):
        files.ls(f"{bucket}/folder")


def test_nginx_serves_and_counts(nginx: Nginx) -> None:
    urllib3: Any = pytest.importorskip("urllib3")
    url, folder = nginx.new_folder()
    (folder / "object").write_bytes(DATA)
    mark = nginx.mark()
    with urllib3.PoolManager(retries=False) as pool:
        reply = pool.request("GET", f"{url}/object", headers={"Range": "bytes=10-19"})
        assert (reply.status, reply.data, reply.headers["content-range"]) == (206, DATA[10:20], "bytes 10-19/300000")
        changed = {"Range": "bytes=10-19", "If-Range": '"another"'}
        assert pool.request("GET", f"{url}/object", headers=changed).data == DATA
        assert pool.request("HEAD", f"{url}/object").headers["content-length"] == str(len(DATA))
        assert pool.request("GET", f"{url}/").status == 403
        assert pool.request("GET", f"{url}/none").status == 404
    told = nginx.requests(mark, under=f"/{folder.name}/")
    assert [(one.method, one.path.rsplit("/", 1)[-1], one.status, one.range) for one in told] == [
        ("GET", "object", 206, "bytes=10-19"),
        ("GET", "object", 200, "bytes=10-19"),
        ("HEAD", "object", 200, ""),
        ("GET", "", 403, ""),
        ("GET", "none", 404, ""),
    ]
    assert [one.n_bytes for one in told[:3]] == [10, len(DATA), 0]
    assert nginx.requests(nginx.mark(), under=f"/{folder.name}/") == []


def test_azurite_takes_objects(azurite: Azurite) -> None:
    files = filesystem("az", "adlfs", azurite.storage_options)
    exchanged(files, azurite.create_container())
    with Proxy(azurite.address) as proxy:
        exchanged(filesystem("az", "adlfs", azurite.options_at(proxy.endpoint)), azurite.create_container())
        assert "PUT" in {one.method for one in proxy.seen}


def test_azurite_for_anyone(azurite: Azurite) -> None:
    pytest.importorskip("adlfs")
    public, private = azurite.create_container(public=True), azurite.create_container()
    files = filesystem("az", "adlfs", azurite.storage_options)
    for container in (public, private):
        files.pipe_file(f"{container}/object", DATA)
    assert azurite.ask("GET", f"/devstoreaccount1/{public}/object").body == DATA
    assert azurite.ask("GET", f"/devstoreaccount1/{private}/object").status in {403, 404}


def test_gcs_takes_objects(gcs: Gcs) -> None:
    exchanged(filesystem("gs", "gcsfs", gcs.storage_options), gcs.create_bucket())


def test_stopped_servers_are_gone(tmp_path: Path) -> None:
    file = tmp_path / "servers.json"
    told = start(file)
    assert json.loads(file.read_text("utf-8")) == told
    servers = [kind.from_values(told[kind.name]) for kind in KINDS if "pid" in told[kind.name]]
    absent = {kind.name: kind.reason() for kind in KINDS if kind.reason()}
    assert {name: values["reason"] for name, values in told.items() if "reason" in values} == absent
    assert all(server.is_running for server in servers)
    stop(file)
    assert not any(server.is_running for server in servers)
    assert not file.exists()
    for server in servers:
        assert not list(Path("/tmp").glob(f"seaweedfs-*{server.port}.sock"))
        server.stop()
    stop(file)


def test_shared_servers_are_used(tmp_path: Path, nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "servers.json"
    file.write_text(json.dumps({"nginx": nginx.values(), "gcs": {"reason": "not today"}}), "utf-8")
    monkeypatch.setenv(SHARED, str(file))
    assert obtain(type(nginx)) == nginx
    with pytest.raises(Unavailable, match="not today"):
        obtain(next(kind for kind in KINDS if kind.name == "gcs"))


@pytest.mark.parametrize("way", ["atexit", "killed"])
def test_servers_end_with_their_process(tmp_path: Path, way: str) -> None:
    if reason := Nginx.reason():  # a shared one is no use here
        pytest.skip(reason)
    if way == "killed" and not Path("/usr/bin/setpriv").exists():
        pytest.skip("no setpriv, with which the kernel ends servers of a killed process")
    code = """
import sys
from tests.servers.nginx import Nginx
from tests.servers.running import obtain
server = obtain(Nginx)
print(server.pid, server.folder, flush=True)
sys.stdin.read()
"""
    hidden = {key: value for key, value in os.environ.items() if key != SHARED}
    command = [sys.executable, "-c", code]
    hidden["TMPDIR"] = str(tmp_path)
    with subprocess.Popen(
        command, cwd=ROOT, env=hidden, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        pid, folder = process.stdout.readline().split()
        assert is_running(int(pid), Path(folder))
        if way == "killed":
            process.kill()
        else:
            process.communicate("")
    deadline = time.monotonic() + 20
    while is_running(int(pid), Path(folder)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(int(pid), Path(folder))


def test_another_process_is_left_alone(tmp_path: Path) -> None:
    class Other(Server):
        name = "other"

    Other(os.getpid(), 1, tmp_path).stop()
    assert not Other(2**22 - 1, 1, tmp_path).is_running


def test_server_that_cannot_start(tmp_path: Path) -> None:
    class Fails(Server):
        name = "fails"

        @classmethod
        def reason(cls) -> None:
            return None

        @classmethod
        def command(cls, folder: Path, port: int) -> list[str]:
            return [sys.executable, "-c", f"print('port {port} is taken')", str(folder)]

        def is_ready(self) -> bool:
            raise ConnectionRefusedError

    with pytest.raises(Unavailable, match=r"port \d+ is taken"), started(Fails, tmp_path):
        pass
