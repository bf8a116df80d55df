"""See one run through: check, data, weights, launch, train, export. Killed, it goes on where it was.

One supervisor a run (a lock), a process of its own: neither console nor command is needed while it works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from backend.clock import Clock, RealClock
from backend.engines.stages import StagePlan
from backend.events import RunStatus, StageName, StageStatus
from backend.fleet.connect_client import connect_inside
from backend.fleet.leases import LeaseOwner, acquire
from backend.fleet.transport import Transport
from backend.preflight.preflight_worker import preflight
from backend.problems import NodeError, NpudeckError
from backend.runs.launch_worker import Launcher
from backend.runs.ledger import Ledger
from backend.runs.master_port_worker import free_port
from backend.runs.run_site_files import RunSite, open_run
from backend.runs.stage_watch_worker import StageWatch
from backend.runs.supervisor_lock_files import only_supervisor
from backend.runs.sweep_worker import Sweeper
from backend.runs.verdict import NodeEvidence, failure_sentence
from backend.state.run_state import RunView
from backend.store.load_runs_store import load_run
from backend.store.run_store import RunStore
from backend.translation import _

_STOP_POLL_S = 0.5


class StageFailed(Exception):
    """A stage ended badly; `sentence` says why, for people, `exit_code` for scripts."""

    def __init__(self, stage: StageName, sentence: str, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.stage = stage
        self.sentence = sentence
        self.exit_code = exit_code


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

    async def supervise(self) -> None:
        """Until the run has ended, one way or another."""
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
        owner = LeaseOwner(self._run.site.run_key, self._run.created.actor, self._run.created.at)
        for node in self._run.site.nodes:
            await acquire(self._transport, node, owner)
        await self._settle_port()
        self._ledger.done(StageName.CHECK)

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
        await self._watch(plan)
        self._ledger.done(name)

    async def _launch(self) -> None:
        plan = self._plan_of(StageName.TRAIN)
        await self._launcher.prepare(plan, StageName.LAUNCH)
        await self._launcher.start(plan, StageName.LAUNCH)
        self._ledger.done(StageName.LAUNCH)

    async def _train(self) -> None:
        self._ledger.state(RunStatus.RUNNING)
        await self._watch(self._plan_of(StageName.TRAIN))
        self._ledger.done(StageName.TRAIN)

    async def _watch(self, plan: StagePlan) -> None:
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
            evidence: list[NodeEvidence] = await watch.outcome()
        if any(item.failed for item in evidence):
            lost = sorted(self._ledger.view.lost_nodes)
            raise StageFailed(plan.name, failure_sentence(evidence, lost))

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

    def _result(self) -> str:
        exported = self._plan_of(StageName.EXPORT).result
        return _("Hugging Face model in {path}").format(path=exported) if exported else ""

    async def _stop(self, actor: str) -> None:
        self._ledger.state(RunStatus.STOPPING, _("asked for by {actor}").format(actor=actor))
        await self._sweeper.sweep()
        for name, stage in self._ledger.view.stages.items():
            if stage.state is StageStatus.RUNNING:
                self._ledger.stage(name, StageStatus.FAILED, _("stopped"))
        reason = _("stopped by {actor}").format(actor=actor) + self._sweeper.words()
        self._ledger.state(RunStatus.STOPPED, reason, NodeError.exit_code if self._sweeper.missed else 0)


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
