"""What the clients of buckets say, and what they lack, in our words."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from sensorium_data.errors import BadArgument, SensoriumError
from sensorium_data.remote import Location, open_objects
from sensorium_data.remote.files import _ours

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hush-7f3a"
DATA = bytes(range(256)) * 40


def test_the_account_of_an_azure_url() -> None:
    pytest.importorskip("adlfs")
    objects = open_objects(Location("abfs://box@account.dfs.core.windows.net/x"))
    assert objects._fs.account_name == "account"  # type: ignore[attr-defined]  # no server has such a name here
    assert objects._kind._strip_protocol(objects.location.asked()) == "box/x"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError("Cannot connect to host 127.0.0.1:40312"), None),
        (OSError("Cannot connect to host storage.example:403"), None),
        (OSError("got 14032 of 40100 bytes, id=401-7"), None),
        (OSError("HTTP 403"), "access-denied"),
        (OSError("status=401, message='x'"), "access-denied"),
        (PermissionError("no"), "access-denied"),
        (FileNotFoundError("bucket/session 403"), "no-such-object"),
        (type("ExpiredTokenException", (Exception,), {})("x"), "access-denied"),
        (type("NoCredentialsError", (Exception,), {})("x"), "access-denied"),
        (type("ProfileNotFound", (Exception,), {})("x"), "access-denied"),
        (TypeError(SECRET), "storage-options"),
    ],
)
def test_what_clients_say(error: Exception, code: str | None) -> None:
    ours = _ours(Location("s3://bucket/x"), error)
    assert getattr(ours, "code", None) == (code or "unreachable")
    assert isinstance(ours, SensoriumError) == (code is not None)
    assert SECRET not in str(ours)


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs"), ("az", "adlfs")])
def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch, scheme: str, package: str) -> None:
    registry = import_module("fsspec.registry")  # the package has a value of that name

    for known in ("s3", "gs", "az", "abfs"):
        monkeypatch.delitem(registry._registry, known, raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BadArgument, match=f"needs {package}") as caught:
        open_objects(Location(f"{scheme}://bucket/{os.urandom(4).hex()}"))
    assert caught.value.code == "no-client"
    assert "pip install" in caught.value.hint


def test_schemes_and_options_that_are_none() -> None:
    with pytest.raises(BadArgument) as caught:
        open_objects(Location("nonsense://bucket/x"))
    assert caught.value.code == "unknown-scheme"
    with pytest.raises(BadArgument) as caught:
        open_objects(Location("s3://bucket/x", {"secrett": SECRET, "config_kwargs": 7})).read("x")
    assert caught.value.code == "storage-options"
    assert SECRET not in str(caught.value.as_dict())


def test_files_by_their_url(tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(DATA)
    objects = open_objects(Location(f"file://{tmp_path}"))
    assert objects.read("a b", 5, 9) == DATA[5:9]
    assert list(objects.listing()) == [("a b", len(DATA))]
    assert objects.head("none") is None
