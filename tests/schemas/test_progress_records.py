"""Progress: plain values that any consumer may keep, and a reporter that does nothing."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING

import pytest

from sensorium_data.progress import Progress, ignore

if TYPE_CHECKING:
    from sensorium_data.progress import Report


def test_records_are_values() -> None:
    record = Progress("write", 3, 10, "trials", "raw responses")
    assert record == Progress(stage="write", done=3, total=10, unit="trials", text="raw responses")
    assert pickle.loads(pickle.dumps(record)) == record
    assert {record: 1}[record] == 1
    with pytest.raises(FrozenInstanceError):
        record.done = 4  # type: ignore[misc]  # the refusal is what is tested


def test_a_list_is_a_reporter_and_ignore_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    kept: list[Progress] = []
    reporters: list[Report] = [kept.append, ignore]
    for report in reporters:
        report(Progress("read", 1, 2))
    assert kept == [Progress("read", 1, 2, "", "")]
    assert capsys.readouterr() == ("", "")
