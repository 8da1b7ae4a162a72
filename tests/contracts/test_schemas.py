"""The documents mean the same to pydantic and to anyone who reads `schemas/`."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sensorium_data.errors import NoSuchItem
from sensorium_data.schemas import DOCUMENTS
from sensorium_data.schemas.render import VERSION, json_schema, render

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FOLDER = f"schemas/v{VERSION}"
EXAMPLES = ROOT / FOLDER / "examples"
VALID = sorted((EXAMPLES / "valid").glob("*.json"))
INVALID = sorted((EXAMPLES / "invalid").glob("*.json"))
SCHEMAS: dict[str, Any] = {name: json_schema(name) for name in DOCUMENTS}

# What pydantic calls the breach of a keyword, and of a type.
BREACH = {
    "minLength": "string_too_short",
    "maxLength": "string_too_long",
    "pattern": "string_pattern_mismatch",
    "format": "datetime_parsing",
    "minimum": "greater_than_equal",
    "exclusiveMinimum": "greater_than",
    "exclusiveMaximum": "less_than",
    "const": "literal_error",
    "enum": "literal_error",
    "$ref": "model_type",
    "minItems": "too_short",
    "maxItems": "too_long",
}
BREACH_OF_TYPE = {"integer": "int_type", "number": "float_type", "boolean": "bool_type", "array": "tuple_type"}


class Rendered(Protocol):
    def __call__(self, path: str, text: str) -> None: ...


def _pattern(validator: object, pattern: str, instance: object, schema: object) -> Iterator[jsonschema.ValidationError]:
    # JSON Schema's regular expressions are ECMA's, whose $ is the very end; Python's also stands before a last newline.
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _is_time(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


# jsonschema checks this format only where a further package is installed.
FORMATS = jsonschema.FormatChecker(())
FORMATS.checks("date-time", raises=ValueError)(_is_time)
Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]  # has no annotations
    jsonschema.Draft202012Validator, {"pattern": _pattern}
)
VALIDATORS = {name: Validator(schema, format_checker=FORMATS) for name, schema in SCHEMAS.items()}


def _document(path: Path) -> str:
    """The document of an example, which its file's name begins with."""
    return max((name for name in DOCUMENTS if path.name.startswith(f"{name}-")), key=len)


def _errors(name: str, value: object) -> list[tuple[str, str]]:
    """What pydantic finds: type and dotted place of each error."""
    try:
        DOCUMENTS[name].model_validate_json(json.dumps(value))
    except ValidationError as error:
        return [(each["type"], ".".join(map(str, each["loc"]))) for each in error.errors()]
    return []


def _stem(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("name", DOCUMENTS)
def test_schema_is_rendered_from_the_code(name: str, rendered: Rendered) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    rendered(f"{FOLDER}/{name}.schema.json", render(name))


def test_every_schema_file_has_its_document() -> None:
    files = {path.name.removesuffix(".schema.json") for path in (ROOT / FOLDER).glob("*.json")}
    assert files <= set(DOCUMENTS)


def test_schemas_use_no_keyword_that_json_schema_lacks() -> None:
    said = {"$schema", "$id", "$defs", "title", "description", "default"}
    known = set(jsonschema.Draft202012Validator.VALIDATORS) | said
    assert {key for schema in SCHEMAS.values() for node in _nodes(schema) for key in node} <= known


def test_unknown_document_names_the_near_miss() -> None:
    with pytest.raises(NoSuchItem, match="sesion") as caught:
        json_schema("sesion")
    assert caught.value.hint == "did you mean `session`?"


@pytest.mark.parametrize("path", VALID, ids=_stem)
def test_valid_example_is_accepted_by_both_and_survives(path: Path) -> None:
    name = _document(path)
    VALIDATORS[name].validate(json.loads(path.read_bytes()))
    document = DOCUMENTS[name].model_validate_json(path.read_bytes())
    text = document.model_dump_json()
    VALIDATORS[name].validate(json.loads(text))
    again = DOCUMENTS[name].model_validate_json(text)
    assert again == document
    assert again.model_dump_json() == text


@pytest.mark.parametrize("path", INVALID, ids=_stem)
def test_invalid_example_is_refused_by_both_for_the_reason_it_names(path: Path) -> None:
    case = json.loads(path.read_bytes())
    assert set(case) == {"document", "error", "where", "example"}
    assert case["document"] == _document(path)
    assert _errors(case["document"], case["example"]) == [(case["error"], case["where"])]
    assert not VALIDATORS[case["document"]].is_valid(case["example"])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_has_examples(name: str) -> None:
    assert any(_document(path) == name for path in VALID)
    assert any(_document(path) == name for path in INVALID)


def test_every_constraint_is_broken_by_an_example() -> None:
    wanted = {pair for schema in SCHEMAS.values() for pair in constraints(schema)}
    cases = [json.loads(path.read_bytes()) for path in INVALID]
    broken = {(owner(SCHEMAS[case["document"]], case["where"].split(".")), case["error"]) for case in cases}
    assert wanted - broken == set()


def test_every_field_is_set_in_a_valid_example() -> None:
    """A field that no example shows is one that nobody outside Python can learn."""
    wanted = {
        (node["title"], field)
        for schema in SCHEMAS.values()
        for node in _nodes(schema)
        for field in (node["properties"] if "title" in node else ())
    }
    shown = {
        pair for path in VALID for pair in _shown(DOCUMENTS[_document(path)].model_validate_json(path.read_bytes()))
    }
    assert wanted - shown == set()


def _shown(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, tuple):
        for item in value:
            yield from _shown(item)
    for field in getattr(value, "model_fields_set", ()):
        yield type(value).__name__, field
        yield from _shown(getattr(value, field))


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema, itself first."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values(), *schema.get("prefixItems", ())]
    inner += [
        *schema.get("anyOf", ()),
        *schema.get("oneOf", ()),
        schema.get("items"),
        schema.get("additionalProperties"),
    ]
    for node in inner:
        if isinstance(node, dict):
            yield from _nodes(node)


def constraints(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each model of a schema with each error that a JSON text can make it raise."""
    for model in [schema, *schema.get("$defs", {}).values()]:
        found = {"extra_forbidden"} | ({"missing"} if model.get("required") else set())
        for name, field in model["properties"].items():
            if name == "kind" and "const" in field:
                continue  # it tells the models of a union apart, which `oneOf` answers for
            found |= _breaches(field)
        yield from ((model["title"], error) for error in found)


def _breaches(node: dict[str, Any]) -> set[str]:
    if "oneOf" in node:  # told apart by `kind`, so it is the kind that is wrong
        return {"union_tag_invalid", "union_tag_not_found", "dict_type"}
    branches = [branch for branch in node.get("anyOf", ()) if branch.get("type") != "null"]
    if len(branches) == 1:
        return _breaches(branches[0])
    found = {BREACH[key] for key in node.keys() & BREACH.keys()}
    if "prefixItems" in node:  # pydantic names the place that is empty
        found = found - {"too_short"} | {"missing"}
    if node.get("type") == "string" and not node.keys() & {"enum", "const"}:
        found.add("datetime_type" if "format" in node else "string_type")
    elif node.get("type") == "object":
        found.add("dict_type")
    elif "type" in node and not node.keys() & {"enum", "const"}:
        found.add(BREACH_OF_TYPE[node["type"]])
    inside = [node.get(key) for key in ("items", "additionalProperties", "propertyNames")]
    for inner in [*inside, *node.get("prefixItems", ())]:
        found |= _breaches(inner) if isinstance(inner, dict) else set()
    return found


def owner(schema: dict[str, Any], where: list[str]) -> str:
    """The title of the model that holds the place an error names."""
    node, title = schema, str(schema["title"])
    for step in where[:-1]:
        node = _step(schema, node, step)
        title = node.get("title", title)
    return title


def _step(schema: dict[str, Any], node: dict[str, Any], step: str) -> dict[str, Any]:
    if "oneOf" in node:
        branches = [_resolved(schema, branch) for branch in node["oneOf"]]
        return next(branch for branch in branches if branch["properties"]["kind"]["const"] == step)
    if step.isdigit():
        inner = node["items"] if "items" in node else node["prefixItems"][int(step)]
    else:
        inner = node["properties"][step] if "properties" in node else node["additionalProperties"]
    return _resolved(schema, inner)


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    node = next((branch for branch in node.get("anyOf", ()) if branch.get("type") != "null"), node)
    return schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


# Values near the edges of the types in use: for a count, a name, a digest, a time, an array, an object.
EDGES: list[Any] = [
    *(None, True, False, 0, 1, -1, -2, 2**70, 1.0, -0.0, 0.5, 1e300, "", "x", "a-b\n", "a" * 201, "0" * 64, "0" * 63),
    *("5", "train", "regular", "explicit", "1700000000", "2026-01-31T09:15:30Z", "2026-01-31T09:15:30"),
    *("2026-02-30T09:15:30Z", "2026-01-31 09:15:30Z", "2026-01-31T24:00:00Z", "2026-01-31T09:15Z"),
    *([], [0], [0, 1], [1, 0], [[0, 1]], ["time"], {}, {"kind": "explicit", "n_samples": 1}),
]
JSON_VALUES = st.sampled_from(EDGES) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
JSON_VALUES = JSON_VALUES.map(deepcopy)  # a later change must not reach into EDGES


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) inside a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


@st.composite
def mutants(draw: st.DrawFn) -> tuple[str, Any]:
    """A valid example after one to three changes of its structure, at any depth."""
    path = draw(st.sampled_from(VALID))
    value = deepcopy(json.loads(path.read_bytes()))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        container, key = places[draw(st.integers(0, len(places) - 1))] if places else (value, "x")
        change = draw(st.sampled_from(["drop", "add", "replace"]))
        if change == "add" and isinstance(container, dict):
            container[draw(st.text(max_size=8))] = draw(JSON_VALUES)
        elif change == "drop" and places:
            del container[key]
        else:
            container[key] = draw(JSON_VALUES)
    return _document(path), value


@settings(max_examples=400, deadline=None)
@given(mutants())
@example(("run", json.loads((EXAMPLES / "valid" / "run-finished.json").read_bytes()) | {"version": True}))
@example(("run", json.loads((EXAMPLES / "valid" / "run-finished.json").read_bytes()) | {"version": 1.0}))
@example(
    ("provenance", json.loads((EXAMPLES / "valid" / "provenance-folder.json").read_bytes()) | {"source_members": 1.0})
)
def test_mutated_examples_get_one_verdict(mutant: tuple[str, Any]) -> None:
    """Rules that join fields raise `value_error`; JSON Schema has no word for them, so it must then accept."""
    name, value = mutant
    refused = [error for error in _errors(name, value) if error[0] != "value_error"]
    assert VALIDATORS[name].is_valid(value) == (not refused), refused
