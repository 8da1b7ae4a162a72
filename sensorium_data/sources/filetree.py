"""What both official formats share: `data/<stream>/<number>.npy`, `meta/neurons`, `meta/trials`, `meta/statistics`.

A `Tree` reads them through `Members` and collects every problem it meets, so that a user sees all of them at once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import Problem, counted, listed, near_miss
from sensorium_data.schemas import ROLES, Note
from sensorium_data.sources.base import RawColumn, RawStatistic, RawTrial
from sensorium_data.sources.dims import fitting, one_length, without_ones
from sensorium_data.sources.members import MemberError
from sensorium_data.sources.npy import header_of, is_text, load, look_ahead

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sensorium_data.sources.members import Members
    from sensorium_data.sources.npy import Header

__all__ = ["Tree", "decoded"]

NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")  # of a trial; nobody has a billion
COORDINATES = "cell_motor_coordinates"
# Published name: name and kinds of numpy dtype of the column that the schema knows.
KNOWN_COLUMNS = {
    "unit_ids": ("unit_id", "iu"),
    "layer": ("layer", "U"),
    "area": ("area", "U"),
    "depth": ("depth", "fiu"),
}


class Tree:
    """The members of one session with the problems, notes and digests met so far."""

    def __init__(self, members: Members) -> None:
        self.members = members
        self.problems: list[Problem] = []
        self.notes: list[Note] = []
        self.digests: dict[str, str] = {}
        self._n_numbers = 0  # file numbers that there are or could be
        self._kept: list[int] = []  # trials of tier `none` that have files

    def fault(self, code: str, where: str, what: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(code, where, what))

    def note(self, code: str, text: str) -> None:
        """Add something worth knowing that is no problem."""
        self.notes.append(Note(code=code, text=text))

    @property
    def count(self) -> str:
        """How many problems there are, in words."""
        return counted(len(self.problems), "problem")

    def table(self, name: str) -> NDArray[Any] | None:
        """Return a small array of `meta/`, or None with a problem added."""
        if name not in self.members.sizes:
            self.fault("missing-member", name, "is not there")
            return None
        try:
            loaded = load(self.members, name)
            array = decoded(loaded.array)
        except MemberError as error:
            self.problems.append(error.problem(name))
            return None
        self.digests[name] = loaded.sha256
        return array

    def stream(self, stream: str) -> dict[int, str]:
        """Return the members of a stream by file number."""
        prefix = f"data/{stream}/"
        names = (name for name in self.members.sizes if name.startswith(prefix) and name.endswith(".npy"))
        numbers = ((name[len(prefix) : -4], name) for name in names)
        return dict(sorted((int(n), name) for n, name in numbers if NUMBER.fullmatch(n)))

    def header_of_each_size(self, files: Mapping[int, str]) -> dict[int, Header]:
        """Return for each file the header of the first of its size; thousands of small files cost an opening each."""
        first: dict[int, int] = {}
        for number, name in files.items():
            first.setdefault(self.members.sizes[name], number)
        found = self.headers({number: files[number] for number in first.values()})
        alike = {number: first[self.members.sizes[name]] for number, name in files.items()}
        return {number: found[same] for number, same in alike.items() if same in found}

    def headers(self, files: Mapping[int, str]) -> dict[int, Header]:
        """Return the headers of a stream's files; files without a sound one become problems."""
        headers: dict[int, Header] = {}
        look_ahead(self.members, files.values())
        for number, name in files.items():
            try:
                headers[number] = header_of(self.members, name)
            except MemberError as error:
                self.problems.append(error.problem(name))
        return headers

    def names_below(self, folder: str) -> list[str]:
        """Return the `.npy` members below a folder."""
        return [name for name in self.members.sizes if name.startswith(folder + "/") and name.endswith(".npy")]

    def trials(self, files: Mapping[str, Mapping[int, str]], appended_from: int | None = None) -> tuple[RawTrial, ...]:
        """Return the trials in order of file number, from `meta/trials/tiers.npy` and the files that exist.

        A number is missing when its tier is `none` and no stream has a file; every other disagreement is a problem.
        """
        where = "meta/trials/tiers.npy"
        tiers = self.table(where)
        if tiers is None or not self._tiers_sound(tiers, where):
            return ()
        present = set().union(*files.values())
        if not present:
            self.fault("empty-session", "data/", "holds no trial")
            return ()
        trials, before = [], -1
        whole = set.intersection(*map(set, files.values()))
        for number in sorted(present | set(range(len(tiers)))):
            tier = str(tiers[number]) if number < len(tiers) else ""
            sound = number in whole and tier not in ("", "none")  # nearly all of thousands
            if not sound and not self._number_sound(number, tier, files, len(tiers)):
                continue
            appended = appended_from is not None and number >= appended_from
            missing = number not in present
            trials.append(RawTrial(number, tier, missing, contiguous=before == number - 1 and not appended))
            before = before if missing else number
        self._n_numbers = max(len(tiers), max(present) + 1)
        if self._kept:
            text = f"{len(self._kept)} trials have tier `none` and files, and are kept: {listed(self._kept)}"
            self.note("tier-none-with-data", text)
        return tuple(trials)

    def _tiers_sound(self, tiers: NDArray[Any], where: str) -> bool:
        if tiers.ndim != 1 or tiers.dtype.kind not in "US":
            self.fault("npy-shape", where, f"is {tiers.dtype} {tiers.shape}, expected one string a trial")
            return False
        for tier in sorted({str(tier) for tier in tiers} - ROLES.keys()):
            at = [int(i) for i in np.flatnonzero(tiers == tier)[:3]]
            self.fault("unknown-tier", where, f"`{tier}` at {at} is no tier; {near_miss(tier, list(ROLES))}")
        return True

    def _number_sound(self, number: int, tier: str, files: Mapping[str, Mapping[int, str]], n_tiers: int) -> bool:
        have = [stream for stream, found in files.items() if number in found]
        lack = [stream for stream in files if stream not in have]
        if number >= n_tiers:
            self.fault("no-tier", f"trial {number}", f"has files but tiers.npy ends at {n_tiers - 1}")
        elif have and tier == "none":
            self._kept.append(number)
        if not have:
            if tier != "none":
                self.fault("missing-member", f"trial {number}", f"has tier `{tier}` but no file in {', '.join(files)}")
            return tier == "none"
        for stream in lack:
            self.fault("missing-member", f"data/{stream}/{number}.npy", f"is not there, but {', '.join(have)} have it")
        return not lack and number < n_tiers

    def neurons(self, n_neurons: int) -> dict[str, RawColumn]:
        """Return the columns of `meta/neurons`; unit ids are required and unique."""
        columns: dict[str, RawColumn] = {}
        names = self.names_below("meta/neurons")
        if "meta/neurons/unit_ids.npy" not in names:
            self.fault("missing-member", "meta/neurons/unit_ids.npy", "is not there")
        for name in names:
            values = self.table(name)
            if values is None:
                continue
            if values.ndim == 0 or len(values) != n_neurons:
                self.fault("length-mismatch", name, f"has shape {values.shape}, but responses have {n_neurons} neurons")
            else:
                self._add(columns, self._neuron_columns(_stem(name, "meta/neurons/"), values, name))
        return columns

    def _neuron_columns(self, stem: str, values: NDArray[Any], where: str) -> dict[str, RawColumn]:
        if stem == "unit_ids":
            self._unique(values, where)
        if stem == COORDINATES and values.shape[1:] == (3,) and values.dtype.kind in "fiu":
            text = "motor coordinate of the microscope, not an atlas"
            return {axis: RawColumn(values[:, i], ("neuron",), where, "um", text) for i, axis in enumerate("xyz")}
        dims = ("neuron", *(f"{stem}_{axis}" for axis in range(1, values.ndim)))
        known = KNOWN_COLUMNS.get(stem)
        if known is None or values.dtype.kind not in known[1] or values.ndim > 1:
            # Depths printed as text, layers as numbers: kept as they are, under a name that promises nothing.
            return {stem if known is None else f"published_{stem}": RawColumn(values, dims, where)}
        return {known[0]: RawColumn(values, dims, where)}

    def _add(self, columns: dict[str, RawColumn], found: dict[str, RawColumn]) -> None:
        """Add columns to a table; a second one of a name would hide the first."""
        for name, column in found.items():
            if name in columns:
                what = f"would be the column `{name}`, and so would {columns[name].member}"
                self.fault("duplicate-column", column.member, what)
            columns.setdefault(name, column)

    def _unique(self, values: NDArray[Any], where: str) -> None:
        if values.ndim != 1 or values.dtype.kind not in "iu":
            self.fault("npy-shape", where, f"is {values.dtype} {values.shape}, expected one integer a neuron")
            return
        ids, counts = np.unique(values, return_counts=True)
        if twice := ids[counts > 1].tolist():
            self.fault("duplicate-unit-id", where, f"names {len(twice)} units more than once: {twice[:5]}")

    def trial_variables(self, trials: Sequence[RawTrial]) -> dict[str, RawColumn]:
        """Return the further variables of `meta/trials`, one row a trial of the table, as they are."""
        numbers = np.array([trial.trial_id for trial in trials], np.int64)
        columns: dict[str, RawColumn] = {}
        for name in self.names_below("meta/trials"):
            stem = _stem(name, "meta/trials/")
            if stem == "tiers" or (values := self.table(name)) is None:
                continue
            column = self._variable(name, stem, values, numbers, sum(not trial.missing for trial in trials))
            self._add(columns, {} if column is None else {stem: column})
        return columns

    def _variable(
        self, name: str, stem: str, values: NDArray[Any], numbers: NDArray[np.int64], n_files: int
    ) -> RawColumn | None:
        n_rows = int(numbers.max(initial=-1)) + 1
        dims = tuple(f"{stem}_{axis}" for axis in range(values.ndim))
        if values.ndim and n_rows <= len(values) <= (self._n_numbers or len(values)):
            return RawColumn(values[numbers], ("trial", *dims[1:]), name, description="as published")
        if values.ndim and len(values) != n_files:
            what = f"has shape {values.shape}, expected a row for each of the {n_rows} file numbers"
            self.fault("length-mismatch", name, what)
            return None
        # One value for all, or a row a file where numbers have holes: which row is whose nobody says.
        text = f"{name} has shape {values.shape}, no row for each of the {n_rows} file numbers; it is kept as it is"
        self.note("trial-variable-shape", text)
        return RawColumn(values, dims, name, description="as published")

    def statistics(self, dims_of: Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]]) -> tuple[RawStatistic, ...]:
        """Return the shipped statistics.

        Parameters
        ----------
        dims_of : mapping of stream to (dims, shape)
            Of a trial of the stream as published, time last where there is any; 0 where any length is right.
        """
        found = []
        for name in self.names_below("meta/statistics"):
            parts = name.removeprefix("meta/statistics/").removesuffix(".npy").split("/")
            try:
                header = header_of(self.members, name)
            except MemberError as error:
                self.problems.append(error.problem(name))
                continue
            dims = self._statistic_dims(name, parts, header.shape, dims_of)
            if dims is not None:
                found.append((RawStatistic("/".join(parts), parts[0], parts[-1], dims, name), header.shape))
        return one_length(found)

    def _statistic_dims(
        self,
        name: str,
        parts: list[str],
        shape: tuple[int, ...],
        dims_of: Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]],
    ) -> tuple[str, ...] | None:
        own = tuple(f"{parts[-1]}_{axis}" for axis in range(len(shape)))
        if not shape or set(shape) == {1} or parts[0] not in dims_of:
            return own
        if (dims := fitting(shape, *dims_of[parts[0]])) is not None:
            return dims
        if fitting(tuple(n for n in shape if n != 1), *without_ones(*dims_of[parts[0]])) is None:
            what = f"has shape {shape}, expected that of a trial of `{parts[0]}` or one value a channel"
            self.fault("npy-shape", name, what)
            return None
        self.note(
            "statistic-shape", f"{name} has shape {shape}, with other axes of one than a trial; it is kept as it is"
        )
        return own


def _stem(name: str, folder: str) -> str:
    """Return the name of the column that a member is; folders inside are part of it."""
    return name.removeprefix(folder).removesuffix(".npy").replace("/", "_")


def decoded(values: NDArray[Any]) -> NDArray[Any]:
    """Return bytes as text, and anything else as it is; text that is none is refused.

    Raises
    ------
    MemberError
        They are no UTF-8, or no Unicode.
    """
    if values.dtype.kind == "U" and not is_text(values):
        raise MemberError("npy-text", "holds code points that are no characters, expected text")
    if values.dtype.kind != "S":
        return values
    try:
        return np.char.decode(values, "utf-8")
    except UnicodeDecodeError as error:
        raise MemberError("npy-text", f"holds bytes that are no UTF-8 ({error.reason})") from None
