"""A run computes on what its inventory says, or not at all."""

from __future__ import annotations

import importlib.util

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from backend.node.job_lines import JobError  # noqa: E402
from backend.node.train.device import choose_device  # noqa: E402


def test_a_rehearsal_runs_on_the_cpu() -> None:
    accelerator = choose_device("cpu", 0, 8)
    assert (accelerator.device.type, accelerator.backend) == ("cpu", "gloo")


@pytest.mark.skipif(importlib.util.find_spec("torch_npu") is not None, reason="torch_npu is installed")
def test_npus_are_never_replaced_by_the_cpu() -> None:
    with pytest.raises(JobError) as caught:
        choose_device("npu", 0, 8)
    assert "torch_npu" in caught.value.what
    assert "cpu" in caught.value.fix


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpus_that_are_not_there_are_an_error() -> None:
    with pytest.raises(JobError, match="visible"):
        choose_device("cuda", 0, 1)
