"""What --map-keys may say."""

from __future__ import annotations

from typing import Any

import pytest

from backend.node.data.handlers.alpaca_style import AlpacaColumns
from backend.node.data.handlers.sharegpt_style import SharegptColumns
from backend.node.data.handlers.sharegpt_tags import Tags
from backend.node.job_lines import JobError


def test_alpaca_without_map_keys() -> None:
    columns = AlpacaColumns(None, ("response",))
    assert columns.all == ("instruction", "input", "output")
    assert columns.required == ("instruction", "output")


def test_alpaca_with_map_keys() -> None:
    given = {"prompt": "q", "query": "more", "response": "a", "system": "s", "history": "h"}
    columns = AlpacaColumns(given, ("response",))
    assert columns.all == ("q", "more", "a", "s")
    assert columns.required == ("q", "more", "a", "s")


def test_two_names_may_share_a_column() -> None:
    assert AlpacaColumns({"query": "instruction"}, ("response",)).all == ("instruction", "output")


def test_sharegpt() -> None:
    assert SharegptColumns(None).all == ("conversations",)
    columns = SharegptColumns(
        {"messages": "talk", "system": "s", "tools": "t", "chosen": "good", "kto_tag": "label"},
        ("chosen", "rejected"),
    )
    assert columns.all == columns.required == ("talk", "good", "rejected", "s", "t")
    assert columns.tags == Tags()


def test_tags_not_given_are_none() -> None:
    tags = {"role_tag": "role", "content_tag": "text", "user_tag": "user", "assistant_tag": "bot"}
    assert SharegptColumns({"tags": tags}).tags == Tags("role", "text", "user", "bot", None, None, None)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"promt": "x"}, "promt cannot be mapped"),
        ({"messages": "x"}, "messages cannot be mapped"),
        ({"prompt": None}, "prompt is mapped to no name"),
        ({"prompt": ""}, "prompt is mapped to no name"),
        ({"prompt": ["x"]}, "prompt is mapped to no name"),
    ],
)
def test_alpaca_refuses(given: dict[str, Any], says: str) -> None:
    with pytest.raises(JobError, match=says) as caught:
        AlpacaColumns(given, ("response",))
    assert caught.value.field == "map_keys"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"prompt": "x"}, "prompt cannot be mapped"),
        ({"system": 5}, "system is mapped to no name"),
        ({"tags": "role"}, "the tags are a text"),
        ({"tags": {"role": "x"}}, "role cannot be mapped"),
        ({"tags": {"role_tag": 5}}, "role_tag is a number"),
        ({"tags": {"role_tag": "x"}}, "do not say content_tag"),
        ({"tags": {}}, "do not say role_tag, content_tag"),
    ],
)
def test_sharegpt_refuses(given: dict[str, Any], says: str) -> None:
    with pytest.raises(JobError, match=says) as caught:
        SharegptColumns(given)
    assert caught.value.field == "map_keys"


def test_a_near_name_is_offered() -> None:
    with pytest.raises(JobError) as caught:
        AlpacaColumns({"promt": "x"}, ("response",))
    assert caught.value.fix == "possible names: prompt"
