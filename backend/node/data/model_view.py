"""Rows as a model sees them: masked and trained text of what a handler makes of each."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from backend.node.data.encoder import Encoder
from backend.node.data.handlers.handler import IGNORED, Encoded, Handler
from backend.node.data.ragged import Ragged, lists
from backend.node.data.rows import Rows
from backend.node.data.text_runs import runs_of


def one_row(rows: Rows, index: int) -> Rows:
    """Row `index` of a block as a block of its own."""
    columns = {name: values[index : index + 1] for name, values in rows.columns.items()}
    return rows._replace(
        numbers=rows.numbers[index : index + 1], places=[0], total=1, columns=columns, bad=[]
    )


def examples(rows: Rows, handler: Handler, encoder: Encoder, count: int) -> List[Dict[str, Any]]:
    """The first `count` rows: {"place", "problem", "parts"}, see `inspect_data`."""
    found = []
    for index in range(min(count, len(rows.numbers))):
        encoded = handler.encode(one_row(rows, index))
        wrong = [*encoded.bad, *encoded.skipped]
        found.append(
            {
                "place": rows.bad_row(index, "", "").where(),
                "problem": wrong[0].why if wrong else "",
                "parts": [] if wrong else _parts(encoded, handler, encoder),
            }
        )
    return found


def _parts(encoded: Encoded, handler: Handler, encoder: Encoder) -> List[Dict[str, Any]]:
    parts = []
    for key in handler.outputs:
        share = encoded.parts[key]
        if share.sequences is None or (handler.packed and not key.endswith("input_ids")):
            continue
        beside = encoded.parts.get(key.replace("input_ids", "labels")) if handler.packed else None
        labels = lists(beside.sequences) if beside and beside.sequences is not None else None
        parts.append({"key": key, "sequences": _sequences(share.sequences, labels, encoder)})
    return parts


def _sequences(ids: Ragged, labels: Optional[List[List[int]]], encoder: Encoder) -> List[Dict[str, Any]]:
    found = []
    for number, sequence in enumerate(lists(ids)):
        marks = [True] * len(sequence)
        if labels is not None:
            marks = [label != IGNORED for label in labels[number][: len(sequence)]]
            marks += [False] * (len(sequence) - len(marks))
        runs = runs_of(sequence, marks, encoder)
        found.append({"tokens": len(sequence), "trained": sum(marks), "runs": runs})
    return found
