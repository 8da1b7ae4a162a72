"""How fast clips come from a server: against plain GETs of the same bytes by a quick client, in one run.

A full-size mouse (`compact`) is put on SeaweedFS (S3) and nginx, both of this machine, behind a proxy that delays each
request. Streamed clips and plain GETs take turns, over different clips, so that neither reads what the other has warmed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import Figure, show
from plainget import plain_client
from recordings import Size, add_size, make_recording, size_of
from served import KINDS, Served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plainget import Get

    from sensorium_data.loaders import WindowDataset
    from sensorium_data.store.shards import ShardRecord

LATENCY_S = 0.03
CLIP, STRIDE, BATCH = 80, 17, 8
CHUNK, SHARD = 20, 3000  # rows, of a store


class Clips:
    """Clips of a streamed session, and the ranges of bytes that they are made of.

    Parameters
    ----------
    dataset : WindowDataset
    """

    def __init__(self, dataset: WindowDataset) -> None:
        self.dataset = dataset
        self._next = 0

    def some(self, n: int) -> list[int]:
        """Return the next n windows: never the same within an epoch."""
        first, self._next = self._next, self._next + n
        return [(47 * k) % len(self.dataset) for k in range(first, first + n)]

    def ranges(self, index: int) -> Iterator[tuple[str, int, int]]:
        """Yield key, begin and end of what a window is made of: what a plan without a loader would fetch."""
        window = self.dataset.windows.served(index)
        handle = self.dataset.streams[0].handle
        places = (
            ("signals/responses/values", handle.rows("responses", window.trial_row)),
            ("stimuli/frames", handle.frames(window.trial_row)),
        )
        for path, rows in places:
            if rows is not None:
                yield from _of_rows(handle.store.sidecar.shards[path], rows.start + window.start_frame)


def _of_rows(records: tuple[ShardRecord, ...], row: int) -> Iterator[tuple[str, int, int]]:
    """Yield what a clip from a row on is made of."""
    for shard in range(row // SHARD, (row + CLIP - 1) // SHARD + 1):
        first, last = max(row - shard * SHARD, 0), min(row + CLIP - shard * SHARD, SHARD) - 1
        index = records[shard].index
        yield records[shard].key, int(index[first // CHUNK, 0]), int(index[last // CHUNK].sum())


def _dataset(served: Served) -> WindowDataset:
    import sensorium_data as sd
    from sensorium_data.loaders import WindowDataset

    return WindowDataset(
        sd.open_session(served.url, storage_options=served.options), tier="train", window=CLIP, stride=STRIDE
    )


def against_plain(served: Served, get: Get, n_rounds: int) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return seconds of plain GETs and of streamed clips, then of batches of both; a pair a round."""
    clips = Clips(_dataset(served))
    taken: tuple[list[float], ...] = ([], [], [], [])
    for n, (plain, ours) in ((1, taken[:2]), (BATCH, taken[2:])):
        for turn in range(n_rounds + 2):
            ranges = [one for index in clips.some(n) for one in clips.ranges(index)]
            windows = clips.some(n)
            began = time.perf_counter()
            get(ranges)
            between = time.perf_counter()
            clips.dataset.__getitems__(windows)
            if turn >= 2:  # the first ones open connections
                plain.append(between - began)
                ours.append(time.perf_counter() - between)
    return taken  # type: ignore[return-value]  # four of them


def clips_figures(served: Served, n_rounds: int) -> list[Figure]:
    """Return how streamed clips and batches compare to plain GETs, and how long each took."""
    plain, ours, plain8, ours8 = against_plain(served, plain_client(served), n_rounds)
    name, late = f"{served.kind} +{served.latency_s * 1e3:.0f} ms", served.latency_s > 0
    return [
        Figure(f"{name}: clip / plain GETs", _ratio(ours, plain), goal=1.2 if late else None),
        Figure(f"{name}: batch of {BATCH} / plain GETs", _ratio(ours8, plain8), goal=1.4 if late else None),
        Figure(f"{name}: clip", tuple(1e3 * s for s in ours), "ms"),
        Figure(f"{name}: batch of {BATCH}", tuple(1e3 * s for s in ours8), "ms"),
    ]


def _ratio(above: list[float], below: list[float]) -> tuple[float, ...]:
    """Return medians over medians, of thirds of the rounds: single requests jitter by more than what is measured."""
    from statistics import median

    third = max(1, len(above) // 3)
    parts = [slice(k * third, (k + 1) * third) for k in range(3)]
    return tuple(median(above[part]) / median(below[part]) for part in parts)


def requests_figures(served: Served) -> list[Figure]:
    """Return the GETs of opening and of clips, as the server's side counts them, and the seconds to a first batch."""
    import sensorium_data as sd
    from sensorium_data.loaders import make_loader

    served.seen()
    began = time.perf_counter()
    session = sd.open_session(served.url, storage_options=served.options)
    n_open = len(served.seen())
    batch = next(iter(make_loader(session, tier="train", window=CLIP, batch_size=BATCH, seed=0)))
    first_s = time.perf_counter() - began
    clips = Clips(_dataset(served))
    served.seen()
    inside = [index for index in clips.some(40) if len(list(clips.ranges(index))) == 2]
    counts = []
    for index in inside:
        clips.dataset[index]
        counts.append(len(served.seen()) / 2)
    name = f"{served.kind} +{served.latency_s * 1e3:.0f} ms"
    assert len(batch["responses"]) == BATCH
    return [
        Figure(f"{name}: requests to open", (n_open,), goal=3),
        Figure(f"{name}: requests a clip and array", tuple(counts), goal=1),
        Figure(f"{name}: opened and a first batch", (first_s,), "s", goal=1),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_size(parser, Size())
    parser.add_argument("--rounds", type=int, default=45)
    parser.add_argument("--only", nargs="+", choices=["clips", "requests", "epochs", "bounds"])
    parser.add_argument("--batches", type=int, default=5000, help="of the part `bounds`")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    only = given.only or ["clips", "requests", "epochs", "bounds"]
    with tempfile.TemporaryDirectory(prefix="sensorium-bench-", dir=given.source) as folder:
        _settings(Path(folder))
        figures = _measured(given, only, Path(folder))
    show(figures, as_json=given.json, facts={"neurons": given.neurons, "trials": given.trials, "valid": given.valid})


def _settings(folder: Path) -> None:
    # Nothing is kept where requests are measured; the parts on caches set what they need in processes of their own.
    os.environ |= {
        "SENSORIUM_DATA_CACHE": str(folder / "cache"),
        "SENSORIUM_DATA_STREAM_CACHE_BYTES": "0",
        "SENSORIUM_DATA_KEEP_BYTES": "0",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _measured(given: argparse.Namespace, only: list[str], folder: Path) -> list[Figure]:
    from streamcache import bounds_figures, epochs_figures

    import sensorium_data as sd

    store = folder / "mouse.zarr"
    sd.convert(make_recording(given.source or folder, size_of(given)), store)
    figures: list[Figure] = []
    for kind in KINDS:
        for latency_s in (LATENCY_S, 0.0):
            with ExitStack() as stack:
                served = stack.enter_context(Served.of(kind, store, latency_s))
                if "clips" in only:
                    figures += clips_figures(served, given.rounds)
                if "requests" in only and latency_s:
                    figures += requests_figures(served)
    if "epochs" in only:
        figures += epochs_figures(store, folder)
    if "bounds" in only:
        figures += bounds_figures(store, folder, given.batches)
    return figures


if __name__ == "__main__":
    main()
