from __future__ import annotations

from datetime import date

import pytest
from small_tokenizers import block

from backend.node.data.handlers.fields import encoded, no_text, usable, wrong_texts
from backend.node.data.rows import ROW, BadRow, Rows

pytest.importorskip("numpy")


def test_all_texts_are_used_as_they_are() -> None:
    rows = block({"text": ["a", "", " "]})
    assert wrong_texts(rows, ("text",)) == {}
    assert usable(rows, "text", {}) is rows.columns["text"]


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (None, "absent or null"),
        (True, "true or false"),
        (3, "number"),
        (2.5, "number"),
        (["a"], "list"),
        ({"a": 1}, "object"),
        (b"a", "bytes"),
        (date(2024, 1, 1), "date"),
        ("\ud800", "surrogate"),
    ],
)
def test_what_stands_there_instead_is_said(value: object, word: str) -> None:
    assert word in no_text(value)


def test_a_row_has_one_fault_with_its_number_and_field() -> None:
    rows = block({"a": ["x", None, 3], "b": ["y", None, "z"]}, start=10)
    wrong = wrong_texts(rows, ("a", "b"))
    assert [(row.number, row.field) for row in wrong.values()] == [(12, "a"), (13, "a")]
    assert usable(rows, "b", wrong) == ["y"]


def test_nothing_may_be_allowed() -> None:
    rows = block({"a": ["x", None, 3]})
    assert list(wrong_texts(rows, ("a",), nullable=True)) == [2]


def test_faults_of_reader_and_handler_are_in_the_order_of_the_file() -> None:
    unreadable = BadRow("a.jsonl", ROW, 2, "", "not JSON")
    rows = Rows("a.jsonl", ROW, [1, 3, 4], [0, 2, 3], 4, {"a": [None, "x", 1]}, [unreadable])
    found = encoded(rows, wrong_texts(rows, ("a",)), {})
    assert [row.number for row in found.bad] == [1, 2, 4]
    assert found.places.tolist() == [2]
    assert found.total == 4
