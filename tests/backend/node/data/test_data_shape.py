from __future__ import annotations

from typing import Any

import pytest

from backend.node.data.data_shape import recognise, title_of

ALPACA = {"instruction": ["Sum"], "input": ["1 2"], "output": ["3"]}
SHARE = [[{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]]
ROLES = [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]]


@pytest.mark.parametrize(
    ("columns", "what", "handler"),
    [
        (ALPACA, "alpaca", "GeneralInstructionHandler"),
        ({**ALPACA, "input": [None]}, "alpaca", "AlpacaStyleInstructionHandler"),
        ({"instruction": ["a"], "output": ["b"]}, "alpaca", "AlpacaStyleInstructionHandler"),
        (
            {"instruction": ["a"], "chosen": ["b"], "rejected": ["c"]},
            "alpaca_pairwise",
            "AlpacaStylePairwiseHandler",
        ),
        (
            {**ALPACA, "instruction": ["Human:a\nAssistant:b\nHuman:c"]},
            "belle",
            "BelleMultiTurnInstructionHandler",
        ),
        ({"conversations": SHARE}, "sharegpt", "SharegptStyleInstructionHandler"),
        (
            {"conversations": SHARE, "chosen": [SHARE[0][1]], "rejected": [SHARE[0][1]]},
            "sharegpt_pairwise",
            "SharegptStylePairwiseHandler",
        ),
        ({"chat": [{"turn_1": {"Human": "a", "MOSS": "b"}}]}, "moss", "MOSSInstructionHandler"),
        (
            {"code_with_problem": ["a"], "code_only": ["b"], "explanation_only": ["c"]},
            "leetcode",
            "LeetcodePythonInstructionHandler",
        ),
        ({"id": [1, 2], "text": ["a", None]}, "text", "GeneralPretrainHandler"),
        ({"id": [1, 2]}, "unknown", ""),
        ({}, "unknown", ""),
    ],
)
def test_shapes(columns: dict[str, list[Any]], what: str, handler: str) -> None:
    shape = recognise(columns)
    assert (shape.what, shape.suggested.handler) == (what, handler)
    assert shape.suggested.reason
    assert shape.title == title_of(what)


def test_a_prompt_type_asks_for_a_handler_that_uses_it() -> None:
    suggested = recognise(ALPACA, "qwen").suggested
    assert (suggested.handler, suggested.prompt_type) == ("AlpacaStyleInstructionHandler", "qwen")


def test_roles_and_other_names_are_mapped() -> None:
    shape = recognise({"messages": ROLES})
    assert shape.what == "messages"
    mapped = shape.suggested.map_keys
    assert mapped is not None
    assert mapped["messages"] == "messages"
    assert (mapped["tags"]["role_tag"], mapped["tags"]["assistant_tag"]) == ("role", "assistant")


def test_system_and_tools_are_mapped_where_they_say_something() -> None:
    columns = {"conversations": SHARE, "system": ["be brief"], "tools": [""]}
    assert recognise(columns).suggested.map_keys == {"system": "system"}
    assert recognise({"conversations": SHARE}).suggested.map_keys is None


def test_the_text_column_of_instructions_is_another_choice() -> None:
    names = [one.handler for one in recognise({**ALPACA, "text": ["x"]}).alternatives]
    assert names == ["AlpacaStyleInstructionHandler", "GeneralPretrainHandler"]


def test_the_column_with_the_longest_texts_is_the_text() -> None:
    suggested = recognise({"title": ["a"], "body": ["a long text"], "size": [3]}).suggested
    assert suggested.json_keys == ("body",)
