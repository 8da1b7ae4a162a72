"""Documents as JSON Schema, for readers that are not written in Python."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic.json_schema import GenerateJsonSchema

from sensorium_data.errors import NoSuchItem, near_miss
from sensorium_data.schemas import DOCUMENTS

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

__all__ = ["VERSION", "json_schema", "render"]

# Counts the shapes of documents, apart from the package's own version; the folder under `schemas/` is named after it.
VERSION = 1


class _Generator(GenerateJsonSchema):
    """Draft 2020-12 and no more: no keyword of OpenAPI, no title that repeats a key, no Python in a description."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Never: the key says it already."""
        del schema
        return False

    def generate_inner(self, schema: CoreSchema) -> JsonSchemaValue:
        """Leave out what only pydantic's own tools read; validators that refuse unknown keywords would stumble."""
        rendered = super().generate_inner(schema)
        rendered.pop("discriminator", None)
        if "description" in rendered:
            rendered["description"] = rendered["description"].partition("\n\nExamples\n---")[0]
        return rendered


def json_schema(name: str) -> dict[str, object]:
    """Return a document's JSON Schema (draft 2020-12).

    Rules that join several fields (a rate in lowest terms, a trial's length) have no form in JSON Schema: the
    descriptions state them and pydantic alone enforces them.

    Parameters
    ----------
    name : str
        A key of ``DOCUMENTS``.

    Raises
    ------
    NoSuchItem
        No document has this name; the hint names near misses.

    Examples
    --------
    >>> json_schema("trial")["$id"]
    'urn:sensorium-data:v1:trial'
    """
    if name not in DOCUMENTS:
        raise NoSuchItem(f"`{name}` is not a document", hint=near_miss(name, list(DOCUMENTS)), code="no-such-document")
    schema = DOCUMENTS[name].model_json_schema(schema_generator=_Generator)
    return {"$schema": _Generator.schema_dialect, "$id": f"urn:sensorium-data:v{VERSION}:{name}"} | schema


def render(name: str) -> str:
    """Return a document's JSON Schema as the text that `schemas/` holds and `sensorium-data schema` prints.

    Parameters
    ----------
    name : str
        A key of ``DOCUMENTS``.

    Raises
    ------
    NoSuchItem
        No document has this name.

    Examples
    --------
    >>> print(render("trial"))
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "$id": "urn:sensorium-data:v1:trial",
      ...
    """
    return json.dumps(json_schema(name), indent=2, ensure_ascii=False) + "\n"
