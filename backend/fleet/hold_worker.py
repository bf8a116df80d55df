"""Hold NPUs of many nodes by hand in one call, and give back what the call took when it is interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from backend.fleet.fan_out import fan_out
from backend.fleet.leases import BY_HAND, LeaseOwner, acquire, leases_of, undo
from backend.fleet.transport import Transport
from backend.inventory import Node
from backend.problems import ConflictError, NodeError, NodeUnreachableError, NpudeckError
from backend.state.lease import EVERYTHING, Lease
from backend.translation import _

_PATIENCE_S = 5.0  # for a node that was being asked when the interrupt came
_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class GivenBack:
    """`back`: nodes that are as before, `restored`: what on them is others' again. `kept`: nodes that may be
    held still, each with the reason, and in `lost` what others held there.
    """

    back: tuple[str, ...]
    restored: dict[str, tuple[Lease, ...]]
    kept: dict[str, str]
    lost: dict[str, tuple[Lease, ...]]


@dataclass(frozen=True, slots=True)
class _Taking:
    node: Node
    devices: tuple[str, ...]  # what the owner did not hold before
    others: tuple[Lease, ...]  # what others held then, where it was to be stolen
    task: asyncio.Task[tuple[Lease, ...]]


class Holding:
    """`hold` once for each node; `give_back` after an interrupt. `stolen`: node -> what was others'."""

    def __init__(self, owner: LeaseOwner, devices: Sequence[int] | None, *, steal: bool) -> None:
        self._owner = owner
        self._devices = devices
        self._steal = steal
        self._takings: list[_Taking] = []
        self.stolen: dict[str, tuple[Lease, ...]] = {}

    async def hold(self, transport: Transport, node: Node) -> tuple[Lease, ...]:
        """All leases of the node afterwards. Raises what `acquire` raises; where the node may have been taken
        all the same, that says so.
        """
        there = await leases_of(transport, node, self._owner.place)
        mine = {lease.device for lease in there if lease.run_key == self._owner.run_key and not lease.over}
        names = [EVERYTHING] if self._devices is None else [str(device) for device in self._devices]
        fresh = tuple(name for name in names if name not in mine)
        others = tuple(
            lease
            for lease in there
            if self._steal
            and not lease.over
            and lease.run_key != self._owner.run_key
            and (EVERYTHING in (lease.device, *names) or lease.device in names)
        )
        taking = asyncio.ensure_future(
            acquire(transport, node, self._owner, self._devices, steal=self._steal)
        )
        self._takings.append(_Taking(node, fresh, others, taking))
        try:
            # once asked, a node takes them whether or not somebody waits for its answer
            replaced = await asyncio.shield(taking)
        except NodeUnreachableError as error:
            raise _unknown(node, error, others) from error
        if stolen := tuple(lease for lease in replaced if not lease.over):
            self.stolen[node.name] = stolen
        return await leases_of(transport, node, self._owner.place)

    async def give_back(self, transport: Transport) -> GivenBack:
        """What was others' before is theirs again."""
        if waiting := [taking.task for taking in self._takings if not taking.task.done()]:
            await asyncio.wait(waiting, timeout=_PATIENCE_S)
        takings = {
            taking.node.name: taking
            for taking in self._takings
            if (taking.devices or taking.others) and _took(taking)
        }

        async def one(node: Node) -> tuple[tuple[Lease, ...], tuple[Lease, ...]]:
            taking = takings[node.name]
            if not taking.task.done():
                taking.task.cancel()
                raise NodeError.because(_("no answer"))
            return await undo(transport, node, self._owner, taking.devices, timeout_s=_DEADLINE_S)

        nodes = [takings[name].node for name in sorted(takings)]
        answers = await fan_out(nodes, one, deadline_s=_DEADLINE_S)
        undone = {name: answer for name, answer in answers.items() if not isinstance(answer, NpudeckError)}
        errors = {name: answer for name, answer in answers.items() if isinstance(answer, NpudeckError)}
        return GivenBack(
            tuple(name for name, (dropped, restored) in undone.items() if dropped or restored),
            {name: restored for name, (_dropped, restored) in undone.items() if restored},
            {name: error.problems[0].what for name, error in errors.items()},
            {name: takings[name].others for name in errors},
        )


def _took(taking: _Taking) -> bool:
    """False only where the node said that somebody else has them."""
    task = taking.task
    refused = task.done() and not task.cancelled() and isinstance(task.exception(), ConflictError)
    return not refused


def _unknown(node: Node, error: NodeUnreachableError, others: Sequence[Lease]) -> NodeUnreachableError:
    """No answer is no refusal."""
    problem = error.problems[0]
    doubt = _("it may have been taken all the same")
    if others:
        doubt = _("it may have been taken all the same, from {names}").format(names=names_of(others))
    fix = _("npudeck fleet leases {node} says who has it, as soon as the node answers").format(node=node.name)
    why = "; ".join(filter(None, [problem.why, doubt]))
    return NodeUnreachableError(replace(problem, why=why, fix="; ".join(filter(None, [problem.fix, fix]))))


def names_of(leases: Sequence[Lease]) -> str:
    """Whose they are: `run r7-3f2a91 of ann@gate`, `ann@gate by hand`, each once."""
    return ", ".join(dict.fromkeys(map(_whose, leases)))


def _whose(lease: Lease) -> str:
    if lease.state == "broken":
        return _("nobody known (a lease that cannot be read)")
    if lease.run_key.startswith(f"{BY_HAND}-"):
        return _("{actor} by hand").format(actor=lease.actor)
    return _("run {run} of {actor}").format(run=lease.run_key, actor=lease.actor)
