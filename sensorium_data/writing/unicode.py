"""Text as a lab has it: Python and numpy hold what no file can, and it is named before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NO_UNICODE", "is_unicode", "legible", "rows_without_unicode"]

NO_UNICODE = "text that is no Unicode: half of a surrogate pair, or a character beyond the last"
SURROGATES = (0xD800, 0xDFFF)
LAST = 0x10FFFF


def is_unicode(text: str) -> bool:
    r"""True where a text can be written as UTF-8.

    Examples
    --------
    >>> is_unicode("LM äé"), is_unicode("\ud800")
    (True, False)
    """
    return legible(text) == text


def legible(text: str) -> str:
    r"""Return a text with what is no Unicode as an escape, so that it can be shown and logged.

    Examples
    --------
    >>> legible("V1 \ud800")
    'V1 \\ud800'
    """
    return text.encode("utf-8", "backslashreplace").decode()


def rows_without_unicode(column: NDArray[np.str_]) -> NDArray[np.intp]:
    r"""Return the rows of a column of text that cannot be written as UTF-8; numpy keeps any number for a character.

    Parameters
    ----------
    column : (row, …) array of text

    Examples
    --------
    >>> rows_without_unicode(np.array(["V1", "\ud800"]))
    array([1])
    """
    if not column.size or not column.dtype.itemsize:
        return np.zeros(0, np.intp)
    native = np.ascontiguousarray(column, column.dtype.newbyteorder("="))
    points = native.reshape(len(column), -1).view(np.uint32)
    wrong = ((points >= SURROGATES[0]) & (points <= SURROGATES[1])) | (points > LAST)
    return np.flatnonzero(wrong.any(axis=1))
