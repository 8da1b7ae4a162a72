"""What users may hold on to: public names, light imports, and files short enough to read."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import sensorium_data

ROOT = Path(__file__).parents[2]
PACKAGE = sorted((ROOT / "sensorium_data").rglob("*.py"))
SOURCES = [*PACKAGE, *sorted((ROOT / "tests").rglob("*.py"))]
HEAVY = ["numpy", "zarr", "xarray", "dask", "torch", "pydantic"]
MAX_FILE = 300
MAX_FUNCTION = 40


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


MODULES = [name for path in PACKAGE if (name := _module(path)) != "sensorium_data.__main__"]


def test_public_names_are_the_reachable_names() -> None:
    assert dir(sensorium_data) == sorted(sensorium_data.__all__)
    for name in sensorium_data.__all__:
        assert getattr(sensorium_data, name) is not None


@pytest.mark.parametrize("name", ["errors.NotFound", "testing.make_session"])
def test_modules_are_reachable_from_the_front_door(name: str) -> None:
    # In a process of its own: here other tests have imported them already.
    code = f"import sensorium_data as sd; assert {name.split('.', maxsplit=1)[0]!r} in dir(sd); sd.{name}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


OF_TORCH = ("sensorium_data.loaders", "sensorium_data.zoo", "sensorium_data.evaluation.torch_")


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'open_sesion'"):
        _ = getattr(sensorium_data, "open_sesion")  # noqa: B009  # a checker would refuse the plain spelling


@pytest.mark.parametrize("name", MODULES)
def test_all_names_exist(name: str) -> None:
    if name.startswith(OF_TORCH):
        pytest.importorskip("torch", reason="torch is not installed")
    module = importlib.import_module(name)
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    for each in names:
        assert hasattr(module, each), each


@pytest.mark.parametrize("name", ["sensorium_data", "sensorium_data.cli"])
def test_import_is_light(name: str) -> None:
    code = f"import json, sys, {name}; print(json.dumps([sys.modules[{name!r}].__file__, sorted(sys.modules)]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    file, loaded = json.loads(done.stdout)
    assert file is not None  # an empty folder imports too
    assert [heavy for heavy in HEAVY if heavy in loaded] == []


@pytest.mark.parametrize("path", PACKAGE, ids=_name)
def test_module_says_its_idea(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_bytes()))
    assert docstring is not None
    assert docstring.splitlines()[0].rstrip(":").strip()


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_file_fits_its_budget(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MAX_FILE
    assert long_functions(text) == []


def long_functions(text: str) -> list[str]:
    """The functions of a module that are over the budget, docstrings not counted."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    return [f"{node.name}: {_n_lines(node)} lines" for node in functions if _n_lines(node) > MAX_FUNCTION]


def _n_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        first = node.body[0]
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


@pytest.mark.parametrize(("n_statements", "over"), [(MAX_FUNCTION - 1, False), (MAX_FUNCTION, True)])
def test_budget_counts_lines_without_the_docstring(n_statements: int, over: bool) -> None:
    text = "\n".join(["def f():", '    """One.', "", '    Two."""', *["    pass"] * n_statements])
    assert bool(long_functions(text)) is over
