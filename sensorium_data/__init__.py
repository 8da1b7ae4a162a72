"""Recordings of mouse visual cortex as validated, lazy, chunked Zarr stores.

>>> import sensorium_data as sd
>>> sd.__version__
'0.1.0'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from sensorium_data import errors as errors
    from sensorium_data.catalogs import catalog as catalog
    from sensorium_data.catalogs.fetch import download as download
    from sensorium_data.conversion import audit_source as audit
    from sensorium_data.conversion import convert as convert
    from sensorium_data.conversion import convert_all as convert_all
    from sensorium_data.copying import copy_store as copy
    from sensorium_data.intervals import Intervals as Intervals
    from sensorium_data.sessionset import SessionSet as SessionSet
    from sensorium_data.sessionset import open_sessions as open_sessions
    from sensorium_data.stimuli import StimulusGroups as StimulusGroups
    from sensorium_data.stimuli import stimulus_groups as stimulus_groups
    from sensorium_data.views import Session as Session
    from sensorium_data.views import open_session as open_session
    from sensorium_data.writing import SignalData as SignalData
    from sensorium_data.writing import write_session as write_session

    testing: ModuleType  # not imported even here: import-linter would count it as a way up from every layer

__version__ = "0.1.0"
__all__ = [
    "Intervals",
    "Session",
    "SessionSet",
    "SignalData",
    "StimulusGroups",
    "__version__",
    "audit",
    "catalog",
    "convert",
    "convert_all",
    "copy",
    "download",
    "errors",
    "open_session",
    "open_sessions",
    "stimulus_groups",
    "testing",
    "write_session",
]

# Where each public name lives. Nothing heavy is imported before it is asked for (PEP 562): `import sensorium_data`
# must stay under 0.15 s, and numpy, zarr and xarray together cost five times that.
_HOME = {
    "Intervals": "intervals",
    "Session": "views",
    "SessionSet": "sessionset",
    "SignalData": "writing",
    "StimulusGroups": "stimuli",
    "audit": "conversion",
    "catalog": "catalogs",
    "convert": "conversion",
    "convert_all": "conversion",
    "copy": "copying",
    "download": "catalogs.fetch",
    "open_session": "views",
    "open_sessions": "sessionset",
    "stimulus_groups": "stimuli",
    "write_session": "writing",
}
_INSIDE = {"audit": "audit_source", "copy": "copy_store"}  # names that are longer at home, where `audit` is a module
_MODULES = ("errors", "testing")
# Reached as `sd.loaders` too, though not among the names here.
_PARTS = ("clock", "evaluation", "loaders", "resample", "windows", "zoo")


def __getattr__(name: str) -> object:
    if name in _MODULES or name in _PARTS:
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), _INSIDE.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)
