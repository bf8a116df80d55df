"""Look at training data before anything is made of it: what it is, and what a model would see of it."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Any, Dict, Optional, Sequence, Union

from backend.node.data.blocks import column_names, first_rows
from backend.node.data.data_shape import Shape, recognise
from backend.node.data.encoder import TokenizerOptions
from backend.node.data.inputs import find_inputs, kind_of
from backend.node.data.inspect_rows import (
    EXAMPLES,
    Question,
    bad_in_words,
    encoder_in_words,
    inspect_rows,
    load_plainly,
)
from backend.node.data.inspect_sets import inspect_sets, preprocessed_prefix
from backend.node.data.row_sample import sample_rows
from backend.node.data.rows import Rows
from backend.node.storage_faults import storage_faults

HEAD_ROWS = 100


def inspect_data(
    path: Union[str, Sequence[str]],
    tokenizer: Optional[TokenizerOptions] = None,
    handler: Optional[str] = None,
    seq_length: Optional[int] = None,
    gbs: Optional[int] = None,
    prompt_type: str = "",
    json_keys: Optional[Sequence[str]] = None,
    map_keys: Optional[Dict[str, Any]] = None,
    append_eod: bool = False,
) -> Dict[str, Any]:
    """Look at raw data (a file, a folder, a glob, or several), or at a preprocessed prefix.

    Without a tokenizer lengths are counted in characters. `handler` None: the suggested one is used.
    Raises JobError (fields as of a data job: "input", "handler", "prompt_type", "map_keys", "tokenizer") and
    StorageError. Returns

    - "input": as given; "files": paths; "bytes": of all files;
    - "what": "alpaca", "alpaca_pairwise", "sharegpt", "sharegpt_pairwise", "messages" (role and content),
      "moss", "belle", "leetcode", "text", "preprocessed" or "unknown"; "title": the same in words;
      "kind": how the first file is stored ("JSON lines", "parquet" …, "token files"); "columns": names;
    - "records": rows of all files; "records_exact": False where it is an estimate from the part read;
    - "handler", "prompt_type": those used ("" where none is); "suggested": {"handler", "reason", "json_keys",
      "prompt_type", "map_keys"} of what the data looks like ("handler" "" when unknown; "map_keys" None when
      none are needed), None for token files;
      "alternatives": list of {"handler", "json_keys", "reason"}; "used": {"json_keys", "map_keys"} that go
      with "handler", None where there is none;
    - "unit": "tokens" or "characters"; "encoder": {"name", "note", "vocabulary"}, None without a tokenizer;
    - "examples": up to five dicts: "place" ("line 1 of …"), "problem" ("" or why the row cannot be used),
      and "parts": dicts of "key" and "sequences": dicts of "tokens", "trained", "runs": dicts of "trained"
      (bool), "start", "tokens", "text", as in `show`;
    - "sampled": rows looked at; "lengths": {"median", "p90", "p99", "longest", "mean"} of a sequence, in
      "unit" (None when there is none); "beyond": share (0..1) of sequences that are `seq_length` long or
      longer and so left out (None without seq_length, counted in characters, or of token files);
    - "samples": SN, what the trainer counts: sequences kept of instruction data, (tokens - 1) // seq_length
      of pretraining data (None when it cannot be said: no seq_length, or counted in characters);
      "samples_exact": bool; "tokens": of all data, estimated (None for characters);
      "iterations": samples // gbs (None without gbs or samples); "seq_length", "gbs": as given;
    - "bad": dicts of "place", "field", "why": rows of the sample that cannot be used, at most ten listed;
      "bad_found": how many of the rows looked at; "skipped_found": rows that the handler's rules leave out;
    - "notes": sentences for people;
    - "sets": of preprocessed data (else []): as "sets" of `verify`, without what needs the ids to be read.
    """
    blank = {**_BLANK, "input": path, "seq_length": seq_length, "gbs": gbs}
    question = Question(
        handler or "",
        prompt_type,
        tuple(json_keys or ()),
        map_keys,
        append_eod,
        tokenizer,
        seq_length,
        gbs,
    )
    with storage_faults("input", path if isinstance(path, str) else ", ".join(path)):
        prefix = preprocessed_prefix(path)
        if prefix:
            encoder = load_plainly(tokenizer) if tokenizer else None
            found = inspect_sets(prefix, encoder, seq_length, gbs, EXAMPLES)
            return {**blank, **found, "encoder": encoder_in_words(encoder) if encoder else None}
        return {**blank, **_inspect_files(find_inputs(path), question)}


def _inspect_files(files: Sequence[str], question: Question) -> Dict[str, Any]:
    """What raw data is, and what becomes of it; handler and columns not asked for are those suggested."""
    head = first_rows(files[0], None, HEAD_ROWS)
    shape = recognise(head.columns, question.prompt_type)
    about = _about(files, shape)
    name = question.handler or shape.suggested.handler
    if not name:
        sample = sample_rows(files, [])
        bad = [row for rows in sample.parts for row in rows.bad]
        if not head.columns and head.bad:
            about["suggested"]["reason"] = _why_nothing(head)
        counted = {"records": sample.records, "records_exact": sample.exact, "sampled": sample.rows}
        return {**about, **counted, **bad_in_words(bad)}
    like = next((one for one in (shape.suggested, *shape.alternatives) if one.handler == name), None)
    question = question._replace(
        handler=name,
        json_keys=question.json_keys or (like.json_keys if like else ("text",)),
        map_keys=like.map_keys if question.map_keys is None and like else question.map_keys,
    )
    return {**about, **inspect_rows(files, question), "used": _used(question)}


def _used(question: Question) -> Dict[str, Any]:
    return {"json_keys": list(question.json_keys), "map_keys": question.map_keys}


def _why_nothing(head: Rows) -> str:
    """Why the first rows have no columns: `line 1 of a.jsonl: not JSON: …`."""
    first = head.bad[0]
    text = _("no record at the start can be read; {place}: {why}")
    return text.format(place=first._replace(path=os.path.basename(first.path)).where(), why=first.why)


# Every key of the result, as it is where nothing is known.
_BLANK: Dict[str, Any] = {
    "handler": "",
    "prompt_type": "",
    "suggested": None,
    "used": None,
    "alternatives": [],
    "unit": "characters",
    "encoder": None,
    "examples": [],
    "sampled": 0,
    "lengths": None,
    "beyond": None,
    "samples": None,
    "samples_exact": False,
    "tokens": None,
    "iterations": None,
    "bad": [],
    "bad_found": 0,
    "skipped_found": 0,
    "notes": [],
    "sets": [],
}


def _about(files: Sequence[str], shape: Shape) -> Dict[str, Any]:
    return {
        "files": list(files),
        "bytes": sum(os.path.getsize(file) for file in files),
        "what": shape.what,
        "title": shape.title,
        "kind": kind_of(files[0]),
        "columns": column_names(files[0]),
        "suggested": shape.suggested._asdict(),
        "alternatives": [
            {"handler": one.handler, "json_keys": one.json_keys, "reason": one.reason}
            for one in shape.alternatives
        ],
    }
