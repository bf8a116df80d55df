"""Write all rank files of a tree: ranks side by side as far as memory and processors go."""

from __future__ import annotations

import os
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from backend.node import durable
from backend.node.weights.arrays import ITEM_BYTES
from backend.node.weights.tally import Stopped, Tally
from backend.node.weights.tensor_source import Produce
from backend.node.weights.tree_folder import RANK_FILE, TRACKER, rank_folder
from backend.node.weights.tree_plan import RankPlan, file_content

ITERATION = 1
_MOST_WORKERS = 8
# Python, its libraries, and what is read and written meanwhile.
SPARE_BYTES = 100 << 20

Rank = Tuple[int, int]


def worker_count(tasks: int, largest_bytes: int, allowed_bytes: int) -> int:
    """How many threads may work at a time within `allowed_bytes`, each with `largest_bytes` in memory."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    fitting = (allowed_bytes - SPARE_BYTES) // max(1, largest_bytes)
    return max(1, min(tasks, processors, _MOST_WORKERS, fitting))


def held_per_byte(stored: Iterable[str], dtype: str) -> float:
    """Bytes in memory for each that is written: with the cast where tensors of the dtypes `stored` are not in
    `dtype` yet."""
    others = [ITEM_BYTES[one] / ITEM_BYTES[dtype] for one in stored if one != dtype]
    return 1.0 + max(others, default=0.0)


def fits(nbytes: float, allowed_bytes: int) -> bool:
    """Whether so much may be in memory at a time."""
    return nbytes <= allowed_bytes - SPARE_BYTES


def write_ranks(
    directory: str,
    plans: Dict[Rank, RankPlan],
    args: Dict[str, Any],
    producer: Callable[[Rank, RankPlan], Produce],
    tally: Tally,
    held: float,
    memory_bytes: Optional[int],
) -> List[str]:
    """Write the files of `plans` ((TP rank, PP rank) to plan) below `directory`, then its tracker.

    `producer` makes the function that answers a rank's tensors; `held`: bytes that it holds for each of
    them, see `held_per_byte`. Answers the files. Raises JobError, OSError."""
    from backend.node.weights.pt_writer import write_pt

    pp = 1 + max(pp_rank for _tp_rank, pp_rank in plans)

    def write(rank: Rank) -> str:
        plan = plans[rank]
        folder = rank_folder(directory, ITERATION, *rank, pp)
        os.makedirs(folder)
        path = os.path.join(folder, RANK_FILE)
        write_pt(path, file_content(plan, args, ITERATION), producer(rank, plan))
        return path

    # By stage: ranks of a stage read the same tensors, which the system then still has in memory.
    ranks = sorted(plans, key=lambda rank: (rank[1], rank[0]))
    largest = max(planned.nbytes for plan in plans.values() for planned in plan.tensors)
    allowed = memory_bytes or SPARE_BYTES + max(plan.nbytes for plan in plans.values())
    paths = run_side_by_side(
        [lambda rank=rank: write(rank) for rank in ranks],  # type: ignore[misc]
        worker_count(len(ranks), int(held * largest), allowed),
        tally,
    )
    durable.sync_directory(os.path.dirname(rank_folder(directory, ITERATION, 0, 0, pp)))
    # Megatron's converter writes the number without a newline, and so do we.
    durable.write_whole(os.path.join(directory, TRACKER), str(ITERATION))
    return paths


def run_side_by_side(tasks: Sequence[Callable[[], str]], workers: int, tally: Tally) -> List[str]:
    """The answers of all tasks in their order; the first error ends all of them and is raised."""
    if workers == 1:
        return [task() for task in tasks]
    pool = ThreadPoolExecutor(workers)
    futures: List[Future[str]] = [pool.submit(task) for task in tasks]
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
    finally:
        if not all(future.done() for future in futures):
            tally.stop.set()
        for future in futures:
            future.cancel()
        pool.shutdown(wait=True)
    errors = [future.exception() for future in futures if not future.cancelled()]
    for error in errors:
        if error is not None and not isinstance(error, Stopped):
            raise error
    return [future.result() for future in futures]
