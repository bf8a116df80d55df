from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from token_files import write_documents
from token_set_files import GOLDEN, GOLDEN_SETS, put, write_instruction

from backend.node.data.findings import SHOWN_OF_A_KIND
from backend.node.data.verify import verify
from backend.node.job_lines import JobError

IDS = [[5, 6, 7], [8, 9], [4]]
LABELS = [[-100, 6, 7], [-100, 9], [-100]]


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the golden files are not here")
@pytest.mark.parametrize("folder", GOLDEN_SETS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_the_reference_wrote_is_sound(folder: Path) -> None:
    # Some ids lie above the vocabulary files of 4,096: tokens that the templates add.
    found = verify(str(folder / "out"), 4200)
    assert found["findings"] == []
    assert found["sound"]
    assert found["bytes"] == sum(path.stat().st_size for path in folder.glob("*.bin"))


def test_the_report_of_a_sound_set(tmp_path: Path) -> None:
    write_instruction(tmp_path / "x", IDS, LABELS)
    told: list[tuple[int, int]] = []
    found = verify(str(tmp_path / "x"), 10, lambda done, total: told.append((done, total)))
    assert found["sound"]
    assert found["found"] == 0
    assert [one["key"] for one in found["sets"]] == ["input_ids", "attention_mask", "labels"]
    assert found["sets"][0] == {
        "path": str(tmp_path / "x_packed_input_ids_document"),
        "key": "input_ids",
        "packed": True,
        "dtype": "int32",
        "bytes": 24,
        "sequences": 3,
        "documents": 3,
        "tokens": 6,
        "smallest": 4,
        "largest": 9,
    }
    labels = found["sets"][2]
    assert (labels["trained"], labels["untrained_sequences"]) == (3, 1)
    assert (labels["smallest"], labels["largest"]) == (6, 9)
    assert told[-1] == (144, 144)
    assert told == sorted(told)


def test_ids_beyond_the_vocabulary_are_placed(tmp_path: Path) -> None:
    write_documents(tmp_path / "x_text_document", [[[1], [2, 3]], [], [[4, 50, -1]]])
    found = verify(str(tmp_path / "x"), 50)
    file = str(tmp_path / "x_text_document.bin")
    assert found["findings"] == [
        {
            "file": file,
            "document": 2,
            "sequence": 2,
            "position": 1,
            "what": "the id 50 is not in a vocabulary of 50 tokens",
        },
        {"file": file, "document": 2, "sequence": 2, "position": 2, "what": "the id -1 is negative"},
    ]
    assert not found["sound"]
    assert verify(str(tmp_path / "x"))["found"] == 1


def test_many_findings_are_counted_and_few_listed(tmp_path: Path) -> None:
    write_documents(tmp_path / "x_text_document", [[[99] * 1000]])
    found = verify(str(tmp_path / "x"), 50)
    assert found["found"] == 1000
    assert len(found["findings"]) == SHOWN_OF_A_KIND
    assert [one["position"] for one in found["findings"]] == list(range(SHOWN_OF_A_KIND))


def test_a_label_that_is_another_id(tmp_path: Path) -> None:
    write_instruction(tmp_path / "x", IDS, [[-100, 6, 7], [3, 9], [-100]])
    (finding,) = verify(str(tmp_path / "x"))["findings"]
    assert finding["file"].endswith("x_packed_labels_document.bin")
    assert (finding["document"], finding["sequence"], finding["position"]) == (1, 1, 0)
    assert finding["what"] == "the label 3 stands where the id is 8"


def test_an_end_of_text_taught_before_a_turn_is_right(tmp_path: Path) -> None:
    write_instruction(tmp_path / "x", [[5, 6, 7, 8, 2]], [[-100, 6, 2, 8, 2]])
    assert verify(str(tmp_path / "x"))["sound"]


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        ([[-100, 6], [-100, 9], [-100]], "there are 2 labels for 3 ids"),
        ([[-100, 6, 7, 7], [-100, 9], [-100]], "there are 4 labels for 3 ids, and not all are -100"),
    ],
)
def test_labels_of_another_length(tmp_path: Path, labels: list[list[int]], what: str) -> None:
    write_instruction(tmp_path / "x", IDS, labels)
    (finding,) = verify(str(tmp_path / "x"))["findings"]
    assert (finding["sequence"], finding["what"]) == (0, what)


def test_more_labels_than_ids_are_right_when_none_is_trained(tmp_path: Path) -> None:
    write_instruction(tmp_path / "x", IDS, [[-100] * 4, [-100, 9], [-100]])
    found = verify(str(tmp_path / "x"))
    assert found["sound"]
    assert found["sets"][2]["untrained_sequences"] == 2


def test_a_mask_that_is_not_one(tmp_path: Path) -> None:
    write_instruction(tmp_path / "x", IDS, LABELS, [[1, 1, 1], [1, 0], [1]])
    (finding,) = verify(str(tmp_path / "x"))["findings"]
    assert (finding["sequence"], finding["position"], finding["what"]) == (1, 1, "the mask is 0 there")


def test_a_mask_of_another_length(tmp_path: Path) -> None:
    write_instruction(tmp_path / "x", IDS, LABELS, [[1, 1, 1], [1], [1]])
    (finding,) = verify(str(tmp_path / "x"))["findings"]
    assert (finding["sequence"], finding["what"]) == (1, "the mask has 1 entries for 2 ids")


def test_the_mask_of_packed_sequences_repeats_the_ids(tmp_path: Path) -> None:
    ids, labels = [[5, 6, 7, 0], [8, 9, 0, 0]], [[5, 6, 7, -100], [8, 9, -100, -100]]
    write_instruction(tmp_path / "x", ids, labels, [[5, 6, 7, 1], [8, 9, 1, 1]])
    assert verify(str(tmp_path / "x"))["sound"]
    write_instruction(tmp_path / "y", ids, labels, [[5, 6, 7, 1], [8, 3, 1, 1]])
    (finding,) = verify(str(tmp_path / "y"))["findings"]
    assert (finding["sequence"], finding["position"]) == (1, 1)


def test_outputs_with_different_counts(tmp_path: Path) -> None:
    write_instruction(tmp_path / "x", IDS, LABELS[:2])
    (finding,) = verify(str(tmp_path / "x"))["findings"]
    assert "it has 2 sequences" in finding["what"]
    assert finding["file"].endswith("labels_document.idx")


def test_labels_that_are_missing(tmp_path: Path) -> None:
    write_instruction(tmp_path / "x", IDS, LABELS)
    for suffix in (".bin", ".idx"):
        (tmp_path / f"x_packed_labels_document{suffix}").unlink()
    (finding,) = verify(str(tmp_path / "x"))["findings"]
    assert finding["what"] == "there are no labels that belong to it"


@pytest.mark.parametrize(("gone", "named"), [(".idx", ".idx"), (".bin", ".bin")])
def test_half_a_pair(tmp_path: Path, gone: str, named: str) -> None:
    write_instruction(tmp_path / "x", IDS, LABELS)
    (tmp_path / f"x_packed_labels_document{gone}").unlink()
    found = verify(str(tmp_path / "x"))
    (finding,) = found["findings"]
    assert finding["file"].endswith("labels_document" + named)
    assert "missing" in finding["what"]
    assert "tokens" not in found["sets"][2]


def test_a_cut_off_bin_says_where(tmp_path: Path) -> None:
    write_documents(tmp_path / "x_text_document", [[[1], [2, 3]], [[4, 5]]])
    file = tmp_path / "x_text_document.bin"
    file.write_bytes(file.read_bytes()[:-4])
    (finding,) = verify(str(tmp_path / "x"))["findings"]
    assert finding["file"] == str(file)
    assert (finding["document"], finding["sequence"]) == (1, 2)


@pytest.mark.parametrize(
    ("place", "content", "document", "sequence", "what"),
    [
        (34 + 4, struct.pack("<i", -2), 0, 1, "sequence 1 has a negative length"),
        (34 + 12 + 8, struct.pack("<q", 12), 0, 1, "is said to start at byte 12, it does at 4"),
        (34 + 36 + 8, struct.pack("<q", 9), 1, None, "document 1 ends before it starts"),
        (34 + 36 + 16, struct.pack("<q", 2), 1, None, "the last ends at 2 of 3"),
        (0, b"X", None, None, "it does not start as an index does"),
    ],
)
def test_a_broken_index_says_where(
    tmp_path: Path, place: int, content: bytes, document: int | None, sequence: int | None, what: str
) -> None:
    write_documents(tmp_path / "x_text_document", [[[1], [2, 3]], [[4, 5]]])
    put(tmp_path / "x_text_document.idx", place, content)
    (finding,) = verify(str(tmp_path / "x"))["findings"]
    assert what in finding["what"]
    assert (finding["document"], finding["sequence"]) == (document, sequence)


def test_bytes_behind_the_index(tmp_path: Path) -> None:
    write_documents(tmp_path / "x_text_document", [[[1], [2, 3]]])
    with (tmp_path / "x_text_document.idx").open("ab") as stream:
        stream.write(b"12345")
    (finding,) = verify(str(tmp_path / "x"))["findings"]
    assert finding["what"] == "there are 5 bytes too many at its end"


def test_an_empty_set_is_sound(tmp_path: Path) -> None:
    write_documents(tmp_path / "x_text_document", [])
    found = verify(str(tmp_path / "x"), 10)
    assert found["sound"]
    assert found["sets"][0]["largest"] is None


def test_no_files_at_all(tmp_path: Path) -> None:
    write_documents(tmp_path / "other_text_document", [[[1]]])
    with pytest.raises(JobError, match="no token files under") as caught:
        verify(str(tmp_path / "x"))
    assert "other_text_document.idx" in caught.value.why


def test_another_prefix_that_starts_alike_is_not_looked_at(tmp_path: Path) -> None:
    write_instruction(tmp_path / "x", IDS, LABELS)
    write_instruction(tmp_path / "x_old", IDS, LABELS[:1])
    assert verify(str(tmp_path / "x"))["sound"]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.tuples(st.integers(3, 99), st.booleans()), max_size=6), max_size=12),
    st.randoms(use_true_random=False),
)
def test_a_changed_label_is_found_wherever_it_is(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[tuple[int, bool]]], chance: object
) -> None:
    prefix = tmp_path_factory.mktemp("set") / "x"
    ids = [[ident for ident, _trained in row] for row in rows]
    labels = [[ident if trained else -100 for ident, trained in row] for row in rows]
    write_instruction(prefix, ids, labels)
    found = verify(str(prefix), 100)
    assert found["sound"]
    assert found["sets"][2]["trained"] == sum(trained for row in rows for _ident, trained in row)
    places = [(row, at) for row, one in enumerate(ids) for at in range(len(one))]
    if not places:
        return
    row, at = chance.choice(places)  # type: ignore[attr-defined]
    labels[row][at] = 2
    write_instruction(prefix, ids, labels)
    (finding,) = verify(str(prefix), 100)["findings"]
    assert (finding["sequence"], finding["position"]) == (row, at)
