"""Watch one stage on its nodes until it ended: follow every log, ask every job, judge nothing by silence."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from backend.clock import Clock
from backend.engines.stages import NodeCommand, Site
from backend.events import Fact, LogGapFound, StageName, StageStatus
from backend.fleet import jobs
from backend.fleet.jobs import JobStatus
from backend.fleet.transport import Transport
from backend.inventory import Node
from backend.problems import NodeError
from backend.runs.ledger import Ledger
from backend.runs.log_intake import LogIntake
from backend.runs.log_mirror_files import LogMirror
from backend.runs.tail_worker import LogTail, remote_size
from backend.runs.verdict import NodeEvidence, how_it_ended
from backend.store.run_store import RunStore
from backend.store.state_directory_files import run_directory

POLL_S = 2.0
_FIRST_POLL_S = 0.25
_OTHERS_S = 3.0


@dataclass(slots=True)
class _Part:
    """One node's part of the stage."""

    node: Node
    intake: LogIntake
    tail: LogTail
    follower: asyncio.Task[None]
    ended: bool = False


class StageWatch:
    """`async with` it around a running stage; `outcome()` waits for its end."""

    def __init__(
        self,
        store: RunStore,
        ledger: Ledger,
        transport: Transport,
        site: Site,
        stage: StageName,
        commands: tuple[NodeCommand, ...],
        log_node: str,
        clock: Clock,
        on_facts: Callable[[list[Fact]], None],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._transport = transport
        self._site = site
        self._stage = stage
        self._commands = commands
        self._log_node = log_node
        self._clock = clock
        self._on_facts = on_facts
        self._parts: list[_Part] = []
        self._pollers: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()

    async def __aenter__(self) -> StageWatch:
        nodes = {node.name: node for node in self._site.nodes}
        for command in self._commands:
            self._ledger.stage(self._stage, StageStatus.RUNNING, "", command.node)
            self._parts.append(self._open(nodes[command.node]))
        self._pollers = [asyncio.create_task(self._poll(part)) for part in self._parts]
        return self

    async def __aexit__(self, *_ignored: object) -> None:
        tasks = [*self._pollers, *(part.follower for part in self._parts)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _open(self, node: Node) -> _Part:
        mirror = LogMirror(run_directory(self._ledger.run_id) / "logs" / self._stage.value / node.name)
        intake = LogIntake(
            self._store,
            self._ledger.view.created,
            self._stage,
            node.name,
            self._clock,
            counts=self._stage is StageName.TRAIN and node.name == self._log_node,
            evidence=NodeEvidence(node.name),
            on_facts=self._on_facts,
        )
        intake.recover_evidence(mirror)
        intake.catch_up(mirror)
        tail = LogTail(
            self._transport,
            node,
            f"{self._site.code_directory(node)}/follow.py",
            self._remote_log(node),
            mirror,
            intake.catch_up,
            lambda why: self._ledger.write(
                LogGapFound(self._ledger.run_id, self._clock.now(), node.name, why)
            ),
        )
        return _Part(node, intake, tail, asyncio.create_task(tail.follow()))

    def _remote_log(self, node: Node) -> str:
        return f"{self._site.job_directory(node, self._stage)}/out.log"

    async def _poll(self, part: _Part) -> None:
        """Ask the job until it ended. No answer is no evidence: the link is noted, the question repeated."""
        pause = _FIRST_POLL_S
        while not part.ended:
            try:
                status = await jobs.status(
                    self._transport,
                    part.node,
                    self._site.code_directory(part.node),
                    self._site.run_directory(part.node),
                    self._stage.value,
                )
            except NodeError as error:
                self._ledger.link(part.node.name, False, error.problems[0].sentence())
            else:
                self._ledger.link(part.node.name, True)
                self._note(part, status)
            if not part.ended:
                await asyncio.sleep(pause)
                pause = min(POLL_S, pause * 1.5)

    def _note(self, part: _Part, status: JobStatus) -> None:
        evidence = part.intake.evidence
        if status.kind == "exited":
            evidence.exit_code, evidence.ended_at = status.exit_code, status.at
        elif status.kind in ("lost", "none"):
            evidence.lost = status.why or "never-started"
        else:
            return
        part.ended = True
        state = StageStatus.FAILED if evidence.failed else StageStatus.DONE
        self._ledger.stage(
            self._stage, state, how_it_ended(evidence) if evidence.failed else "", part.node.name
        )
        self._changed.set()

    async def outcome(self) -> list[NodeEvidence]:
        """Wait until every part ended well, or one did not; the logs of ended parts are whole then."""
        while not all(part.ended for part in self._parts):
            self._changed.clear()
            if any(part.intake.evidence.failed for part in self._parts):
                await self._hear_the_others()
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), POLL_S)
        failed = any(part.intake.evidence.failed for part in self._parts)
        await self.drain(20.0 if failed else 600.0)
        return [part.intake.evidence for part in self._parts]

    async def _hear_the_others(self) -> None:
        """One part failed: give the rest a moment, so that the first to fail can be told from its victims."""
        deadline = asyncio.get_running_loop().time() + _OTHERS_S
        while asyncio.get_running_loop().time() < deadline and not all(part.ended for part in self._parts):
            await asyncio.sleep(0.2)

    async def drain(self, limit_s: float) -> None:
        """Wait until the mirrors hold all that ended jobs wrote; a gap is recorded, not hidden."""
        ended = [part for part in self._parts if part.ended]
        whole = await asyncio.gather(*(self._drained(part, limit_s) for part in ended))
        for part, complete in zip(ended, whole, strict=True):
            if not complete:
                self._ledger.write(
                    LogGapFound(self._ledger.run_id, self._clock.now(), part.node.name, "end-not-received")
                )

    async def _drained(self, part: _Part, limit_s: float) -> bool:
        deadline = asyncio.get_running_loop().time() + limit_s
        while asyncio.get_running_loop().time() < deadline:
            try:
                size = await remote_size(self._transport, part.node, self._remote_log(part.node))
                if part.tail.mirror.size >= size:
                    part.intake.catch_up(part.tail.mirror)
                    part.intake.close()
                    return True
            except NodeError as error:
                self._ledger.link(part.node.name, False, error.problems[0].sentence())
            await asyncio.sleep(0.2)
        return False
