"""Every block of `docs/time.md` runs as it is written, one after another, and its table names every method."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from sensorium_data.resample import Method

PAGE = (Path(__file__).parents[2] / "docs/time.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_blocks_run() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    names: dict[str, Any] = {}
    for block in BLOCKS:
        exec(block, names)
    assert names["good"].total == 830


def test_the_table_names_every_method() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE) == list(get_args(Method))
