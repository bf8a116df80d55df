"""One of several processes that compute the same training steps under several layouts (started by a test).

Usage: layout_worker.py plan.json rank. The plan lists jobs with ports; `<name>-<rank>.pt` appear beside it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from native_cases import adapted_weights, shard, whole_weights

from backend.node.train.batches import BatchSource
from backend.node.train.grid import Grid
from backend.node.train.process_groups import join
from backend.node.train.replica import Replica
from backend.node.train.train_job_reader import read_train_job

STEPS = 3


def run_case(name: str, job_json: dict, rank: int, folder: Path) -> None:
    job = read_train_job(job_json)
    grid = Grid(rank, job.tensor_parallel, job.pipeline_parallel, job.data_parallel)
    groups = join(grid, "gloo")
    device = torch.device("cpu")
    whole = whole_weights(job_json["architecture"])
    if job.lora is not None:
        whole = adapted_weights(whole, job_json["lora"])
    replica = Replica(job, grid, groups, device, shard(whole, job_json, grid.tp_rank, grid.pp_rank))
    source = BatchSource(job, grid.dp_rank, device)
    loss = replica.compute_gradients(source.micro_batches(0))
    dist.all_reduce(loss)
    flat = replica.parameters
    gradients = {key: flat.view(flat.gradient, key).clone() for key in flat.places}
    evaluated = replica.evaluate(source.micro_batches(0))
    dist.all_reduce(evaluated)
    flat.gradient.zero_()
    steps = []
    for number in range(STEPS):
        result = replica.step(source.micro_batches(number * job.global_batch_size), job.lr)
        steps.append((result.loss, result.grad_norm))
    final = {key: value.clone() for key, value in replica.state().items()}
    torch.save(
        {
            "loss": loss.item(),
            "evaluated": evaluated.item(),
            "gradients": gradients,
            "steps": steps,
            "final": final,
        },
        folder / f"{name}-{rank}.pt",
    )
    dist.barrier()
    dist.destroy_process_group()


def main() -> None:
    plan, rank = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    for case in json.loads(plan.read_text()):
        job = case["job"]
        if rank < job["npus_per_node"]:
            os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(case["port"]))
            run_case(case["name"], job, rank, plan.parent)


if __name__ == "__main__":
    main()
