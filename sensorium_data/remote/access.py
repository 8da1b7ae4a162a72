"""How to get into a bucket: as anybody, unless the ecosystem's own means (options, profiles, environment) say who asks."""

from __future__ import annotations

import os
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
_AZURE = (
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_CLIENT_SECRET",
)


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
        # It would ask over gRPC what kind of bucket it is, and wait for a minute where nothing answers.
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        return ({} if "token" in options or _google() else {"token": "anon"}) | options
    if location.scheme in ("az", "abfs", "abfss"):
        named = options.keys() & {
            "account_key",
            "sas_token",
            "connection_string",
            "credential",
            "client_secret",
            "anon",
        }
        return ({} if named or any(os.environ.get(name) for name in _AZURE) else {"anon": True}) | options
    return options


def _s3(options: dict[str, Any]) -> dict[str, Any]:
    named = options.keys() & {"key", "secret", "token", "username", "password", "profile", "anon", "session"}
    if not named and not _amazon(os.environ):
        options["anon"] = True
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
    # Not the address that machines of the cloud ask who they are: elsewhere nothing answers there, and nobody named it.
    file = environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
    return Path(file).expanduser().is_file()


def _google() -> bool:
    if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return True
    folder = os.environ.get("CLOUDSDK_CONFIG") or "~/.config/gcloud"
    return (Path(folder).expanduser() / "application_default_credentials.json").is_file()
