"""Stores behind the tests' own object server and the fault proxy, which count and spoil what is asked for."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.servers.proxy import Proxy
from tests.servers.upstream import Objects, objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.faults import Request


@dataclass
class Served:
    """A store at `url`, behind `proxy`; `server.objects` are its files by path."""

    server: Objects
    proxy: Proxy
    folder: str

    @property
    def url(self) -> str:
        return f"{self.proxy.endpoint}{self.folder}"

    def put(self, store: Path, *, only: str = "") -> None:
        """Put the files of a store, or those whose keys begin so, in place of what is there."""
        for path in sorted(path for path in store.rglob("*") if path.is_file()):
            if (key := path.relative_to(store).as_posix()).startswith(only):
                self.server.objects[f"{self.folder}/{key}"] = path.read_bytes()

    def asked(self) -> Counter[str]:
        """Return how often each object was asked for since the last call."""
        seen = Counter(one.path.removeprefix(f"{self.folder}/") for one in self.proxy.seen)
        self.proxy.clear(self.proxy.choose)
        return seen


@contextmanager
def served(store: Path, name: str = "mouse.zarr") -> Iterator[Served]:
    """Serve a store for a `with` block."""
    with objects() as server, Proxy(server.address) as proxy:
        made = Served(server, proxy, f"/in/{name}")
        made.put(store)
        yield made


def is_shard(request: Request) -> bool:
    """True for what holds samples or pixels."""
    return "/c/" in request.path and "sidecar" not in request.path


def is_root(request: Request) -> bool:
    return request.path.endswith("zarr.json")
