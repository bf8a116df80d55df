"""Carry out a plan: code first, start in two phases, stop everywhere. Each step may be asked twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from backend.engines.stages import NodeCommand, Site, StagePlan
from backend.events import StageName, StageStatus
from backend.fleet import jobs
from backend.fleet.jobs import JobStatus
from backend.fleet.node_code_files import load_node_code
from backend.fleet.staging import put_file, stage
from backend.fleet.transport import Transport
from backend.inventory import Node
from backend.problems import NodeError, NodeUnreachableError
from backend.runs.ledger import Ledger
from backend.translation import _

T = TypeVar("T")

PATIENCE_S = 60.0
STOP_GRACE_S = 10


class Launcher:
    """The hands of one run on its nodes."""

    def __init__(self, transport: Transport, site: Site, ledger: Ledger) -> None:
        self._transport = transport
        self._site = site
        self._ledger = ledger
        self._nodes = {node.name: node for node in site.nodes}

    async def prepare(self, stage_plan: StagePlan, shown_as: StageName) -> None:
        """Phase 1: code and files on every node of the stage. Raises `NodeError`; nothing has started."""
        code = await asyncio.to_thread(load_node_code)

        async def prepare_node(command: NodeCommand) -> None:
            node = self._nodes[command.node]
            self._ledger.stage(shown_as, StageStatus.RUNNING, _("staging code"), node.name)
            await self._insist(
                node, lambda: stage(self._transport, node, code, self._site.code_directory(node))
            )
            for file in command.files:
                await self._insist(
                    node,
                    lambda file=file: put_file(  # type: ignore[misc]
                        self._transport, node, file.path, file.text.encode(), file.mode
                    ),
                )

        await _all(prepare_node(command) for command in stage_plan.commands)

    async def start(self, stage_plan: StagePlan, shown_as: StageName) -> None:
        """Phase 2: start on all. Raises `NodeError` when one did not; the caller stops the rest."""

        async def start_node(command: NodeCommand) -> None:
            node = self._nodes[command.node]
            status = await self._insist(node, lambda: self._start_job(node, stage_plan.name, command))
            if status.kind in ("none", "lost"):
                raise NodeError.because(
                    _("{node} did not start its part").format(node=node.name), status.why, field=node.name
                )
            self._ledger.stage(shown_as, StageStatus.DONE, "", node.name)

        await _all(start_node(command) for command in stage_plan.commands)

    async def _start_job(self, node: Node, name: StageName, command: NodeCommand) -> JobStatus:
        return await jobs.start(
            self._transport,
            node,
            self._site.code_directory(node),
            self._site.run_directory(node),
            name.value,
            command.argv,
            command.environment,
            command.working_directory,
        )

    async def stop(
        self, plans: list[StagePlan], only: Sequence[str] | None = None, grace_s: int = STOP_GRACE_S
    ) -> list[str]:
        """End every job of these stages, on all their nodes or `only` some; answers the nodes not reached.

        What has not ended after `grace_s` is killed.
        """
        missed: list[str] = []
        stages: dict[str, list[StageName]] = {}
        for plan in plans:
            for command in plan.commands:
                if only is None or command.node in only:
                    stages.setdefault(command.node, []).append(plan.name)

        async def stop_node(name: str) -> None:
            node = self._nodes[name]
            try:
                if not await self._has_code(node):
                    return
                for stage_name in stages[name]:
                    await jobs.stop(
                        self._transport,
                        node,
                        self._site.code_directory(node),
                        self._site.run_directory(node),
                        stage_name.value,
                        grace_s,
                    )
            except NodeError:
                missed.append(name)

        await asyncio.gather(*(stop_node(name) for name in stages))
        return missed

    async def _has_code(self, node: Node) -> bool:
        """Without the staged wrapper nothing can have been started there."""
        wrapper = f"{self._site.code_directory(node)}/job.sh"
        return (await self._transport.run(node, ["test", "-f", wrapper])).ok

    async def _insist(self, node: Node, action: Callable[[], Awaitable[T]]) -> T:
        """Ask again for a while when the link breaks: every step is safe to repeat."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            try:
                answer = await action()
            except NodeUnreachableError as error:
                self._ledger.link(node.name, False, error.problems[0].sentence())
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(1.0)
            else:
                self._ledger.link(node.name, True)
                return answer


async def _all(parts: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for every part, then raise the first failure: no part goes on unseen behind an error."""
    answers = await asyncio.gather(*parts, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
