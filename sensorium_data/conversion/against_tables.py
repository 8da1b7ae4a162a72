"""Compare tables, shipped statistics and the session document with the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.conversion.comparison import same_bits
from sensorium_data.conversion.tables import columns_of
from sensorium_data.errors import StoreInvalid
from sensorium_data.sources.members import MemberError
from sensorium_data.store.layout import Paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from sensorium_data.conversion.comparison import Comparison

__all__ = ["compare_document", "compare_statistics", "compare_tables"]


def compare_tables(comparison: Comparison) -> None:
    """Compare neurons and trial variables."""
    columns = [(f"{Paths.neurons}/{name}", column) for name, column in comparison.raw.neurons.items()]
    names = comparison.store.table(Paths.trials)
    for name, column in comparison.raw.trial_variables.items():
        columns.append((f"{Paths.trials}/{name if f'published_{name}' not in names else f'published_{name}'}", column))
    for path, column in columns:
        published = column.values
        if published.dtype.kind == "S":
            published = np.char.decode(published, "utf-8")
        try:
            stored = comparison.store.values(path)
        except StoreInvalid as error:
            comparison.fault("against-tables", path, error.message)
            continue
        text = published.dtype.kind == "U"
        if not (np.array_equal(published, stored) if text else same_bits(published, stored)):
            comparison.fault("against-tables", path, "differs from what was published")


def compare_statistics(comparison: Comparison) -> None:
    """Compare the shipped statistics."""
    for path, read in _shipped(comparison):
        try:
            if not same_bits(read(), comparison.store.values(path)):
                comparison.fault("against-statistics", path, "differs from what was published")
        except (MemberError, StoreInvalid) as error:
            comparison.fault("against-statistics", path, str(error))


def _shipped(comparison: Comparison) -> Iterator[tuple[str, Callable[[], NDArray[Any]]]]:
    for statistic in comparison.raw.statistics:

        def read(statistic: Any = statistic) -> NDArray[Any]:  # noqa: ANN401  # binds the loop's value
            loaded = comparison.raw.statistic(statistic)
            comparison.digests[statistic.member] = loaded.sha256
            return loaded.array

        yield f"{Paths.source_statistics}/{statistic.path}", read


def compare_document(comparison: Comparison) -> None:
    """Compare what the session document says with the source and with the errors that were seen."""
    session, raw = comparison.store.session, comparison.raw
    roundings = {signal.name: signal.rounding for signal in session.signals} | {
        session.identity.film: session.stimuli.rounding
    }
    for name, tally in comparison.tallies.items():
        rounding = roundings.get(name)
        if rounding is not None and not tally.differs and rounding.max_abs_error != tally.max_error:
            what = f"records a largest rounding error of {rounding.max_abs_error:.6g}, seen is {tally.max_error:.6g}"
            comparison.fault("against-document", name, what)
    said: dict[str, tuple[object, object]] = {"neurons.columns": (session.neurons.columns, columns_of(raw.neurons))}
    if raw.identity == session.identity:
        said |= {"licence": (session.licence, raw.licence), "citations": (session.citations, raw.citations)}
    for where, (stored, published) in said.items():
        if stored != published:
            comparison.fault("against-document", where, "is not what the source says")
