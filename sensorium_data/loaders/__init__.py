"""Windows of sessions as torch tensors.

>>> from sensorium_data.loaders import WindowDataset, make_loader
"""

try:
    import torch as torch  # the loaders are torch's face
except ImportError as error:
    what = "sensorium_data.loaders needs torch: pip install 'sensorium-data[torch]'"
    raise ImportError(what) from error

from sensorium_data.loaders.collate import collate
from sensorium_data.loaders.dataset import WindowDataset
from sensorium_data.loaders.front import make_loader
from sensorium_data.loaders.loader import WindowLoader
from sensorium_data.loaders.statistics import Statistics
from sensorium_data.loaders.statistics_fit import fit_statistics
from sensorium_data.loaders.transforms import compose, fill_missing, normalise, official2022, official2023

__all__ = [
    "Statistics",
    "WindowDataset",
    "WindowLoader",
    "collate",
    "compose",
    "fill_missing",
    "fit_statistics",
    "make_loader",
    "normalise",
    "official2022",
    "official2023",
]
