"""Tools and function calls of a conversation, as the model reads them.

Both come as JSON inside a text; what is not of the expected shape gives empty texts, as in ModelLink."""

from __future__ import annotations

import json
from typing import Any, Dict, Tuple

_INTRODUCTION = "You have access to the following tools:\n"
_FORMAT = (
    "Use the following format if using a tool:\n"
    "```\n"
    "Action: tool name (one of [{names}]).\n"
    "Action Input: the input to the tool, in a JSON format representing the kwargs "
    '(e.g. ```{{"input": "hello world", "num_beams": 5}}```).\n'
    "```\n"
)
# What values of another type than expected raise on the way.
_OTHER_SHAPE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def tools_text(tools: Any) -> str:
    """The list of tools in words; "" when it is empty, no JSON, or a field is missing or of another type."""
    try:
        parsed = json.loads(tools)
        if not len(parsed):
            return ""
        described = "".join(_tool(tool) for tool in parsed)
        names = ", ".join(tool["name"] for tool in parsed)
    except _OTHER_SHAPE:
        return ""
    return _INTRODUCTION + described + _FORMAT.format(names=names)


def _tool(tool: Dict[str, Any]) -> str:
    parameters = tool["parameters"]
    lines = [
        _argument(name, value, name in parameters.get("required", []))
        for name, value in parameters["properties"].items()
    ]
    description = tool.get("description", "")
    return f"> Tool Name: {tool['name']}\nTool Description: {description}\nTool Args:\n{''.join(lines)}\n"


def _argument(name: str, value: Dict[str, Any], required: bool) -> str:
    kind = str(value.get("type", "")) + (", required" if required else "")
    choices, items = value.get("enum"), value.get("items")
    text = f"  - {name} ({kind}): {value.get('description', '')}"
    if choices:
        text += f", should be one of [{', '.join(choices)}]"
    if items:
        text += f", where each item should be {items.get('type', '')}"
    return text + "\n"


def function_call(content: Any) -> Tuple[Any, str]:
    """The called function's name and its arguments as JSON with non-ASCII characters kept; two empty texts
    when `content` is no such JSON. The name is as JSON has it, not always a text."""
    try:
        call = json.loads(content)
        return call["name"], json.dumps(call["arguments"], ensure_ascii=False)
    except _OTHER_SHAPE:
        return "", ""
