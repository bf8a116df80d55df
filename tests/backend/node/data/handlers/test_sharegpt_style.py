"""ShareGPT rows through a template: which conversations are kept, left out or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from block_of_rows import LetterEncoder, block, sequences
from hypothesis import given
from hypothesis import strategies as st

from backend.node.data.handlers.handler import Encoded, HandlerOptions
from backend.node.data.handlers.sharegpt_style import SharegptStyleInstructionHandler

SPEAKERS = {"s": "system", "h": "human", "g": "gpt", "o": "observation", "f": "function_call", "x": "who"}
SECRET = "a private text"


def talk(letters: str) -> list[dict[str, Any]]:
    """A message for every letter, with its number as text."""
    return [{"from": SPEAKERS[letter], "value": f"{letter}{number}"} for number, letter in enumerate(letters)]


def encode(*talks: Any, prompt_type: str = "default", **options: Any) -> Encoded:
    made = SharegptStyleInstructionHandler(
        HandlerOptions(prompt_type=prompt_type, **options), LetterEncoder()
    )
    rows = [row if isinstance(row, dict) else {"conversations": row} for row in talks]
    return made.encode(block(*rows, columns=made.columns))


def shown(encoded: Encoded, key: str = "input_ids") -> list[str]:
    return [LetterEncoder().decode(ids) for ids in sequences(encoded, key)]


def test_two_turns() -> None:
    encoded = encode(talk("hghg"))
    assert shown(encoded) == ["Human: h0\nAssistant:g1<eos>\nHuman: h2\nAssistant:g3<eos>"]
    first, second = "Human: h0\nAssistant:", "\nHuman: h2\nAssistant:"
    assert shown(encoded, "labels") == ["_" * len(first) + "g1<eos>" + "_" * len(second) + "g3<eos>"]


def test_the_system_message_goes_first() -> None:
    keys = {"system": "role"}
    own = {"conversations": talk("shg"), "role": "Be"}
    none = {"conversations": [{"from": "system", "value": None}, *talk("hg")], "role": "Be"}
    mapped = {"conversations": talk("hg"), "role": "Be"}
    assert shown(encode(own, none, mapped, map_keys=keys)) == [
        "s0\nHuman: h1\nAssistant:g2<eos>",
        "Human: h0\nAssistant:g1<eos>",
        "Be\nHuman: h0\nAssistant:g1<eos>",
    ]


def test_tools_come_behind_the_system_text() -> None:
    tools = json.dumps([{"name": "look", "parameters": {"properties": {}}}])
    keys = {"tools": "tools"}
    with_system = {"conversations": talk("shg"), "tools": tools}
    alone = {"conversations": talk("hg"), "tools": tools}
    useless = {"conversations": talk("hg"), "tools": "no json"}
    first, second, third = shown(encode(with_system, alone, useless, map_keys=keys))
    assert first.startswith("s0You have access to the following tools:\n> Tool Name: look\n")
    assert second.startswith("You have access")
    # The template's system piece stands there even so.
    assert third == "\nHuman: h0\nAssistant:g1<eos>"
    silent = shown(encode(with_system, prompt_type="glm4", map_keys=keys))[0]
    assert silent.startswith("[gMASK]<sop><|system|>\ns0<|user|>")


def test_turns_are_numbered_from_zero() -> None:
    made = SharegptStyleInstructionHandler(
        HandlerOptions(prompt_type="chatglm2"), LetterEncoder({"[gMASK]": 10, "sop": 11})
    )
    encoded = made.encode(block({"conversations": talk("hghg")}, columns=made.columns))
    text = made.encoder.decode(sequences(encoded, "input_ids")[0])
    assert text == "<[gMASK]><sop>[Round 0]\n\n问：h0\n\n答：g1\n\n[Round 1]\n\n问：h2\n\n答：g3<eos>"


@pytest.mark.parametrize("letters", ["hg", "og", "hf", "hfog", "shg", "hgof"])
def test_kept(letters: str) -> None:
    encoded = encode(talk(letters))
    assert encoded.places.tolist() == [0]
    assert not encoded.bad
    assert not encoded.skipped


@pytest.mark.parametrize(
    ("letters", "why"),
    [
        ("h", "no answer"),
        ("hgh", "no answer"),
        ("gh", "message 1 is from “gpt”, out of turn"),
        ("hh", "message 2 is from “human”, out of turn"),
        ("hsg", "message 2 is from “system”"),
        ("shh", "message 3 is from “human”"),
        ("s", "no message but the system text"),
        ("ss", "message 2 is from “system”"),
    ],
)
def test_left_out(letters: str, why: str) -> None:
    encoded = encode(talk("hg"), talk(letters))
    assert encoded.places.tolist() == [0]
    assert not encoded.bad
    (skipped,) = encoded.skipped
    assert (skipped.number, skipped.field) == (2, "conversations")
    assert why in skipped.why
    assert skipped.why.endswith("the row is left out")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (None, "it is null or absent, not a list of messages"),
        ("hello", "it is a text, not a list of messages"),
        ([], "an empty list of messages"),
        (["hello"], "message 1 is a text, not an object"),
        (talk("hx"), "message 2 is from “who”, an unknown role"),
        (talk("hhx"), "message 3 is from “who”, an unknown role"),
        ([{"value": "a"}], "message 1 is from null or absent, an unknown role"),
        ([{"from": 5, "value": "a"}], "message 1 is from a number, an unknown role"),
        ([{"from": ["human"], "value": "a"}], "message 1 is from a list, an unknown role"),
        ([*talk("sh"), {"from": "gpt"}], "the content of message 3 is null or absent, not a text"),
        (
            [*talk("h"), {"from": "function_call", "value": '{"name": 5, "arguments": 1}'}],
            "message 2 calls a function whose name is a number",
        ),
        ([{"from": "system", "value": 5}, *talk("hg")], "it is a number, not a text"),
    ],
)
def test_refused(values: Any, why: str) -> None:
    encoded = encode({"conversations": values}, talk("hg"))
    assert encoded.places.tolist() == [1]
    assert not encoded.skipped
    (bad,) = encoded.bad
    assert (bad.number, bad.field) == (1, "conversations")
    assert why in bad.why


def test_a_long_tag_is_shortened() -> None:
    encoded = encode([{"from": "x" * 500, "value": SECRET}])
    assert len(encoded.bad[0].why) < 100


@given(st.lists(st.text("shgofx", max_size=6), max_size=6))
def test_every_row_is_kept_left_out_or_refused(talks: list[str]) -> None:
    values = [[{**message, "value": SECRET} for message in talk(letters)] for letters in talks]
    encoded = encode(*values)
    places = encoded.places.tolist()
    numbers = [place + 1 for place in places]
    others = [row.number for row in [*encoded.bad, *encoded.skipped]]
    assert sorted(numbers + others) == list(range(1, len(talks) + 1))
    assert not any(SECRET in row.why for row in [*encoded.bad, *encoded.skipped])
    assert [encoded_row.number for encoded_row in encoded.bad] == [
        number for number, letters in enumerate(talks, 1) if not letters or "x" in letters
    ]


TAGS = {"role_tag": "role", "content_tag": "text", "user_tag": "user", "assistant_tag": "bot"}


def test_other_tags() -> None:
    messages = [{"role": "user", "text": "Ask"}, {"role": "bot", "text": "Say"}]
    system = [{"role": "system", "text": "Be"}, *messages]
    encoded = encode(messages, system, [], map_keys={"tags": TAGS})
    assert shown(encoded) == ["Human: Ask\nAssistant:Say<eos>"]
    # A tag that is not given exists nowhere: "system" is then unknown, and an empty list is only left out.
    assert [bad.number for bad in encoded.bad] == [2]
    assert [row.number for row in encoded.skipped] == [3]


def test_a_message_without_a_tag_when_some_are_not_given() -> None:
    encoded = encode([{"text": "Ask"}, {"role": "bot", "text": "Say"}], map_keys={"tags": TAGS})
    assert encoded.bad[0].why == "message 1 has a role that no message may have"
