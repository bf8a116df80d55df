from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from weight_arrays import EVERY, array, planned, write_st

from backend.node.job_lines import StorageError
from backend.node.weights.arrays import Planned
from backend.node.weights.safetensors_writer import write_safetensors


def test_the_library_reads_it_with_its_metadata(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors")
    write_st(tmp_path / "a", EVERY)
    with safetensors.safe_open(str(tmp_path / "a"), framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert sorted(file.keys()) == sorted(EVERY)
        for name, wanted in EVERY.items():
            tensor = file.get_tensor(name)
            assert tuple(tensor.shape) == wanted.data.shape
            assert tensor.flatten().view(torch.uint8).numpy().tobytes() == wanted.data.tobytes()


def test_tensors_begin_at_a_multiple_of_eight_in_the_order_given(tmp_path: Path) -> None:
    for name in ("a", "ab", "abc"):
        write_st(tmp_path / name, {name: array("fp64", 2), "b": array("bf16", 1)})
        content = (tmp_path / name).read_bytes()
        length = int.from_bytes(content[:8], "little")
        assert length % 8 == 0
        assert list(json.loads(content[8 : 8 + length]))[1:] == [name, "b"]


def test_names_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    twice = [Planned("x", (1,), "fp32")] * 2
    with pytest.raises(ValueError, match="twice"):
        write_safetensors(str(tmp_path / "a"), twice, EVERY.__getitem__, {})
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fails(_key: str) -> Any:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_safetensors(str(tmp_path / "a"), list(planned(EVERY).values()), fails, {})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StorageError) as caught:
        write_safetensors(str(tmp_path / "no" / "a"), [], EVERY.__getitem__, {})
    assert caught.value.why == "No such file or directory"
