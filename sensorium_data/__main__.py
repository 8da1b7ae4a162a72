"""`python -m sensorium_data` is the command line."""

from __future__ import annotations

from sensorium_data.cli import main

if __name__ == "__main__":
    main()
