"""The command that makes training data of what was looked at, as it would be typed."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

# a folder of its own: the files of a result are many
FOLDER = "processed"
TOKENIZER = "TOKENIZER_FOLDER"


def next_command(report: Mapping[str, Any], arguments: argparse.Namespace) -> str:
    """One line for a shell; "" where there is nothing to be made.

    `report`: of `inspect_data`; `arguments`: those of `data inspect`."""
    if not report["handler"] or not report["used"]:
        return ""
    words = ["npudeck", "data", "preprocess", "--input", *arguments.files, *_tokenizer(arguments)]
    words += ["--handler-name", report["handler"]]
    used = report["used"]
    if list(used["json_keys"]) != ["text"]:
        words += ["--json-keys", *used["json_keys"]]
    if report["prompt_type"]:
        words += ["--prompt-type", report["prompt_type"]]
    if used["map_keys"]:
        words += ["--map-keys", json.dumps(used["map_keys"], ensure_ascii=False)]
    if arguments.append_eod:
        words.append("--append-eod")
    if arguments.seq_length:
        words += ["--seq-length", str(arguments.seq_length)]
    return shlex.join([*words, "--output-prefix", str(PurePath(FOLDER, _stem(report["files"][0])))])


def _tokenizer(arguments: argparse.Namespace) -> list[str]:
    """The tokenizer's flags as they were given; a word to be replaced where none was."""
    words = []
    if arguments.tokenizer_name_or_path or not arguments.vocab_file:
        words += ["--tokenizer-name-or-path", arguments.tokenizer_name_or_path or TOKENIZER]
    for flag, value in (
        ("--tokenizer-type", arguments.tokenizer_type),
        ("--vocab-file", arguments.vocab_file),
        ("--merge-file", arguments.merge_file),
    ):
        if value:
            words += [flag, value]
    if arguments.tokenizer_not_use_fast:
        words.append("--tokenizer-not-use-fast")
    if arguments.trust_remote_code:
        words.append("--trust-remote-code")
    return words


def _stem(path: str) -> str:
    """`a` of `/d/a.jsonl.gz`."""
    name = PurePath(path).name
    return name.lstrip(".").partition(".")[0] or name
