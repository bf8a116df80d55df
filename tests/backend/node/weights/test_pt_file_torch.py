"""Files that torch itself writes, of both of its formats."""

from __future__ import annotations

import random
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from backend.node.job_lines import JobError
from backend.node.weights.pt_file import PtFile
from backend.node.weights.pt_values import Opaque

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

pytestmark = pytest.mark.torch

BASE = torch.arange(24, dtype=torch.float32).reshape(4, 6)
VIEWS = OrderedDict(
    whole=BASE,
    shared=BASE[1:3],
    turned=BASE.t(),
    columns=BASE[:, 2:4],
    widened=torch.ones(()).expand(1, 1),
    scalar=torch.tensor(3.5, dtype=torch.bfloat16),
    empty=torch.zeros(0, 3, dtype=torch.float16),
    flags=torch.tensor([True, False]),
)


def tensor_bytes(tensor: Any) -> bytes:
    # Into memory of its own: a view may have strides of 0.
    copied = torch.empty(tensor.numel(), dtype=tensor.dtype)
    copied.copy_(tensor.detach().reshape(-1))
    found: bytes = copied.view(torch.uint8).numpy().tobytes()
    return found


def assert_same(file: PtFile, wanted: dict[str, Any]) -> None:
    assert file.names() == list(wanted)
    for name, tensor in wanted.items():
        found = file.get(name)
        assert found.data.shape == tuple(tensor.shape)
        assert found.data.tobytes() == tensor_bytes(tensor)


@pytest.mark.parametrize("zipped", [True, False])
def test_views_of_one_storage_are_read(tmp_path: Path, zipped: bool) -> None:
    path = str(tmp_path / "a.bin")
    torch.save(VIEWS, path, _use_new_zipfile_serialization=zipped)
    assert_same(PtFile(path), VIEWS)


def test_parameters_and_the_metadata_of_a_module_are_read(tmp_path: Path) -> None:
    module = torch.nn.Linear(3, 2)
    torch.save(module.state_dict(), tmp_path / "a.bin")
    assert_same(PtFile(str(tmp_path / "a.bin")), module.state_dict())
    torch.save(dict(module.named_parameters()), tmp_path / "b.bin")
    assert_same(PtFile(str(tmp_path / "b.bin")), module.state_dict())


def test_a_trained_checkpoint_is_read(tmp_path: Path) -> None:
    rng = {
        "random_rng_state": random.getstate(),
        "np_rng_state": np.random.get_state(),
        "torch_rng_state": torch.get_rng_state(),
        "rng_tracker_states": {"model-parallel-rng": torch.get_rng_state()},
    }
    content = {
        "args": Namespace(params_dtype=torch.bfloat16, device=torch.device("cpu"), size=torch.Size([1, 2])),
        "model": OrderedDict(a=BASE),
        "optimizer": {"state": {0: {"exp_avg": BASE}}, "fp32_from_fp16_params": [[BASE]]},
        "rng_state": [rng],
    }
    torch.save(content, tmp_path / "a.pt")
    file = PtFile(str(tmp_path / "a.pt"))
    assert "optimizer/state/0/exp_avg" in file.names()
    assert "optimizer/fp32_from_fp16_params/0/0" in file.names()
    found = file.content
    assert found["args"]["size"] == (1, 2)
    assert isinstance(found["args"]["device"], Opaque)
    assert found["rng_state"][0]["random_rng_state"] == random.getstate()


@pytest.mark.parametrize("cut", [10, 100, 200, 1000, -1, -8, -40])
def test_truncated_files_of_old_torch_are_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.bin"
    torch.save(VIEWS, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(JobError, match="cannot read"):
        PtFile(str(path))


def test_a_whole_module_is_refused_with_its_name(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(1, 1), tmp_path / "a.pt")
    with pytest.raises(JobError) as caught:
        PtFile(str(tmp_path / "a.pt"))
    assert "torch.nn.modules.linear.Linear" in caught.value.why
