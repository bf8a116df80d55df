"""End a training that is asked to stop: with time to finish its iteration and save, or at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from backend.engines.stages import StagePlan
from backend.runs.launch_worker import Launcher
from backend.runs.verdict import NodeEvidence

NOW_GRACE_S = 5
_POLL_S = 0.5
# between the end of the jobs and that of their logs' mirrors
_HEAR_S = 30.0


async def stop_training(
    launcher: Launcher,
    plan: StagePlan,
    grace_s: int,
    at_once: Callable[[], bool],
    watch: Coroutine[Any, Any, list[NodeEvidence]],
) -> list[NodeEvidence]:
    """Stop on all nodes while `watch` goes on reading their logs; answers what it saw, [] when it saw no end.

    `at_once` is asked again and again: as soon as it is true, nobody waits for a checkpoint any more.
    """
    seen = asyncio.create_task(watch)
    stopping = asyncio.create_task(_stop(launcher, plan, grace_s, at_once))
    try:
        await asyncio.wait({stopping})
        await asyncio.wait({seen}, timeout=_HEAR_S)
    finally:
        for task in (stopping, seen):
            task.cancel()
        await asyncio.gather(stopping, seen, return_exceptions=True)
    return [] if seen.cancelled() or seen.exception() is not None else seen.result()


async def _stop(launcher: Launcher, plan: StagePlan, grace_s: int, at_once: Callable[[], bool]) -> None:
    patient = asyncio.create_task(_end(launcher, plan, NOW_GRACE_S if at_once() else grace_s))
    try:
        while not patient.done():
            await asyncio.wait({patient}, timeout=_POLL_S)
            if not patient.done() and at_once():
                await _end(launcher, plan, NOW_GRACE_S)
                # the patient one finds nobody left to wait for
                await asyncio.wait({patient}, timeout=NOW_GRACE_S)
                return
    finally:
        patient.cancel()
        await asyncio.gather(patient, return_exceptions=True)


def _end(launcher: Launcher, plan: StagePlan, grace_s: int) -> Coroutine[Any, Any, list[str]]:
    return launcher.stop([plan], None, grace_s)
