"""Recordings made from a seed, for your tests and ours: the published format with all its quirks, and small stores.

Needs no network and nothing beside the package's own dependencies.
"""

from __future__ import annotations

from sensorium_data.testing.contract import SourceContract, Truth
from sensorium_data.testing.plan2022 import ImageTruth, describe_sensorium2022
from sensorium_data.testing.plan2023 import REAL_LENGTHS, TrialTruth, describe_sensorium2023
from sensorium_data.testing.published2022 import write_sensorium2022
from sensorium_data.testing.published2023 import write_sensorium2023
from sensorium_data.testing.sessions import make_session

__all__ = [
    "REAL_LENGTHS",
    "ImageTruth",
    "SourceContract",
    "TrialTruth",
    "Truth",
    "describe_sensorium2022",
    "describe_sensorium2023",
    "make_session",
    "write_sensorium2022",
    "write_sensorium2023",
]
