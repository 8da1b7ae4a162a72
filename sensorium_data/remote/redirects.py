"""Where a redirect leads, and what of a request goes along to there."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from sensorium_data.remote.connections import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["STATUSES", "going_along", "led_to"]

STATUSES = {301, 302, 303, 307, 308}
# What a request says of the bytes that it wants; any other header may be one that lets somebody in.
HARMLESS = {"user-agent", "accept-encoding", "range", "if-match", "if-range", "if-none-match", "if-modified-since"}
PORTS = {"http": 80, "https": 443}


def led_to(url: str, target: str) -> str:
    """Return the URL that a redirect leads to.

    Parameters
    ----------
    url : str
        That was asked for.
    target : str
        What the answer names.

    Raises
    ------
    Refused
        It is no URL, or one of another scheme; from http to https is fine.

    Examples
    --------
    >>> led_to("https://example.org/a/b.zip", "../c.zip")
    'https://example.org/c.zip'
    """
    try:
        there = urljoin(url, target)
        scheme, host, _ = _origin(there)
        is_whole = bool(host) and ("://" not in target or bool(urlsplit(target).hostname))
    except ValueError:
        is_whole, scheme = False, urlsplit(url).scheme
    if scheme != urlsplit(url).scheme and (urlsplit(url).scheme, scheme) != ("http", "https"):
        raise Refused(f"redirects to another scheme, {scheme}")
    if not is_whole:
        raise Refused("redirects to what is no URL")
    return there


def going_along(headers: Mapping[str, str], first: str, url: str) -> dict[str, str]:
    """Return the headers that go along from the URL that was named to another: to another origin none that lets one in.

    Examples
    --------
    >>> headers = {"X-Api-Key": "secret", "Range": "bytes=0-9"}
    >>> going_along(headers, "https://example.org/a", "https://cdn.example.org/a")
    {'Range': 'bytes=0-9'}
    """
    if _origin(first) == _origin(url):
        return dict(headers)
    return {name: value for name, value in headers.items() if name.lower() in HARMLESS}


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
