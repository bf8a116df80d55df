"""A chosen and a rejected answer to the same question."""

from __future__ import annotations

from typing import Any

import pytest
from block_of_rows import LetterEncoder, block, sequences

from backend.node.data.handlers.handler import Encoded, HandlerKind, HandlerOptions
from backend.node.data.handlers.pairwise import AlpacaStylePairwiseHandler, SharegptStylePairwiseHandler

ROW = {"instruction": "Ask", "input": "this", "chosen": "Good", "rejected": "Worse"}
QUESTION = {"from": "human", "value": "Ask"}
CHOSEN, REJECTED = {"from": "gpt", "value": "Good"}, {"from": "gpt", "value": "Worse"}


def encode(kind: HandlerKind, *rows: dict[str, Any], **options: Any) -> Encoded:
    made = kind(HandlerOptions(**{"prompt_type": "default", **options}), LetterEncoder())
    assert made.packed
    return made.encode(block(*rows, columns=made.columns))


def shown(encoded: Encoded) -> list[list[str]]:
    return [[LetterEncoder().decode(ids) for ids in sequences(encoded, key)] for key in encoded.parts]


def test_alpaca() -> None:
    encoded = encode(AlpacaStylePairwiseHandler, ROW, {**ROW, "input": "", "chosen": "", "rejected": "No"})
    first, second = "Human: Ask\nthis\nAssistant:", "Human: Ask\nAssistant:"
    assert list(encoded.parts) == [
        "chosen_input_ids",
        "chosen_labels",
        "rejected_input_ids",
        "rejected_labels",
    ]
    assert shown(encoded) == [
        [f"{first}Good<eos>", f"{second}<eos>"],
        ["_" * len(first) + "Good<eos>", "_" * len(second) + "<eos>"],
        [f"{first}Worse<eos>", f"{second}No<eos>"],
        ["_" * len(first) + "Worse<eos>", "_" * len(second) + "No<eos>"],
    ]


def test_one_eos_and_no_eod() -> None:
    encoded = encode(AlpacaStylePairwiseHandler, ROW, prompt_type="gemma", append_eod=True)
    assert [rows[0].count("<eos>") for rows in shown(encoded)] == [1, 1, 1, 1]


def test_lists_give_the_first_and_the_second() -> None:
    row = {**ROW, "chosen": ["Good", "x"], "rejected": ["y", "Worse"]}
    assert shown(encode(AlpacaStylePairwiseHandler, row)) == shown(encode(AlpacaStylePairwiseHandler, ROW))


def test_alpaca_without_a_chosen_answer() -> None:
    encoded = encode(AlpacaStylePairwiseHandler, {**ROW, "chosen": None}, ROW)
    assert encoded.places.tolist() == [1]
    assert [(row.number, row.field) for row in encoded.skipped] == [(1, "chosen")]


@pytest.mark.parametrize(
    ("changes", "field", "why"),
    [
        ({"rejected": None}, "rejected", "null or absent, not a text"),
        ({"rejected": ["a", "b"]}, "rejected", "a list, not a text"),
        ({"chosen": ["a"]}, "rejected", "a text, not a list"),
        ({"chosen": [], "rejected": ["a", "b"]}, "chosen", "its list has 0 texts, number 1 is needed"),
        ({"chosen": ["a"], "rejected": ["b"]}, "rejected", "its list has 1 texts, number 2 is needed"),
    ],
)
def test_alpaca_refused(changes: dict[str, Any], field: str, why: str) -> None:
    encoded = encode(AlpacaStylePairwiseHandler, {**ROW, **changes}, ROW)
    assert encoded.places.tolist() == [1]
    (bad,) = encoded.bad
    assert bad.field == field
    assert why in bad.why


def test_sharegpt() -> None:
    before = [QUESTION, {"from": "gpt", "value": "Say"}, QUESTION]
    row = {"conversations": before, "chosen": CHOSEN, "rejected": REJECTED}
    prompt = "Human: Ask\nAssistant:Say<eos>\nHuman: Ask\nAssistant:"
    count = len(prompt.replace("<eos>", "."))
    assert shown(encode(SharegptStylePairwiseHandler, row)) == [
        [f"{prompt}Good<eos>"],
        ["_" * count + "Good<eos>"],
        [f"{prompt}Worse<eos>"],
        ["_" * count + "Worse<eos>"],
    ]


@pytest.mark.parametrize(
    ("changes", "skipped", "field", "why"),
    [
        ({"conversations": [QUESTION, CHOSEN]}, True, "conversations", "the last message is no question"),
        ({"chosen": QUESTION}, True, "chosen", "no answer of the assistant"),
        ({"rejected": "Worse"}, False, "rejected", "it is a text, not a message"),
        ({"rejected": {"from": "who", "value": "a"}}, False, "rejected", "from “who”, an unknown role"),
        ({"rejected": {"from": "gpt"}}, False, "rejected", "null or absent, not a text"),
    ],
)
def test_sharegpt_not_kept(changes: dict[str, Any], skipped: bool, field: str, why: str) -> None:
    row = {"conversations": [QUESTION], "chosen": CHOSEN, "rejected": REJECTED}
    encoded = encode(SharegptStylePairwiseHandler, row, {**row, **changes})
    assert encoded.places.tolist() == [0]
    (other,) = encoded.skipped if skipped else encoded.bad
    assert (other.number, other.field) == (2, field)
    assert why in other.why


def test_a_block_without_rows() -> None:
    assert shown(encode(AlpacaStylePairwiseHandler)) == [[], [], [], []]
