"""Numbers as people read them."""

from __future__ import annotations

from reprlib import repr as in_short

__all__ = ["human_bytes", "seconds_text", "shown"]

NANOSECOND = 10**9


def human_bytes(n: int) -> str:
    """Return a number of bytes for people.

    Examples
    --------
    >>> human_bytes(999), human_bytes(42_300_000)
    ('999 B', '42.3 MB')
    """
    size = float(n)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def shown(number: object) -> str:
    """Return a number as it was given, for people, cut where it is long.

    Examples
    --------
    >>> shown(29.97), shown("fast"), shown(10**5000)
    ('29.97', "'fast'", 'of type int')
    """
    try:
        return in_short(number)
    except (ValueError, TypeError):  # Python writes no integer of thousands of digits
        return f"of type {type(number).__name__}"


def seconds_text(time_ns: int) -> str:
    """Return a time in seconds for people, to the nanosecond.

    Examples
    --------
    >>> seconds_text(1_700_000_000_100_000_000), seconds_text(-250_000_000), seconds_text(2 * 10**9)
    ('1700000000.1', '-0.25', '2')
    """
    whole, rest = divmod(abs(time_ns), NANOSECOND)
    text = f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
    return f"-{text}" if time_ns < 0 else text
