"""Neurons: who was recorded and where; any further column a source has is kept beside the known ones."""

from __future__ import annotations

from pydantic import Field

from sensorium_data.schemas.base import Document, Integer, Name, NonNegative

__all__ = ["Column", "Neuron", "NeuronTable"]


class Column(Document):
    """One column of a table of the store: an array named after it."""

    name: Name
    dtype: Name
    unit: str | None = None
    description: str = ""


class Neuron(Document):
    """One recorded unit. Positions are micrometres in the motor coordinates of the microscope, not an atlas."""

    unit_id: Integer
    x: float | None = None
    y: float | None = None
    z: float | None = None
    area: str | None = None
    layer: str | None = None
    depth: float | None = None
    extra: dict[str, bool | int | float | str | None] = Field(default_factory=dict)


class NeuronTable(Document):
    """The neurons of a session: how many, and which columns are known."""

    n: NonNegative
    columns: tuple[Column, ...]
