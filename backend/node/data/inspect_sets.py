"""The same look at data that is preprocessed already: counts from its index, examples decoded."""

from __future__ import annotations

import os
from gettext import gettext as _
from gettext import ngettext
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Union

from backend.node.data.data_shape import PREPROCESSED, title_of
from backend.node.data.encoder import Encoder
from backend.node.data.indexed import IndexedDataset
from backend.node.data.inputs import is_preprocessed
from backend.node.data.sample_figures import Scale, lengths_in_short, what_follows
from backend.node.data.show import show
from backend.node.data.token_sets import TokenSet, find_sets, siblings
from backend.node.job_lines import JobError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def preprocessed_prefix(path: Union[str, Sequence[str]]) -> str:
    """`path` when it names token files (a file of a pair, or a prefix of pairs), else ""."""
    if not isinstance(path, str):
        if len(path) != 1:
            return ""
        path = path[0]
    if os.path.isfile(path):
        return path if is_preprocessed(path) else ""
    if os.path.exists(path):
        return ""
    try:
        find_sets(path)
    except JobError:
        return ""
    return path


def inspect_sets(
    prefix: str, encoder: Optional[Encoder], seq_length: Optional[int], gbs: Optional[int], count: int
) -> Dict[str, Any]:
    """The keys of `inspect_data` that token files have; everything is exact. Raises JobError, OSError."""
    sets = find_sets(prefix)
    sets = siblings(sets[0]) if len(sets) == 1 else sets
    opened = [IndexedDataset(one.path) for one in sets]
    first = opened[0]
    lengths = first.lengths.astype("int64")
    documents = len(first.documents) - 1
    scale = Scale(documents, documents)
    return {
        "files": [one.path + suffix for one in sets for suffix in (".bin", ".idx")],
        "bytes": sum(int(data.tokens.nbytes) for data in opened),
        "what": PREPROCESSED,
        "title": title_of(PREPROCESSED),
        "kind": _("token files"),
        "columns": [one.key for one in sets],
        "records": documents,
        "records_exact": True,
        "unit": "tokens",
        "examples": _examples(prefix, min(count, documents), encoder),
        "sampled": documents,
        "lengths": lengths_in_short(lengths),
        # What is written is not dropped again: the trainer cuts what is too long.
        **what_follows(lengths, sets[0].packed, scale, seq_length, gbs, dropping=False),
        "beyond": None,
        "samples_exact": True,
        "notes": _notes(lengths, seq_length) if sets[0].packed and seq_length else [],
        "sets": [_counts(one, data) for one, data in zip(sets, opened)],
    }


def _counts(found: TokenSet, data: IndexedDataset) -> Dict[str, Any]:
    return {
        "path": found.path,
        "key": found.key,
        "packed": found.packed,
        "dtype": data.tokens.dtype.name,
        "bytes": int(data.tokens.nbytes),
        "sequences": len(data),
        "documents": len(data.documents) - 1,
        "tokens": len(data.tokens),
    }


def _notes(lengths: NDArray[np.int64], seq_length: int) -> List[str]:
    longer = int((lengths > seq_length).sum())
    if not longer:
        return []
    text = ngettext(
        "{count:,} sequence is longer than {length:,} tokens: the trainer cuts it",
        "{count:,} sequences are longer than {length:,} tokens: the trainer cuts them",
        longer,
    )
    return [text.format(count=longer, length=seq_length)]


def _examples(prefix: str, count: int, encoder: Optional[Encoder]) -> List[Dict[str, Any]]:
    found = []
    for number in range(count):
        parts = show(prefix, number, encoder)["parts"]
        shown = [{"key": part["key"], "sequences": part["sequences"]} for part in parts]
        found.append({"place": _("document {number}").format(number=number), "problem": "", "parts": shown})
    return found
