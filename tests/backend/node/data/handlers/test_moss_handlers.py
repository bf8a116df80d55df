from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tokenizers import BYTE_LEVEL, KINDS, LLAMA, block, encoder_of, full_ids, sequences
from test_instruction_handlers import ASSISTANT, SPECIAL, USER, sample, text_of, words

from backend.node.data.handlers.choose import make_handler
from backend.node.data.handlers.handler import HandlerOptions

pytest.importorskip("tokenizers")

pytestmark = pytest.mark.torch

Talk = list[tuple[str, str]]
talks = st.lists(st.lists(st.tuples(words, words), max_size=4), max_size=4)


def chat(talk: Talk) -> dict[str, Any]:
    """A conversation as the data have it, marks and all."""
    return {
        f"turn_{number}": {
            "Human": f"<|Human|>: {user}<eoh>\n",
            "MOSS": f"<|MOSS|>: {said}<eom>\n",
            "Commands": None,
        }
        for number, (user, said) in enumerate(talk, 1)
    }


@settings(deadline=None, max_examples=40)
@given(talks)
@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_after_every_turn(kind: str, talks: list[Talk]) -> None:
    encoder = encoder_of(kind, SPECIAL)
    handler = make_handler("MOSSInstructionHandler", HandlerOptions(append_eod=True), encoder)
    found = handler.encode(block({"chat": [chat(talk) for talk in talks]}))
    expected = []
    for talk in talks:
        messages: Talk = []
        for user, said in talk:
            messages += [(USER, user.strip()), (ASSISTANT, said.strip())]
            expected.append(sample(encoder, text_of(messages), []))
    assert sequences(found, "input_ids") == [ids for ids, _labels in expected]
    assert sequences(found, "labels") == [labels for _ids, labels in expected]
    for part in found.parts.values():
        assert part.counts.tolist() == list(map(len, talks))


@settings(deadline=None, max_examples=40)
@given(talks)
@pytest.mark.parametrize("kind", KINDS)
def test_all_turns_as_one_sample(kind: str, talks: list[Talk]) -> None:
    encoder = encoder_of(kind, SPECIAL)
    assert encoder.eos is not None
    handler = make_handler("MOSSMultiTurnHandler", HandlerOptions(append_eod=True), encoder)
    found = handler.encode(block({"chat": [chat(talk) for talk in talks]}))
    for talk, ids, labels in zip(
        talks, sequences(found, "input_ids"), sequences(found, "labels"), strict=True
    ):
        expected_ids: list[int] = []
        expected_labels: list[int] = []
        for user, said in talk:
            asked, answer = full_ids(encoder, user.strip()), full_ids(encoder, said.strip())
            expected_ids += [195, *asked, 196, *answer]
            expected_labels += [encoder.eos, *[-100] * (len(asked) + 1), *answer]
        assert ids == [*expected_ids, encoder.eos]
        assert labels == [*expected_labels, encoder.eos]
    assert found.parts["labels"].counts.tolist() == [1] * len(talks)


def test_marks_are_taken_out_wherever_they_stand() -> None:
    encoder = encoder_of(BYTE_LEVEL)
    handler = make_handler("MOSSInstructionHandler", HandlerOptions(), encoder)
    turn = {"Human": "<|Human|>: a<eoh><|Human|>: b<|Human|>:c ", "MOSS": "\u3000<|MOSS|>:x<eom>y<eom>\n"}
    found = handler.encode(block({"chat": [{"turn_1": turn}]}))
    text = text_of([(USER, "ab<|Human|>:c"), (ASSISTANT, "xy")])
    assert sequences(found, "input_ids") == [full_ids(encoder, text)]


def test_turns_have_the_order_in_which_their_names_appear_in_the_block() -> None:
    encoder = encoder_of(LLAMA)
    handler = make_handler("MOSSMultiTurnHandler", HandlerOptions(), encoder)
    one, two = ({"Human": word, "MOSS": word} for word in "ab")
    found = handler.encode(block({"chat": [{"turn_2": two}, {"turn_1": one, "turn_2": two, "turn_3": None}]}))
    own = handler.encode(block({"chat": [{"turn_2": two, "turn_1": one}]}))
    assert sequences(found, "labels")[1] == sequences(own, "labels")[0]
    assert getattr(handler, "block_bytes", 0) == 10 * 1024 * 1024


@pytest.mark.parametrize("name", ["MOSSInstructionHandler", "MOSSMultiTurnHandler"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "an object of turns is due"),
        ("text", "an object of turns is due"),
        ([{"Human": "a"}], "an object of turns is due"),
        ({"turn_1": "a"}, "turn_1 is not an object"),
        ({"turn_1": {}}, "Human of turn_1: a text is due, and there is none"),
        ({"turn_1": {"Human": "a", "MOSS": None}}, "MOSS of turn_1: a text is due, and there is none"),
        ({"turn_1": {"Human": 1, "MOSS": "a"}}, "Human of turn_1: a text is due, and it is a number"),
        ({"turn_1": {"Human": "\ud800", "MOSS": "a"}}, "Human of turn_1: a text is due, and it holds half"),
    ],
)
def test_what_is_no_conversation_is_bad(name: str, value: Any, words: str) -> None:
    handler = make_handler(name, HandlerOptions(), encoder_of(BYTE_LEVEL))
    good = {"turn_1": {"Human": "a", "MOSS": "b"}}
    found = handler.encode(block({"chat": [good, value, good]}))
    assert [(row.number, row.field) for row in found.bad] == [(2, "chat")]
    assert found.bad[0].why.startswith(words)
    assert found.places.tolist() == [0, 2]
    assert len(sequences(found, "labels")) == 2


def test_a_row_without_turns() -> None:
    encoder = encoder_of(BYTE_LEVEL)
    rows = block({"chat": [{}, {"turn_1": None}]})
    none = make_handler("MOSSInstructionHandler", HandlerOptions(), encoder).encode(rows)
    assert none.parts["input_ids"].counts.tolist() == [0, 0]
    only = make_handler("MOSSMultiTurnHandler", HandlerOptions(), encoder).encode(rows)
    assert sequences(only, "input_ids") == sequences(only, "labels") == [[encoder.eos]] * 2
