"""Sessions of images assembled from real stills convert, equal their source, and are grouped as their truth says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.conversion import check_store
from tests.conversion.static import load, partition

SHARED = Path(__file__).parents[3] / "shared"
ASSEMBLE = SHARED / "fixtures" / "assemble_static.py"
KINDS = ("pretrain", "splus", "s", "colour")
HIDDEN = {"test", "final_test"}

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not ASSEMBLE.is_file(), reason="the real recorded parts are not beside this checkout"),
]


def _assemble(folder: Path, kind: str, *extra: str, full: bool) -> Path:
    sizes = ("--neurons", "100", "--trials", "200") if full else ("--neurons", "9", "--trials", "60")
    command = [sys.executable, str(ASSEMBLE), str(folder), "--kind", kind, *sizes, *extra]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("packing", ["folder", "zip"])
@pytest.mark.parametrize("kind", KINDS)
def test_assembled_session(tmp_path: Path, kind: str, packing: str, full: bool) -> None:
    if not full and (packing == "zip") is (kind in {"pretrain", "s"}):
        pytest.skip("with --full only: the other packing of this kind is tested")
    source = _assemble(tmp_path, kind, *(["--zip"] if packing == "zip" else []), full=full)
    target = tmp_path / "store.zarr"
    report = sd.convert(source, target)
    checked = check_store(target, against=source)
    assert checked.findings == ()
    assert {e.holds for e in checked.equality} == {"bit-exact"}

    session = sd.open_session(target)
    picture = np.load(tmp_path / f"{source.name.removesuffix('.zip')}.truth" / "picture.npy")
    assert partition(session.trials["stimulus"].to_numpy().tolist()) == partition(picture.tolist())
    assert session.document.stimuli.n_frames == len(np.unique(picture))
    assert session.frames.shape[1:] == ((2, 36, 64) if kind == "colour" else (144, 256))

    tiers = load(source, "meta/trials/tiers.npy").tolist()
    assert session.trials["tier"].to_numpy().tolist() == tiers
    withheld = [kind in {"s", "splus"} and tier in HIDDEN for tier in tiers]
    assert session.trials["responses_withheld"].to_numpy().tolist() == withheld
    assert ("behaviour-withheld" in {note.code for note in report.notes}) is (kind == "s")
    behaviour = set() if kind == "s" else {"pupil", "running", "gaze"}
    for row in range(0, len(tiers), 7):
        shown = session.trial(row)
        assert set(shown.data_vars) == {"image", *behaviour} | (set() if withheld[row] else {"responses"})
        image = load(source, f"data/images/{row}.npy")
        np.testing.assert_array_equal(shown["image"], image if kind == "colour" else image[0])
