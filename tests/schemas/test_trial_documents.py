"""Trials, tiers, neurons and reports: the rules that join fields and the facts kept beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sensorium_data.schemas import ROLES, CheckReport, Finding, Neuron, Role, Severity, Trial
from sensorium_data.schemas.base import Timestamp
from sensorium_data.schemas.render import json_schema

TIMES: TypeAdapter[datetime] = TypeAdapter(Timestamp)


def _trial(**changes: Any) -> Trial:
    place = {"variant": 0, "stimulus": 0, "start": 900, "stop": 1200, "n_valid": 300, "order": 3, "segment": 0}
    fields: dict[str, Any] = {"trial_id": 3, "tier": "train", "role": "train"} | place
    return Trial(**(fields | changes))


@given(st.integers(-1000, 1000), st.integers(-5, 400), st.integers(-5, 400), st.booleans())
def test_trial_is_half_open_and_empty_when_missing(start: int, length: int, n_valid: int, missing: bool) -> None:
    changes = {"start": start, "stop": start + length, "n_valid": n_valid, "missing": missing}
    if 0 <= n_valid <= length and not (missing and n_valid):
        assert _trial(**changes).stop - start == length
    else:
        with pytest.raises(ValidationError):
            _trial(**changes)


def test_trial_says_which_rule_it_breaks() -> None:
    with pytest.raises(ValidationError, match=r"\[900, 1200\) does not hold 301 samples"):
        _trial(n_valid=301)
    with pytest.raises(ValidationError, match="a missing trial has no valid sample"):
        _trial(missing=True)


def test_withheld_trial_still_has_its_samples() -> None:
    assert _trial(tier="final_test_main", role="test", responses_withheld=True).n_valid == 300


def test_every_published_tier_has_a_role() -> None:
    assert set(ROLES.values()) == set(get_args(Role))
    assert ROLES["train"] == "train"
    assert ROLES["oracle"] == ROLES["validation"] == "validation"
    assert ROLES["none"] == "none"
    tests = {tier for tier, role in ROLES.items() if role == "test"}
    assert tests == {"test", "final_test"} | {f"{a}_test_{b}" for a in ("live", "final") for b in ("main", "bonus")}


@pytest.mark.parametrize("value", [[], {}, [1.0]])
def test_further_columns_of_a_neuron_are_scalars_for_both(value: object) -> None:
    """pydantic names one error for each scalar type here, so this stands beside the corpus, not in it."""
    example = {"unit_id": 1, "extra": {"r2": value}}
    with pytest.raises(ValidationError, match=r"extra\.r2"):
        Neuron.model_validate(example)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(example, json_schema("neuron"))


@pytest.mark.parametrize("value", [True, 3, 0.5, "a", None])
def test_further_columns_of_a_neuron_keep_their_type(value: object) -> None:
    neuron = Neuron.model_validate_json(Neuron.model_validate({"unit_id": 1, "extra": {"r2": value}}).model_dump_json())
    assert neuron.extra == {"r2": value}
    assert type(neuron.extra["r2"]) is type(value)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_times_survive_json_to_the_microsecond(time: datetime, offset_min: int) -> None:
    written = TIMES.dump_json(time)
    assert TIMES.validate_json(written) == time
    assert TIMES.validate_json(written).utcoffset() == timedelta(0)
    sign = "-" if offset_min < 0 else "+"
    hours, minutes = divmod(abs(offset_min), 60)
    shifted = written.decode().replace("Z", f"{sign}{hours:02}:{minutes:02}")
    assert TIMES.validate_json(shifted).replace(tzinfo=UTC) == time


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("2026-01-31T09:15:30", "timezone_aware"),
        ("2026-01-31T09:15Z", "string_pattern_mismatch"),
        ("2026-01-31 09:15:30Z", "string_pattern_mismatch"),
        ("2026-01-31T09:15:30.1234567Z", "string_pattern_mismatch"),
        ("2026-01-31T24:00:00Z", "string_pattern_mismatch"),
        ("1769850930", "string_pattern_mismatch"),
        ("2026-02-30T09:15:30Z", "datetime_parsing"),
    ],
)
def test_other_spellings_of_time_are_refused(text: str, error: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TIMES.validate_json(f'"{text}"')
    assert [each["type"] for each in caught.value.errors()] == [error]


@pytest.mark.parametrize("severity", get_args(Severity))
def test_report_is_ok_unless_a_finding_is_an_error(severity: Severity) -> None:
    note = Finding(code="a-note", severity="note", where="trials", what="seen")
    finding = Finding(code="a-finding", severity=severity, where="signals/pupil", what="seen")
    assert CheckReport(target="a.zarr", checks=(), findings=(note, finding)).ok is (severity != "error")
    assert CheckReport(target="a.zarr", checks=()).ok
