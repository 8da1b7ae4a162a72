"""`ls` and `info` with names of the catalog: what they say, what is a path, and that they answer at once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from sensorium_data.catalogs import catalog
from sensorium_data.cli.app import cli
from sensorium_data.cli.entries import complete, entries_meant
from sensorium_data.schemas import CatalogDocument, Entry
from tests.catalog.test_user_catalogs import document, entry

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/catalog.md").read_text("utf-8")
F = "sensorium2023-29515-10-12"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_ls_alone_lists_the_catalog(run: Run) -> None:
    code, out, err = run("ls")
    header, *lines = out.splitlines()
    assert (code, err) == (0, "")
    assert header.split() == ["collection", "name", "mouse", "neurons", "size", "licence", "token"]
    assert [line.split()[1] for line in lines] == list(catalog())
    assert [line.split()[:5] for line in lines if F in line] == [["sensorium2023", F, "F", "7,863", "?"]]
    assert [line.split()[1] for line in lines if line.endswith(" HF_TOKEN")] == ["enigma-mouse-17797-4-7"]


def test_ls_of_a_name_as_json(run: Run) -> None:
    code, out, _ = run("ls", "sensorium2023/[fg]", "--json")
    rows = json.loads(out)
    assert code == 0
    assert [row["mouse"] for row in rows] == ["F", "G"]
    assert rows[0] == {
        "name": F, "collection": "sensorium2023", "key": "29515-10-12", "mouse": "F", "kind": "recording",
        "reader": "sensorium2023", "n_neurons": 7863, "licence": "CC BY-NC-ND 4.0", "bytes": None, "token": None,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["F", "mouse-f", "dynamic29515-10-12", F])
def test_info_of_a_name(run: Run, name: str) -> None:
    code, out, _ = run("info", name)
    assert code == 0
    assert out.startswith(f"{F}: Sensorium 2023, mouse F")
    assert "digest not published; pinned at the first download" in out
    assert "https://gin.g-node.org/pollytur/sensorium_2023_dataset/raw/master/dynamic29515-10-12-Video-" in out
    assert "neurons     7,863\n" in out
    assert out.endswith(f"fetch it  sensorium-data download {F}\n")
    code, out, _ = run("info", name, "--json")
    assert Entry.model_validate_json(out) == catalog()[F]


def test_info_of_what_asks_for_a_token(run: Run) -> None:
    _, out, _ = run("info", "enigma-mouse")
    assert "token       in $HF_TOKEN, sent to huggingface.co alone\n" in out
    assert "reader      none: only the download is offered\n" in out
    assert "\n                or https://huggingface.co/datasets/sensorium-competition/" in out


def test_info_without_files_names_the_homepage(run: Run) -> None:
    _, out, _ = run("info", "vivit")
    assert "files       not known here; see the homepage\n" in out
    assert "download" not in out.splitlines()[-1]


def test_sizes_and_digests_that_are_published_are_shown(run: Run, tmp_path: Path) -> None:
    known = {"name": "a.zip", "urls": ["https://a.org/a"], "size": 1_500_000, "sha256": "a" * 64, "md5": "b" * 32}
    (tmp_path / "lab.json").write_text(document(entry(files=[known])))
    _, out, _ = run("info", "lab-1", "--catalog", "lab.json")
    assert f"1,500,000 bytes (1.5 MB); sha256 {'a' * 64}, md5 {'b' * 32}\n" in out
    _, out, _ = run("ls", "lab", "--catalog", "lab.json")
    assert out.splitlines()[1].split() == ["lab", "lab-1", "1.5", "MB", "CC0"]


@pytest.mark.parametrize("verb", ["ls", "info"])
@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ("moose-F", 4, "did you mean `mouse-F`"),
        ("sensorium2023/K", 4, "did you mean `sensorium2023/"),
        ("nothing-like-it", 4, "`sensorium-data ls` lists the catalog"),
        ("mous.zarr", 4, "mous.zarr: no such"),
        ("no/such/place", 4, "no/such/place: no such"),
        ("", 4, "neither a path that exists nor a name"),
    ],
)
def test_what_is_neither(run: Run, verb: str, word: str, code: int, said: str) -> None:
    ended, out, err = run(verb, word)
    assert (ended, out) == (code, "")
    assert said in err


def test_info_of_several(run: Run) -> None:
    code, _, err = run("info", "sensorium2022")
    assert code == 2
    assert err.startswith("error[ambiguous-name]: `sensorium2022` means 7 entries")
    assert "`sensorium-data ls sensorium2022` lists them" in err


def test_what_exists_is_a_path(run: Run, tmp_path: Path) -> None:
    (tmp_path / "F").mkdir()
    (tmp_path / "sensorium2023").mkdir()
    assert entries_meant("F") is None
    assert "no session stores in sensorium2023" in run("ls", "sensorium2023")[2]
    assert "[not-a-store]" in run("info", "F")[2]
    assert run("info", "mouse-F")[0] == 0


def test_folders_are_listed_as_before(run: Run) -> None:
    code, out, err = run("ls", ".")
    assert (code, out) == (0, "")
    assert err.startswith("no session stores in .; ")


def test_a_catalog_that_is_wrong_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text(document(entry(colour="red")))
    code, out, _ = run("ls", "--catalog", "lab.json", "--json")
    assert code == 5
    assert json.loads(out)["error"]["code"] == "catalog-invalid"
    assert run("ls", "--catalog", "none.json")[0] == 4


@pytest.mark.parametrize("words", [["ls"], ["ls", "sensorium2022"], ["info", "F"], ["info", "moose-F"]])
def test_answers_need_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    heavy = ("numpy", "zarr", "xarray", "dask", "torch", "urllib3", "fsspec", "rich")
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('loaded', [name for name in {heavy} if name in sys.modules]))\n"
        f"from sensorium_data.cli import main; main({words!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == (4 if "moose-F" in words else 0), done.stderr
    assert done.stdout.endswith("loaded []\n")


@pytest.mark.parametrize(("word", "first"), [("sensorium2023-297", "sensorium2023-29712-5-9"), ("mic", "microns")])
def test_names_complete(word: str, first: str) -> None:
    items = complete(click.Context(cli), click.Argument(["where"]), word)
    assert items[0].type == "file"
    assert items[1].value == first
    assert all(item.value.startswith(word) for item in items)


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_page_runs_as_it_is_written(tmp_path: Path, run: Run) -> None:
    (example,) = _blocks("json")
    assert len(CatalogDocument.model_validate_json(example).entries) == 1
    (tmp_path / "lab.json").write_text(example)
    for block in _blocks("python"):
        exec(block, {})
    lines = [line for block in _blocks("sh") for line in block.splitlines() if not line.startswith("#")]
    ran = [line for line in lines if line.split()[1] in ("ls", "info", "schema")]
    for line in ran:
        code, out, err = run(*[word.strip("'") for word in line.split()[1:]])
        assert code == 0, (line, out, err)
    assert len(ran) >= 5
    (said,) = _blocks("text")
    assert said.rstrip() in run("info", "mouse-F")[1]


def test_the_page_names_every_collection() -> None:
    assert all(f"`{name}`" in PAGE for name in catalog().collections)
