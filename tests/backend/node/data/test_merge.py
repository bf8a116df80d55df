from __future__ import annotations

import errno
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from token_files import write_documents
from token_set_files import GOLDEN, write_instruction

from backend.node import manifest
from backend.node.data.data_job import DataJob
from backend.node.data.indexed import HEADER, MAGIC
from backend.node.data.merge import merge, merge_folder
from backend.node.data.prefix_lock import hold
from backend.node.data.verify import verify
from backend.node.job_lines import BusyError, JobError, StorageError

DOCUMENTS = st.lists(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=3), max_size=5)


def contents(folder: Path, prefix: str) -> dict[str, bytes]:
    """Token files, by what stands behind the prefix."""
    return {
        path.name[len(prefix) :]: path.read_bytes()
        for path in folder.glob(prefix + "*")
        if path.suffix in (".bin", ".idx")
    }


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
    assert [one["key"] for one in found["sets"]] == ["input_ids", "attention_mask", "labels"]
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


def test_a_key_that_a_part_lacks_is_an_error(tmp_path: Path) -> None:
    write_documents(tmp_path / "a_text_document", [[[1]]])
    write_documents(tmp_path / "a_title_document", [[[1]]])
    write_documents(tmp_path / "b_text_document", [[[2]]])
    for names in (["a", "b"], ["b", "a"]):
        with pytest.raises(JobError, match="b has no title") as caught:
            merge([str(tmp_path / name) for name in names], str(tmp_path / "out"), force=True)
        assert f"{tmp_path / 'a'}: text, title" in caught.value.why
    assert not list(tmp_path.glob("out*"))
    names = [str(tmp_path / name) for name in ("a_text_document", "b_text_document")]
    assert merge(names, str(tmp_path / "out_text_document"))["sets"][0]["sequences"] == 2


def test_nothing_in_common(tmp_path: Path) -> None:
    write_documents(tmp_path / "a_text_document", [[[1]]])
    write_documents(tmp_path / "b_title_document", [[[1]]])
    with pytest.raises(JobError, match="b has no text"):
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
    with pytest.raises(StorageError, match=r"no space is left where .*out is written") as caught:
        merge([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "out"), force=True)
    assert (caught.value.field, bool(caught.value.fix)) == ("out", True)
    assert contents(tmp_path, "out") == before
    assert not (tmp_path / "out.json").exists()
    copied.clear()
    with pytest.raises(StorageError):
        merge([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "new" / "deep" / "out"))
    assert not (tmp_path / "new").exists()


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
    with pytest.raises(JobError, match="one of the files"):
        merge([a + "_text_document", b + "_text_document"], b + "_text_document.idx", force=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(JobError, match="file is not a folder"):
        merge([a, b], str(tmp_path / "file" / "out"))
    for nameless in ("", ".", "..", f"{tmp_path}/", f"{tmp_path}/..", f"{tmp_path}/."):
        with pytest.raises(JobError, match="no name at its end") as caught:
            merge([a, b], nameless)
        assert caught.value.field == "out"


def test_the_folder_of_the_result_is_made(tmp_path: Path) -> None:
    for name in "ab":
        write_documents(tmp_path / f"{name}_text_document", [[[1]]])
    merge([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "new" / "deep" / "out"))
    assert (tmp_path / "new" / "deep" / "out_text_document.idx").is_file()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    for name in "ab":
        write_documents(tmp_path / f"{name}_text_document", [[[1]]])
    names = [str(tmp_path / "a"), str(tmp_path / "b")]
    with hold(str(tmp_path / "out")), pytest.raises(BusyError, match="another process"):
        merge(names, str(tmp_path / "out"))
    merge(names, str(tmp_path / "out"))
    assert not (tmp_path / "out.lock").exists()


def describe(folder: Path, name: str, longest: int = 2, tokenizer: str = "tok", **settings: Any) -> None:
    """`<name>.json` as preprocessing writes it, of instruction data."""
    write_instruction(folder / name, [[5, 6], [7]], [[-100, 6], [7]])
    (folder / tokenizer).mkdir(exist_ok=True)
    vocabulary = folder / tokenizer / "tokenizer.json"
    vocabulary.write_text(tokenizer.partition("-")[0])
    job = DataJob(f"{name}.jsonl", str(folder / name), str(folder / tokenizer), "GeneralInstructionHandler")
    paths = [folder / f"{name}_packed_{key}_document" for key in ("input_ids", "attention_mask", "labels")]
    manifest.write(
        str(folder / f"{name}.json"),
        {
            "settings": job._replace(**settings)._asdict(),
            "inputs": [],
            "tokenizer": [manifest.describe_file(str(vocabulary))],
        },
        {"records": 5, "sequences": 2, "documents": 2, "tokens": 3, "longest": longest, "dropped": 3},
        [f"{path}.{ending}" for path in paths for ending in ("bin", "idx")],
        {"tokenizers": "1", "numpy": name},
    )


def described(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


def test_the_result_is_described(tmp_path: Path) -> None:
    describe(tmp_path, "a", on_bad_row="skip")
    describe(tmp_path, "b", longest=9)
    names = [str(tmp_path / "a"), str(tmp_path / "b")]
    merge(names, str(tmp_path / "out"))
    found = described(tmp_path, "out")
    source, counts = found["made_from"], found["counts"]
    assert [Path(one["path"]).name for one in source["merged"]][:4] == [
        f"{name}_packed_input_ids_document.{ending}" for name in "ab" for ending in ("bin", "idx")
    ]
    assert len(source["merged"]) == 12
    assert source["settings"]["tokenizer"] == str(tmp_path / "tok")
    assert source["settings"]["handler"] == "GeneralInstructionHandler"
    assert not {"input", "output_prefix", "on_bad_row"} & source["settings"].keys()
    summed = {"records": 10, "kept": 0, "empty": 0, "dropped": 6, "bad": 0, "skipped": 0}
    written = {"sequences": 4, "documents": 4, "tokens": 6, "longest": 9, "longest_kept": 2}
    assert counts == summed | written
    assert found["versions"] == {"tokenizers": "1"}
    assert manifest.is_current(manifest.read(str(tmp_path / "out.json")), source, str(tmp_path))
    # joined once more, with one that lies elsewhere
    describe(tmp_path, "c", tokenizer="tok-copied")
    merge([str(tmp_path / "out"), str(tmp_path / "c")], str(tmp_path / "all"))
    assert described(tmp_path, "all")["counts"]["records"] == 15
    assert described(tmp_path, "all")["made_from"]["settings"]["tokenizer"] == str(tmp_path / "tok")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"append_eod": True}, "append_eod: false and true"),
        ({"pack": True, "seq_length": 8}, "pack: false and true; "),
        ({"seq_length": 8}, "seq_length: null and 8"),
        ({"prompt_type": "qwen"}, 'prompt_type: "" and "qwen"'),
        ({"handler": "MOSSInstructionHandler"}, 'and "MOSSInstructionHandler"'),
        ({"tokenizer": "other"}, "tokenizer: "),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, settings: dict[str, Any], why: str) -> None:
    describe(tmp_path, "a")
    describe(tmp_path, "b", **settings)
    names = [str(tmp_path / "a"), str(tmp_path / "b")]
    with pytest.raises(JobError, match="were made in different ways") as caught:
        merge(names, str(tmp_path / "out"))
    assert caught.value.field == "prefixes"
    assert why in caught.value.why
    assert not list(tmp_path.glob("out*"))
    # the same by the names of the pairs
    pairs = [f"{name}_packed_labels_document.bin" for name in names]
    with pytest.raises(JobError, match="were made in different ways"):
        merge(pairs, str(tmp_path / "out"))
    with pytest.raises(JobError, match="were made in different ways"):
        merge_folder(str(tmp_path), "labels", str(tmp_path / "out"))
    merge(names, str(tmp_path / "out"), force=True)
    source = described(tmp_path, "out")["made_from"]
    assert not settings.keys() & source["settings"].keys()
    assert ("tokenizer" in source) == ("tokenizer" not in settings)


def test_parts_that_nothing_describes(tmp_path: Path) -> None:
    describe(tmp_path, "a")
    write_instruction(tmp_path / "b", [[5, 6, 7]], [[-100, 6, 7]])
    merge([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "out"))
    found = described(tmp_path, "out")
    assert set(found["made_from"]) == {"merged"}
    assert (found["counts"]["records"], found["counts"]["longest"]) == (3, 3)
    assert found["versions"] == {}


def test_descriptions_that_are_there(tmp_path: Path) -> None:
    for name in ("a", "b"):
        describe(tmp_path, name)
    names, out = [str(tmp_path / "a"), str(tmp_path / "b")], tmp_path / "out.json"
    for foreign in ("{}", '{"format": 1, "made_from": {"settings": {}}}'):
        out.write_text(foreign)
        with pytest.raises(JobError, match=r"out\.json is there already"):
            merge(names, str(tmp_path / "out"))
        assert out.read_text() == foreign
        assert not contents(tmp_path, "out")
    merge(names, str(tmp_path / "out"), force=True)
    for path in tmp_path.glob("out_*"):
        path.unlink()
    # that of an earlier merge
    merge(names[::-1], str(tmp_path / "out"))
    assert described(tmp_path, "out")["made_from"]["merged"][0]["path"].startswith(names[1])


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
