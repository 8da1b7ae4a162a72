"""Two processes do what one does: the same gradients, the same sums, the same score, and one of them writes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sensorium_data.errors import BadArgument
from sensorium_data.zoo.training.distributed import Group, device_of, joined
from tests.gloo import ended_well
from tests.training.ranks import steps_of_two_epochs

ROOT = Path(__file__).parents[2]


def together(folder: Path, stores: list[Path]) -> None:
    """Run `ranks.py` in two processes, as ``torchrun`` does but without its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = os.environ | {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "PYTHONPATH": str(ROOT),
    }
    words = [sys.executable, str(ROOT / "tests/training/ranks.py"), str(folder), *map(str, stores)]
    ranks = [
        subprocess.Popen(words, env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    said = [rank.communicate(timeout=300)[1].decode() for rank in ranks]
    assert all(ended_well(rank.returncode, text) for rank, text in zip(ranks, said, strict=True)), "\n".join(said)


def test_two_ranks_do_what_one_does(mice: list[Path], tmp_path: Path) -> None:
    together(tmp_path, mice)
    for accumulate in ("sessions", 4):
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        wanted, alone = steps_of_two_epochs(mice, Group(0, 1, torch.device("cpu")), accumulate)
        torch.set_num_threads(before)
        told = [json.loads((tmp_path / f"{accumulate}-{rank}.json").read_text()) for rank in range(2)]
        assert told[0] == told[1]
        assert told[0]["score"] == pytest.approx(alone["score"], abs=1e-9)
        for one, other in zip(told[0]["tallies"], alone["tallies"], strict=True):
            assert one == pytest.approx(other, rel=1e-5)
        made = [load_file(tmp_path / f"{accumulate}-{rank}.safetensors") for rank in range(2)]
        assert set(made[0]) == set(wanted)
        for name, one in wanted.items():
            assert torch.equal(made[0][name], made[1][name]), name
            torch.testing.assert_close(made[0][name], one, rtol=1e-5, atol=1e-5)
    rows = [json.loads((tmp_path / f"rows-{rank}.json").read_text()) for rank in range(2)]
    assert rows[0]["rows"] == rows[1]["rows"]
    assert [one["kept"] for one in rows] == [3, 0]
    assert (tmp_path / "run" / "state" / "training.safetensors").exists()


def test_a_single_process_needs_no_group() -> None:
    with joined(torch.device("cpu")) as group:
        assert (group.rank, group.world_size, group.is_first) == (0, 1, True)
        assert not torch.distributed.is_initialized()
        assert group.gather(torch.ones(2)).shape == (1, 2)
        group.wait()


def test_devices_by_name() -> None:
    assert device_of("cpu").type == "cpu"
    with pytest.raises(BadArgument, match="no device 'graphics'"):
        device_of("graphics")
    with pytest.raises(BadArgument, match="GPU"):
        device_of("cuda:99")
    with pytest.raises(BadArgument, match="expected a CPU or a CUDA GPU"):
        device_of("meta")
