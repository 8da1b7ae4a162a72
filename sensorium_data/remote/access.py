"""How to get into a bucket: as anybody, unless the ecosystem's own means (options, profiles, environment) say who asks."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensorium_data.remote.location import Location

__all__ = ["PACKAGES", "file_system_options"]

PACKAGES = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs",
    "hf": "huggingface_hub",
}  # fmt: skip


def file_system_options(location: Location) -> dict[str, Any]:
    """Return the options of the file system for a location.

    Parameters
    ----------
    location : Location
        Its own options go before everything else.
    """
    options = dict(location.options)
    if location.scheme in ("s3", "s3a"):
        return _s3(options)
    if location.scheme in ("gs", "gcs"):
        # By name: without one it would go on to ask the machine that it may run on.
        return {"token": "google_default" if _google() else "anon"} | options
    if location.scheme in ("az", "abfs", "abfss") and not os.environ.get("AZURE_STORAGE_ANON"):
        # Keys and tokens go before it; all that it keeps from being asked is what this machine is.
        return {"anon": True} | options
    return options


def _s3(options: dict[str, Any]) -> dict[str, Any]:
    named = options.keys() & {"key", "secret", "token", "username", "password", "profile", "anon", "session"}
    if not named and not _amazon(os.environ):
        options["anon"] = True
    if not options.keys() & {"key", "anon", "session"}:
        options["session"] = _amazon_session(options.pop("profile", None))
    wait_s = max(1, settings().timeout_s)
    # How often is ours to say: a client that repeats for itself goes beyond every deadline.
    ours = {
        "connect_timeout": wait_s,
        "read_timeout": wait_s,
        "retries": {"total_max_attempts": 1},
        "max_pool_connections": 64,
    }
    options["config_kwargs"] = ours | dict(options.get("config_kwargs") or {})
    return options


def _amazon(environ: Mapping[str, str]) -> bool:
    """True where the environment or a file of profiles says who asks."""
    if any(environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")):
        return True
    file = environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
    return Path(file).expanduser().is_file()


def _amazon_session(profile: str | None) -> Any:  # noqa: ANN401  # of a package that need not be installed
    """Return a session that finds credentials where users put them, and asks no address of the machine for any."""
    session = import_module("aiobotocore.session").AioSession(profile=profile)
    finds = session.get_component("credential_provider")
    for asks in ("container-role", "iam-role"):  # `anon: False` among the options is how to want them
        finds.remove(asks)
    return session


def _google() -> bool:
    if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return True
    folder = os.environ.get("CLOUDSDK_CONFIG") or "~/.config/gcloud"
    return (Path(folder).expanduser() / "application_default_credentials.json").is_file()
