"""Hold NPUs of many nodes by hand in one call, and give back what the call took when it is interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from backend.fleet.fan_out import fan_out
from backend.fleet.lease_script import EVERYTHING, Lease
from backend.fleet.leases import LeaseOwner, acquire, leases_of, release
from backend.fleet.transport import Transport
from backend.inventory import Node
from backend.problems import ConflictError, NodeError, NpudeckError
from backend.translation import _

_PATIENCE_S = 5.0  # for a node that was being asked when the interrupt came
_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class _Taking:
    node: Node
    devices: tuple[str, ...]  # what the owner did not hold before
    task: asyncio.Task[tuple[Lease, ...]]


class Holding:
    """`hold` once for each node; `give_back` after an interrupt."""

    def __init__(self, owner: LeaseOwner, devices: Sequence[int] | None, *, steal: bool) -> None:
        self._owner = owner
        self._devices = devices
        self._steal = steal
        self._takings: list[_Taking] = []

    async def hold(self, transport: Transport, node: Node) -> tuple[Lease, ...]:
        """All leases of the node afterwards. Raises what `acquire` raises."""
        there = await leases_of(transport, node, self._owner.place)
        held = {lease.device for lease in there if lease.run_key == self._owner.run_key and not lease.over}
        names = [EVERYTHING] if self._devices is None else [str(device) for device in self._devices]
        fresh = tuple(name for name in names if name not in held)
        taking = asyncio.ensure_future(
            acquire(transport, node, self._owner, self._devices, steal=self._steal)
        )
        self._takings.append(_Taking(node, fresh, taking))
        # once asked, a node takes them whether or not somebody waits for its answer
        await asyncio.shield(taking)
        return await leases_of(transport, node, self._owner.place)

    async def give_back(self, transport: Transport) -> tuple[tuple[str, ...], dict[str, str]]:
        """The nodes that are given back, and those that may be held still, each with the reason."""
        if waiting := [taking.task for taking in self._takings if not taking.task.done()]:
            await asyncio.wait(waiting, timeout=_PATIENCE_S)
        takings = {taking.node.name: taking for taking in self._takings if taking.devices and _took(taking)}

        async def one(node: Node) -> bool:
            taking = takings[node.name]
            if not taking.task.done():
                taking.task.cancel()
                raise NodeError.because(_("no answer"))
            return await release(transport, node, self._owner.run_key, taking.devices, timeout_s=_DEADLINE_S)

        nodes = [taking.node for taking in takings.values()]
        answers = await fan_out(nodes, one, deadline_s=_DEADLINE_S)
        back = tuple(name for name, answer in answers.items() if answer is True)
        kept = {
            name: answer.problems[0].what
            for name, answer in answers.items()
            if isinstance(answer, NpudeckError)
        }
        return back, kept


def _took(taking: _Taking) -> bool:
    """False only where the node said that somebody else has them."""
    task = taking.task
    refused = task.done() and not task.cancelled() and isinstance(task.exception(), ConflictError)
    return not refused
