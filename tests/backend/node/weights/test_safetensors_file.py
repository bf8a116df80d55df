from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from weight_arrays import EVERY, array, same, write_st

from backend.node.job_lines import JobError
from backend.node.weights.safetensors_file import SafetensorsFile
from backend.node.weights.tensor_source import TensorInfo


def write_raw(path: Path, header: Any, data: bytes) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(begin: int = 0, end: int = 8, dtype: str = "F32", shape: Any = (2,)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_every_dtype_comes_back_in_the_order_of_its_bytes(tmp_path: Path) -> None:
    write_st(tmp_path / "a", EVERY)
    file = SafetensorsFile(str(tmp_path / "a"))
    assert sorted(file.names()) == sorted(EVERY)
    assert file.files == [str(tmp_path / "a")]
    for name, wanted in EVERY.items():
        assert same(file.get(name), wanted)
        assert file.info(name) == TensorInfo(wanted.data.shape, wanted.dtype)


def test_the_library_reads_what_it_wrote_the_same(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    from safetensors.numpy import save_file

    floats = {name: made.data for name, made in EVERY.items() if made.dtype != "bf16"}
    save_file(floats, str(tmp_path / "a"))
    file = SafetensorsFile(str(tmp_path / "a"))
    assert sorted(file.names()) == sorted(floats)
    assert all(same(file.get(name), EVERY[name]) for name in floats)


def test_a_name_that_is_not_there_is_said(tmp_path: Path) -> None:
    write_st(tmp_path / "a", {"x": array("fp32", 2)})
    with pytest.raises(JobError, match="there is no tensor y in"):
        SafetensorsFile(str(tmp_path / "a")).get("y")


@pytest.mark.parametrize(
    ("header", "data", "why"),
    [
        ({"x": entry()}, b"1234567", "truncated or damaged"),
        ({"x": entry()}, b"123456789", "truncated or damaged"),
        ({"x": entry(1, 9)}, b"123456789", "do not follow"),
        ({"x": entry(), "y": entry(4, 12)}, b"123456789012", "do not follow"),
        ({"x": entry(0, 8, "F8_E4M3")}, b"12345678", "F8_E4M3"),
        ({"x": entry(0, 8, "F32", [3])}, b"12345678", "its shape needs 12"),
        ({"x": entry(0, 8, "F32", [-2])}, b"12345678", "damaged"),
        ({"x": entry(0, 8, "F32", [2.0])}, b"12345678", "damaged"),
        ({"x": entry(0, 0, "F32", [0, 1 << 62])}, b"", "damaged"),
        ({"x": {"dtype": "F32"}}, b"", "damaged"),
        ({"x": 3}, b"", "damaged"),
        ({"\ud800": entry()}, b"12345678", "damaged"),
        ([], b"", "not a JSON object"),
        (b'{"x":{"a":1},"x":{"a":1}}', b"", "twice"),
        (b"[" * 100_000, b"", "recursion"),
        (b"\xff", b"", "utf-8"),
    ],
)
def test_damaged_files_are_refused_with_the_reason(
    tmp_path: Path, header: Any, data: bytes, why: str
) -> None:
    path = write_raw(tmp_path / "a", header, data)
    with pytest.raises(JobError) as caught:
        SafetensorsFile(str(path), "hf_directory")
    assert why in caught.value.why
    assert caught.value.field == "hf_directory"
    assert str(path) in caught.value.what


@pytest.mark.parametrize("content", [b"", b"1234567", b"\xff" * 20, (99).to_bytes(8, "little") + b"{}"])
def test_files_without_a_whole_header_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(JobError) as caught:
        SafetensorsFile(str(tmp_path / "a"))
    assert "truncated" in caught.value.why


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        SafetensorsFile(str(tmp_path / "a"))
    assert caught.value.why == "No such file or directory"


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_changes_a_value(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    path = tmp_path_factory.mktemp("st") / "a"
    write_st(path, {"x": array("bf16", 3, 4), "y": array("int64", 2)})
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    path.write_bytes(bytes(content))
    try:
        file = SafetensorsFile(str(path))
    except JobError:
        return
    assert sum(file.get(name).data.nbytes for name in file.names()) == 40
