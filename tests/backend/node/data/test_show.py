from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from token_files import write_documents
from token_set_files import letters, write_instruction

from backend.node.data.character_encoder import CharacterEncoder
from backend.node.data.show import show
from backend.node.data.text_runs import runs_of
from backend.node.job_lines import JobError


class ByteEncoder(CharacterEncoder):
    """Every byte of UTF-8 is an id, so that characters are cut by borders; a blank in front is swallowed."""

    def decode(self, ids):  # type: ignore[no-untyped-def]
        return bytes(ids).decode("utf-8", "replace").removeprefix(" ")


def test_masked_and_trained_text(tmp_path: Path) -> None:
    ids = [letters("ask: yes"), letters("no")]
    write_instruction(tmp_path / "x", ids, [[-100] * 5 + letters("yes"), letters("no")])
    found = show(str(tmp_path / "x"), 0, CharacterEncoder())
    (part,) = found["parts"]
    assert (found["documents"], part["key"], part["packed"]) == (2, "input_ids", True)
    (sequence,) = part["sequences"]
    assert (sequence["tokens"], sequence["trained"], sequence["labels"]) == (8, 3, 8)
    assert sequence["ids"] == ids[0]
    assert sequence["runs"] == [
        {"trained": False, "start": 0, "tokens": 5, "text": "ask: "},
        {"trained": True, "start": 5, "tokens": 3, "text": "yes"},
    ]


def test_one_output_brings_its_labels(tmp_path: Path) -> None:
    write_instruction(tmp_path / "x", [letters("ab")], [[-100, letters("b")[0]]])
    found = show(str(tmp_path / "x_packed_input_ids_document"), 0, CharacterEncoder())
    assert [run["text"] for run in found["parts"][0]["sequences"][0]["runs"]] == ["a", "b"]


def test_more_labels_than_ids(tmp_path: Path) -> None:
    write_instruction(tmp_path / "x", [letters("ab")], [[-100] * 4])
    (sequence,) = show(str(tmp_path / "x"), 0)["parts"][0]["sequences"]
    assert (sequence["labels"], sequence["trained"]) == (4, 0)
    assert sequence["runs"] == [{"trained": False, "start": 0, "tokens": 2, "text": ""}]


def test_documents_of_several_columns_and_sequences(tmp_path: Path) -> None:
    write_documents(tmp_path / "x_text_document", [[letters("a"), letters("b")], []])
    write_documents(tmp_path / "x_title_document", [[letters("t")], [letters("u")]])
    found = show(str(tmp_path / "x"), 0, CharacterEncoder())
    assert [part["key"] for part in found["parts"]] == ["text", "title"]
    assert [one["sequence"] for one in found["parts"][0]["sequences"]] == [0, 1]
    assert show(str(tmp_path / "x"), 1)["parts"][0]["sequences"] == []


def test_pairwise_data_shows_both_answers(tmp_path: Path) -> None:
    for kind in ("chosen", "rejected"):
        for key, sequence in (("input_ids", letters("q" + kind)), ("labels", [-100, *letters(kind)])):
            write_documents(tmp_path / f"x_packed_{kind}_{key}_document", [[sequence]])
    parts = show(str(tmp_path / "x"), 0, CharacterEncoder())["parts"]
    assert [part["key"] for part in parts] == ["chosen_input_ids", "rejected_input_ids"]
    assert [part["sequences"][0]["runs"][1]["text"] for part in parts] == ["chosen", "rejected"]


@pytest.mark.parametrize("document", [-1, 2])
def test_a_document_that_is_not_there(tmp_path: Path, document: int) -> None:
    write_documents(tmp_path / "x_text_document", [[[1]], [[2]]])
    with pytest.raises(JobError, match=f"no document {document}") as caught:
        show(str(tmp_path / "x"), document)
    assert caught.value.field == "document"
    assert "2 documents" in caught.value.why


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.booleans())))
def test_runs_give_the_whole_text_back(pieces: list[tuple[str, bool]]) -> None:
    text = "".join(piece for piece, _mark in pieces)
    marks = [mark for piece, mark in pieces for _character in piece]
    runs = runs_of(letters(text), marks, CharacterEncoder())
    assert "".join(run["text"] for run in runs) == text
    assert sum(run["tokens"] for run in runs) == len(text)
    assert all(one["trained"] != other["trained"] for one, other in pairwise(runs))


def test_a_cut_character_belongs_to_the_later_run() -> None:
    ids = list(" aé b".encode())
    for border in range(1, len(ids)):
        runs = runs_of(ids, [place >= border for place in range(len(ids))], ByteEncoder())
        assert "".join(run["text"] for run in runs) == "aé b"
