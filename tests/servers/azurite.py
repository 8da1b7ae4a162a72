"""Azurite: the emulator of Azure's blob storage."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from tests.servers.process import HOST
from tests.servers.server import Server, fresh_name

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "SENSORIUM_DATA_TEST_AZURITE"
ACCOUNT = "devstoreaccount1"
# The account that every copy of the emulator has, printed in its documentation; it opens nothing else.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class Azurite(Server):
    """A running Azurite, blobs only."""

    name: ClassVar[str] = "azurite"

    @classmethod
    def reason(cls) -> str | None:
        wanted = f"no Azurite: it comes with `npm install azurite`; set {PROGRAM} to its program azurite-blob"
        return None if _program() and shutil.which("node") else wanted

    @classmethod
    def command(cls, folder: Path, port: int) -> list[str]:
        (folder / "data").mkdir()
        where = ["--blobHost", HOST, "--blobPort", str(port), "--location", str(folder / "data")]
        # Without the last word it reports to its makers.
        return [str(_program()), *where, "--silent", "--skipApiVersionCheck", "--disableTelemetry"]

    def is_ready(self) -> bool:
        return self.ask("GET", f"/{ACCOUNT}?comp=list").status in {400, 403}

    @property
    def connection_string(self) -> str:
        return _connection_string(self.endpoint)

    @property
    def storage_options(self) -> dict[str, Any]:
        """What adlfs takes."""
        return self.options_at(self.endpoint)

    def options_at(self, endpoint: str) -> dict[str, Any]:
        """Return what adlfs takes to talk to another address, such as that of a proxy."""
        return {"connection_string": _connection_string(endpoint)}

    def create_container(self, name: str | None = None, *, public: bool = False) -> str:
        """Make a container, which anyone may read if `public`, and return its name. Needs the clients of adlfs."""
        name = name or fresh_name("tests")
        client = import_module("azure.storage.blob").BlobServiceClient.from_connection_string(self.connection_string)
        with client:
            client.create_container(name, public_access="container" if public else None)
        return name


def _program() -> str | None:
    return shutil.which(os.environ.get(PROGRAM) or "azurite-blob")


def _connection_string(endpoint: str) -> str:
    parts = {
        "DefaultEndpointsProtocol": "http",
        "AccountName": ACCOUNT,
        "AccountKey": KEY,
        "BlobEndpoint": f"{endpoint}/{ACCOUNT}",
    }
    return "".join(f"{key}={value};" for key, value in parts.items())
