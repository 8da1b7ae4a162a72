"""Read a file of predictions back, so that what was sent, by whomever, can be scored where the responses are known."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from sensorium_data.errors import DataInvalid, Problem, counted, listed
from sensorium_data.evaluation.predictions import TrialPrediction
from sensorium_data.evaluation.submissions.check2022 import ImageTrials
from sensorium_data.evaluation.submissions.check2023 import trial_number
from sensorium_data.evaluation.submissions.checking import kind_in
from sensorium_data.evaluation.submissions.csvlines import ImageRows, NotAList, numbers
from sensorium_data.evaluation.submissions.given import recordings_of
from sensorium_data.evaluation.submissions.known import known_mice
from sensorium_data.evaluation.submissions.opening import Upload
from sensorium_data.evaluation.submissions.parquet import FilmRows
from sensorium_data.evaluation.submissions.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sensorium_data.evaluation.submissions.csvlines import ImageRow
    from sensorium_data.evaluation.submissions.known import KnownMouse
    from sensorium_data.evaluation.submissions.parquet import FilmRow
    from sensorium_data.evaluation.truth import Recording
    from sensorium_data.viewing.opening import Opened

__all__ = ["read_submission"]

SKIPPED = 50  # frames of a film that no submission holds
HINT = "`sensorium-data submit --check FILE STORE...` names everything that is wrong with it"


def read_submission(
    path: str | Path,
    sessions: Opened | Iterable[Opened],
    *,
    tier: str | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> Iterator[TrialPrediction]:
    """Read a zip, a Parquet file or a CSV of predictions, one trial at a time.

    Rows are of the sessions, trials and neurons that they name, in the scale that was scored; rows of other mice are passed
    over. That all trials are there is for the scores to ask.

    Parameters
    ----------
    path : str or Path
    sessions : path, pattern, Session, SessionHandle, or several
        Stores of the recordings.
    tier : str, optional
        Trials of others are passed over.
    storage_options : mapping, optional
        How to get in where sessions are URLs.

    Yields
    ------
    TrialPrediction
        Of films, from frame 50 on: (time, neuron); of images (1, neuron).

    Raises
    ------
    NotFound
        There is no such file.
    DataInvalid
        It is damaged, or a row cannot be read: it says which.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.testing import make_session
    >>> store = make_session(tempfile.mkdtemp(), n_neurons=2, n_train=2)
    >>> read_submission("not-there.zip", store)
    Traceback (most recent call last):
    ...
    sensorium_data.errors.NotFound: not-there.zip: no such file
    """
    tally = Tally()
    upload = Upload(Path(path), tally)
    _refuse(upload, tally)
    return _read(upload, tally, recordings_of(sessions, storage_options), tier)


def _refuse(upload: Upload, tally: Tally) -> None:
    """Raise if a fault was found that leaves nothing to be read."""
    faults = [each for each in tally.findings() if each.severity == "error" and each.code not in PASSED]
    if faults:
        what = f"{upload.path}: {counted(len(faults), 'fault')}"
        problems = [Problem(each.code, each.where, each.what) for each in faults]
        raise DataInvalid(what, hint=HINT, problems=problems, code=faults[0].code)


# What is wrong with an upload, and still says what was predicted.
PASSED = frozenset({"too-large", "not-brotli"})


def _read(upload: Upload, tally: Tally, given: Sequence[Recording], tier: str | None) -> Iterator[TrialPrediction]:
    images = [ImageTrials(each) for each in given if each.modality == "static"]
    mice = known_mice(each for each in given if each.modality == "dynamic")
    for name in upload.members:
        with upload.open(name) as file:
            _refuse(upload, tally)
            if file is None:
                continue
            kind = kind_in(file, name)
            if kind == "parquet":
                yield from _films(file, name, mice, tier, tally, upload)
            elif kind == "csv":
                yield from _images(file, name, images, tier, tally, upload)
            elif not upload.zipped:
                tally.add("format-unknown", name, "is neither Parquet nor CSV")
            _refuse(upload, tally)


def _films(
    file: IO[bytes], name: str, mice: Mapping[str, KnownMouse], tier: str | None, tally: Tally, upload: Upload
) -> Iterator[TrialPrediction]:
    rows = FilmRows(file, name, tally)
    _refuse(upload, tally)
    for row in rows:
        known = mice.get(row.mouse)
        if known is None or known.recording is None:
            continue
        number = trial_number(row.trial)
        if number is not None and tier is not None and known.trials.get(number, ("", 0))[0] not in ("", tier):
            continue
        yield _film(row, number, known.key, f"{name}, {known.key}, trial {row.trial}")
    _refuse(upload, tally)


def _film(row: FilmRow, number: int | None, key: str, where: str) -> TrialPrediction:
    if number is None or row.values is None or row.unit_ids is None or len(row.values) != len(row.unit_ids):
        raise DataInvalid(f"{where}: the row cannot be read", hint=HINT, code=row.fault or "bad-row")
    return TrialPrediction(key, number, row.values.T, row.unit_ids, first_frame=SKIPPED, scaling="official")


def _images(
    file: IO[bytes], name: str, sessions: Sequence[ImageTrials], tier: str | None, tally: Tally, upload: Upload
) -> Iterator[TrialPrediction]:
    rows = ImageRows(file, name, tally)
    _refuse(upload, tally)
    ids = None
    for row in rows:
        session = next((each for each in sessions if row.trial in each.by_name), None)
        if session is None:
            keys = listed([each.recording.key for each in sessions])
            what = f"{name}: trial `{row.trial}` is of no session given ({keys or 'none of images'})"
            raise DataInvalid(what, hint=HINT, code="trial-unknown")
        trial_id, mine, _ = session.by_name[row.trial]
        if ids is None:  # those of the first row, as the competition read them
            ids = _list(row.unit_ids, name, row)
        if tier is None or mine == tier:
            values = _list(row.prediction, name, row)
            if len(values) != len(ids):
                what = f"{name}, trial {row.trial}: {len(values):,} numbers for {len(ids):,} neuron ids"
                raise DataInvalid(what, hint=HINT, code="neurons-count")
            units = ids.astype(np.int64)
            yield TrialPrediction(session.recording.key, trial_id, values[None], units, scaling="official")
    _refuse(upload, tally)


def _list(text: bytes | None, name: str, row: ImageRow) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    try:
        return numbers(text or b"")
    except NotAList as error:
        raise DataInvalid(f"{name}, trial {row.trial}: {error.what}", hint=HINT, code=error.code) from None
