"""Who asks: anybody, unless somebody was named; and no machine is asked who it is."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from sensorium_data.errors import SensoriumError
from sensorium_data.remote import Location, open_objects
from sensorium_data.remote.access import file_system_options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "hush-7f3a"
NAMES = ("AWS_", "GOOGLE_", "CLOUDSDK_", "AZURE_", "GCE_", "NO_GCE_CHECK", "GCSFS_", "BOTO")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without credentials, and an environment without."""
    for name in os.environ:
        if name.startswith(NAMES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every host that was looked up or connected to; none of them answers."""
    hosts: list[str] = []

    def unknown(host: Any, *rest: Any, **more: Any) -> Any:
        hosts.append(str(host))
        raise socket.gaierror(socket.EAI_NONAME, "not in this test")

    def nobody(self: socket.socket, address: Any) -> None:
        hosts.append(str(address[0]))
        raise ConnectionRefusedError("not in this test")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setattr(socket.socket, "connect", nobody)
    monkeypatch.setattr(socket.socket, "connect_ex", nobody)
    yield hosts
    assert not [host for host in hosts if host.startswith("169.254") or "metadata" in host]


def profiles(home: Path, text: str = f"[lab]\naws_access_key_id = LABKEY\naws_secret_access_key = {SECRET}\n") -> None:
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").write_text(text)


def s3_key(location: Location) -> str | None:
    """Return the key that botocore would sign with."""
    session = file_system_options(location)["session"]
    found = asyncio.run(session.get_credentials())
    return None if found is None else str(found.access_key)


@pytest.mark.parametrize("scheme", ["s3", "s3a"])
def test_s3_as_anybody(scheme: str) -> None:
    options = file_system_options(Location(f"{scheme}://bucket/x"))
    assert options["anon"] is True
    assert "session" not in options
    assert options["config_kwargs"]["retries"] == {"total_max_attempts": 1}


def test_s3_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert "anon" not in file_system_options(Location("s3://bucket/x"))
    assert s3_key(Location("s3://bucket/x")) == "ENVKEY"


def test_s3_by_a_profile(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    profiles(home)
    assert s3_key(Location("s3://bucket/x", {"profile": "lab"})) == "LABKEY"
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert s3_key(Location("s3://bucket/x")) == "LABKEY"


def test_s3_by_a_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    (home / "keys").write_text(f"[default]\naws_access_key_id = FILEKEY\naws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "keys"))
    assert s3_key(Location("s3://bucket/x")) == "FILEKEY"


@pytest.mark.parametrize("given", [{"key": "K", "secret": SECRET}, {"anon": True}, {"anon": False}])
def test_s3_by_options(home: Path, given: dict[str, Any]) -> None:
    profiles(home)
    options = file_system_options(Location("s3://bucket/x", given))
    assert given.items() <= options.items()
    assert "session" not in options


def test_options_are_not_changed() -> None:
    given = {"profile": "lab", "config_kwargs": {"s3": {"addressing_style": "path"}}}
    location = Location("s3://bucket/x", given)
    file_system_options(Location("s3://bucket/x", {"anon": True, "config_kwargs": given["config_kwargs"]}))
    assert location.options == given
    assert given["config_kwargs"] == {"s3": {"addressing_style": "path"}}


def test_s3_asks_no_machine(home: Path, reached: list[str]) -> None:
    pytest.importorskip("s3fs")
    profiles(home)  # which has none by the name of `default`
    with pytest.raises(SensoriumError) as caught:
        open_objects(Location("s3://bucket-here/file")).read("x", 0, 5)
    assert caught.value.code == "access-denied"
    assert not reached


def test_s3_with_a_profile_that_is_none(home: Path, reached: list[str]) -> None:
    pytest.importorskip("s3fs")
    profiles(home)
    with pytest.raises(SensoriumError) as caught:
        open_objects(Location("s3://bucket-here/file", {"profile": "another"})).read("x", 0, 5)
    assert caught.value.code == "access-denied"
    assert not reached


@pytest.mark.parametrize(("url", "package"), [("s3://b/x", "s3fs"), ("gs://b/x", "gcsfs"), ("az://b/x", "adlfs")])
def test_anybody_asks_no_machine(reached: list[str], url: str, package: str) -> None:
    pytest.importorskip(package)
    options = {"account_name": "someone"} if url.startswith("az") else {}
    with pytest.raises(SensoriumError):
        open_objects(Location(url, options)).read("x", 0, 5)


def test_google(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Location("gs://bucket/x")
    assert file_system_options(place)["token"] == "anon"
    assert file_system_options(Location("gs://bucket/x", {"token": "cloud"}))["token"] == "cloud"
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(home))
    (home / "application_default_credentials.json").write_text("{}")
    assert file_system_options(place)["token"] == "google_default"
    monkeypatch.delenv("CLOUDSDK_CONFIG")
    assert file_system_options(place)["token"] == "anon"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(home / "x.json"))
    assert file_system_options(place)["token"] == "google_default"


@pytest.mark.parametrize("content", ["", "{}", json.dumps({"type": "nothing", "key": SECRET})])
def test_google_credentials_that_are_none(
    home: Path, monkeypatch: pytest.MonkeyPatch, reached: list[str], content: str
) -> None:
    pytest.importorskip("gcsfs")
    (home / "x.json").write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(home / "x.json"))
    with pytest.raises(SensoriumError) as caught:
        open_objects(Location("gs://bucket/file")).read(content[:3] or "x", 0, 5)
    assert caught.value.code == "access-denied"
    assert SECRET not in str(caught.value.as_dict())
    assert not reached


def test_gcsfs_does_not_ask_what_a_bucket_is() -> None:
    kind = import_module("gcsfs.core").GCSFileSystem if pytest.importorskip("gcsfs") else None
    before = dict(os.environ)
    objects = open_objects(Location("gs://bucket/kind"))
    assert type(objects._fs) is kind  # type: ignore[attr-defined]  # what it would ask is not seen by an emulator
    assert dict(os.environ) == before


def test_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Location("az://box/x", {"account_name": "someone"})
    assert file_system_options(place)["anon"] is True
    assert file_system_options(Location("az://box/x", {"anon": False}))["anon"] is False
    monkeypatch.setenv("AZURE_STORAGE_CLIENT_SECRET", SECRET)  # half of what it takes
    assert file_system_options(place)["anon"] is True
    monkeypatch.setenv("AZURE_STORAGE_ANON", "false")
    assert "anon" not in file_system_options(place)


def test_azure_by_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("adlfs")
    key = "a2V5LW9mLXRoZS10ZXN0cw=="
    given = open_objects(Location("az://box/x", {"account_name": "someone", "account_key": key}))
    assert given._fs.service_client.credential.account_key == key  # type: ignore[attr-defined]  # no server tells
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", key)
    found = open_objects(Location("az://box/y", {"account_name": "someone"}))
    assert found._fs.service_client.credential.account_key == key  # type: ignore[attr-defined]
    assert key not in repr(given.location)
