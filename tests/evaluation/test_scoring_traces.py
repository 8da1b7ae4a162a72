"""What the figure shows is what was recorded and predicted, of neurons chosen by their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from sensorium_data.errors import BadArgument, TargetExists
from sensorium_data.evaluation.figures import draw
from sensorium_data.evaluation.scoring import evaluate
from tests.evaluation import scored

if TYPE_CHECKING:
    from pathlib import Path

    from tests.evaluation.scored import Made


@pytest.fixture(scope="module")
def mouse(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return scored.films(tmp_path_factory.mktemp("mouse"), 0, 9, n_repeats=4)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return scored.images(tmp_path_factory.mktemp("pictures"))


def test_a_film_that_was_shown_most_often(mouse: Made) -> None:
    done = evaluate(mouse.predictions("oracle"), mouse.store, n_bootstrap=0)
    shown, scores = done.traces, done.of(mouse.key).values["single_trial_correlation"]
    assert shown is not None
    assert (shown.session, shown.tier, shown.kind, shown.static) == (mouse.key, "oracle", "NaturalVideo", False)
    np.testing.assert_allclose(shown.times_s, np.arange(50, 299) / 30)
    order = np.argsort(scores)
    assert [each.rank for each in shown.neurons] == ["best", "upper quartile", "median"]
    assert [each.unit_id for each in shown.neurons] == mouse.unit_ids[order[[-1, -3, 4]]].tolist()
    film = [piece for piece in mouse.joined("s23-server", "oracle") if piece[0].film == "oracle-0"]
    assert len(film) == 4
    for each in shown.neurons:
        column = int(np.flatnonzero(mouse.unit_ids == each.unit_id)[0])
        assert each.correlation == scores[column]
        np.testing.assert_allclose(each.responses, [piece[2][:, column] for piece in film])
        np.testing.assert_allclose(each.prediction, np.mean([piece[3][:, column] for piece in film], axis=0))


def test_images_by_their_means(pictures: Made) -> None:
    done = evaluate(pictures.predictions("test"), pictures.store, tier="test", n_bootstrap=0)
    assert done.traces is not None
    assert done.traces.static
    best = done.traces.neurons[0]
    column = int(np.flatnonzero(pictures.unit_ids == best.unit_id)[0])
    groups = scored.by_stimulus(pictures, "s22", "test").values()
    wanted = sorted((np.mean([r[column] for r, _ in one]), np.mean([p[column] for _, p in one])) for one in groups)
    got = sorted(zip(np.nanmean(best.responses, axis=0).tolist(), best.prediction.tolist(), strict=True))
    np.testing.assert_allclose(got, wanted)


@pytest.mark.parametrize("tier", ["oracle", "train", "test", "validation"])
def test_figures_of_films_and_images_repeated_or_not(mouse: Made, pictures: Made, tmp_path: Path, tier: str) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    made = pictures if tier in ("test", "validation") else mouse
    done = evaluate(made.predictions(tier), made.store, tier=tier, n_bootstrap=0)
    path = draw(done, tmp_path / "f.svg")
    text = path.read_text("utf-8")
    for said in (made.key, "median", "prediction", "single-trial correlation"):
        assert said in text
    assert ("single trials" in text) == (tier in ("oracle", "test"))
    with pytest.raises(TargetExists):
        draw(done, path)
    with pytest.raises(BadArgument, match="not written as"):
        draw(done, tmp_path / "f")
