"""Scores as the benchmarks define them, and the files they take: numpy in, numbers out.

>>> from sensorium_data.evaluation import correlation, preset
>>> correlation([[1.0], [2.0], [3.0]], [[2.0], [4.0], [6.0]]).round(3), preset("s23-server").window(300)
(array([1.]), (50, 299))
"""

from sensorium_data.evaluation.accumulators import (
    CorrelationAccumulator,
    PoissonAccumulator,
    TrialCorrelationAccumulator,
)
from sensorium_data.evaluation.ceilings import ceilings
from sensorium_data.evaluation.correlations import (
    correlation,
    correlation_per_trial,
    correlation_to_average,
    single_trial_correlation,
)
from sensorium_data.evaluation.figures import draw
from sensorium_data.evaluation.files import write_neurons, write_report
from sensorium_data.evaluation.likelihood import poisson_loss
from sensorium_data.evaluation.normalized import normalized_correlation
from sensorium_data.evaluation.oracles import oracle_conservative, oracle_jackknife
from sensorium_data.evaluation.outcome import Evaluation, NeuronScores
from sensorium_data.evaluation.predictions import ResponseScale, TrialPrediction
from sensorium_data.evaluation.presets import PRESETS, Preset, preset
from sensorium_data.evaluation.repeataccumulator import RepeatAccumulator
from sensorium_data.evaluation.scoring import evaluate
from sensorium_data.evaluation.submissions.checking import check_submission
from sensorium_data.evaluation.submissions.plan import plan_submission
from sensorium_data.evaluation.submissions.reading import read_submission
from sensorium_data.evaluation.submissions.writing import write_submission
from sensorium_data.evaluation.variances import explainable_variance, feve, signal_to_noise
from sensorium_data.evaluation.weighting import mean_score

__all__ = [
    "PRESETS",
    "CorrelationAccumulator",
    "Evaluation",
    "NeuronScores",
    "PoissonAccumulator",
    "Preset",
    "RepeatAccumulator",
    "ResponseScale",
    "TrialCorrelationAccumulator",
    "TrialPrediction",
    "ceilings",
    "check_submission",
    "correlation",
    "correlation_per_trial",
    "correlation_to_average",
    "draw",
    "evaluate",
    "explainable_variance",
    "feve",
    "mean_score",
    "normalized_correlation",
    "oracle_conservative",
    "oracle_jackknife",
    "plan_submission",
    "poisson_loss",
    "preset",
    "read_submission",
    "signal_to_noise",
    "single_trial_correlation",
    "write_neurons",
    "write_report",
    "write_submission",
]
