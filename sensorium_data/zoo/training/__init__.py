"""Training: a recipe and recordings in, the best model and its curve out.

>>> from sensorium_data.zoo.training import recipes, train
"""

from sensorium_data.zoo.training.engine import TrainingResult, train
from sensorium_data.zoo.training.recipes import load_recipe, parse_recipe, recipes
from sensorium_data.zoo.training.records import EpochRecord, Run

__all__ = ["EpochRecord", "Run", "TrainingResult", "load_recipe", "parse_recipe", "recipes", "train"]
