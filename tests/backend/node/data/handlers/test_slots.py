"""Filling in: what stands in the data is not filled again, but for the places ModelLink touches too."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.node.data.handlers.slots import Mark, Token, fill, fill_call, fill_turn

TEXTS = st.lists(st.sampled_from(["{{content}}", "{{idx}}", "{", "}", "a", "é", "\n"]), max_size=12).map(
    "".join
)


def test_only_the_first_place_is_filled() -> None:
    assert fill(("[{{content}}|{{content}}]",), "{{content}}") == ["[{{content}}|{{content}}]"]
    assert fill(("<{{content}}>", Mark.BOS, Token("x")), "a{{idx}}") == ["<a{{idx}}>", Mark.BOS, Token("x")]


def test_the_turns_number_comes_after_the_content() -> None:
    assert fill_turn(("[Round {{idx}}] {{content}}",), "{{idx}}", 3) == ["[Round 3] {{idx}}"]
    assert fill_turn(("{{content}}", "\n"), "a {{idx}} {{idx}}", 0) == ["a 0 {{idx}}", "\n"]


def test_a_call_is_filled_everywhere() -> None:
    slots = ("{{name}} {{name}}: {{arguments}}", Mark.EOS)
    assert fill_call(slots, "f{{arguments}}", "{}") == ["f{} f{}: {}", Mark.EOS]


@given(TEXTS)
def test_content_is_kept_as_it_is(content: str) -> None:
    assert fill(("<{{content}}>",), content) == [f"<{content}>"]
