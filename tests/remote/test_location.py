"""A location: joined, quoted, compared and sent to other processes, with nothing shown that lets one in."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.remote import Location, is_url, placed
from sensorium_data.remote.location import mirrored

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "hush-7f3a"
PART = st.text(st.characters(codec="utf-8", exclude_characters="/\r\n\0", exclude_categories=("Cs", "Cc")), min_size=1)
KEYS = st.lists(PART.filter(lambda part: part not in (".", "..")), min_size=1, max_size=3).map("/".join)
SCHEMES = st.sampled_from(
    ["https://example.org/stores", "s3://bucket/stores", "gs://bucket", "az://box/stores", "memory://x"]
)


@checked(deadline=None)
@given(SCHEMES, KEYS)
def test_keys_reach_the_server_as_they_are(base: str, key: str) -> None:
    asked = (Location(base) / key).asked()
    if base.startswith("https"):
        parts = urlsplit(asked)
        assert unquote(parts.path) == f"/stores/{key}"
        assert not parts.query
        assert not parts.fragment
        assert asked.isascii()
        assert " " not in asked
    else:
        assert asked == f"{base}/{key}"


@checked(deadline=None)
@given(SCHEMES, KEYS, st.sampled_from(["", f"?X-Amz-Signature={SECRET}&x=1"]), st.booleans())
def test_travels_whole_and_shows_nothing(base: str, key: str, query: str, has_options: bool) -> None:
    options = {"secret": SECRET} if has_options else {}
    query = query if base.startswith("https") else ""
    place = Location(f"{base}/{query}", options) / key
    there = pickle.loads(pickle.dumps(place))
    assert there == place
    assert hash(there) == hash(place)
    assert there.asked() == place.asked()
    assert there.asked().endswith(query)
    assert there.options == options
    for shown in (str(place), repr(place), place.name, repr(there), f"{place.parent!r}"):
        assert SECRET not in shown


def test_what_lets_in_tells_places_apart() -> None:
    one = Location("https://example.org/x")
    assert one == Location("https://example.org/x/")
    assert one == Location("HTTPS://example.org/x///")
    assert one != Location("https://example.org/x?a=1")
    assert one != Location("https://example.org/x", {"headers": {"a": "1"}})
    assert Location("s3://bucket/x", {"anon": True}) != Location("s3://bucket/x")
    assert one != "https://example.org/x"


@pytest.mark.parametrize("url", ["s3://bucket", "https://example.org", "s3://bucket/a/b"])
def test_parent_ends_at_the_top(url: str) -> None:
    place = Location(url)
    for _ in range(4):
        place = place.parent
    assert place.url == url.removesuffix("/a/b")


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{SECRET}@example.org/x",
        f"https://{SECRET}@example.org/x",
        f"https://user:{SECRET}@{SECRET}@example.org/x",
        f"https://user:{SECRET}@example.org?{SECRET}",
        f"s3://key:{SECRET}@bucket/x",
        f"ftp://me:{SECRET}@example.org/@x",
        f"abfs://box:{SECRET}@account.dfs.core.windows.net/x",
        f"az://box/x?sv=2024&sig={SECRET}",
        f"s3://bucket/x?X-Amz-Signature={SECRET}",
    ],
)
def test_secrets_in_urls_are_refused_unseen(url: str) -> None:
    with pytest.raises(BadArgument) as caught:
        Location(url)
    assert caught.value.code == "credentials-in-url"
    assert SECRET not in str(caught.value.as_dict())


@pytest.mark.parametrize(
    "url", ["https://", "https:///x", "s3:///", "https://[half/x", "https://example.org:port/x", "x"]
)
def test_no_places(url: str) -> None:
    with pytest.raises(BadArgument):
        Location(url)


def test_a_container_of_an_account_is_no_password() -> None:
    assert Location("abfs://box@account.dfs.core.windows.net/x").name == "x"


@pytest.mark.parametrize("key", ["..", "../x", "a/../../x", "a/.."])
@pytest.mark.parametrize("base", ["https://example.org/a", "s3://bucket/a"])
def test_no_key_leads_out(base: str, key: str) -> None:
    with pytest.raises(BadArgument, match="leads out"):
        Location(base) / key


def test_files_are_paths(tmp_path: Path) -> None:
    assert placed(f"file://{tmp_path}/a%20b") == tmp_path / "a b"
    assert placed("file://localhost/stores/x") == Path("/stores/x")
    assert placed("stores/x") == Path("stores/x")
    assert placed(Path("x")) == Path("x")
    place = Location("s3://bucket/x")
    assert placed(place) is place
    with pytest.raises(BadArgument, match="on this machine"):
        placed("stores/x", {"anon": True})


def test_options_are_a_mapping() -> None:
    with pytest.raises(BadArgument, match="expected a mapping"):
        Location("s3://bucket/x", [SECRET])  # type: ignore[arg-type]  # what is tested


@checked(deadline=None)
@given(st.one_of(st.text(), st.integers(), st.none()))
def test_only_text_is_a_url(where: object) -> None:
    if is_url(where):
        assert isinstance(where, str)
        assert "://" in where


@pytest.mark.parametrize(
    ("mirrors", "url", "there"),
    [
        ("https://a.org=http://b.org", "https://a.org/x", "http://b.org/x"),
        ("https://a.org=http://b.org", "https://a.org", "http://b.org"),
        ("https://a.org=http://b.org", "https://a.org.net/x", "https://a.org.net/x"),
        ("https://a.org=http://b.org", "https://a.organics/x", "https://a.organics/x"),
        ("https://a.org/=http://b.org/c/", "https://a.org/x", "http://b.org/c/x"),
        ("https://c.org=http://d.org  https://a.org=http://b.org:8", "https://a.org/x", "http://b.org:8/x"),
        ("https://a.org/x=http://1.org https://a.org=http://2.org", "https://a.org/x/y", "http://1.org/y"),
        ("https://a.org=http://2.org https://2.org=http://3.org", "https://a.org/y", "http://2.org/y"),
        ("s3://one=s3://two/copy", "s3://one/x", "s3://two/copy/x"),
        ("", "https://a.org/x", "https://a.org/x"),
    ],
)
def test_mirrors(setting: Callable[..., None], mirrors: str, url: str, there: str) -> None:
    setting(mirrors=mirrors)
    assert mirrored(url) == there


@pytest.mark.parametrize(
    "mirrors",
    ["https://a.org", "a=b", "https://a.org=x", f"https://a.org=s3://{SECRET}", f"x=https//u:{SECRET}@h", "="],
)
def test_mirrors_that_are_none(setting: Callable[..., None], mirrors: str) -> None:
    setting(mirrors=mirrors)
    with pytest.raises(BadArgument) as caught:
        Location("https://a.org/x").asked()
    assert caught.value.code == "bad-setting"
    assert SECRET not in str(caught.value)


@checked(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(KEYS)
def test_a_mirror_is_asked_with_the_query(setting: Callable[..., None], key: str) -> None:
    setting(mirrors="https://example.org/a=http://127.0.0.1:9/b")
    place = Location("https://example.org/a?sig=1") / key
    parts = urlsplit(place.asked())
    assert parts.netloc == "127.0.0.1:9"
    assert unquote(parts.path) == f"/b/{key}"
    assert parts.query == "sig=1"
    assert "127.0.0.1" not in str(place)
