"""Look at training data before anything is made of it: what it is, and what a model would see of it."""

from __future__ import annotations

import os
from typing import Any, Dict, Optional, Sequence, Union

from backend.node.data.blocks import column_names, first_rows
from backend.node.data.data_shape import Shape, recognise
from backend.node.data.encoder import TokenizerOptions
from backend.node.data.inputs import find_inputs, kind_of
from backend.node.data.inspect_rows import EXAMPLES, Question, encoder_in_words, inspect_rows, load_plainly
from backend.node.data.inspect_sets import inspect_sets, preprocessed_prefix
from backend.node.data.row_sample import sample_rows

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
    OSError. Returns

    - "input": as given; "files": paths; "bytes": of all files;
    - "what": "alpaca", "alpaca_pairwise", "sharegpt", "sharegpt_pairwise", "messages" (role and content),
      "moss", "belle", "leetcode", "text", "preprocessed" or "unknown"; "title": the same in words;
      "kind": how the first file is stored ("JSON lines", "parquet" …, "token files"); "columns": names;
    - "records": rows of all files; "records_exact": False where it is an estimate from the part read;
    - "handler", "prompt_type": those used ("" where none is); "suggested": {"handler", "reason", "json_keys",
      "prompt_type", "map_keys"} of what the data looks like ("handler" "" when unknown; "map_keys" None when
      none are needed), None for token files;
      "alternatives": list of {"handler", "json_keys", "reason"};
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
    prefix = preprocessed_prefix(path)
    if prefix:
        encoder = load_plainly(tokenizer) if tokenizer else None
        found = inspect_sets(prefix, encoder, seq_length, gbs, EXAMPLES)
        return {**blank, **found, "encoder": encoder_in_words(encoder) if encoder else None}
    files = find_inputs(path)
    shape = recognise(first_rows(files[0], None, HEAD_ROWS).columns, prompt_type)
    result = {**blank, **_about(files, shape)}
    name = handler or shape.suggested.handler
    if not name:
        sample = sample_rows(files, [])
        return {**result, "records": sample.records, "records_exact": sample.exact}
    like = next((one for one in (shape.suggested, *shape.alternatives) if one.handler == name), None)
    keys = tuple(json_keys) if json_keys else like.json_keys if like else ("text",)
    if map_keys is None and like:
        map_keys = like.map_keys
    question = Question(name, prompt_type, keys, map_keys, append_eod, tokenizer, seq_length, gbs)
    return {**result, **inspect_rows(files, question)}


# Every key of the result, as it is where nothing is known.
_BLANK: Dict[str, Any] = {
    "handler": "",
    "prompt_type": "",
    "suggested": None,
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
