"""Leave nothing behind: end what a run may have started, give its nodes back, remember who was missed."""

from __future__ import annotations

import asyncio

from backend.engines.stages import StagePlan
from backend.events import StageName, StageStatus
from backend.fleet.connect_client import connect_inside
from backend.fleet.leases import release
from backend.fleet.transport import Transport
from backend.inventory import Node
from backend.problems import NodeError
from backend.runs.launch_worker import Launcher
from backend.runs.ledger import Ledger
from backend.runs.run_site_files import RunSite, open_run
from backend.state.run_state import RunView
from backend.store.run_store import RunStore
from backend.translation import _

PATIENCE_S = 600.0
_PAUSE_S = 5.0
# whose jobs may live once a stage has begun: the training's are started by the launch stage
_STARTED_BY = {
    StageName.TRAIN: StageName.LAUNCH,
    StageName.WEIGHTS: StageName.WEIGHTS,
    StageName.DATA: StageName.DATA,
    StageName.EXPORT: StageName.EXPORT,
}


class Sweeper:
    """`missed`: nodes whose jobs could not be ended, `held`: nodes whose lease could not be given back."""

    def __init__(self, run: RunSite, view: RunView, transport: Transport, launcher: Launcher) -> None:
        self._run = run
        self._view = view
        self._transport = transport
        self._launcher = launcher
        self._nodes: dict[str, Node] = {node.name: node for node in run.site.nodes}
        self.missed: list[str] = []
        self.held: list[str] = list(self._nodes)

    async def sweep(self) -> None:
        """End the jobs, then give back the nodes where nothing of the run can live any more."""
        self.missed = await self._launcher.stop(self._plans(), None)
        await self.release()

    async def release(self) -> None:
        """Give back every node that is free of the run's jobs."""
        free = [name for name in self.held if name not in self.missed]
        released = await asyncio.gather(*(self._release(name) for name in free))
        gone = {name for name, done in zip(free, released, strict=True) if done}
        self.held = [name for name in self.held if name not in gone]

    async def keep_at_it(self) -> None:
        """Nodes that were out of reach are swept when they answer again; not for ever."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while self.held and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_PAUSE_S)
            if self.missed:
                self.missed = await self._launcher.stop(self._plans(), self.missed)
            await self.release()

    def words(self) -> str:
        """What is left where, to be added to a reason; "" when nothing is."""
        if not self.missed:
            return ""
        names = ", ".join(self.missed)
        return _("; {names} could not be reached to end what runs there").format(names=names)

    async def _release(self, name: str) -> bool:
        try:
            await release(self._transport, self._nodes[name], self._run.site.run_key)
        except NodeError:
            return False
        return True

    def _plans(self) -> list[StagePlan]:
        stages = self._view.stages
        plans = (
            self._run.plan.stage(job)
            for job, starter in _STARTED_BY.items()
            if stages[starter].state is not StageStatus.PENDING
        )
        return [plan for plan in plans if plan is not None]


async def sweep_ended_run(store: RunStore, view: RunView, ledger: Ledger) -> list[str]:
    """Sweep a run that has ended once more; answers the nodes that were not reached."""
    run = open_run(store, view.created)
    transport = connect_inside(run.inventory)
    try:
        sweeper = Sweeper(run, view, transport, Launcher(transport, run.site, ledger))
        await sweeper.sweep()
        return sweeper.held
    finally:
        await transport.close()
