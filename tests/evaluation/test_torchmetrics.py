"""Metrics of torch: the functions' numbers after any batches, merged, and gathered from real processes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("torchmetrics")

import torch
from torchmetrics import MetricCollection

from sensorium_data.errors import BadArgument
from sensorium_data.evaluation import correlations, likelihood, variances
from sensorium_data.evaluation.oracles import oracle_jackknife
from sensorium_data.evaluation.torch_metrics import NeuronCorrelation, NeuronPoissonLoss
from sensorium_data.evaluation.torch_repeats import PIECES, REPEAT_METRICS, NeuronRepeats
from tests.gloo import ended_well

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RNG = np.random.default_rng(0)
N = 600
X, Y = RNG.gamma(1.0, size=(N, 3)).astype(np.float32), RNG.gamma(1.0, size=(N, 3)).astype(np.float32)
IDS = RNG.permutation(np.repeat(np.arange(60), 10))
X += np.sin(IDS)[:, None].astype(np.float32) + 1
FILMS = np.stack([IDS // 7, IDS % 7], axis=1)


def fed(metric: Any, rows: slice = slice(None), size: int = 25, **ids: Any) -> Any:
    """Return a metric that was given batches of (trial, time, neuron)."""
    x, y = (torch.as_tensor(values[rows]) for values in (X, Y))
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        more = {name: torch.as_tensor(values[rows][part])[None] for name, values in ids.items()}
        metric.update(y[part][None], x[part][None], **more)
    return metric


def test_correlation_and_loss_are_those_of_the_functions() -> None:
    np.testing.assert_allclose(fed(NeuronCorrelation(3)).compute(), correlations.correlation(X, Y), rtol=1e-12)
    np.testing.assert_allclose(fed(NeuronPoissonLoss(3)).compute(), likelihood.poisson_loss(X, Y), rtol=1e-12)
    made = fed(NeuronPoissonLoss(3, reduction="sum", eps=1e-3)).compute()
    np.testing.assert_allclose(made, likelihood.poisson_loss(X, Y, reduction="sum", eps=1e-3), rtol=1e-12)


@pytest.mark.parametrize("metric", REPEAT_METRICS)
def test_scores_of_repeats_are_those_of_the_functions(metric: Any) -> None:
    score = getattr(correlations, metric, None) or getattr(variances, metric, None)
    if score is None:
        from sensorium_data.evaluation import oracles

        score = getattr(oracles, metric)
    arrays = (X, Y) if metric in ("correlation_to_average", "feve") else (X,)
    wanted = score(*arrays, stimulus=IDS)
    assert np.isfinite(wanted).all()
    assert N / 25 > PIECES  # rows were merged on the way
    for ids in (IDS, FILMS):
        np.testing.assert_allclose(fed(NeuronRepeats(3, metric=metric), stimulus=ids).compute(), wanted, rtol=1e-10)


def test_nan_is_left_out_where_that_is_asked_for() -> None:
    x = X.copy()
    x[5, 1] = np.nan
    for made, wanted in (
        (NeuronCorrelation(3, nan="omit"), correlations.correlation(x, Y, nan="omit")),
        (NeuronPoissonLoss(3, nan="omit"), likelihood.poisson_loss(x, Y, nan="omit")),
        (NeuronCorrelation(3), correlations.correlation(x, Y)),
    ):
        made.update(torch.as_tensor(Y), torch.as_tensor(x))
        np.testing.assert_allclose(made.compute(), wanted, rtol=1e-12)
    repeats = NeuronRepeats(3, metric="feve", nan="omit")
    repeats.update(torch.as_tensor(Y), torch.as_tensor(x), stimulus=torch.as_tensor(IDS))
    np.testing.assert_allclose(repeats.compute(), variances.feve(x, Y, stimulus=IDS, nan="omit"), rtol=1e-10)


def test_reset_forgets_and_forward_scores_the_batch_alone() -> None:
    metric, repeats = NeuronCorrelation(3), NeuronRepeats(3, metric="oracle_jackknife")
    half = (torch.as_tensor(Y[:300]), torch.as_tensor(X[:300]))
    for _ in range(2):
        np.testing.assert_allclose(metric(*half), correlations.correlation(X[:300], Y[:300]), rtol=1e-12)
        alone = repeats(*half, stimulus=torch.as_tensor(IDS[:300]))
        np.testing.assert_allclose(alone, oracle_jackknife(X[:300], stimulus=IDS[:300]), rtol=1e-10)
        rest = slice(300, N)
        np.testing.assert_allclose(fed(metric, rest).compute(), correlations.correlation(X, Y), rtol=1e-12)
        whole = fed(repeats, rest, stimulus=IDS).compute()
        np.testing.assert_allclose(whole, oracle_jackknife(X, stimulus=IDS), rtol=1e-10)
        metric.reset()
        repeats.reset()
    with pytest.raises(BadArgument, match="no sample"), pytest.warns(UserWarning, match="before the ``update``"):
        metric.compute()


def test_metrics_merge_as_torchmetrics_does() -> None:
    one, other = fed(NeuronCorrelation(3), slice(0, 200)), fed(NeuronCorrelation(3), slice(200, N))
    one.merge_state(other)
    np.testing.assert_allclose(one.compute(), correlations.correlation(X, Y), rtol=1e-12)
    parts = [fed(NeuronRepeats(3, metric="feve"), rows, stimulus=IDS) for rows in (slice(0, 200), slice(200, N))]
    parts[0].merge_state(parts[1])
    np.testing.assert_allclose(parts[0].compute(), variances.feve(X, Y, stimulus=IDS), rtol=1e-10)


def test_they_stand_in_a_collection() -> None:
    both = MetricCollection({"corr": NeuronCorrelation(3), "loss": NeuronPoissonLoss(3)})
    both.update(torch.as_tensor(Y), torch.as_tensor(X))
    made = both.compute()
    np.testing.assert_allclose(made["corr"], correlations.correlation(X, Y), rtol=1e-12)
    np.testing.assert_allclose(made["loss"], likelihood.poisson_loss(X, Y), rtol=1e-12)


def test_what_does_not_fit_is_refused() -> None:
    wrong: Any = "normalized_correlation"
    with pytest.raises(BadArgument):
        NeuronRepeats(3, metric=wrong)
    with pytest.raises(BadArgument):
        NeuronCorrelation(3, eps=-1)
    with pytest.raises(ValueError, match="Unexpected keyword"):
        NeuronCorrelation(3, epsilon=1)
    metric, repeats = NeuronCorrelation(3), NeuronRepeats(3, metric="feve")
    y = torch.zeros(4, 3)
    updates: list[Callable[[], object]] = [
        lambda: metric.update(y[:, :2], y[:, :2]),
        lambda: metric.update(y, y[:2]),
        lambda: repeats.update(y, y, stimulus=torch.zeros(3, dtype=torch.int64)),
        lambda: repeats.update(y, y, stimulus=torch.zeros(4)),
        lambda: repeats.update(y, y, stimulus=torch.zeros(4, 3, dtype=torch.int64)),
    ]
    for update in updates:
        with pytest.raises(BadArgument):
            update()


RANK = """
import sys, warnings, numpy as np, torch
from sensorium_data.evaluation.torch_metrics import NeuronCorrelation, NeuronPoissonLoss
from sensorium_data.evaluation.torch_repeats import NeuronRepeats
rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
x, y, ids = (torch.as_tensor(values) for values in np.load(f"{folder}/arrays.npz").values())
metrics = [NeuronCorrelation(3), NeuronPoissonLoss(3), NeuronRepeats(3, metric="feve")]
warnings.simplefilter("ignore")  # torchmetrics warns of a rank without samples
# First the second rank has none, then both have some.
for turn, rows in enumerate([(range(0, 200, 50), ()), (range(200, 300, 50), range(300, 600, 50))]):
    for start in rows[rank]:
        part = slice(start, start + 50)
        for metric in metrics:
            metric.update(y[part], x[part], **({"stimulus": ids[part]} if metric is metrics[2] else {}))
    np.save(f"{folder}/made{turn}{rank}.npy", [metric.compute().numpy() for metric in metrics])
torch.distributed.destroy_process_group()
"""


def test_ranks_are_gathered_even_one_without_samples(tmp_path: Path) -> None:
    np.savez(tmp_path / "arrays.npz", x=X, y=Y, ids=IDS)
    ranks = [
        subprocess.Popen([sys.executable, "-c", RANK, str(rank), str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        told = [rank.communicate(timeout=300)[1] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert all(ended_well(rank.returncode, text) for rank, text in zip(ranks, told, strict=True)), told
    for turn, n_samples in enumerate((200, 600)):
        x, y, ids = X[:n_samples], Y[:n_samples], IDS[:n_samples]
        wanted = [correlations.correlation(x, y), likelihood.poisson_loss(x, y), variances.feve(x, y, stimulus=ids)]
        for number in range(2):
            np.testing.assert_allclose(np.load(tmp_path / f"made{turn}{number}.npy"), wanted, rtol=1e-10)
