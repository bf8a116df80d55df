"""Text of training data on a terminal."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from backend.cli.data_text import Look, run_lines, wrapped


def run(text: str, *, trained: bool, start: int = 0, tokens: int = 1) -> dict[str, Any]:
    return {"trained": trained, "start": start, "tokens": tokens, "text": text}


def test_masked_and_trained_can_be_told_apart_without_colour() -> None:
    runs = [run("Question?\nThink.\n", trained=False), run("Answer.", trained=True)]
    assert list(run_lines(runs, (), Look())) == [
        "  masked  ┊ Question?",
        "          ┊ Think.",
        "  trained ┃ Answer.",
    ]


def test_masked_text_is_dimmed_where_that_can_be() -> None:
    lines = list(run_lines([run("a", trained=False), run("b", trained=True)], (), Look(dim=True)))
    assert lines == ["\x1b[2m  masked  ┊ a\x1b[0m", "  trained ┃ b"]


def test_ids_are_shown_where_there_is_no_text() -> None:
    runs = [run("", trained=False, tokens=2), run("", trained=True, start=2, tokens=1)]
    assert list(run_lines(runs, (5, 6, 7), Look())) == ["  masked  ┊ 5 6", "  trained ┃ 7"]


def test_a_long_text_shows_its_ends() -> None:
    text = "".join(f"line {number}\n" for number in range(1000))
    lines = list(run_lines([run(text, trained=True)], (), Look()))
    assert [line.rpartition("┃ ")[2] for line in lines] == [
        *(f"line {number}" for number in range(5)),
        f"… {len(text) - 5 * 7 - 2 * 9:,} characters left out; --full shows them",
        "line 998",
        "line 999",
    ]
    assert len(list(run_lines([run(text, trained=True)], (), Look(full=True)))) == 1000


def test_many_turns_are_cut_too() -> None:
    runs = [run(str(number), trained=bool(number % 2)) for number in range(20)]
    lines = list(run_lines(runs, (), Look()))
    assert len(lines) == 9
    assert lines[-1] == "  … 12 more parts; --full shows them"
    assert len(list(run_lines(runs, (), Look(full=True)))) == 20


def test_wide_letters_count_twice() -> None:
    assert [line.text for line in wrapped("数据训练", 5)] == ["数据", "训练"]


def test_words_stay_whole() -> None:
    assert [line.text for line in wrapped("one two three", 9)] == ["one two ", "three"]


@given(st.text(), st.integers(2, 30))
def test_wrapping_loses_nothing_and_keeps_the_width(text: str, width: int) -> None:
    lines = list(wrapped(text, width))
    assert "".join(text[line.start : line.end] for line in lines) == text
    for line in lines:
        assert cell_len(line.text) <= width
        assert line.text == text[line.start : line.end].removesuffix("\n")


@given(st.text(alphabet=st.characters(codec=None), max_size=400), st.integers(40, 100))
def test_any_text_is_shown_in_the_width(text: str, width: int) -> None:
    for line in run_lines([run(text, trained=True)], (), Look(width=width)):
        assert cell_len(line) <= width
        assert not {"\n", "\r", "\x1b"} & set(line)
