"""A store on a server of this machine, behind a proxy that delays each request."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the servers are those of the tests

from tests.servers.delayed import delayed
from tests.servers.nginx import Nginx
from tests.servers.running import started
from tests.servers.seaweed import Seaweed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.delayed import Delayed

__all__ = ["KINDS", "Served"]

KINDS = ("SeaweedFS", "nginx")


@dataclass(frozen=True, slots=True)
class Served:
    """A store that is served: where, how one gets in, and what was asked for."""

    kind: str
    url: str
    latency_s: float
    proxy: Delayed
    options: dict[str, Any] | None = None
    bucket: str = ""
    key: str = ""
    secret: str = ""

    def seen(self) -> list[object]:
        """Return the requests since the last call."""
        return list(self.proxy.seen())

    @staticmethod
    @contextmanager
    def of(kind: str, store: Path, latency_s: float) -> Iterator[Served]:
        """Serve a store for a `with` block."""
        with _seaweed(store, latency_s) if kind == "SeaweedFS" else _nginx(store, latency_s) as served:
            yield served


@contextmanager
def _seaweed(store: Path, latency_s: float) -> Iterator[Served]:
    with started(Seaweed) as server, delayed(server.address, latency_s) as proxy:
        bucket = server.create_bucket()
        for path in sorted(store.rglob("*")):
            if path.is_file():
                server.put(bucket, f"mouse.zarr/{path.relative_to(store).as_posix()}", path.read_bytes())
        options = server.options_at(proxy.endpoint, key=server.key, secret=server.secret)
        url = f"s3://{bucket}/mouse.zarr"
        yield Served("SeaweedFS", url, latency_s, proxy, options, bucket, server.key, server.secret)


@contextmanager
def _nginx(store: Path, latency_s: float) -> Iterator[Served]:
    with started(Nginx) as server, delayed(server.address, latency_s) as proxy:
        url, folder = server.new_folder()
        shutil.copytree(store, folder / "mouse.zarr")
        yield Served("nginx", f"{proxy.endpoint}/{url.rsplit('/', 1)[1]}/mouse.zarr", latency_s, proxy)
