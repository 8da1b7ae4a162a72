"""Rows of the arrays of a store straight into memory that the caller owns: plan, transport, checksum, decoder."""

from sensorium_data.reading.base import Reader
from sensorium_data.reading.fallback import ZarrReader
from sensorium_data.reading.indexed import read_indexed
from sensorium_data.reading.opening import open_reader, planned_reader
from sensorium_data.reading.reader import ArrayReader
from sensorium_data.reading.resident import ResidentReader
from sensorium_data.reading.transport import Counters
from sensorium_data.reading.verify import Verify

__all__ = [
    "ArrayReader",
    "Counters",
    "Reader",
    "ResidentReader",
    "Verify",
    "ZarrReader",
    "open_reader",
    "planned_reader",
    "read_indexed",
]
