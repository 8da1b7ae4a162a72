"""Reads from S3 by obstore, a client in Rust: less work a request than fsspec's, and threads that no fork takes along.

It is used where the setting `client` says so. All but reading goes through fsspec as ever.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sensorium_data.cached import cached_property
from sensorium_data.errors import BadArgument
from sensorium_data.forks import refuse_fork
from sensorium_data.remote.access import file_system_options
from sensorium_data.remote.faults import Passing, denied, not_there
from sensorium_data.remote.files import FileObjects
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from obstore.store import S3Store

    from sensorium_data.remote.location import Location
    from sensorium_data.remote.patience import Deadline

__all__ = ["ObstoreObjects"]

TAKEN = {"key", "secret", "token", "anon", "endpoint_url", "client_kwargs", "config_kwargs"}
# As obstore calls them; as the options do, and the environment.
NAMED = {
    "access_key_id": ("key", "AWS_ACCESS_KEY_ID"),
    "secret_access_key": ("secret", "AWS_SECRET_ACCESS_KEY"),
    "session_token": ("token", "AWS_SESSION_TOKEN"),
}
_first: list[int] = []  # the process that used it first


class ObstoreObjects(FileObjects):
    """Objects of an S3 bucket, read by obstore; see `Objects`.

    Parameters
    ----------
    location : Location

    Raises
    ------
    BadArgument
        obstore is not installed, or the options are others than it can be given; or this process was forked from one
        that has used it.
    """

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        try:
            import obstore
        except ImportError:
            hint = "`pip install obstore`, or leave the setting `client` at fsspec"
            raise BadArgument(f"{location}: obstore is not installed", hint=hint, code="no-client") from None
        if others := sorted(location.options.keys() - TAKEN):
            what = f"{location}: obstore is not given {', '.join(others)}"
            hint = "leave the setting `client` at fsspec, which takes them"
            raise BadArgument(what, hint=hint, code="storage-options")
        self._get = obstore
        _first.append(os.getpid())
        refuse_fork(_first[0], "obstore")

    @cached_property
    def _bucket(self) -> S3Store:
        from obstore.store import S3Store

        options = self._options()
        client: dict[str, Any] = options.get("client_kwargs") or {}
        endpoint = options.get("endpoint_url") or client.get("endpoint_url") or os.environ.get("AWS_ENDPOINT_URL")
        wait = timedelta(seconds=max(1, settings().timeout_s))
        config: dict[str, Any] = {ours: options[theirs] for ours, (theirs, _) in NAMED.items() if options.get(theirs)}
        if endpoint:
            config["endpoint"] = endpoint
        region = client.get("region_name") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        config |= {
            "region": region or "us-east-1",
            "skip_signature": bool(options.get("anon")),
            "virtual_hosted_style_request": not endpoint,
            "client_options": {
                "allow_http": str(endpoint).startswith("http://"),
                "timeout": wait,
                "connect_timeout": wait,
            },
            "retry_config": {"max_retries": 0, "retry_timeout": wait},
        }
        return S3Store(self.location.asked().split("://", 1)[1].split("/", 1)[0], **config)

    def _options(self) -> dict[str, Any]:
        """Return the options with keys in them, or anonymous: left alone it would look for credentials everywhere."""
        options = file_system_options(self.location)
        if options.get("anon") or options.get("key"):
            return options
        found = {theirs: os.environ.get(variable) for theirs, variable in NAMED.values()}
        if not (found["key"] and found["secret"]):
            what = f"{self.location}: obstore is given keys alone, no profile"
            hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or leave the setting `client` at fsspec"
            raise BadArgument(what, hint=hint, code="storage-options")
        return options | found

    def _range(self, place: Location, start: int, stop: int, etag: str, deadline: Deadline) -> bytes:
        del etag, deadline
        key = place.asked().split("://", 1)[1].split("/", 1)[1]
        try:
            return bytes(self._get.get_range(self._bucket, key, start=start, end=stop))
        except Exception as error:  # noqa: BLE001  # its own kinds, told apart by name
            raise _ours(place, error) from None


def _ours(place: Location, error: Exception) -> Exception:
    kind = type(error).__name__
    if kind in ("NotFoundError", "FileNotFoundError"):
        return not_there(place)
    if kind in ("PermissionDeniedError", "UnauthenticatedError", "PermissionError"):
        return denied(place)
    return Passing(f"did not answer as it should ({kind})")
