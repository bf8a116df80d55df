"""Every handler without a template against files that the reference program wrote, id by id."""

from __future__ import annotations

import json
import shlex
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_tokenizers import block, sequences

from backend.node.data.encoder import TokenizerOptions
from backend.node.data.encoder_choice import load_encoder
from backend.node.data.handlers.choose import make_handler
from backend.node.data.handlers.handler import Encoded, Handler, HandlerOptions
from backend.node.data.indexed import IndexedDataset

pytest.importorskip("tokenizers")

pytestmark = pytest.mark.torch

GOLDEN = Path(__file__).resolve().parents[5] / ".." / "shared" / "golden" / "preprocess"
CASES = [
    "pretrain/plain",
    "pretrain/eod-seq256",
    "pretrain/three-keys",
    "pretrain/alpaca-style",
    "instruction/bytelevel",
    "instruction/eod-seq1024",
    "moss/seq512",
    "moss/multiturn",
]
GROUP = 50

if not GOLDEN.is_dir():
    pytest.skip("the reference files are not on this machine", allow_module_level=True)


def arguments(case: str) -> Namespace:
    """The command line that made a case."""
    line = (GOLDEN / case / "cmd.txt").read_text().splitlines()[-1]
    parser = ArgumentParser()
    for flag in ("--input", "--tokenizer-name-or-path", "--handler-name"):
        parser.add_argument(flag)
    parser.add_argument("--json-keys", nargs="+", default=["text"])
    parser.add_argument("--append-eod", action="store_true")
    parser.add_argument("--seq-length", type=int)
    return parser.parse_known_args(shlex.split(line)[2:])[0]


def records(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        found: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
        return found
    text = path.read_text(encoding="utf-8")
    return (
        json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.split("\n") if line]
    )


def encode(handler: Handler, rows: list[dict[str, Any]], size: int) -> dict[str, list[list[list[int]]]]:
    """For each output the sequences of every row, from blocks of `size` rows."""
    found: dict[str, list[list[list[int]]]] = {output: [] for output in handler.outputs}
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        columns = {name: [row.get(name) for row in part] for name in handler.columns}
        encoded = handler.encode(block(columns, start))
        assert not encoded.bad
        assert encoded.places.tolist() == list(range(len(part)))
        for output in handler.outputs:
            found[output] += by_row(encoded, output)
    return found


def by_row(encoded: Encoded, output: str) -> list[list[list[int]]]:
    left = iter(sequences(encoded, output))
    return [[next(left) for _ in range(count)] for count in encoded.parts[output].counts.tolist()]


def written(
    found: dict[str, list[list[list[int]]]], limit: int | None
) -> dict[str, tuple[list[list[int]], list[int]]]:
    """Sequences and document bounds of each output, as the rules of groups and of length have them."""
    files: dict[str, tuple[list[list[int]], list[int]]] = {output: ([], [0]) for output in found}
    rows = len(next(iter(found.values())))
    for start in range(0, rows, GROUP):
        groups = {name: [row for row in every[start : start + GROUP] if row] for name, every in found.items()}
        dropped = {
            (row, place)
            for group in groups.values()
            for row, parts in enumerate(group)
            for place, ids in enumerate(parts)
            if limit is not None and len(ids) >= limit
        }
        for name, group in groups.items():
            for row, parts in enumerate(group):
                files[name][0].extend(ids for place, ids in enumerate(parts) if (row, place) not in dropped)
                files[name][1].append(len(files[name][0]))
    return files


@pytest.mark.parametrize("size", [10**6, 37])
@pytest.mark.parametrize("case", CASES)
def test_gives_the_ids_of_the_reference(case: str, size: int) -> None:
    wanted = arguments(case)
    encoder = load_encoder(TokenizerOptions(str(GOLDEN / wanted.tokenizer_name_or_path)))
    options = HandlerOptions(tuple(wanted.json_keys), wanted.append_eod)
    handler = make_handler(wanted.handler_name, options, encoder)
    files = written(encode(handler, records(GOLDEN / wanted.input), size), wanted.seq_length)
    middle = "_packed_" if handler.packed else "_"
    assert len(list((GOLDEN / case).glob("*.bin"))) == len(files)
    for output, (found, documents) in files.items():
        expected = IndexedDataset(str(GOLDEN / case / f"out{middle}{output}_document"))
        assert expected.lengths.tolist() == list(map(len, found)), output
        assert expected.documents.tolist() == documents, output
        assert np.array_equal(expected.tokens, np.concatenate([np.array(ids, np.int32) for ids in found]))
