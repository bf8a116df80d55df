"""The readers over every file of the reference conversions: names, shapes, dtypes and bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from backend.node.weights.hf_folder import HfFolder
from backend.node.weights.pt_file import PtFile
from backend.node.weights.pt_values import EnumValue, TorchDtype
from backend.node.weights.tensor_source import TensorSource

GOLDEN = Path(__file__).resolve().parents[4] / ".." / "shared" / "golden" / "checkpoints"
if not GOLDEN.is_dir():
    pytest.skip("the reference trees are not on this machine", allow_module_level=True)

CASES = sorted(path.parent for path in GOLDEN.glob("*/*/facts.json"))
DTYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
NAMES = [f"{case.parent.name}-{case.name}" for case in CASES]


def described(source: TensorSource) -> dict[str, tuple[list[int], str, str]]:
    found = {}
    for name in source.names():
        data, dtype = source.get(name)
        assert source.info(name) == (data.shape, dtype)
        found[name] = (list(data.shape), dtype, hashlib.sha256(data.tobytes()).hexdigest())
    return found


def tensors_of(facts: dict[str, Any]) -> dict[str, tuple[list[int], str, str]]:
    tensors = {name: fact for name, fact in facts.items() if "sha256" in fact}
    return {name: (fact["shape"], DTYPES[fact["dtype"]], fact["sha256"]) for name, fact in tensors.items()}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_model_is_read(case: Path) -> None:
    facts = json.loads((case / "facts.json").read_text())
    wanted: dict[str, Any] = {}
    for file in facts["hf"].values():
        wanted.update(tensors_of(file))
    assert described(HfFolder(str(case / "hf"))) == wanted


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_files_of_ranks_are_read(case: Path) -> None:
    facts = json.loads((case / "facts.json").read_text())
    assert facts["megatron"]
    for name, fact in facts["megatron"].items():
        file = PtFile(str(case / "megatron" / name))
        assert described(file) == tensors_of(fact["tensors"])
        args = file.content["args"]
        dtypes = {fact[1] for fact in tensors_of(fact["tensors"]).values()}
        assert {args["params_dtype"]} == {TorchDtype(dtype) for dtype in dtypes}
        assert file.content["iteration"] == 1
        assert args["model_type"] == EnumValue("megatron.core.enums.ModelType", 1)
