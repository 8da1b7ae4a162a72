"""`train` that is killed at some of its moments and gone on with: python killedtrain.py FOLDER RECIPE MOMENT,MOMENT STORE...

Each run is a process of its own, made by a fork after all imports; the last one is left alone.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING

import torch

from sensorium_data.cli.train import command
from tests.training.killed import dying

if TYPE_CHECKING:
    from collections.abc import Sequence


def warm() -> None:
    """Import once what every run would import again."""
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))]).zero_grad()
    importlib.import_module("matplotlib.backends.backend_agg")
    importlib.import_module("sensorium_data.zoo.training.engine")


def trained(words: Sequence[str], at: int) -> int:
    """Run the command in a process that kills itself at a moment; return what it ended with, as `os.waitpid` says."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with dying(at, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                command.main(list(words), standalone_mode=False)
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def main(folder: str, recipe: str, moments: Sequence[int], stores: Sequence[str]) -> None:
    warm()
    words = [recipe, *stores, "--run", folder, "--resume", "--quiet"]
    for at in moments:
        ended = trained(words, at)
        assert os.WIFEXITED(ended) or os.WTERMSIG(ended) == signal.SIGKILL, ended
        print("killed" if os.WIFSIGNALED(ended) else "finished")
    assert trained(words, -1) == 0


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [int(at) for at in sys.argv[3].split(",")], sys.argv[4:])
