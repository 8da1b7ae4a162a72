"""Child processes of the tests: started on free loopback ports, waited for, and ended by process id."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

HOST = "127.0.0.1"
WAIT_S = 60.0  # for a server to answer, and for a killed one to be gone
GRPC = 10_000  # SeaweedFS listens on each of its ports plus this as well
# Below the range that the kernel gives to outgoing connections, and with room for GRPC above.
LOWEST, HIGHEST = 11_000, 22_000


class NotStarted(RuntimeError):
    """A server ended, or did not answer in time."""


def free_port(n: int = 1) -> int:
    """Return the first of n free ports in a row whose numbers plus 10,000 are free too."""
    while True:
        first = random.SystemRandom().randrange(LOWEST, HIGHEST - n)
        if all(_is_free(port) and _is_free(port + GRPC) for port in range(first, first + n)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind((HOST, port))
        except OSError:
            return False
    return True


def spawn(command: Sequence[str], folder: Path, *, environment: Mapping[str, str], tied: bool) -> int:
    """Start a process whose output goes to `folder/log`, and return its id.

    With ``tied``, the kernel kills it when this process dies, whatever this one dies of (where `setpriv` is, and
    from the main thread: the kernel looks at the thread that started it).
    """
    setpriv = shutil.which("setpriv")
    if tied and setpriv and threading.current_thread() is threading.main_thread():
        command = [setpriv, "--pdeathsig", "KILL", *command]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=os.environ | environment,
            start_new_session=True,  # Ctrl-C is for the tests, which then end it themselves
        )
    return process.pid


def is_running(pid: int, folder: Path) -> bool:
    """Say whether this process is alive and still the one that was started in the folder."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and any(str(folder) in word for word in process.cmdline())
    except psutil.NoSuchProcess:
        return False


def end(pid: int, folder: Path) -> None:
    """Kill a process and wait until it is gone; a process id that went to another one is left alone."""
    deadline = time.monotonic() + WAIT_S
    while is_running(pid, folder):
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()
        if time.monotonic() > deadline:
            raise RuntimeError(f"process {pid} is still there {WAIT_S:.0f} s after it was killed")
        time.sleep(0.01)
    with suppress(ChildProcessError):  # where another process started it, that one or init takes it off the list
        os.waitpid(pid, os.WNOHANG)


def wait_for(is_ready: Callable[[], bool], pid: int, folder: Path) -> None:
    """Wait until a server answers.

    Raises
    ------
    NotStarted
        It ended, or did not answer within `WAIT_S`; the text ends with the last lines of its log.
    """
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if _answers(is_ready):
            return
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.05)
    last = "\n".join((folder / "log").read_text("utf-8", "replace").splitlines()[-5:])
    end(pid, folder)
    raise NotStarted(f"it does not answer; its log ends with\n{last}")


def _answers(is_ready: Callable[[], bool]) -> bool:
    try:
        return is_ready()
    except OSError:
        return False
