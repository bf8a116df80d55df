from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tokenizers import KINDS, LLAMA, block, encoder_of, full_ids, sequences

from backend.node.data.handlers.choose import make_handler
from backend.node.data.handlers.handler import HandlerOptions

pytest.importorskip("tokenizers")

pytestmark = pytest.mark.torch


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=30), max_size=8))
@pytest.mark.parametrize("eod", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_one_sequence_for_every_text_that_is_not_empty(kind: str, eod: bool, texts: list[str]) -> None:
    encoder = encoder_of(kind)
    handler = make_handler("GeneralPretrainHandler", HandlerOptions(("a", "b"), eod), encoder)
    found = handler.encode(block({"a": texts, "b": texts[::-1]}))
    end = [encoder.eos] if eod else []
    for name, column in (("a", texts), ("b", texts[::-1])):
        assert sequences(found, name) == [full_ids(encoder, text) + end for text in column if text]
        assert found.parts[name].counts.tolist() == [int(bool(text)) for text in column]
    assert found.places.tolist() == list(range(len(texts)))


def test_blanks_are_a_text() -> None:
    handler = make_handler("GeneralPretrainHandler", HandlerOptions(), encoder_of(LLAMA))
    assert handler.encode(block({"text": [" ", "\n", ""]})).parts["text"].counts.tolist() == [1, 1, 0]


def test_rows_without_a_text_are_bad_in_all_columns() -> None:
    handler = make_handler("GeneralPretrainHandler", HandlerOptions(("a", "b")), encoder_of(LLAMA))
    found = handler.encode(block({"a": ["x", None, "z"], "b": ["x", "y", ["z"]]}))
    assert [(row.number, row.field) for row in found.bad] == [(2, "a"), (3, "b")]
    assert found.places.tolist() == [0]
    assert [len(part.counts) for part in found.parts.values()] == [1, 1]


def test_no_rows_at_all() -> None:
    handler = make_handler("GeneralPretrainHandler", HandlerOptions(append_eod=True), encoder_of(LLAMA))
    found = handler.encode(block({"text": []}))
    assert sequences(found, "text") == []
    assert (found.total, len(found.places)) == (0, 0)


@pytest.mark.parametrize("given", ["", None, "thing"])
def test_alpaca_writes_none_for_what_is_not_there(given: str | None) -> None:
    encoder = encoder_of(LLAMA)
    handler = make_handler("AlpacaPretrainHandler", HandlerOptions(append_eod=True), encoder)
    rows = block({"instruction": ["do"], "input": [given], "output": [None]})
    middle = " Input:\nthing" if given else "None"
    text = (
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
        "helpful, detailed, and polite answers to the user's questions.USER: Below is an instruction "
        "that describes a task. Write a response that appropriately completes the request."
        "\n\n### Instruction:\ndo\n\n###"
        f"{middle}\n\n### Response: ASSISTANT: None"
    )
    assert sequences(handler.encode(rows), "text") == [[*full_ids(encoder, text), encoder.eos]]


def test_alpaca_refuses_a_number() -> None:
    handler = make_handler("AlpacaPretrainHandler", HandlerOptions(), encoder_of(LLAMA))
    found = handler.encode(block({"instruction": ["a", "b"], "input": ["", 0], "output": ["", ""]}))
    assert [(row.number, row.field) for row in found.bad] == [(2, "input")]
