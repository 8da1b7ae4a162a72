"""How fast a recording of images is converted against the least work that any conversion must do, and how small it gets.

6,000 presentations of 144 × 256 images (5,000 shown once, 100 shown ten times), 8,000 neurons, 24,000 files. The limit
reads and digests every file, makes bytes of the pixels and encodes each distinct image and all responses, 20 to a chunk,
on the same threads, with numpy, hashlib and numcodecs alone; it checks nothing and writes nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import Figure, interleaved, n_cores, ratios, settle, show
from recordings import SHARED, real_traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

NAME = "static10000-1-1-GrayImageNet-benchmark"
SHAPE = (144, 256)
BATCH, CHUNK = 250, 20


@dataclass(frozen=True, slots=True)
class Size:
    """How big a recording is."""

    neurons: int = 8000
    unique: int = 5000
    repeated: int = 100
    repeats: int = 10
    seed: int = 0

    @property
    def trials(self) -> int:
        """Presentations."""
        return self.unique + self.repeated * self.repeats


class _Pictures:
    """Crops of real stills where they are at hand, scaled to the published size; else textures of the same spectrum."""

    def __init__(self, rng: np.random.Generator) -> None:
        path = SHARED / "natural_video" / "stills.npz"
        self.rng = rng
        self.stills = [s.astype(np.float32) for s in np.load(path).values()] if path.is_file() else []

    def picture(self) -> NDArray[np.float32]:
        """Return (y, x) float32, whole grey levels."""
        source = self.stills[self.rng.integers(len(self.stills))] if self.stills else self._texture()
        height = int(self.rng.uniform(0.5, 1) * min(source.shape[0], source.shape[1] * SHAPE[0] / SHAPE[1]))
        width = int(height * SHAPE[1] / SHAPE[0])
        y, x = (self.rng.uniform(0, have - want) for have, want in zip(source.shape, (height, width), strict=True))
        rows, columns = (a + np.linspace(0, n - 1, m) for a, n, m in zip((y, x), (height, width), SHAPE, strict=True))
        picture = _bilinear(source, rows, columns)[:: self.rng.choice([-1, 1]), :: self.rng.choice([-1, 1])]
        levels = np.clip(np.rint(picture + self.rng.integers(-8, 9)), 0, 255)
        return np.asarray(levels + 0, np.float32)  # and no -0.0

    def _texture(self) -> NDArray[np.float32]:
        f = np.hypot(np.fft.fftfreq(200)[:, None], np.fft.rfftfreq(300)[None])
        wave = self.rng.normal(size=f.shape) + 1j * self.rng.normal(size=f.shape)
        flat = np.fft.irfft2(wave / np.maximum(f, 1 / 300), (200, 300))
        return np.asarray(110 + 50 * flat / flat.std(), np.float32)


def _bilinear(image: NDArray[np.float32], rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.float32]:
    r, c = rows.astype(int), columns.astype(int)
    a, b = (rows - r)[:, None], (columns - c)[None]
    r1, c1 = np.minimum(r + 1, image.shape[0] - 1), np.minimum(c + 1, image.shape[1] - 1)
    top = image[np.ix_(r, c)] * (1 - b) + image[np.ix_(r, c1)] * b
    low = image[np.ix_(r1, c)] * (1 - b) + image[np.ix_(r1, c1)] * b
    return np.asarray(top * (1 - a) + low * a, np.float32)


def make_recording(folder: Path, size: Size) -> Path:
    """Write a recording below a folder, or return the one of the same size that is there."""
    named = "static-" + "-".join(str(value) for value in asdict(size).values())
    root, done = folder / named / NAME, folder / named / "done.json"
    if done.is_file():
        return root
    rng = np.random.default_rng(size.seed)
    pictures, traces = _Pictures(rng), real_traces()
    if traces is None:
        traces = np.where(rng.random((2000, 219)) < 0.2, rng.gamma(0.7, 0.5, (2000, 219)), 0).astype(np.float32)
    # What a presentation of half a second is answered with: four samples at 8 Hz, summed.
    summed = np.lib.stride_tricks.sliding_window_view(traces, 4, axis=0).sum(axis=2, dtype=np.float32)
    columns, shifts = rng.integers(summed.shape[1], size=size.neurons), rng.integers(len(summed), size=size.neurons)
    for stream in ("images", "responses", "behavior", "pupil_center"):
        (root / "data" / stream).mkdir(parents=True, exist_ok=True)
    shown = np.concatenate([np.arange(size.unique), np.repeat(size.unique + np.arange(size.repeated), size.repeats)])
    shown = rng.permutation(shown)
    repeated = {n: pictures.picture() for n in range(size.unique, size.unique + size.repeated)}
    for trial, number in enumerate(shown.tolist()):
        image = repeated.get(number)
        values = {
            "images": (pictures.picture() if image is None else image)[None],
            "responses": summed[(shifts + 4 * trial) % len(summed), columns],
            "behavior": np.array([rng.normal(40, 8), rng.normal(), abs(rng.normal(1, 3))], np.float32),
            "pupil_center": rng.normal(140, 12, 2).astype(np.float32),
        }
        for stream, array in values.items():
            np.save(root / "data" / stream / f"{trial}.npy", array)
    _tables(root, size, shown)
    done.write_text(json.dumps(asdict(size)))
    return root


def _tables(root: Path, size: Size, shown: NDArray[np.int64]) -> None:
    for folder in ("neurons", "trials"):
        (root / "meta" / folder).mkdir(parents=True, exist_ok=True)
    np.save(root / "meta/neurons/unit_ids.npy", np.arange(1, size.neurons + 1))
    tiers = np.where(shown >= size.unique, "test", np.where(shown < size.unique // 10, "validation", "train"))
    np.save(root / "meta/trials/tiers.npy", tiers)
    np.save(root / "meta/trials/frame_image_id.npy", shown)


class Limit:
    """The least work: every file read and digested, each distinct image and all responses encoded, nothing kept."""

    def __init__(self, source: Path, size: Size, n_threads: int) -> None:
        from numcodecs.pcodec import PCodec
        from numcodecs.zstd import Zstd

        self.source, self.size, self.n_threads = source, size, n_threads
        self.floats, self.pixels = PCodec(level=8).encode, Zstd(level=1).encode
        self._seen: set[str] = set()
        self._lock = Lock()

    def run(self) -> int:
        """Do the work once and return how many files were read."""
        self._seen.clear()
        batches = [range(i, min(i + BATCH, self.size.trials)) for i in range(0, self.size.trials, BATCH)]
        with ThreadPoolExecutor(self.n_threads) as pool:
            return sum(pool.map(self._batch, batches))

    def _batch(self, trials: range) -> int:
        images: list[NDArray[np.uint8]] = []
        responses: list[NDArray[np.float32]] = []
        for trial in trials:
            for stream in ("behavior", "pupil_center"):
                self._read(stream, trial)
            pixels, digest = self._read("images", trial)
            with self._lock:
                new = digest not in self._seen
                self._seen.add(digest)
            if new:
                images.append(pixels.astype(np.uint8))
            responses.append(self._read("responses", trial)[0])
            images, responses = self._full(images, self.pixels), self._full(responses, self.floats)
        for rows, encode in ((images, self.pixels), (responses, self.floats)):
            if rows:
                encode(np.stack(rows))
        return 4 * len(trials)

    def _full(self, rows: list[NDArray[Any]], encode: Callable[[NDArray[Any]], object]) -> list[NDArray[Any]]:
        if len(rows) < CHUNK:
            return rows
        encode(np.stack(rows))
        return []

    def _read(self, stream: str, trial: int) -> tuple[NDArray[np.float32], str]:
        data = (self.source / "data" / stream / f"{trial}.npy").read_bytes()
        array: NDArray[np.float32] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        return array, hashlib.sha256(data).hexdigest()


def _convert(source: Path, target: Path) -> None:
    import sensorium_data as sd

    sd.convert(source, target)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in asdict(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--source", type=Path, help="keep recordings below this folder and use those that are there")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=n_cores())
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    os.environ["SENSORIUM_DATA_THREADS"] = str(given.threads)
    size = Size(*(getattr(given, name) for name in asdict(Size())))
    if given.source is not None:
        given.source.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sensorium-bench-", dir=given.source) as folder:
        source, target = make_recording(given.source or Path(folder), size), Path(folder) / "store.zarr"
        actions: dict[str, Callable[[], object]] = {
            "limit": Limit(source, size, given.threads).run,
            "convert": partial(_convert, source, target),
        }
        tidy = partial(settle, target)
        interleaved(actions, 1, tidy)
        seconds = interleaved(actions, given.rounds, tidy)
        _convert(source, target)
        import sensorium_data as sd

        n_frames = sd.open_session(target).frames.shape[0]
        figures = [
            Figure("limit", tuple(seconds["limit"]), "s"),
            Figure("convert", tuple(seconds["convert"]), "s"),
            Figure("limit / convert", ratios(seconds["limit"], seconds["convert"]), "", 0.6, at_least=True),
            Figure("store / source", (_bytes(target) / _bytes(source),), "", 0.4),
            Figure("stored images / distinct images", (n_frames / (size.unique + size.repeated),), "", 1.0),
        ]
    facts = {"neurons": size.neurons, "trials": size.trials, "threads": given.threads}
    show(figures, as_json=given.json, facts=facts)


if __name__ == "__main__":
    main()
