"""Everything that knows URLs: objects at a place, their bytes in exact ranges, and what goes wrong on the way."""

from sensorium_data.remote.location import Location, is_url, placed
from sensorium_data.remote.objects import ObjectInfo, Objects, open_objects

__all__ = ["Location", "ObjectInfo", "Objects", "is_url", "open_objects", "placed"]
