"""ModelLink's own output for prompt templates: the same ids, row by row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from block_of_rows import block

from backend.node.data.handlers.alpaca_style import AlpacaStyleInstructionHandler
from backend.node.data.handlers.handler import HandlerKind, HandlerOptions
from backend.node.data.handlers.sharegpt_style import SharegptStyleInstructionHandler
from backend.node.data.handlers.templates import template_named
from backend.node.data.ragged import lists

pytest.importorskip("tokenizers")

GOLDEN = Path(__file__).resolve().parents[6] / "shared" / "golden" / "preprocess"

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(not GOLDEN.is_dir(), reason="the golden files are not beside the repository"),
]
MAPPED = {"system": "system", "tools": "tools"}


@pytest.mark.parametrize(
    ("case", "tokenizer", "kind", "options"),
    [
        ("alpaca-llama2", "llama4k", AlpacaStyleInstructionHandler, HandlerOptions(prompt_type="llama2")),
        (
            "alpaca-qwen",
            "bytelevel4k",
            AlpacaStyleInstructionHandler,
            HandlerOptions(prompt_type="qwen", append_eod=True),
        ),
        (
            "sharegpt-llama2",
            "llama4k",
            SharegptStyleInstructionHandler,
            HandlerOptions(prompt_type="llama2", map_keys=MAPPED),
        ),
        (
            "sharegpt-qwen",
            "bytelevel4k",
            SharegptStyleInstructionHandler,
            HandlerOptions(prompt_type="qwen"),
        ),
    ],
)
@pytest.mark.parametrize("rows_a_block", [1000, 7])
def test_ids_are_those_of_modellink(
    case: str, tokenizer: str, kind: HandlerKind, options: HandlerOptions, rows_a_block: int
) -> None:
    from backend.node.data.encoder import TokenizerOptions
    from backend.node.data.encoder_choice import load_encoder
    from backend.node.data.indexed import IndexedDataset

    template = template_named(options.prompt_type)
    folder = str(GOLDEN / "tokenizers" / tokenizer)
    asked = TokenizerOptions(folder, replace_eos=template.replace_eos, stop_words=template.stop_words)
    handler = kind(options, load_encoder(asked._replace(needs_eos=True)))
    values = rows_of(case.split("-")[0])
    got: dict[str, list[list[int]]] = {key: [] for key in handler.outputs}
    for start in range(0, len(values), rows_a_block):
        encoded = handler.encode(block(*values[start : start + rows_a_block], columns=handler.columns))
        assert not encoded.bad
        ids = encoded.parts["input_ids"].sequences
        assert ids is not None
        for key in handler.outputs:
            part = encoded.parts[key].sequences
            got[key] += [[1] * length for length in ids.lengths] if part is None else lists(part)
    # Rows of the golden cases are dropped for their length when files are written, not here.
    limit = 2048 if case == "alpaca-llama2" else None
    short = [limit is None or len(ids) < limit for ids in got["input_ids"]]
    for key in handler.outputs:
        written = IndexedDataset(str(GOLDEN / "prompt-type" / case / f"out_packed_{key}_document"))
        expected = [written[number].tolist() for number in range(len(written))]
        assert [row for row, fits in zip(got[key], short, strict=True) if fits] == expected, key


def rows_of(name: str) -> list[dict[str, Any]]:
    lines = (GOLDEN / "prompt-type" / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]
