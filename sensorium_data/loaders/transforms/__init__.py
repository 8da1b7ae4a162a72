"""Transforms of items: the official layouts, normalisation under our own names, and filling what is missing."""

from sensorium_data.loaders.transforms.base import Bound, Compose, Item, Transform, bind, compose
from sensorium_data.loaders.transforms.layouts import (
    Official,
    Official2022,
    Official2022Behavior,
    Official2022Images,
    Official2022PupilCenter,
    Official2023,
    collate_official,
)
from sensorium_data.loaders.transforms.missing import FillMissing, fill_missing
from sensorium_data.loaders.transforms.normalise import Normalise, normalise
from sensorium_data.loaders.transforms.official2022 import Official2022Chain, official2022
from sensorium_data.loaders.transforms.official2023 import Official2023Chain, official2023

__all__ = [
    "Bound",
    "Compose",
    "FillMissing",
    "Item",
    "Normalise",
    "Official",
    "Official2022",
    "Official2022Behavior",
    "Official2022Chain",
    "Official2022Images",
    "Official2022PupilCenter",
    "Official2023",
    "Official2023Chain",
    "Transform",
    "bind",
    "collate_official",
    "compose",
    "fill_missing",
    "normalise",
    "official2022",
    "official2023",
]
