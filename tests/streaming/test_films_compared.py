"""Films of stores at URLs are compared by planned reads, and the verbs that look at stores take URLs."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import sensorium_data as sd
from sensorium_data.cli.app import cli
from sensorium_data.errors import StoreInvalid
from tests.servers.faults import Fault, always
from tests.streaming.served import Served, is_shard, served
from tests.streaming.test_requests_counted import FRAMES, OPENING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.streaming.conftest import Stores


@pytest.fixture
def two(stores: Stores) -> Iterator[list[Served]]:
    with ExitStack() as stack:
        yield [stack.enter_context(served(store)) for store in (stores.compact, stores.other)]


def test_films_that_lie_near_one_another_come_together_and_once(stores: Stores, two: list[Served]) -> None:
    urls = [far.url for far in two]
    groups = sd.stimulus_groups(urls)
    asked = [far.asked() for far in two]
    for one in asked:
        assert set(one) - set(OPENING) == {f"{FRAMES}0/0/0"}
    here = sd.stimulus_groups([stores.compact, stores.other])
    assert groups.identities == here.identities
    assert groups.occurrences == here.occurrences
    n_films = sum(sd.open_session(url).document.stimuli.n_variants for url in urls)
    assert sum(one[f"{FRAMES}0/0/0"] for one in asked) < n_films / 2
    for far in two:
        far.asked()
    sd.stimulus_groups(urls)
    assert [far.asked() for far in two] == [OPENING, OPENING]


def test_wrong_frames_are_never_compared(two: list[Served], setting: Callable[..., None]) -> None:
    setting(stream_cache_bytes=0)
    sessions = sd.open_sessions([far.url for far in two])
    two[0].proxy.choose = always(Fault("wrong-bytes"), only=is_shard)
    with pytest.raises(StoreInvalid, match="CRC-32C"):
        sd.stimulus_groups(sessions)


@pytest.mark.parametrize("verb", ["stats", "stimuli", "info", "ls"])
def test_verbs_take_urls(two: list[Served], stores: Stores, verb: str) -> None:
    option = ["--storage-option", 'headers={"X-Who": "me"}']
    told = CliRunner().invoke(cli, [verb, two[0].url, "--json", *option])
    assert told.exit_code == 0, told.output
    here = CliRunner().invoke(cli, [verb, str(stores.compact), "--json"])
    if verb == "ls":
        assert json.loads(told.stdout)[0]["session"] == json.loads(here.stdout)[0]["session"]
    else:
        assert json.loads(told.stdout) == json.loads(here.stdout)


@pytest.mark.parametrize("verb", ["stats", "stimuli"])
def test_what_cannot_be_reached_ends_with_6(verb: str, setting: Callable[..., None]) -> None:
    setting(n_retries=0)
    done = CliRunner().invoke(cli, [verb, "http://127.0.0.1:1/mouse.zarr"], standalone_mode=False)
    assert getattr(done.exception, "exit_code", None) == 6
    assert getattr(done.exception, "code", None) == "unreachable"
