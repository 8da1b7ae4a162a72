"""How fast windows come out of a store: against a loop that copies the same windows from memmaps, in one run.

The recording has the size of a real mouse, so that no cache of the processor holds it. Readers take turns, pass by
pass, over the same windows in the same order; what they give is held against each other first.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from growth import growth, memory, opening
from measuring import show
from passes import Bench, cold, first, workers
from recordings import Size, add_size, size_of
from single import resampling, window
from steady import steady

if TYPE_CHECKING:
    from collections.abc import Callable

    from measuring import Figure

SECTIONS: dict[str, Callable[[Bench], list[Figure]]] = {
    "first": first,  # before any other: what one loader has checked, the next need not
    "steady": steady,
    "window": window,
    "cold": cold,
    "workers": workers,
    "resampling": resampling,
    "growth": growth,
    "opening": opening,
    "memory": memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_size(parser, Size())
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS), help="parts to run")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    size, figures = size_of(given), []
    with tempfile.TemporaryDirectory(prefix="sensorium-bench-", dir=given.source) as folder:
        bench = Bench(given.source, Path(folder), size, given.rounds)
        for name, section in SECTIONS.items():
            if name in given.only:
                figures += section(bench)
    show(figures, as_json=given.json, facts={"neurons": size.neurons, "trials": size.trials, "valid": size.valid})


if __name__ == "__main__":
    main()
