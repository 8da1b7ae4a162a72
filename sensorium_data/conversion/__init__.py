"""From a published recording to a verified session store: plan, write, check, publish.

The package is called `conversion` so that `sensorium_data.convert` is always the function and never a module.
"""

from __future__ import annotations

from sensorium_data.conversion.against import check_against
from sensorium_data.conversion.audit import audit_source
from sensorium_data.conversion.checking import check_store
from sensorium_data.conversion.collection import convert_all, plan_all
from sensorium_data.conversion.front import convert, plan_only

__all__ = ["audit_source", "check_against", "check_store", "convert", "convert_all", "plan_all", "plan_only"]
