"""One of the tensor parallel processes that compute the logits of converted models (started by a test).

Usage: logits_worker.py plan.json rank. The plan lists names and jobs with ports; ids.pt lies beside it, and
`<name>-<rank>.pt`, this rank's logits, will.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from backend.node.train.grid import Grid
from backend.node.train.process_groups import join
from backend.node.train.replica import Replica
from backend.node.train.train_job_reader import read_train_job
from backend.node.train.tree_weights import TreeWeights


def main() -> None:
    plan, rank = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    ids = torch.load(plan.with_name("ids.pt"))
    for case in json.loads(plan.read_text()):
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(case["port"]))
        job = read_train_job(case["job"])
        grid = Grid(rank, job.tensor_parallel, 1, 1)
        groups = join(grid, "gloo")
        weights = TreeWeights(job.load_directory, grid)
        replica = Replica(job, grid, groups, torch.device("cpu"), weights)
        with torch.no_grad():
            torch.save(replica.stage(ids), plan.with_name(f"{case['name']}-{rank}.pt"))
        dist.barrier()
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
