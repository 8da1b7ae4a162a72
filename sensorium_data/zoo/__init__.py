"""Models of visual cortex, each readable from top to bottom in one file, and what trains and keeps them.

>>> from sensorium_data import zoo
>>> zoo.models()
('ln', 'cnn', 'ln3d', 'factorised3d')
"""

try:
    import torch as torch  # models are torch's
except ImportError as error:
    what = "sensorium_data.zoo needs torch: pip install 'sensorium-data[torch]'"
    raise ImportError(what) from error

from sensorium_data.zoo.checkpoints import from_pretrained, save_pretrained
from sensorium_data.zoo.contract import Model, SessionFacts
from sensorium_data.zoo.facts import normalisation_of, session_facts
from sensorium_data.zoo.loading import load
from sensorium_data.zoo.normalisation import Normalisation
from sensorium_data.zoo.predicting import FilledInputWarning, predictions
from sensorium_data.zoo.published2022 import load_published
from sensorium_data.zoo.registry import build, configure, model_class, models
from sensorium_data.zoo.training import load_recipe, recipes, train

__all__ = [
    "FilledInputWarning",
    "Model",
    "Normalisation",
    "SessionFacts",
    "build",
    "configure",
    "from_pretrained",
    "load",
    "load_published",
    "load_recipe",
    "model_class",
    "models",
    "normalisation_of",
    "predictions",
    "recipes",
    "save_pretrained",
    "session_facts",
    "train",
]
