"""The instruction handlers against the rule as it is written down: two encodings a row, one row at a time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tokenizers import BYTE_LEVEL, KINDS, LLAMA, block, encoder_of, full_ids, sequences

from backend.node.data.encoder import Encoder
from backend.node.data.handlers.choose import make_handler
from backend.node.data.handlers.handler import Encoded, HandlerOptions

pytest.importorskip("tokenizers")

pytestmark = pytest.mark.torch

OPENING = (
    "\nBelow is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request. Please note that you need to think through "
    "your response logically and step by step.\n"
)
USER, ASSISTANT = "### Instruction:", "### Response:"
SPECIAL = "<|im_end|>"
_SNIPPETS = (
    *(" ", "\n", "\r\n", "\t", "#", "##", ASSISTANT, USER, SPECIAL, "<s>", "</s>", "▁", "a", "Response"),
    *("é", "e\u0301", "中文", "。", "12", "...", "'s", "\u3000", "😀", "Human:", "Assistant:", "```"),
)
words = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    st.lists(st.sampled_from(_SNIPPETS), max_size=6).map("".join),
)


def sample(encoder: Encoder, text: str, end: list[int]) -> tuple[list[int], list[int]]:
    """Ids and labels as the reference makes them."""
    ids = full_ids(encoder, text) + end
    hidden = len(full_ids(encoder, text.rsplit(ASSISTANT, 1)[0] + ASSISTANT + "\n"))
    labels = list(ids)
    labels[:hidden] = [-100] * hidden
    return ids, labels


def text_of(messages: list[tuple[str, str]]) -> str:
    return OPENING + "".join(f"{heading}\n{content}\n" for heading, content in messages)


def check(encoder: Encoder, found: Encoded, texts: list[str], end: list[int]) -> None:
    expected = [sample(encoder, text, end) for text in texts]
    assert sequences(found, "input_ids") == [ids for ids, _labels in expected]
    assert sequences(found, "labels") == [labels for _ids, labels in expected]
    assert found.parts["attention_mask"].sequences is None
    assert not found.bad


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(words, words, words), max_size=6))
@pytest.mark.parametrize("eod", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_general(kind: str, eod: bool, rows: list[tuple[str, str, str]]) -> None:
    encoder = encoder_of(kind, SPECIAL)
    handler = make_handler("GeneralInstructionHandler", HandlerOptions(append_eod=eod), encoder)
    columns = {name: [row[at] for row in rows] for at, name in enumerate(handler.columns)}
    texts = [text_of([(USER, asked + "\n" + more), (ASSISTANT, output)]) for asked, more, output in rows]
    assert encoder.eos is not None
    check(encoder, handler.encode(block(columns)), texts, [encoder.eos] if eod else [])


def belle_messages(instruction: str, output: str) -> list[tuple[str, str]]:
    messages = []
    for part in instruction.split("Human:"):
        if not part:
            continue
        pieces = part.split("Assistant:")
        if len(pieces) > 1:
            messages += [(USER, pieces[0].strip()), (ASSISTANT, pieces[1].strip())]
        else:
            messages.append((ASSISTANT, pieces[0].strip()))
    messages.pop()
    return [*messages, (ASSISTANT, output.strip())]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(words, words), max_size=6))
@pytest.mark.parametrize("kind", KINDS)
def test_belle(kind: str, rows: list[tuple[str, str]]) -> None:
    encoder = encoder_of(kind, SPECIAL)
    handler = make_handler("BelleMultiTurnInstructionHandler", HandlerOptions(), encoder)
    rows = [("Human:" + asked, output) for asked, output in rows if asked.replace("Human:", "")]
    columns = {name: [row[at] for row in rows] for at, name in enumerate(handler.columns)}
    check(encoder, handler.encode(block(columns)), [text_of(belle_messages(*row)) for row in rows], [])


def test_belle_of_several_turns() -> None:
    encoder = encoder_of(BYTE_LEVEL)
    handler = make_handler("BelleMultiTurnInstructionHandler", HandlerOptions(), encoder)
    asked = "Human: one \nAssistant: 1 \nHuman: two\nAssistant:\n"
    messages = [(USER, "one"), (ASSISTANT, "1"), (USER, "two"), (ASSISTANT, "2")]
    rows = block({"instruction": [asked, "Human:", "", "x"], "output": [" 2\n", "a", "b", "c"]})
    found = handler.encode(rows)
    assert [(row.number, row.field) for row in found.bad] == [(2, "instruction"), (3, "instruction")]
    expected = [text_of(messages), text_of([(ASSISTANT, "c")])]
    check(encoder, found._replace(bad=[]), expected, [])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(words, words, words), max_size=4))
@pytest.mark.parametrize("kind", [BYTE_LEVEL, LLAMA])
def test_leetcode(kind: str, rows: list[tuple[str, str, str]]) -> None:
    encoder = encoder_of(kind)
    handler = make_handler("LeetcodePythonInstructionHandler", HandlerOptions(), encoder)
    assert handler.columns == ("code_with_problem", "code_only", "explanation_only")
    columns = {name: [row[at] for row in rows] for at, name in enumerate(handler.columns)}
    texts = [
        text_of([(USER, problem.split("```")[0].strip()), (ASSISTANT, code + "\n" + why)])
        for problem, code, why in rows
    ]
    check(encoder, handler.encode(block(columns)), texts, [])


def test_labels_are_longer_than_ids_when_the_prompt_has_more_special_tokens() -> None:
    encoder = encoder_of(LLAMA)
    handler = make_handler("GeneralInstructionHandler", HandlerOptions(), encoder)
    found = handler.encode(block({"instruction": ["a"], "input": ["b"], "output": [""]}))
    ids, labels = sequences(found, "input_ids")[0], sequences(found, "labels")[0]
    # BOS and EOS stand around the prompt too, so that it is as long as the whole but for one newline.
    assert labels == [-100] * (len(ids) - 1) + ids[-1:]
    heading = "### Response:"
    found = handler.encode(block({"instruction": ["a"], "input": ["b"], "output": ["x" + heading]}))
    ids, labels = sequences(found, "input_ids")[0], sequences(found, "labels")[0]
    assert labels == [-100] * len(ids)


@pytest.mark.parametrize("missing", ["instruction", "input", "output"])
def test_a_missing_field_is_named(missing: str) -> None:
    handler = make_handler("GeneralInstructionHandler", HandlerOptions(), encoder_of(BYTE_LEVEL))
    columns: dict[str, list[Any]] = {name: ["a", "b", "c"] for name in handler.columns}
    columns[missing] = ["a", None, "c"]
    found = handler.encode(block(columns, start=7))
    assert [(row.number, row.field) for row in found.bad] == [(9, missing)]
    assert found.places.tolist() == [0, 2]
    assert len(sequences(found, "input_ids")) == 2


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.tuples(words, words, st.one_of(words, st.none())), min_size=1, max_size=6), st.integers(1, 4)
)
def test_blocks_make_no_difference(rows: list[tuple[Any, ...]], size: int) -> None:
    handler = make_handler("GeneralInstructionHandler", HandlerOptions(), encoder_of(LLAMA))

    def run(step: int) -> tuple[list[Any], list[Any]]:
        samples, bad = [], []
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            columns = {name: [row[at] for row in part] for at, name in enumerate(handler.columns)}
            found = handler.encode(block(columns, start))
            samples += list(zip(sequences(found, "input_ids"), sequences(found, "labels"), strict=True))
            bad += found.bad
        return samples, bad

    assert run(size) == run(len(rows))
