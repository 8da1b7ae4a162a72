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
    from sensorium_data.conversion import convert as convert
    from sensorium_data.views import Session as Session
    from sensorium_data.views import open_session as open_session

    testing: ModuleType  # not imported even here: import-linter would count it as a way up from every layer

__version__ = "0.1.0"
__all__ = ["Session", "__version__", "convert", "errors", "open_session", "testing"]

# Where each public name lives. Nothing heavy is imported before it is asked for (PEP 562): `import sensorium_data`
# must stay under 0.15 s, and numpy, zarr and xarray together cost five times that.
_HOME = {"Session": "views", "convert": "conversion", "open_session": "views"}
_MODULES = ("errors", "testing")


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
