"""Models of visual cortex, each readable from top to bottom in one file, and what trains and keeps them.

>>> from sensorium_data.zoo import Model
"""

try:
    import torch as torch  # models are torch's
except ImportError as error:
    what = "sensorium_data.zoo needs torch: pip install 'sensorium-data[torch]'"
    raise ImportError(what) from error

from sensorium_data.zoo.contract import Model, SessionFacts
from sensorium_data.zoo.normalisation import Normalisation

__all__ = ["Model", "Normalisation", "SessionFacts"]
