"""Folders of training runs: what a run follows from, how it went, and what it made.

>>> from sensorium_data.zoo.runs import RunFolder
"""

from sensorium_data.zoo.runs.beginning import begin
from sensorium_data.zoo.runs.data import recorded
from sensorium_data.zoo.runs.folder import RunFolder

__all__ = ["RunFolder", "begin", "recorded"]
