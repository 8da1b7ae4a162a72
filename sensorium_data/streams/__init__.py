"""What a session can serve on one clock, stream by stream: film, images and signals, each filled straight into place."""

from sensorium_data.streams.base import Stream, Streams
from sensorium_data.streams.opening import open_streams

__all__ = ["Stream", "Streams", "open_streams"]
