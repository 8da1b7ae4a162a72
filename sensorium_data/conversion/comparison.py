"""What a comparison of a store with its source has found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.conversion.rounding import largest_error, rounded
from sensorium_data.schemas import Equality, Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.schemas import Severity
    from sensorium_data.sources import RawSession
    from sensorium_data.store.opened import OpenStore

__all__ = ["Comparison", "Tally", "same_bits"]


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """True when shape, dtype and every bit agree, those of NaN and of negative zero too."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


@dataclass(slots=True)
class Tally:
    """How one signal compares so far."""

    n_values: int = 0
    max_error: float = 0.0
    rounded: bool = False
    differs: bool = False

    def add(self, published: NDArray[Any], stored: NDArray[Any]) -> bool:
        """Compare one trial's values; True when they agree after the recorded rounding."""
        self.n_values += stored.size
        if published.shape != stored.shape:
            self.differs = True
            return False
        # A film of integers kept as uint8, or widened beside one that is not, is not rounded.
        self.rounded |= not np.can_cast(published.dtype, stored.dtype) and stored.dtype != np.uint8
        agrees = same_bits(rounded(published, stored.dtype), stored)
        self.differs |= not agrees
        if published.dtype != stored.dtype:
            self.max_error = max(self.max_error, largest_error(published, stored))
        return agrees

    def document(self, name: str) -> Equality:
        """Return the outcome."""
        if self.differs:
            holds = "differs"
        elif not self.rounded:
            holds = "bit-exact"
        else:
            holds = "rounded" if self.max_error else "rounded-exact"
        error = self.max_error if np.isfinite(self.max_error) else 0.0
        return Equality(name=name, holds=holds, n_values=self.n_values, max_abs_error=error)  # type: ignore[arg-type]


@dataclass(slots=True)
class Comparison:
    """A store, the recording it claims to hold, and what was found."""

    store: OpenStore
    raw: RawSession
    findings: list[Finding] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def fault(self, code: str, where: str, what: str, severity: Severity = "error") -> None:
        """Add a finding."""
        self.findings.append(Finding(code=code, severity=severity, where=where, what=what))

    def compare(self, name: str, where: str, published: NDArray[Any], stored: NDArray[Any]) -> None:
        """Compare the values of one stream in one trial."""
        tally = self.tallies.setdefault(name, Tally())
        if not tally.add(published, stored):
            if published.shape != stored.shape:
                what = f"`{name}` has shape {stored.shape}, published {published.shape}"
            else:
                off = rounded(published, stored.dtype) != stored
                what = f"`{name}` differs from what was published in {int(off.sum())} values"
            self.fault("against-values", where, what)
