"""Connections to web servers, kept for the next request; none to an address that a redirect must not lead to."""

from __future__ import annotations

import os
import socket
from functools import cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    import urllib3

__all__ = ["Refused", "pool_for"]

KEPT = 32  # connections to one host that wait for the next request
# Where machines of a cloud are told who they are, beside the link-local addresses.
METADATA = ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")
NAT64 = ip_network("64:ff9b::/96")


class Refused(Exception):  # becomes an error with a place
    """A connection that must not be made."""


def pool_for(url: str, *, redirected: bool, origin: str) -> urllib3.PoolManager:
    """Return the connections over which a URL is asked for.

    Parameters
    ----------
    url : str
    redirected : bool
        A server has led here, and nobody has named this URL: what answers inside this machine's own network must not be
        reached so.
    origin : str
        The URL that was named.

    Raises
    ------
    Refused
        A redirect has led to such an address.
    """
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    host = urlsplit(origin).hostname or ""
    if redirected and (why := next(filter(None, (refusal(a, host) for a in _addresses(parts.hostname or ""))), "")):
        raise Refused(why)  # before anything is sent there, or waited for
    # Looking through the whole environment takes as long as half a request to a server nearby.
    named = any(os.environ.get(name) for name in (f"{parts.scheme}_proxy", f"{parts.scheme.upper()}_PROXY"))
    proxy = getproxies().get(parts.scheme, "") if named else ""
    if proxy and not proxy_bypass(parts.hostname or ""):
        return _pool(os.getpid(), "", proxy if "://" in proxy else f"http://{proxy}")
    return _pool(os.getpid(), host if redirected else "", "")


@cache
def _pool(pid: int, origin: str, proxy: str) -> urllib3.PoolManager:
    import urllib3

    del pid  # connections are not shared over a fork
    kept: dict[str, Any] = {"num_pools": 16, "maxsize": KEPT, "block": False}
    if proxy:
        parts = urlsplit(proxy)
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        return urllib3.ProxyManager(proxy, proxy_headers=urllib3.make_headers(proxy_basic_auth=user), **kept)
    pool = urllib3.PoolManager(**kept)
    if origin:
        pool.pool_classes_by_scheme = _guarded(origin)
    return pool


def _guarded(origin: str) -> dict[str, Any]:
    """Return pools whose connections look at the address that they have reached, which no name can hide.

    Parameters
    ----------
    origin : str
        Host that was named at first.
    """
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    class Looking(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _looked_at(super()._new_conn(), origin)

    class LookingSafely(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _looked_at(super()._new_conn(), origin)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Looking

    class SafePool(HTTPSConnectionPool):
        ConnectionCls = LookingSafely

    return {"http": Pool, "https": SafePool}


def _looked_at(connection: socket.socket, origin: str) -> socket.socket:
    if why := refusal(connection.getpeername()[0], origin):
        connection.close()
        raise Refused(why)
    return connection


def refusal(address: str, origin: str) -> str:
    """Return why a redirect must not lead to an address, or "".

    Parameters
    ----------
    address : str
        That a connection has reached.
    origin : str
        Host that was named at first.

    Examples
    --------
    >>> refusal("169.254.169.254", "127.0.0.1"), refusal("10.0.0.7", "example.org"), refusal("93.184.216.34", "example.org")
    ('redirects to a link-local address', 'redirects into a private network', '')
    """
    there = ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(there, IPv6Address):  # an address of the older kind may be written in one of the newer
        translated = ip_address(int(there) & 0xFFFFFFFF) if there in NAT64 else None
        there = there.ipv4_mapped or there.sixtofour or translated or there
    if there.is_link_local or str(there) in METADATA:
        return "redirects to a link-local address"
    inside = not there.is_global or there.is_multicast
    return "redirects into a private network" if inside and not _is_inside(origin) else ""


def _is_inside(host: str) -> bool:
    """True where the host that was named is one of a private network itself, by every address that it has."""
    addresses = _addresses(host)
    return bool(addresses) and not any(ip_address(address).is_global for address in addresses)


def _addresses(host: str) -> set[str]:
    """Return the addresses of a host; none where the name is not known here, as it may be behind a proxy."""
    try:
        return {str(found[4][0]).split("%")[0] for found in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return set()
