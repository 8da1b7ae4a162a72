"""Which windows are served: legal ones, placed a stride apart or by chance, as a value that says why."""

from sensorium_data.windows.conditions import Tier
from sensorium_data.windows.cutting import legal_windows
from sensorium_data.windows.explain import Explanation
from sensorium_data.windows.placing import StartRuns
from sensorium_data.windows.served import Served
from sensorium_data.windows.windows import Window, Windows

__all__ = ["Explanation", "Served", "StartRuns", "Tier", "Window", "Windows", "legal_windows"]
