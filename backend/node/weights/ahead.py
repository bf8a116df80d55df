"""Make the next tensor while one is written: reading and cutting take about as long as writing."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Dict, Iterator, Sequence

from backend.node.weights.arrays import Array, Planned
from backend.node.weights.tensor_source import Produce


@contextlib.contextmanager
def one_ahead(tensors: Sequence[Planned], produce: Produce) -> Iterator[Produce]:
    """`produce` with the tensor after the one that was asked for in work, in a thread of its own.

    It must be asked for all `tensors` in their order. Two of them are in memory at a time."""
    following: Dict[str, str] = {one.key: other.key for one, other in zip(tensors, tensors[1:])}
    ready: Dict[str, Future[Array]] = {}
    with ThreadPoolExecutor(1) as pool:

        def take(key: str) -> Array:
            future = ready.pop(key, None) or pool.submit(produce, key)
            made = future.result()
            if key in following:
                ready[following[key]] = pool.submit(produce, following[key])
            return made

        yield take
