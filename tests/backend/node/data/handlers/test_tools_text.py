"""Tools and function calls in words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.node.data.handlers.tools_text import function_call, tools_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "arguments",
                    "description",
                    "parameters",
                    "properties",
                    "required",
                    "enum",
                    "items",
                    "type",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def tool(**changes: Any) -> dict[str, Any]:
    """A tool with one argument; `changes` replace the argument's fields."""
    argument = {"type": "string", "description": "the word", **changes}
    return {
        "name": "look",
        "description": "look a word up",
        "parameters": {"properties": {"q": argument}, "required": ["q"]},
    }


def test_two_tools_in_full() -> None:
    second = {"name": "stop", "parameters": {"properties": {}}}
    many = tool(enum=["a", "b"], items={"type": "int"})
    many["parameters"]["properties"]["n"] = {}
    assert tools_text(json.dumps([many, second])) == (
        "You have access to the following tools:\n"
        "> Tool Name: look\nTool Description: look a word up\nTool Args:\n"
        "  - q (string, required): the word, should be one of [a, b], where each item should be int\n"
        "  - n (): \n\n"
        "> Tool Name: stop\nTool Description: \nTool Args:\n\n"
        "Use the following format if using a tool:\n```\n"
        "Action: tool name (one of [look, stop]).\n"
        "Action Input: the input to the tool, in a JSON format representing the kwargs "
        '(e.g. ```{"input": "hello world", "num_beams": 5}```).\n```\n'
    )


def test_braces_in_the_data_are_no_places() -> None:
    text = tools_text(json.dumps([tool(description="{names} {} {0}")]))
    assert "{names} {} {0}\n" in text


@pytest.mark.parametrize(
    "tools",
    [
        "",
        "no json",
        "[]",
        "{}",
        "5",
        "null",
        None,
        [tool()],
        '"look"',
        "[5]",
        json.dumps([{"name": "look"}]),
        json.dumps([{"parameters": {"properties": {}}}]),
        json.dumps([tool(enum=[1])]),
        json.dumps([tool(items=["int"])]),
        json.dumps([{"name": 5, "parameters": {"properties": {}}}]),
        json.dumps(tool()),
        "[" * 100_000,
    ],
)
def test_anything_else_is_no_text(tools: Any) -> None:
    assert tools_text(tools) == ""


@given(VALUES)
def test_no_value_stops_it(value: Any) -> None:
    text = json.dumps(value)
    assert isinstance(tools_text(text), str)
    assert isinstance(function_call(text)[1], str)


def test_a_call_keeps_its_letters() -> None:
    assert function_call('{"name": "f", "arguments": {"b":1,"a":["é","\\u4e2d"]}}') == (
        "f",
        '{"b": 1, "a": ["é", "中"]}',
    )


@pytest.mark.parametrize("content", ["", "f(x)", "[]", "{}", '{"name": "f"}', '{"arguments": 1}', None, 5])
def test_what_is_no_call_is_empty(content: Any) -> None:
    assert function_call(content) == ("", "")
