"""Blocks encoded side by side, the results in the order of the blocks.

One process serves a few threads of the encoder's own pool: while its threads encode one block, Python cuts
and joins another. Beyond that Python itself is the limit, so more workers mean more processes.
"""

from __future__ import annotations

import collections
import contextlib
import os
import queue
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Callable, Deque, Iterable, Iterator, Optional

from backend.node.data.block_encoder import BlockEncoder, Done
from backend.node.data.data_job import DataJob
from backend.node.data.rows import Block
from backend.node.job_lines import JobError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

# Turning ids into arrays takes a seventh of the time of encoding them and one thread, so that more threads a
# process than this would wait for it.
_THREADS_A_PROCESS = 4
_LANES_A_PROCESS = 2
_MOST_A_PROCESSOR = 4
_LEAST_BYTES = 1 << 16


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def useful_workers(wanted: Optional[int], total_bytes: int) -> int:
    """How many workers a job of this size can use; `wanted` None: as many as there are processors. More of
    them than that only wait for each other."""
    most = min(_MOST_A_PROCESSOR * processors(), total_bytes // _LEAST_BYTES + 1)
    return max(1, min(wanted or processors(), most))


def limit_threads(workers: int) -> int:
    """Set the size of the encoders' thread pools before they start, and answer the number of processes."""
    processes = -(-workers // _THREADS_A_PROCESS)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["RAYON_NUM_THREADS"] = str(-(-workers // processes))
    return processes


@contextlib.contextmanager
def lanes(job: DataJob, own: BlockEncoder, workers: int, processes: int) -> Iterator[Lanes]:
    """Somewhere to encode blocks: this process with `own`, or child processes. All end with the context."""
    if processes == 1:
        count = min(workers, _LANES_A_PROCESS)
        with ThreadPoolExecutor(count) as pool:
            yield Lanes(pool, count, lambda block: own(block))
        return
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(_child(job)) for _number in range(processes)]
        free: queue.SimpleQueue[_Child] = queue.SimpleQueue()
        for child in children:
            free.put(child)
        with ThreadPoolExecutor(processes) as pool:
            try:
                yield Lanes(pool, processes, lambda block: _ask(free, block))
            except BaseException:
                for child in children:
                    child.end()
                raise


class Lanes:
    """Keeps a few blocks in work and gives their results in order."""

    def __init__(self, pool: ThreadPoolExecutor, count: int, work: Callable[[Block], Done]) -> None:
        self._pool = pool
        self._ahead = count + 1
        self._work = work

    def encode(self, blocks: Iterable[Block]) -> Iterator[Done]:
        """Raises what the work raised, at the block it belongs to."""
        waiting: Deque[Future[Done]] = collections.deque()
        try:
            for block in blocks:
                waiting.append(self._pool.submit(self._work, block))
                if len(waiting) > self._ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class _Child:
    """A process of its own with its own encoder, and the pipe to it."""

    def __init__(self, process: Any, pipe: Connection) -> None:
        self.process = process
        self.pipe = pipe

    def encode(self, block: Block) -> Done:
        try:
            self.pipe.send(block)
            answer = self.pipe.recv()
        except (EOFError, OSError) as error:
            self.process.join(5)
            what = _("a worker process was killed")
            why = _("its process ended with code {code}").format(code=self.process.exitcode)
            raise JobError("workers", what, why, _("give fewer workers when memory is short")) from error
        if isinstance(answer, BaseException):
            raise answer
        done: Done = answer
        return done

    def end(self) -> None:
        self.process.terminate()


def _ask(free: queue.SimpleQueue[_Child], block: Block) -> Done:
    child = free.get()
    try:
        return child.encode(block)
    finally:
        free.put(child)


@contextlib.contextmanager
def _child(job: DataJob) -> Iterator[_Child]:
    import multiprocessing

    # A fresh interpreter: a fork would copy the threads' locks, and keep other children's pipes open.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, job), daemon=True)
    process.start()
    there.close()
    try:
        yield _Child(process, here)
    finally:
        here.close()
        process.join(5)
        if process.is_alive():
            process.kill()
            process.join()


def serve(pipe: Connection, job: DataJob) -> None:
    """The child's life: it ends when the parent closes the pipe, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    encoder: Optional[BlockEncoder] = None
    with contextlib.suppress(EOFError, OSError):
        while True:
            block = pipe.recv()
            try:
                encoder = encoder or BlockEncoder(job)
                answer: Any = encoder(block)
            except Exception as error:
                answer = error
            pipe.send(answer)
