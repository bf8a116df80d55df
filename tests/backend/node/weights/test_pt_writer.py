from __future__ import annotations

import errno
import os
import struct
import zipfile
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from weight_arrays import EVERY, array, planned, same, write_bin

from backend.node.job_lines import StorageError
from backend.node.weights import stored_zip
from backend.node.weights.arrays import Array, Planned
from backend.node.weights.pt_file import PtFile
from backend.node.weights.pt_values import TorchDtype
from backend.node.weights.pt_writer import write_pt

ARGS = Namespace(num_layers=2, eps=1e-5, name="é", empty=[], pair=(1, 2), big=1 << 40, no=None)


def rank_content(arrays: dict[str, Array]) -> dict[str, Any]:
    args = Namespace(**vars(ARGS), params_dtype=TorchDtype("fp16"))
    model = OrderedDict(planned(arrays))
    return {"args": args, "checkpoint_version": 3.0, "iteration": 1, "model": model, "extra": {"a": True}}


@pytest.mark.parametrize("large", [stored_zip.LARGE, 40])
def test_every_reader_reads_the_archive(tmp_path: Path, monkeypatch: Any, large: int) -> None:
    """With a low limit everything goes through the fields of zip64."""
    monkeypatch.setattr(stored_zip, "LARGE", large)
    monkeypatch.setattr(stored_zip, "MANY", min(large, stored_zip.MANY))
    path = tmp_path / "a.pt"
    write_pt(str(path), rank_content(EVERY), EVERY.__getitem__)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {name.split("/")[0] for name in archive.namelist()} == {"model_optim_rng"}
    file = PtFile(str(path))
    assert all(same(file.get(f"model/{name}"), wanted) for name, wanted in EVERY.items())
    torch = pytest.importorskip("torch")
    for mapped in (False, True):
        with torch.serialization.safe_globals([Namespace]):
            found = torch.load(str(path), weights_only=True, mmap=mapped)
        assert found["args"] == Namespace(**vars(ARGS), params_dtype=torch.float16)
        assert type(found["model"]) is OrderedDict
        assert (found["iteration"], found["checkpoint_version"], found["extra"]) == (1, 3.0, {"a": True})
        for name, wanted in EVERY.items():
            tensor = found["model"][name]
            assert tuple(tensor.shape) == wanted.data.shape
            assert tensor.is_contiguous()
            assert tensor.flatten().view(torch.uint8).numpy().tobytes() == wanted.data.tobytes()


def test_bytes_of_tensors_are_aligned_and_the_same_content_is_the_same_file(tmp_path: Path) -> None:
    write_bin(tmp_path / "a", EVERY)
    write_bin(tmp_path / "b", EVERY)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    content = (tmp_path / "a").read_bytes()
    with zipfile.ZipFile(tmp_path / "a") as archive:
        members = [one for one in archive.infolist() if "/data/" in one.filename]
    assert len(members) == len(EVERY)
    for member in members:
        lengths = content[member.header_offset + 26 :][:4]
        start = member.header_offset + 30 + sum(struct.unpack("<HH", lengths))
        assert start % stored_zip.ALIGNMENT == 0


def test_tensors_are_made_once_each_in_order_and_may_be_views(tmp_path: Path) -> None:
    turned = Array(array("fp32", 1 << 10, 3 << 10).data.T, "fp32")
    arrays = {"b": array("bf16", 3), "a": turned, "c": array("bf16", 2)}
    asked = []

    def produce(key: str) -> Array:
        asked.append(key)
        return arrays[key]

    write_pt(str(tmp_path / "a.pt"), planned(arrays), produce)
    assert asked == ["b", "a", "c"]
    assert same(PtFile(str(tmp_path / "a.pt")).get("a"), turned)


@pytest.mark.parametrize(
    "made",
    [
        array("bf16", 3, 2),
        array("fp16", 2, 3),
        Array(np.zeros((2, 3), "<f4"), "bf16"),
        Array(np.zeros((2, 3), ">u2"), "bf16"),
    ],
)
def test_a_tensor_that_is_not_as_planned_is_not_written(tmp_path: Path, made: Array) -> None:
    with pytest.raises(ValueError, match="planned"):
        write_pt(str(tmp_path / "a.pt"), {"x": Planned("x", (2, 3), "bf16")}, lambda _key: made)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [{1, 2}, b"x", np.float32(1), object(), {(1,): 2}, 1 << 4000])
def test_other_values_are_refused_before_anything_is_written(tmp_path: Path, value: Any) -> None:
    with pytest.raises(TypeError):
        write_pt(str(tmp_path / "a.pt"), {"x": value}, EVERY.__getitem__)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_and_leaves_what_was_there(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "a.pt"
    path.write_text("before")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError) as caught:
        write_pt(str(path), rank_content(EVERY), EVERY.__getitem__)
    assert (caught.value.what, caught.value.why) == (f"cannot write {path}", "No space left on device")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pt"]
    assert path.read_text() == "before"


def test_a_device_that_is_full_stops_the_stream() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    with open("/dev/full", "wb", buffering=0) as stream:
        archive = stored_zip.StoredZip(stream)
        with pytest.raises(OSError, match="No space left"):
            archive.add("a", 4 << 20, [bytes(4 << 20)])


def test_a_member_of_another_size_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as stream:
        with pytest.raises(ValueError, match="3 bytes instead of 4"):
            stored_zip.StoredZip(stream).add("a", 4, [b"abc"])


@pytest.mark.long
def test_a_tensor_beyond_4_gib_is_read_back(tmp_path: Path) -> None:
    rows = (1 << 32) // (1 << 20) + 3
    row = np.arange(1 << 19, dtype="<u2")
    wide = Array(np.broadcast_to(row, (rows, 1 << 19)), "bf16")
    arrays = {"wide": wide, "after": array("fp32", 5)}
    path = tmp_path / "a.pt"
    write_pt(str(path), planned(arrays), arrays.__getitem__)
    file = PtFile(str(path))
    assert same(file.get("after"), arrays["after"])
    found = file.get("wide").data
    assert (found[-1] == row).all()
    assert (found[rows // 2] == row).all()
    torch = pytest.importorskip("torch")
    loaded = torch.load(str(path), weights_only=True, mmap=True)
    assert torch.equal(loaded["after"].view(torch.int32), torch.from_numpy(arrays["after"].data.view("<i4")))
    assert loaded["wide"].shape == (rows, 1 << 19)
