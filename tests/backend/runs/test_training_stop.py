"""A training is given time to save while its logs are read on; whoever is in a hurry is heard at any time."""

from __future__ import annotations

import asyncio

from backend.engines.stages import StagePlan
from backend.events import StageName
from backend.runs.training_stop_worker import NOW_GRACE_S, stop_training
from backend.runs.verdict import NodeEvidence

PLAN = StagePlan(StageName.TRAIN, ())


class Nodes:
    """Jobs that end `saving_s` after the first to ask, or as soon as somebody asks without patience."""

    def __init__(self, saving_s: float) -> None:
        self.saving_s = saving_s
        self.graces: list[int] = []
        self.ended = asyncio.Event()
        self.exit_code = 0

    async def stop(self, _plans: list[StagePlan], _only: None, grace_s: int) -> list[str]:
        self.graces.append(grace_s)
        if grace_s == NOW_GRACE_S:
            self.exit_code = 143
            self.ended.set()
        try:
            await asyncio.wait_for(self.ended.wait(), self.saving_s)
        except TimeoutError:
            self.exit_code = 75
            self.ended.set()
        return []

    async def watch(self) -> list[NodeEvidence]:
        await self.ended.wait()
        return [NodeEvidence("n1", exit_code=self.exit_code)]


async def test_waits_for_the_checkpoint() -> None:
    nodes = Nodes(0.2)
    (evidence,) = await stop_training(nodes, PLAN, 600, lambda: False, nodes.watch())  # type: ignore[arg-type]
    assert evidence.exit_code == 75
    assert nodes.graces == [600]


async def test_at_once_from_the_beginning() -> None:
    nodes = Nodes(60)
    (evidence,) = await stop_training(nodes, PLAN, 600, lambda: True, nodes.watch())  # type: ignore[arg-type]
    assert evidence.exit_code == 143
    assert nodes.graces[0] == NOW_GRACE_S


async def test_a_hurry_that_comes_later_is_heard() -> None:
    nodes, asked = Nodes(60), [False, False, True]
    at_once = lambda: asked.pop(0) if len(asked) > 1 else asked[0]  # noqa: E731
    found = await asyncio.wait_for(stop_training(nodes, PLAN, 600, at_once, nodes.watch()), 20)  # type: ignore[arg-type]
    assert [item.exit_code for item in found] == [143]
    assert nodes.graces == [600, NOW_GRACE_S]


async def test_a_watch_that_fails_hides_nothing_of_the_stop() -> None:
    nodes = Nodes(0.1)

    async def broken() -> list[NodeEvidence]:
        raise OSError("the disk of the bastion is full")

    assert await stop_training(nodes, PLAN, 600, lambda: False, broken()) == []  # type: ignore[arg-type]
    assert nodes.graces == [600]
