"""A bit that has turned in a file of torch is found by its checksum, wherever it lies."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import pytest
from random_llama import quiet, to_model_job, to_tree_job, write_llama

from backend.node.weights import reshard, to_hf, to_megatron
from backend.node.weights.checksums import damage
from backend.node.weights.inspect_weights import inspect_weights
from backend.node.weights.verify_weights import verify_weights


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_llama(tmp_path / "hf")


@pytest.fixture
def tree(model: Path, tmp_path: Path) -> Path:
    to_megatron.run(to_tree_job(model, tmp_path / "tree"), quiet)
    return tmp_path / "tree"


def turn_a_bit(path: Path) -> str:
    """In the bytes of the first tensor; answers the name of its member."""
    with zipfile.ZipFile(path) as archive:
        member = next(one for one in archive.infolist() if "/data/" in one.filename)
    data = bytearray(path.read_bytes())
    start = member.header_offset + 30 + int.from_bytes(data[member.header_offset + 26 :][:2], "little")
    start += int.from_bytes(data[member.header_offset + 28 :][:2], "little")
    data[start] ^= 1
    path.write_bytes(bytes(data))
    return member.filename


def test_verify_finds_it(model: Path, tree: Path, tmp_path: Path) -> None:
    path = next(tree.rglob("*.pt"))
    name = turn_a_bit(path)
    for one in (model, Path(shutil.copytree(tree, tmp_path / "copy"))):
        report = verify_weights(str(one), str(tree))
        assert not report["equal"]
        assert any("is damaged" in note and name in note and str(path) in note for note in report["notes"])


def test_files_that_changed_since_they_were_made_are_said(model: Path, tree: Path, tmp_path: Path) -> None:
    assert inspect_weights(str(tree))["notes"] == []
    turn_a_bit(next(tree.rglob("mp_rank_01_000/*.pt")))
    said = "1 files of .*have changed since npudeck made them, the first is iter_0000001/mp_rank_01_000"
    notes = [
        inspect_weights(str(tree))["notes"],
        to_hf.run(to_model_job(tree, model, tmp_path / "back"), quiet).manifest["notes"],
        reshard.run(
            {"megatron_directory": str(tree), "output_directory": str(tmp_path / "cut")}, quiet
        ).manifest["notes"],
    ]
    assert all(re.search(said, note) for [note] in notes)


def test_a_checksum_that_nobody_computed_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data/0", b"values")
    with zipfile.ZipFile(path) as archive:
        checksum = archive.getinfo("x/data/0").CRC.to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(checksum, bytes(4)))
    assert damage([str(path)]) == []
