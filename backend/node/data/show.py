"""One document of token files as the text that a model sees."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any, Dict, List, Optional

from backend.node.data.encoder import Encoder
from backend.node.data.handlers.handler import IGNORED
from backend.node.data.indexed import IndexedDataset
from backend.node.data.text_runs import runs_of
from backend.node.data.token_sets import TokenSet, find_sets, siblings
from backend.node.job_lines import JobError

_SAMPLES = ("", "chosen_", "rejected_")


def show(prefix: str, document: int, encoder: Optional[Encoder] = None) -> Dict[str, Any]:
    """Document number `document` (from 0) of every pair under `prefix`, decoded by `encoder`.

    `prefix`: a preprocessing prefix, or one pair's own (of instruction data the labels beside it are found
    all the same). Without an encoder there are ids and no text. Raises JobError (field "prefix", "document";
    "data_prefix" when a pair is not whole). Returns

    - "prefix", "document": as given; "documents": how many there are;
    - "parts": one dict for each column of pretraining data, or for each sample kind of instruction data
      ("input_ids"; "chosen_input_ids" and "rejected_input_ids" of pairwise data): "key", "path" (without
      .bin/.idx), "packed" (instruction data, which has labels), "documents" and "sequences", a list of dicts:
      "sequence" (number in the files), "ids" (list of int), "tokens" (their count), "trained" (how many are
      trained on), "labels" (how many labels there are: more than ids where the answer is short), and "runs":
      dicts of "trained" (bool), "start" (place of its first id), "tokens", "text" ("" without an encoder), in
      order, neighbours always differ in "trained".

    "sequences" is empty for a document that was left out for its length.
    """
    sets = find_sets(prefix)
    if len(sets) == 1:
        sets = siblings(sets[0])
    parts = [_part(one, sets, document, encoder) for one in sets if _holds_ids(one)]
    if not parts:
        what = _("there are no ids under {prefix}").format(prefix=prefix)
        raise JobError("prefix", what, _("found: {names}").format(names=", ".join(one.path for one in sets)))
    return {"prefix": prefix, "document": document, "documents": parts[0]["documents"], "parts": parts}


def _holds_ids(found: TokenSet) -> bool:
    return not found.packed or found.key in {sample + "input_ids" for sample in _SAMPLES}


def _part(found: TokenSet, sets: List[TokenSet], document: int, encoder: Optional[Encoder]) -> Dict[str, Any]:
    data = IndexedDataset(found.path)
    documents = len(data.documents) - 1
    if not 0 <= document < documents:
        what = _("there is no document {number} in {path}").format(number=document, path=found.path)
        why = _("it has {count:,} documents, the first is 0").format(count=documents)
        raise JobError("document", what, why)
    wanted = found.key.replace("input_ids", "labels")
    beside = [IndexedDataset(one.path) for one in sets if found.packed and one.packed and one.key == wanted]
    if beside and len(beside[0]) != len(data):
        what = _("{path} and its labels have different numbers of sequences").format(path=found.path)
        raise JobError("prefix", what, "", _("verify the files"))
    first, last = int(data.documents[document]), int(data.documents[document + 1])
    return {
        "key": found.key,
        "path": found.path,
        "packed": found.packed,
        "documents": documents,
        "sequences": [
            _sequence(number, data, beside[0] if beside else None, encoder) for number in range(first, last)
        ],
    }


def _sequence(
    number: int, data: IndexedDataset, labels: Optional[IndexedDataset], encoder: Optional[Encoder]
) -> Dict[str, Any]:
    ids: List[int] = data[number].tolist()
    marks = [True] * len(ids)
    count = len(ids)
    if labels is not None:
        found = labels[number]
        count = len(found)
        marks = (found[: len(ids)] != IGNORED).tolist()
        marks += [False] * (len(ids) - len(marks))
    return {
        "sequence": number,
        "ids": ids,
        "tokens": len(ids),
        "trained": sum(marks),
        "labels": count,
        "runs": runs_of(ids, marks, encoder),
    }
