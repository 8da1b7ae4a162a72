"""What each of two processes does for `test_distributed`: python ranks.py FOLDER STORE STORE."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from sensorium_data.zoo.registry import build
from sensorium_data.zoo.training.distributed import Group, joined
from sensorium_data.zoo.training.engine import train
from sensorium_data.zoo.training.material import material_of
from sensorium_data.zoo.training.seeds import own_generator
from sensorium_data.zoo.training.steps import Steps, Tally
from sensorium_data.zoo.training.validation import Validation
from tests.training.small import Folder, small


def steps_of_two_epochs(stores: list[Path], group: Group, accumulate: str | int) -> tuple[dict[str, torch.Tensor], Any]:
    """Return the parameters after two epochs, and the score before them and the tallies of each."""
    # Adam makes whole steps of gradients that are rounding alone, as of a bias before batch norm; with this eps it does not.
    recipe = small(accumulate=accumulate, clip_norm=50.0, optimiser={"eps": 1.0})
    material = material_of(recipe, stores)
    model = build("ln3d", material.facts, recipe.model.config, seed=0, normalisation=material.normalisation)
    score = Validation(recipe, material.sessions, group).score(model)
    steps, told = Steps(recipe, material, model, group), []
    with own_generator(group.device):
        for epoch in (1, 2):
            tally = Tally()
            for _ in steps.of_epoch(epoch, 0.01, tally, lambda: False):
                pass
            told.append(
                [tally.n_steps, tally.n_batches, tally.n_windows, tally.n_responses, tally.loss_sum, tally.penalty_sum]
            )
    return {name: one.detach() for name, one in model.named_parameters()}, {"score": score, "tallies": told}


def main(folder: Path, stores: list[Path]) -> None:
    torch.set_num_threads(1)
    with joined(torch.device("cpu")) as group:
        for accumulate in ("sessions", 4):
            parameters, told = steps_of_two_epochs(stores, group, accumulate)
            save_file(parameters, folder / f"{accumulate}-{group.rank}.safetensors")
            (folder / f"{accumulate}-{group.rank}.json").write_text(json.dumps(told))
        run = Folder(folder / "run")
        result = train(small(), stores, run=run)
        rows = [row.numbers() for row in result.history]
        (folder / f"rows-{group.rank}.json").write_text(json.dumps({"rows": rows, "kept": len(run.rows)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(store) for store in sys.argv[2:]])
