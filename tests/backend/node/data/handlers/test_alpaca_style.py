"""Alpaca rows through a template: which rows are kept, left out or refused."""

from __future__ import annotations

from typing import Any

import pytest
from block_of_rows import LetterEncoder, block, sequences
from hypothesis import given
from hypothesis import strategies as st

from backend.node.data.handlers.alpaca_style import AlpacaStyleInstructionHandler
from backend.node.data.handlers.handler import Encoded, HandlerOptions
from backend.node.data.rows import LINE, BadRow

ROW = {"instruction": "Ask", "input": "this", "output": "Say"}
VALUES = (
    st.none()
    | st.text("ab\n中{}", max_size=5)
    | st.integers()
    | st.lists(st.text("ab", max_size=2), max_size=2)
)
ROWS = st.lists(st.fixed_dictionaries({"instruction": VALUES, "input": VALUES, "output": VALUES}), max_size=8)


def handler(prompt_type: str = "default", **options: Any) -> AlpacaStyleInstructionHandler:
    given_options = HandlerOptions(prompt_type=prompt_type, **options)
    return AlpacaStyleInstructionHandler(given_options, LetterEncoder())


def encode(*rows: dict[str, Any], prompt_type: str = "default", **options: Any) -> Encoded:
    made = handler(prompt_type, **options)
    return made.encode(block(*rows, columns=made.columns))


def shown(encoded: Encoded, key: str = "input_ids") -> list[str]:
    return [LetterEncoder().decode(ids) for ids in sequences(encoded, key)]


@pytest.mark.parametrize(
    ("changes", "question"),
    [
        ({}, "Ask\nthis"),
        ({"input": ""}, "Ask"),
        ({"input": None}, "Ask"),
        ({"input": []}, "Ask"),
        ({"instruction": None}, "this"),
        ({"instruction": "", "input": ""}, ""),
        ({"instruction": "Ask "}, "Ask \nthis"),
    ],
)
def test_the_question(changes: dict[str, Any], question: str) -> None:
    encoded = encode({**ROW, **changes})
    assert shown(encoded) == [f"Human: {question}\nAssistant:Say<eos>"]
    hidden = "_" * len(f"Human: {question}\nAssistant:")
    assert shown(encoded, "labels") == [f"{hidden}Say<eos>"]


def test_append_eod_comes_at_the_end() -> None:
    encoded = encode(ROW, append_eod=True)
    assert shown(encoded)[0].endswith("Say<eos><eos>")
    assert shown(encoded, "labels")[0].endswith("_Say<eos><eos>")


def test_one_eos_with_efficient_eos() -> None:
    assert shown(encode(ROW, prompt_type="gemma"))[0].endswith("model\nSay<eos>")
    assert shown(encode(ROW, prompt_type="gemma", append_eod=True))[0].endswith("model\nSay<eos><eos>")


def test_a_mapped_system_text() -> None:
    keys = {"system": "role", "prompt": "q"}
    row = {"q": "Ask", "input": "", "output": "Say", "role": "Be"}
    encoded = encode(row, {**row, "role": None}, {**row, "role": 5}, map_keys=keys)
    assert shown(encoded) == ["Be\nHuman: Ask\nAssistant:Say<eos>", "Human: Ask\nAssistant:Say<eos>"]
    assert [(bad.number, bad.field) for bad in encoded.bad] == [(3, "role")]


def test_a_list_of_answers() -> None:
    one, two = {**ROW, "output": ["Say"]}, {**ROW, "output": ["Say", "More"]}
    assert shown(encode(one, two)) == ["Human: Ask\nthis\nAssistant:Say<eos>", "Human: \nAssistant:<eos>"]


@pytest.mark.parametrize("output", [None, 5, [], {"a": 1}])
def test_a_row_without_an_answer_is_left_out(output: Any) -> None:
    encoded = encode(ROW, {**ROW, "output": output}, ROW)
    assert encoded.places.tolist() == [0, 2]
    assert not encoded.bad
    (skipped,) = encoded.skipped
    assert (skipped.number, skipped.field) == (2, "output")
    assert "left out" in skipped.why


@pytest.mark.parametrize(
    ("changes", "field", "why"),
    [
        ({"instruction": 5}, "instruction", "it is a number, not a text"),
        ({"input": ["a"]}, "input", "it is a list, not a text"),
        ({"output": [None]}, "output", "it is null or absent, not a text"),
        ({"output": "a\udc80"}, "output", "lone surrogate (U+DC80)"),
    ],
)
def test_a_row_that_cannot_be_used(changes: dict[str, Any], field: str, why: str) -> None:
    encoded = encode({**ROW, **changes}, ROW)
    assert encoded.places.tolist() == [1]
    (bad,) = encoded.bad
    assert (bad.number, bad.field) == (1, field)
    assert why in bad.why


def test_a_row_without_any_ids() -> None:
    nothing = {"instruction": "", "input": "", "output": ""}
    encoded = encode(ROW, nothing, ROW, prompt_type="empty")
    assert encoded.places.tolist() == [0, 2]
    assert shown(encoded) == ["Ask\nthisSay"] * 2
    (bad,) = encoded.bad
    assert (bad.number, bad.field) == (2, "")
    assert "no ids" in bad.why


def test_the_readers_bad_rows_stay_in_their_place() -> None:
    made = handler()
    broken = BadRow("data.jsonl", LINE, 2, "", "not JSON")
    rows = block(ROW, {**ROW, "input": 5}, ROW, columns=made.columns, bad=[broken])
    encoded = made.encode(rows)
    assert encoded.total == 4
    assert [bad.number for bad in encoded.bad] == [2, 3]
    assert encoded.places.tolist() == [0, 3]


@pytest.mark.parametrize("rows", [[], [{**ROW, "input": 5}]])
def test_a_block_without_usable_rows(rows: list[dict[str, Any]]) -> None:
    encoded = encode(*rows)
    assert encoded.total == len(rows)
    assert shown(encoded) == shown(encoded, "labels") == []


@given(ROWS, st.integers(1, 4), st.sampled_from(["default", "empty", "chatml", "gemma"]))
def test_the_cut_into_blocks_does_not_matter(
    rows: list[dict[str, Any]], rows_a_block: int, prompt_type: str
) -> None:
    whole = encode(*rows, prompt_type=prompt_type)
    parts = [
        encode(*rows[start : start + rows_a_block], prompt_type=prompt_type)
        for start in range(0, len(rows), rows_a_block)
    ]
    for key in ("input_ids", "labels"):
        assert sequences(whole, key) == [ids for part in parts for ids in sequences(part, key)]
    assert [bad.why for bad in whole.bad] == [bad.why for part in parts for bad in part.bad]
    assert [row.why for row in whole.skipped] == [row.why for part in parts for row in part.skipped]
    assert len(whole.places) + len(whole.bad) + len(whole.skipped) == len(rows)
