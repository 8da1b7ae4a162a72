"""Scores as the benchmarks define them, and the files they take: numpy in, numbers out.

>>> from sensorium_data.evaluation import TrialPrediction
"""

from sensorium_data.evaluation.predictions import ResponseScale, TrialPrediction

__all__ = ["ResponseScale", "TrialPrediction"]
