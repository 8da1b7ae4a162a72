"""The nodes that the root of a store lists: their shapes are validated once, for nothing after it looks twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["faults_of_nodes", "largest_integer"]

# No file system has names with these, and lone surrogates cannot be printed.
UNSPEAKABLE = re.compile("[\0\ud800-\udfff]")
SHOWN = 60  # characters of a damaged value in a message


def faults_of_nodes(root: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield where the consolidated metadata are not what Zarr says they are, and what was seen there.

    Examples
    --------
    >>> list(faults_of_nodes({"consolidated_metadata": {"metadata": {"x": {"node_type": "array", "shape": [-1]}}}}))
    [('x', 'has shape [-1], expected sizes of 0 or more')]
    """
    whole = root.get("consolidated_metadata")
    if whole is None:
        return
    nodes = whole.get("metadata") if isinstance(whole, dict) else whole
    if not isinstance(nodes, dict):
        yield "consolidated_metadata", f"is {_short(nodes)}, expected a mapping of paths to nodes"
        return
    for path, node in nodes.items():
        if what := _fault_of_path(path) or _fault_of_node(node):
            yield path if not UNSPEAKABLE.search(path) else _short(path), what


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _fault_of_path(path: str) -> str:
    # A path that leads out of the store would be read as a part of it.
    if UNSPEAKABLE.search(path) or {"", ".", ".."} & set(path.split("/")):
        return "is no path inside a store"
    return ""


def _fault_of_node(node: object) -> str:
    if not isinstance(node, dict) or node.get("node_type") not in ("array", "group"):
        return f"is {_short(node)}, expected an array or a group"
    if not isinstance(node.get("attributes", {}), dict):
        return f"has attributes {_short(node['attributes'])}, expected a mapping"
    return _fault_of_array(node) if node["node_type"] == "array" else ""


def _fault_of_array(node: Mapping[str, Any]) -> str:
    shape, names = node.get("shape"), node.get("dimension_names")
    if not isinstance(shape, list) or not all(type(n) is int and 0 <= n < 2**63 for n in shape):
        return f"has shape {_short(shape)}, expected sizes of 0 or more"
    if names is None:
        return ""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) != len(shape):
        return f"has dimension names {_short(names)}, expected {len(shape)} words"
    return ""


def largest_integer(value: object) -> int:
    """Return the largest magnitude of the integers in nested lists and mappings: clocks count in 64 bits.

    Examples
    --------
    >>> largest_integer({"segments": [[0, 300], [-600, True]], "name": "responses"})
    600
    """
    if isinstance(value, dict):
        return max(map(largest_integer, value.values()), default=0)
    if isinstance(value, list | tuple):
        return max(map(largest_integer, value), default=0)
    return abs(value) if isinstance(value, int) else 0
