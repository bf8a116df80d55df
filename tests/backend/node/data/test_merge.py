from __future__ import annotations

import errno
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from token_files import write_documents
from token_set_files import GOLDEN, write_instruction

from backend.node.data.indexed import HEADER, MAGIC
from backend.node.data.merge import merge, merge_folder
from backend.node.data.verify import verify
from backend.node.job_lines import JobError

DOCUMENTS = st.lists(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=3), max_size=5)


def contents(folder: Path, prefix: str) -> dict[str, bytes]:
    return {path.name[len(prefix) :]: path.read_bytes() for path in folder.glob(prefix + "*")}


@settings(deadline=None, max_examples=40)
@given(st.lists(DOCUMENTS, min_size=1, max_size=4))
def test_parts_make_the_bytes_of_one_go(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[list[list[int]]]]
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    for number, documents in enumerate(parts):
        write_documents(folder / f"part{number}_text_document", documents)
    write_documents(folder / "whole_text_document", [document for part in parts for document in part])
    found = merge([str(folder / f"part{number}") for number in range(len(parts))], str(folder / "out"))
    assert contents(folder, "out") == contents(folder, "whole")
    (one,) = found["sets"]
    assert one["documents"] == sum(map(len, parts))
    assert one["parts"] == len(parts)
    assert not list(folder.glob("*.tmp-*"))


def test_all_outputs_of_instruction_data(tmp_path: Path) -> None:
    write_instruction(tmp_path / "a", [[5, 6]], [[-100, 6]])
    write_instruction(tmp_path / "b", [[7], [8, 9]], [[7], [-100, 9]])
    write_instruction(tmp_path / "whole", [[5, 6], [7], [8, 9]], [[-100, 6], [7], [-100, 9]])
    found = merge([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "out"))
    assert contents(tmp_path, "out") == contents(tmp_path, "whole")
    assert [one["key"] for one in found["sets"]] == ["attention_mask", "input_ids", "labels"]
    assert found["left_out"] == []
    assert found["sets"][1]["tokens"] == 5
    assert found["sets"][1]["bytes"] == 20
    assert verify(str(tmp_path / "out"))["sound"]


def test_pairs_named_themselves(tmp_path: Path) -> None:
    write_documents(tmp_path / "a_text_document", [[[1]]])
    write_documents(tmp_path / "b_text_document", [[[2, 3]]])
    write_documents(tmp_path / "whole", [[[1]], [[2, 3]]])
    names = [str(tmp_path / "a_text_document"), str(tmp_path / "b_text_document.bin")]
    assert merge(names, str(tmp_path / "out"))["sets"][0]["path"] == str(tmp_path / "out")
    assert contents(tmp_path, "out") == contents(tmp_path, "whole")


def test_a_key_that_a_part_lacks_is_left_out_and_told(tmp_path: Path) -> None:
    write_documents(tmp_path / "a_text_document", [[[1]]])
    write_documents(tmp_path / "a_title_document", [[[1]]])
    write_documents(tmp_path / "b_text_document", [[[2]]])
    found = merge([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "out"))
    assert found["left_out"] == [{"key": "title", "missing_in": [str(tmp_path / "b")]}]
    assert not (tmp_path / "out_title_document.bin").exists()


def test_nothing_in_common(tmp_path: Path) -> None:
    write_documents(tmp_path / "a_text_document", [[[1]]])
    write_documents(tmp_path / "b_title_document", [[[1]]])
    with pytest.raises(JobError, match="in common"):
        merge([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "out"))


@pytest.mark.parametrize("gone", [".bin", ".idx"])
def test_half_a_pair_is_refused(tmp_path: Path, gone: str) -> None:
    for name in "ab":
        write_documents(tmp_path / f"{name}_text_document", [[[1]]])
    (tmp_path / f"b_text_document{gone}").unlink()
    with pytest.raises(JobError, match=f"b_text_document{gone} is missing"):
        merge([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "out"))
    with pytest.raises(JobError, match="is missing"):
        merge_folder(str(tmp_path), "text", str(tmp_path / "out"))
    assert not list(tmp_path.glob("out*"))


def test_a_broken_part_leaves_nothing(tmp_path: Path) -> None:
    for name in "ab":
        write_documents(tmp_path / f"{name}_text_document", [[[1, 2]]])
    (tmp_path / "b_text_document.bin").write_bytes(b"1234")
    with pytest.raises(JobError, match="is not whole"):
        merge([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "out"))
    assert not list(tmp_path.glob("out*"))


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "out"):
        write_instruction(tmp_path / name, [[5, 6]], [[-100, 6]])
    before = contents(tmp_path, "out")
    copied: list[object] = []

    def copy(*_arguments: object) -> None:
        copied.append(None)
        if len(copied) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", copy)
    with pytest.raises(OSError, match="No space left"):
        merge([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "out"), force=True)
    assert contents(tmp_path, "out") == before


def test_ids_of_another_type_are_refused(tmp_path: Path) -> None:
    write_documents(tmp_path / "a_text_document", [[[1]]])
    (tmp_path / "b_text_document.bin").write_bytes(struct.pack("<H", 1))
    index = HEADER.pack(MAGIC, 1, 8, 1, 2) + struct.pack("<i3q", 1, 0, 0, 1)
    (tmp_path / "b_text_document.idx").write_bytes(index)
    with pytest.raises(JobError, match="another type") as caught:
        merge([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "out"))
    assert caught.value.why == "uint16 and int32"


def test_what_is_there_is_replaced_only_when_allowed(tmp_path: Path) -> None:
    for name in ("a", "b", "out"):
        write_documents(tmp_path / f"{name}_text_document", [[[1]]])
    before = contents(tmp_path, "out")
    names = [str(tmp_path / "a"), str(tmp_path / "b")]
    with pytest.raises(JobError, match="is there already"):
        merge(names, str(tmp_path / "out"))
    assert contents(tmp_path, "out") == before
    merge(names, str(tmp_path / "out"), force=True)
    assert len(contents(tmp_path, "out")["_text_document.bin"]) == 8


def test_names_that_cannot_be_meant(tmp_path: Path) -> None:
    write_documents(tmp_path / "a_text_document", [[[1]]])
    write_documents(tmp_path / "b_text_document", [[[1]]])
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    with pytest.raises(JobError, match="named twice"):
        merge([a, a], str(tmp_path / "out"))
    with pytest.raises(JobError, match="named twice"):
        merge([a + "_text_document.bin", a + "_text_document"], str(tmp_path / "out"))
    with pytest.raises(JobError, match="one of the files"):
        merge([a, b], b, force=True)
    with pytest.raises(JobError, match="no folder"):
        merge([a, b], str(tmp_path / "nowhere" / "out"))


def test_a_folder_by_the_names_in_it(tmp_path: Path) -> None:
    for name, ident in (("2_text_document", 2), ("1_text_document", 1), ("1_labels", 9)):
        write_documents(tmp_path / name, [[[ident]]])
    write_documents(tmp_path / "whole", [[[1]], [[2]]])
    found = merge_folder(str(tmp_path), "text", str(tmp_path / "out"))
    assert found["sets"][0]["path"] == str(tmp_path / "out_text")
    assert contents(tmp_path, "out_text") == contents(tmp_path, "whole")
    with pytest.raises(JobError, match="have title in their names"):
        merge_folder(str(tmp_path), "title", str(tmp_path / "out"))


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the golden files are not here")
def test_sets_of_the_reference_join(tmp_path: Path) -> None:
    names = [str(GOLDEN / "instruction" / name / "out") for name in ("bytelevel", "eod-seq1024")]
    merge(names, str(tmp_path / "out"))
    found = verify(str(tmp_path / "out"))
    assert found["sound"]
    assert [one["sequences"] for one in found["sets"]] == [239] * 3
    assert [one["documents"] for one in found["sets"]] == [240] * 3
