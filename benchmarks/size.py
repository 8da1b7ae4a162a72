"""How big a store is: responses against their valid frames in float64, and the whole session against its source."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from measuring import Figure, show
from recordings import Size, add_size, make_recording, size_of

# preset, precision, and the share of the valid float64 frames that the responses may take
KINDS = (
    ("compact", "float32", 0.155),
    ("compact", "source", None),
    ("compact", "float16", None),
    ("portable", "float32", None),
    ("fast", "float32", None),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_size(parser, Size(trials=20))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    import sensorium_data as sd

    size, figures = size_of(given), []
    valid_bytes = size.neurons * size.trials * size.valid * 8
    with tempfile.TemporaryDirectory(prefix="sensorium-bench-", dir=given.source) as folder:
        source = make_recording(given.source or Path(folder), size)
        for preset, precision, goal in KINDS:
            target = Path(folder, f"{preset}-{precision}.zarr")
            report = sd.convert(source, target, preset=preset, precision=precision)  # type: ignore[arg-type]  # as listed
            name = f"{preset} {precision}"
            figures += [
                Figure(f"{name}: responses / valid float64", (report.response_bytes / valid_bytes,), "", goal),
                Figure(f"{name}: store / source", (report.store_bytes / report.source_bytes,)),
            ]
    show(figures, as_json=given.json, facts={"neurons": size.neurons, "trials": size.trials, "valid": size.valid})


if __name__ == "__main__":
    main()
