"""Plain GETs of ranges, side by side, by a client in Rust that does nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

from obstore import get_range
from obstore.store import HTTPStore, S3Store

if TYPE_CHECKING:
    from obstore.store import ClientConfig
    from served import Served

__all__ = ["Get", "plain_client"]

Get: TypeAlias = Callable[[Iterable[tuple[str, int, int]]], object]  # of (key, begin, end)
N_REQUESTS = 16  # under way at the same time, as many as are streamed with


def plain_client(served: Served) -> Get:
    """Return what fetches ranges of a served store and throws them away."""
    allow: ClientConfig = {"allow_http": True}
    prefix, pool = "", ThreadPoolExecutor(N_REQUESTS)
    if served.kind == "nginx":
        store: HTTPStore | S3Store = HTTPStore(served.url, client_options=allow)
    else:
        prefix = "mouse.zarr/"
        store = S3Store(
            served.bucket, endpoint=served.proxy.endpoint, access_key_id=served.key, secret_access_key=served.secret,
            region="us-east-1", virtual_hosted_style_request=False, client_options=allow,
        )  # fmt: skip

    def get(ranges: Iterable[tuple[str, int, int]]) -> int:
        fetched = pool.map(lambda one: get_range(store, prefix + one[0], start=one[1], end=one[2]), ranges)
        return sum(len(data) for data in fetched)

    return get
