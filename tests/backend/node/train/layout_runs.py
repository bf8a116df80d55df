"""Several jobs computed by the same worker processes, one job after another, as a test waits."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from native_cases import rank_environment, shard

DEADLINE_S = 180.0  # takes 12 s alone; the machine may be busy


def run_layouts(folder: Path, jobs: dict[str, dict[str, Any]], processes: int = 4) -> None:
    """`<name>-<rank>.pt` for every job and rank in `folder` (see layout_worker)."""
    from torch.distributed import TCPStore

    # Open already, as torchrun opens its own: a port that is chosen now and opened later may be taken.
    stores = {name: TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False) for name in jobs}
    plan = [{"name": name, "job": job, "port": stores[name].port} for name, job in jobs.items()]
    (folder / "plan.json").write_text(json.dumps(plan))
    worker = str(Path(__file__).with_name("layout_worker.py"))
    running = [
        subprocess.Popen(
            [sys.executable, worker, str(folder / "plan.json"), str(rank)],
            env=rank_environment(TORCHELASTIC_USE_AGENT_STORE=True, TORCHELASTIC_RESTART_COUNT=0),
        )
        for rank in range(processes)
    ]
    deadline = time.monotonic() + DEADLINE_S
    try:
        while any(process.poll() is None for process in running):
            assert not any(process.poll() for process in running), "a worker failed"
            assert time.monotonic() < deadline, "the workers wait for one another"
            time.sleep(0.05)
    finally:
        for process in running:
            process.kill()
            process.wait()


def assert_same_steps(
    found: dict[str, Any], one: dict[str, Any], job: dict[str, Any], rank: int, *, gradient_bound: float
) -> None:
    """What a rank computed is its part of what one process did: losses and norms of the steps, and every
    gradient of the first within `gradient_bound` of the largest of its tensor."""
    tp, dp = job["tensor_parallel"], job["data_parallel"]
    for step, expected in zip(found["steps"], one["steps"], strict=True):
        assert step == pytest.approx(expected, rel=1e-5)
    gradients = shard(one["gradients"], job, rank % tp, rank // (tp * dp), pad_with_last=False)
    assert set(gradients) == set(found["gradients"])
    for key, expected in gradients.items():
        scale = expected.abs().max().item() + 1e-12
        assert (found["gradients"][key] - expected).abs().max().item() < gradient_bound * scale, (rank, key)
