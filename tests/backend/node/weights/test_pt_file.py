from __future__ import annotations

import pickle
import struct
import zipfile
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from weight_arrays import EVERY, planned, same, write_bin

from backend.node.job_lines import JobError
from backend.node.weights.pt_file import PtFile
from backend.node.weights.pt_values import TorchDtype
from backend.node.weights.pt_writer import write_pt

SMALL = {name: EVERY[name] for name in ("every.bf16", "every.fp32")}


def refused(path: Path) -> str:
    with pytest.raises(JobError) as caught:
        PtFile(str(path), "megatron_directory")
    assert (caught.value.field, caught.value.what) == ("megatron_directory", f"cannot read {path}")
    return caught.value.why


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path: Path, content: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def tensor_pickle(count: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """A dict with one tensor `x`, as torch pickles it, with any numbers."""

    def number(value: int) -> bytes:
        return pickle.dumps(value, 2)[2:-1]

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(number, values)) + b"t"

    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
    rest = number(offset) + numbers(shape) + numbers(strides) + b"\x89}tR"
    return b"\x80\x02}X\x01\x00\x00\x00xctorch._utils\n_rebuild_tensor_v2\n(" + (
        storage + number(count) + b"tQ" + rest + b"s."
    )


def write_tensor(path: Path, *numbers: Any) -> Path:
    data = struct.pack("<12f", *range(12))
    return write_members(path, {"a/data.pkl": tensor_pickle(*numbers), "a/data/0": data})


def test_tensors_come_back_by_path_and_the_rest_is_content(tmp_path: Path) -> None:
    leaves = planned(EVERY)
    content = {
        "args": Namespace(num_layers=2, params_dtype=TorchDtype("bf16")),
        "iteration": 1,
        "model": {"language_model": OrderedDict(leaves), "_extra_state": None},
    }
    path = tmp_path / "a.pt"
    write_pt(str(path), content, EVERY.__getitem__)
    file = PtFile(str(path))
    assert file.names() == [f"model/language_model/{name}" for name in EVERY]
    assert file.content["args"] == {"num_layers": 2, "params_dtype": TorchDtype("bf16")}
    assert file.content["model"] == {"language_model": {}, "_extra_state": None}
    assert file.structure["model"]["language_model"]["every.bf16"] == ((3, 5), "bf16")
    for name, wanted in EVERY.items():
        found = f"model/language_model/{name}"
        assert same(file.get(found), wanted)
        assert file.info(found) == (wanted.data.shape, wanted.dtype)


def test_views_that_do_not_lie_together_are_copied(tmp_path: Path) -> None:
    path = write_tensor(tmp_path / "a.pt", 12, 1, (3, 2), (1, 4))
    found = PtFile(str(path)).get("x").data
    assert found.tolist() == [[1, 5], [2, 6], [3, 7]]
    assert found.flags.c_contiguous
    path = write_tensor(tmp_path / "b.pt", 12, 4, (1, 3), (99, 1))
    assert PtFile(str(path)).get("x").data.tolist() == [[4, 5, 6]]


# The last ones: column by column, more columns than are used, and three dimensions.
@pytest.mark.parametrize(
    ("shape", "strides"),
    [((3, 4), (4, 1)), ((12,), (1,)), ((3, 4), (1, 3)), ((3, 2), (1, 5)), ((2, 3, 2), (1, 4, 2))],
)
def test_a_part_is_read_of_every_way_to_lie(
    tmp_path: Path, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    file = PtFile(str(write_tensor(tmp_path / "a.pt", 12, 0, shape, strides)))
    table = file.get("x").data.reshape(shape[0], -1)
    for row in range(shape[0]):
        for column in range(table.shape[1]):
            out = np.zeros(table[row:, column:].shape, "<f4")
            file.read("x", row, column, out)
            assert np.array_equal(out, table[row:, column:])


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ((12, 1, (12,), (1,)), "beyond its storage"),
        ((13, 0, (12,), (1,)), "beyond its storage"),
        ((12, 0, (2, 2), (1, 12)), "beyond its storage"),
        ((12, 0, (1 << 70,), (1 << 70,)), "beyond its storage"),
        ((12, 0, (1 << 40,), (0,)), "more values"),
        ((12, 0, (0, 1 << 62), (1, 1)), "more values"),
        ((12, -1, (2,), (1,)), "damaged"),
        ((12, 0, (2,), (-1,)), "damaged"),
        ((12, 0, (2, 2), (1,)), "damaged"),
        ((-12, 0, (2,), (1,)), "not known"),
    ],
)
def test_tensors_outside_their_storage_are_refused(tmp_path: Path, numbers: Any, why: str) -> None:
    assert why in refused(write_tensor(tmp_path / "a.pt", *numbers))


def test_a_name_that_is_not_there_is_said(tmp_path: Path) -> None:
    write_bin(tmp_path / "a", SMALL)
    with pytest.raises(JobError, match="there is no tensor y in"):
        PtFile(str(tmp_path / "a")).info("y")


@given(st.floats(0, 0.999))
def test_a_truncated_file_is_refused(tmp_path_factory: pytest.TempPathFactory, part: float) -> None:
    path = tmp_path_factory.mktemp("pt") / "a.pt"
    write_bin(path, SMALL)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    assert "not a zip file of torch, or is truncated" in refused(path)


@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    path = tmp_path_factory.mktemp("pt") / "a.pt"
    write_bin(path, SMALL)
    content = bytearray(path.read_bytes())
    content[-1 - place % len(content)] = value
    path.write_bytes(bytes(content))
    try:
        file = PtFile(str(path))
    except JobError:
        return
    for name in file.names():
        file.get(name)


def test_archives_that_are_not_of_torch_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    write_bin(path, SMALL)
    whole = members(path)
    without = {name: data for name, data in whole.items() if not name.endswith("data/1")}
    assert "the storage 1 is missing" in refused(write_members(path, without))
    assert "compressed" in refused(write_members(path, whole, zipfile.ZIP_DEFLATED))
    other_order = dict(whole, **{"pytorch_model/byteorder": b"big"})
    assert "byte order" in refused(write_members(path, other_order))
    long_order = dict(whole, **{"pytorch_model/byteorder": b"little" + b" " * 99})
    assert "byte order" in refused(write_members(path, long_order))
    assert "no data.pkl" in refused(write_members(path, {"a/b": b""}))
    assert "no data.pkl" in refused(write_members(path, dict(whole, **{"b/data.pkl": b""})))
    short = {name: data[:-1] if name.endswith("data/0") else data for name, data in whole.items()}
    assert "beyond its storage" in refused(write_members(path, short))


def test_a_pickle_that_wants_more_is_refused_with_the_name(tmp_path: Path) -> None:
    pickled = b"\x80\x02cposix\nsystem\nX\x05\x00\x00\x00false\x85R."
    path = write_members(tmp_path / "a.pt", {"a/data.pkl": pickled})
    assert "posix.system" in refused(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.pt") == "No such file or directory"
