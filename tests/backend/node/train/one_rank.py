"""A whole run of one rank inside the test's own process, without a launcher."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def one_rank(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process group of this process alone."""
    import torch
    import torch.distributed as dist

    # As a rank has it: more threads only wait for one another on a busy machine.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setitem(os.environ, "GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()
    torch.set_num_threads(threads)


def train(job_json: dict[str, Any]) -> Any:
    """How the run ended; needs `one_rank`. Raises what the run raises."""
    import torch

    from backend.node.train.grid import Grid
    from backend.node.train.process_groups import Groups
    from backend.node.train.train import train_from_start
    from backend.node.train.train_job_reader import read_train_job

    job = read_train_job(job_json)
    torch.manual_seed(job.seed)
    return train_from_start(job, Grid(0, 1, 1, 1), Groups(None, None, None, None), torch.device("cpu"))


def all_tensors(directory: Path, iteration: int, rank: str = "mp_rank_00") -> dict[str, Any]:
    """Every tensor and every number that the file of a rank holds, by path, without the arguments and the
    list of earlier saves, which tell how the run came there."""
    from backend.node.weights.safe_load import load_tensors

    path = directory / f"iter_{iteration:07d}" / rank / "model_optim_rng.pt"
    path_of_the_run = ("args", "npudeck_written_iterations")
    content = flat(load_tensors(str(path)))
    return {name: value for name, value in content if not name.startswith(path_of_the_run)}


def flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from flat(entry, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for number, entry in enumerate(value):
            yield from flat(entry, f"{name}.{number}")
    else:
        yield name, value


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Equal bit for bit."""
    import torch

    assert set(found) == set(expected)
    for name, value in expected.items():
        if isinstance(value, torch.Tensor):
            assert found[name].dtype == value.dtype, name
            assert torch.equal(found[name], value), name
        else:
            assert found[name] == value, name
