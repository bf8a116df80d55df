"""See one run through: check, data, weights, launch, train, export. Killed, it goes on where it was.

One supervisor a run (a lock), a process of its own: neither console nor command is needed while it works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from backend.clock import Clock, RealClock
from backend.engines.stages import StagePlan
from backend.events import RunStatus, StageName, StageStatus
from backend.fleet.connect_client import connect_inside
from backend.fleet.leases import LeaseOwner, acquire, keep
from backend.fleet.transport import Transport
from backend.inventory import Node
from backend.preflight.preflight_worker import preflight
from backend.problems import ConflictError, NodeError, NpudeckError
from backend.runs.launch_worker import Launcher
from backend.runs.ledger import Ledger
from backend.runs.master_port_worker import free_port
from backend.runs.run_site_files import RunSite, open_run
from backend.runs.stage_end import StageFailed, TrainingStopped, raise_unless_well
from backend.runs.stage_watch_worker import StageWatch
from backend.runs.supervisor_lock_files import only_supervisor
from backend.runs.sweep_worker import Sweeper
from backend.runs.training_stop_worker import stop_training
from backend.runs.verdict import NodeEvidence, saved_words
from backend.state.run_state import RunView
from backend.store.load_runs_store import load_run
from backend.store.run_store import RunStore
from backend.translation import _

_STOP_POLL_S = 0.5


class Supervisor:
    def __init__(
        self, store: RunStore, run: RunSite, view: RunView, transport: Transport, clock: Clock
    ) -> None:
        self._store = store
        self._run = run
        self._transport = transport
        self._clock = clock
        self._ledger = Ledger(store, view, clock)
        self._launcher = Launcher(transport, run.site, self._ledger)
        self._sweeper = Sweeper(run, view, transport, self._launcher)
        self._keeper: asyncio.Task[None] | None = None

    async def supervise(self) -> None:
        """Until the run has ended, one way or another."""
        try:
            await self._supervise()
        finally:
            if self._keeper is not None:
                self._keeper.cancel()
                await asyncio.gather(self._keeper, return_exceptions=True)

    async def _supervise(self) -> None:
        asked = self._store.stop_asked(self._ledger.run_id)
        if asked is not None:
            await self._stop(asked)
            await self._sweeper.keep_at_it()
            return
        driver = asyncio.create_task(self._drive())
        stopper = asyncio.create_task(self._wait_for_stop())
        await asyncio.wait({driver, stopper}, return_when=asyncio.FIRST_COMPLETED)
        if not driver.done():
            driver.cancel()
            await asyncio.gather(driver, return_exceptions=True)
            await self._stop(stopper.result())
        else:
            stopper.cancel()
            await self._conclude(driver)
        await self._sweeper.keep_at_it()

    async def _drive(self) -> None:
        """Every stage that is not done, in order. Raises `StageFailed` or `NpudeckError`."""
        if self._ledger.view.state is RunStatus.PENDING:
            self._ledger.state(RunStatus.PREPARING)
        steps: dict[StageName, Callable[[], Awaitable[None]]] = {
            StageName.CHECK: self._check,
            StageName.DATA: lambda: self._job_stage(StageName.DATA),
            StageName.WEIGHTS: lambda: self._job_stage(StageName.WEIGHTS),
            StageName.LAUNCH: self._launch,
            StageName.TRAIN: self._train,
            StageName.EXPORT: lambda: self._job_stage(StageName.EXPORT),
        }
        self._skip_what_is_not_asked_for()
        for name, step in steps.items():
            if self._ledger.view.stages[name].state in (StageStatus.DONE, StageStatus.SKIPPED):
                continue
            self._ledger.stage(name, StageStatus.RUNNING)
            if name is not StageName.CHECK:
                self._keep_nodes(name)
            try:
                await step()
            except NpudeckError as error:
                raise StageFailed(name, error.problems[0].sentence(), error.exit_code) from error

    def _skip_what_is_not_asked_for(self) -> None:
        """What there is nothing to do for is known before anything runs."""
        for name in (StageName.DATA, StageName.WEIGHTS, StageName.EXPORT):
            plan = self._plan_of(name)
            if not plan.commands:
                self._ledger.stage(name, StageStatus.SKIPPED, plan.skip)

    def _plan_of(self, name: StageName) -> StagePlan:
        plan = self._run.plan.stage(name)
        return plan if plan is not None else StagePlan(name, (), _("this engine has no such stage"))

    async def _check(self) -> None:
        def report(node: str, state: StageStatus, text: str) -> None:
            self._ledger.stage(StageName.CHECK, state, text, node)

        problems = await preflight(self._transport, self._run.site, self._run.plan, report)
        if problems:
            raise NodeError(*problems)
        await self._take_nodes()
        await self._settle_port()
        self._ledger.done(StageName.CHECK)

    def _owner(self) -> LeaseOwner:
        created, container = self._run.created, self._run.inventory.container
        return LeaseOwner(
            self._run.site.run_key, created.actor, created.at, container.name if container is not None else ""
        )

    async def _take_nodes(self) -> None:
        for node in self._run.site.nodes:
            await acquire(self._transport, node, self._owner())

    def _keep_nodes(self, stage: StageName) -> None:
        """Renew the leases from now on. Losing one to somebody does not end a run: it is said."""
        if self._keeper is not None:
            return

        def lost(node: Node, error: ConflictError) -> None:
            self._ledger.stage(stage, StageStatus.RUNNING, error.problems[0].what, node.name)

        self._keeper = asyncio.create_task(keep(self._transport, self._run.site.nodes, self._owner(), lost))

    async def _settle_port(self) -> None:
        """The port of the launch is only a proposal until rank 0's node has it free."""
        proposed = self._run.site.master_port
        port = await free_port(self._transport, self._run.site.nodes[0], proposed)
        if port != proposed:
            run_id = self._ledger.run_id
            self._store.fix_site(run_id, {**self._store.site(run_id), "master_port": port})
            self._run = open_run(self._store, self._run.created)

    async def _job_stage(self, name: StageName) -> None:
        """Data, weights or export: a job on rank 0's node."""
        plan = self._plan_of(name)
        await self._launcher.prepare(plan, name)
        await self._launcher.start(plan, name)
        raise_unless_well(name, await self._watch(plan), self._ledger.view.lost_nodes)
        self._ledger.done(name)

    async def _launch(self) -> None:
        plan = self._plan_of(StageName.TRAIN)
        # preparing data may have taken hours, and somebody may have taken a node since
        await self._take_nodes()
        await self._launcher.prepare(plan, StageName.LAUNCH)
        await self._launcher.start(plan, StageName.LAUNCH)
        self._ledger.done(StageName.LAUNCH)

    async def _train(self) -> None:
        self._ledger.state(RunStatus.RUNNING)
        evidence = await self._watch(self._plan_of(StageName.TRAIN))
        raise_unless_well(StageName.TRAIN, evidence, self._ledger.view.lost_nodes)
        self._ledger.done(StageName.TRAIN)

    async def _watch(self, plan: StagePlan) -> list[NodeEvidence]:
        watch = StageWatch(
            self._store,
            self._ledger,
            self._transport,
            self._run.site,
            plan.name,
            plan.commands,
            self._run.plan.log_node,
            self._clock,
            self._ledger.take_in,
        )
        async with watch:
            return await watch.outcome()

    async def _wait_for_stop(self) -> str:
        while (actor := self._store.stop_asked(self._ledger.run_id)) is None:
            await asyncio.sleep(_STOP_POLL_S)
        return actor

    async def _conclude(self, driver: asyncio.Task[None]) -> None:
        """The driver ended: well, badly, or by an error of ours, which is a failure that says so."""
        error = driver.exception()
        if error is None:
            await self._sweeper.release()
            self._ledger.state(RunStatus.FINISHED, self._result())
            return
        if isinstance(error, TrainingStopped):
            await self._conclude_stopped(error.evidence)
            return
        code = 1
        if isinstance(error, StageFailed):
            stage, sentence, code = error.stage, error.sentence, error.exit_code
        else:
            stage = next(
                (
                    name
                    for name, view in self._ledger.view.stages.items()
                    if view.state is StageStatus.RUNNING
                ),
                StageName.CHECK,
            )
            sentence = _("npudeck itself failed: {error}").format(error=repr(error))
        await self._sweeper.sweep()
        self._ledger.stage(stage, StageStatus.FAILED, sentence)
        reason = _("{stage} failed: {sentence}").format(stage=stage.value, sentence=sentence)
        if stage is StageName.EXPORT:
            reason += _("; the training is complete, its checkpoints are whole: {fix}").format(
                fix=_("mend the cause, then convert them with `npudeck weights to-hf`")
            )
        self._ledger.state(RunStatus.FAILED, reason + self._sweeper.words(), code)
        if not isinstance(error, StageFailed):
            raise error

    async def _conclude_stopped(self, evidence: Sequence[NodeEvidence]) -> None:
        await self._sweeper.sweep()
        self._ledger.stage(StageName.TRAIN, StageStatus.FAILED, _("stopped"))
        nodes = ", ".join(item.node for item in evidence if item.failed)
        reason = _("told to end on {nodes}, not by npudeck; {saved}").format(
            nodes=nodes, saved=saved_words(evidence, self._saved_iteration())
        )
        self._ledger.state(RunStatus.STOPPED, reason + self._sweeper.words(), 1)

    def _saved_iteration(self) -> int | None:
        checkpoint = self._ledger.view.checkpoint
        return None if checkpoint is None else checkpoint.iteration

    def _result(self) -> str:
        exported = self._plan_of(StageName.EXPORT).result
        return _("Hugging Face model in {path}").format(path=exported) if exported else ""

    async def _stop(self, actor: str) -> None:
        self._ledger.state(RunStatus.STOPPING, _("asked for by {actor}").format(actor=actor))
        saved = ""
        if self._ledger.view.stages[StageName.TRAIN].state is StageStatus.RUNNING:
            evidence = await self._stop_training()
            saved = "; " + saved_words(evidence, self._saved_iteration())
        await self._sweeper.sweep()
        for name, stage in self._ledger.view.stages.items():
            if stage.state is StageStatus.RUNNING:
                self._ledger.stage(name, StageStatus.FAILED, _("stopped"))
        reason = _("stopped by {actor}").format(actor=actor) + saved + self._sweeper.words()
        self._ledger.state(RunStatus.STOPPED, reason, NodeError.exit_code if self._sweeper.missed else 0)

    async def _stop_training(self) -> list[NodeEvidence]:
        plan = self._plan_of(StageName.TRAIN)
        return await stop_training(
            self._launcher,
            plan,
            self._run.plan.stop_grace_s,
            lambda: self._store.stop_now(self._ledger.run_id),
            self._watch(plan),
        )


def supervise(run_id: str) -> None:
    """See a run through, unless somebody does already or it has ended."""
    store = RunStore()
    try:
        with only_supervisor(run_id) as alone:
            if alone:
                asyncio.run(_supervise(store, run_id))
    finally:
        store.close()


async def _supervise(store: RunStore, run_id: str) -> None:
    view = load_run(store, run_id)
    if not view.active:
        return
    run = open_run(store, view.created)
    transport = connect_inside(run.inventory)
    try:
        await Supervisor(store, run, view, transport, RealClock()).supervise()
    finally:
        await transport.close()
