"""A conversion leaves the garbage collector as it found it."""

from __future__ import annotations

import gc

import pytest

from sensorium_data.conversion.heap import young_heap


def test_what_was_there_is_frozen_and_let_go() -> None:
    assert gc.get_freeze_count() == 0
    with young_heap():
        assert gc.get_freeze_count() > 0
        with young_heap():
            assert gc.get_freeze_count() > 0
        assert gc.get_freeze_count() > 0, "the inner one undid nothing"
    assert gc.get_freeze_count() == 0


def test_it_is_let_go_after_a_failure() -> None:
    with pytest.raises(KeyError), young_heap():
        raise KeyError
    assert gc.get_freeze_count() == 0


def test_what_somebody_else_froze_stays_frozen() -> None:
    theirs: list[object] = [object()]
    gc.freeze()
    try:
        with young_heap():
            pass
        # Not by count: whatever died in between, by its references alone, is frozen no longer.
        assert gc.get_freeze_count() > 0
        assert not any(one is theirs for one in gc.get_objects())
    finally:
        gc.unfreeze()
    assert any(one is theirs for one in gc.get_objects()), "the collector follows it again"
