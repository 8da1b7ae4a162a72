"""A store to be damaged on purpose."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ATTRIBUTE = "sensorium_data"
RESPONSES = "signals/responses/values"


@dataclass(frozen=True, slots=True)
class Damaged:
    """A copy of a sound store, and ways to spoil its files."""

    path: Path

    def flip(self, key: str, at: int = 3) -> None:
        data = bytearray((self.path / key).read_bytes())
        data[at] ^= 0x10
        (self.path / key).write_bytes(data)

    def cut(self, key: str, n: int) -> None:
        data = (self.path / key).read_bytes()
        (self.path / key).write_bytes(data[:n])

    def text(self, key: str, text: str) -> None:
        (self.path / key).parent.mkdir(parents=True, exist_ok=True)
        (self.path / key).write_text(text, "utf-8")

    def json(self, key: str, change: Callable[[dict[str, Any]], None]) -> None:
        document = json.loads((self.path / key).read_text("utf-8"))
        change(document)
        self.text(key, json.dumps(document))


def put(value: Any, *at: Any) -> Callable[[Any], None]:
    """Return what sets an item of an array, or of nested mappings."""

    def change(values: Any) -> None:
        for key in at[:-1]:
            values = values[key]
        values[at[-1]] = value

    return change
