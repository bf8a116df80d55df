"""Rows gathered into batches of whole groups, and a batch's texts as token ids."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Iterable, Iterator, List, Sequence, Tuple

from backend.node.data.groups import GROUP
from backend.node.data.readers import Row, read_rows
from backend.node.data.tokenizer import Encoder
from backend.node.job_lines import JobError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BATCH_CHARACTERS = 2_000_000
_BATCH_ROWS = 20 * GROUP


def all_rows(files: List[str], keys: Sequence[str]) -> Iterator[Row]:
    before = 0
    for path in files:
        for row in read_rows(path, keys):
            yield row._replace(done=before + row.done)
        before += os.path.getsize(path)


def batches(rows: Iterable[Row]) -> Iterator[Tuple[int, List[Row]]]:
    """Rows in whole groups, a few million characters at a time, with the bytes read so far."""
    batch: List[Row] = []
    characters = 0
    for row in rows:
        batch.append(row)
        characters += sum(len(_text(value, row)) for value in row.values)
        if len(batch) % GROUP == 0 and (characters >= _BATCH_CHARACTERS or len(batch) >= _BATCH_ROWS):
            yield row.done, batch
            batch, characters = [], 0
    if batch:
        yield batch[-1].done, batch


def _text(value: Any, row: Row) -> str:
    """A row's value as the text it must be. Raises JobError that names the row."""
    if isinstance(value, str):
        return value
    if value is None:
        what = _("{where} has no text in a column that is read").format(where=row.where)
        raise JobError("json_keys", what, "", _("give the column, empty text where there is none"))
    what = _("{where} has a value that is not text").format(where=row.where)
    why = _("it is of the type {name}").format(name=type(value).__name__)
    raise JobError("input", what, why, _("put quotes around it, or choose another column"))


def encode(
    encoder: Encoder, rows: List[Row], place: int, end: List[int]
) -> Tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Column `place` of the rows as ids, int32, and the length of each text, int64. Raises JobError."""
    texts: List[str] = [row.values[place] for row in rows]
    try:
        # Some releases of tokenizers would quietly put another character there.
        "".join(texts).encode("utf-8")
    except UnicodeEncodeError as error:
        row = next(row for row in rows if _has_surrogate(row.values[place]))
        what = _("{where} has half of a surrogate pair").format(where=row.where)
        raise JobError("input", what, _("that is not a character"), _("mend the text")) from error
    return encoder.encode(texts, end)


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
