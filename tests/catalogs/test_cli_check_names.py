"""`check` of a name in the catalog: the downloaded file, else the published one, read in place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sensorium_data.testing import write_sensorium2023
from tests.catalogs.made import entry, file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.catalogs.publisher import Publisher

    Run = Callable[..., tuple[int, str, str]]


def test_a_name_is_what_was_downloaded_or_published(
    run: Run, publisher: Publisher, setting: Callable[[str, object], None], tmp_path: Path
) -> None:
    made = write_sensorium2023(tmp_path / "made", n_neurons=3, zipped="deflated")
    publisher.files[made.name] = made.read_bytes()
    known = entry("lab-1", file(made.name, f"{publisher.url}/{made.name}"))
    document = {"catalog": 1, "name": "lab", "entries": [known.model_dump(mode="json")]}
    (tmp_path / "lab.json").write_text(json.dumps(document))
    setting("catalogs", tmp_path / "lab.json")
    code, out, _ = run("check", "lab-1", "--quiet", "--select", "refused")
    assert f"audited  {publisher.url}/{made.name}" in out, (code, out)
    run("download", "lab-1", "--quiet")
    setting("offline", 1)
    publisher.asked.clear()
    _, out, _ = run("check", "lab-1", "--quiet", "--select", "refused")
    assert f"audited  {tmp_path}" in out
    assert publisher.asked == []
    code, _, err = run("check", "lab-one")
    assert (code, "did you mean" in err) == (4, True)
