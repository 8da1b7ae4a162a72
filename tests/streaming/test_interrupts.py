"""Ctrl-C ends a command at once, also while a server that never answers is waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.servers.faults import Fault
from tests.streaming.served import is_shard, served

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.faults import Request
    from tests.streaming.conftest import Stores

ENDS_S = 60  # long beside what it takes, short beside how long the server would be waited for
WORDS = {
    "copy": ["copy", "{url}", "{folder}/copy.zarr"],
    "check": ["check", "{url}"],
    "films": ["check", "{url}", "--select", "films"],
    "stimuli": ["stimuli", "{url}", "{other}"],
}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_an_interrupt_waits_for_nobody(stores: Stores, words: list[str], tmp_path: Path) -> None:
    waits = threading.Event()

    def stall(request: Request) -> Fault | None:
        if not is_shard(request) or request.method == "HEAD":
            return None
        waits.set()
        return Fault("stall")

    given = os.environ | {"SENSORIUM_DATA_TIMEOUT_S": "3000", "SENSORIUM_DATA_DEADLINE_S": "3000"}
    with served(stores.compact) as far:
        far.proxy.choose = stall
        said = [word.format(url=far.url, other=stores.other, folder=tmp_path) for word in words]
        command = [sys.executable, "-m", "sensorium_data", *said]
        with subprocess.Popen(command, env=given, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert waits.wait(ENDS_S)
                process.send_signal(signal.SIGINT)
                _, told = process.communicate(timeout=ENDS_S)
            finally:
                process.kill()
    assert process.returncode == 130
    assert "error[interrupted]" in told
    assert not (tmp_path / "copy.zarr").exists()
