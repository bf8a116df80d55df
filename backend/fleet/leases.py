"""Who may use the NPUs of a node: leases taken in one atomic step, kept alive, given back by their owner
alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from backend.fleet.lease_script import (
    DROP,
    LIST,
    RENEW,
    TAKE,
    UNDO,
    Answer,
    parse_answer,
    words_of,
)
from backend.fleet.login_shell_client import check_commands_run
from backend.fleet.transport import Transport
from backend.inventory import Node
from backend.problems import ConflictError, NodeError, Problem, Severity
from backend.state.lease import EVERYTHING, Lease
from backend.translation import _

TTL_S = 900
RENEW_S = 60.0
BY_HAND = "by-hand"  # what the keys of people's leases begin with

__all__ = [
    "Lease",
    "LeaseOwner",
    "acquire",
    "holder_of",
    "keep",
    "leases_of",
    "release",
    "renew",
    "seize",
    "undo",
]


@dataclass(frozen=True, slots=True)
class LeaseOwner:
    """`run_key` of the run, `actor` (user@bastion) who launched it, `since` in UTC epoch seconds.

    `place`: the container that the commands run in, "" for the host itself; `why` a person may have said.
    """

    run_key: str
    actor: str
    since: float
    place: str = ""
    why: str = ""
    ttl_s: int = TTL_S


async def acquire(
    transport: Transport,
    node: Node,
    owner: LeaseOwner,
    devices: Sequence[int] | None = None,
    *,
    steal: bool = False,
    timeout_s: float = 15.0,
) -> tuple[Lease, ...]:
    """Take NPUs of the node, or all of it, for a run: all that are named or none. Answers what it replaced.

    Taking again for the same run is fine, and so are leases that are over. `steal` takes from others what
    is not, which is written into the node's leases.log. Raises `ConflictError` saying who holds what and
    since when; `NodeError` when the node cannot say.
    """
    names = [EVERYTHING] if devices is None else [str(device) for device in sorted(set(devices))]
    answer = await _ask(transport, node, TAKE, owner, names, steal, timeout_s)
    if refused := answer.said("refused"):
        raise _held(node, refused)
    if not answer.done:
        raise _silent(node, _("the lease of the node cannot be taken"), "")
    return answer.said("replaced")


async def renew(transport: Transport, node: Node, owner: LeaseOwner, *, timeout_s: float = 15.0) -> None:
    """Say that the run is still there. Raises `ConflictError` when it holds nothing on the node any more."""
    answer = await _ask(transport, node, RENEW, owner, (), False, timeout_s)
    if answer.done:
        return
    if others := answer.said("other"):
        raise _held(node, others)
    what = _("the lease of run {run} on {node} is gone").format(run=owner.run_key, node=node.name)
    raise ConflictError(Problem(node.name, Severity.ERROR, what))


async def keep(
    transport: Transport,
    nodes: Sequence[Node],
    owner: LeaseOwner,
    lost: Callable[[Node, ConflictError], None],
    *,
    interval_s: float = RENEW_S,
) -> None:
    """Renew on all nodes until cancelled. `lost` is called once for a node that somebody else has taken.

    A node that does not answer keeps its lease as long as its time to live, and beyond it while it computes.
    """
    held = list(nodes)

    async def one(node: Node) -> None:
        try:
            await renew(transport, node, owner)
        except ConflictError as error:
            held.remove(node)
            lost(node, error)
        except NodeError:
            return

    while held:
        await asyncio.sleep(interval_s)
        await asyncio.gather(*(one(node) for node in list(held)))


async def release(
    transport: Transport,
    node: Node,
    run_key: str,
    devices: Sequence[str] = (),
    *,
    timeout_s: float = 15.0,
) -> bool:
    """Give the node back, or only `devices` as its leases name them; True when this run held some of it.

    Leases of other runs are left alone.
    """
    owner = LeaseOwner(run_key, "", 0)
    answer = await _ask(transport, node, DROP, owner, devices, False, timeout_s)
    return bool(answer.said("dropped"))


async def undo(
    transport: Transport, node: Node, owner: LeaseOwner, devices: Sequence[str], *, timeout_s: float = 15.0
) -> tuple[tuple[Lease, ...], tuple[Lease, ...]]:
    """Give back `devices` of the node, and to their holders what `acquire` of the same `owner` stole from
    them. Answers both: what was given back, and what is others' again.
    """
    answer = await _ask(transport, node, UNDO, owner, devices, False, timeout_s)
    return answer.said("dropped"), answer.said("restored")


async def seize(
    transport: Transport, node: Node, owner: LeaseOwner, *, timeout_s: float = 15.0
) -> tuple[Lease, ...]:
    """Take every lease of the node away from whoever has it, and take none; answers them.

    `owner.actor` and `owner.why` are written into the node's leases.log.
    """
    answer = await _ask(transport, node, DROP, owner, (), True, timeout_s)
    return answer.said("dropped")


async def leases_of(
    transport: Transport, node: Node, place: str = "", *, timeout_s: float = 15.0
) -> tuple[Lease, ...]:
    """Every lease on the node, those that are over included. Raises `NodeError`."""
    answer = await _ask(transport, node, LIST, LeaseOwner("", "", 0, place), (), False, timeout_s)
    return answer.said("there")


async def holder_of(
    transport: Transport, node: Node, place: str = "", *, timeout_s: float = 15.0
) -> LeaseOwner | None:
    """Who holds the node or one of its NPUs now; None when it is free."""
    for lease in await leases_of(transport, node, place, timeout_s=timeout_s):
        if not lease.over:
            return LeaseOwner(lease.run_key, lease.actor, lease.since, place, lease.why, lease.ttl_s)
    return None


async def _ask(
    transport: Transport,
    node: Node,
    script: str,
    owner: LeaseOwner,
    devices: Sequence[str],
    steal: bool,
    timeout_s: float,
) -> Answer:
    words = words_of(
        f"{node.work_directory}/.npudeck",
        owner.run_key,
        owner.place,
        owner.ttl_s,
        owner.actor,
        owner.since,
        owner.why,
        steal,
        devices,
    )
    done = await transport.run(node, ["sh", "-c", script, "npudeck-lease", *words], timeout_s=timeout_s)
    answer = parse_answer(done.text())
    if not done.ok or not (answer.done or answer.leases):
        await check_commands_run(transport, node, timeout_s=timeout_s)
    if not done.ok:
        raise _silent(node, _("the leases of the node cannot be read or written"), done.complaint())
    return answer


def _silent(node: Node, what: str, complaint: str) -> NodeError:
    fix = ""
    if "Permission denied" in complaint:
        fix = _(
            "the work directory must belong to the user who works in it: npudeck check --fix gives it to the "
            "container's"
        )
    return NodeError(Problem(node.name, Severity.ERROR, what, complaint, fix))


def _held(node: Node, leases: Sequence[Lease]) -> ConflictError:
    return ConflictError(*(_problem(node, lease) for lease in leases))


def _problem(node: Node, lease: Lease) -> Problem:
    values = {
        "what": node.name
        if lease.device == EVERYTHING
        else _("NPU {id} of {node}").format(id=lease.device, node=node.name),
        "run": lease.run_key,
        "actor": lease.actor,
        "since": datetime.fromtimestamp(lease.since, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "node": node.name,
    }
    steal = _("if it no longer exists: npudeck fleet release {node} --steal").format(**values)
    if lease.state == "broken":
        return _error(
            node,
            _("the lease of {what} cannot be read, so somebody may hold it").format(**values),
            _("its file in .npudeck/leases there is damaged"),
            _("when nobody does: npudeck fleet release {node} --steal").format(**values),
        )
    if lease.run_key.startswith(f"{BY_HAND}-"):
        return _error(
            node,
            _("{what} is held by hand by {actor} since {since}").format(**values),
            lease.why or _("no reason was given"),
            _(
                "ask them; npudeck fleet release {node} --steal --reason TEXT takes it from them, and is "
                "written down"
            ).format(**values),
        )
    why = _("an NPU serves one run at a time")
    if lease.state == "orphaned":
        why = _(
            "nobody has renewed the lease for {minutes} min, but {count} processes of the run live"
        ).format(minutes=lease.quiet_s // 60, count=lease.alive)
    return _error(
        node,
        _("{what} is held by run {run} of {actor} since {since}").format(**values),
        why,
        _("wait for that run or stop it; {steal}").format(steal=steal),
    )


def _error(node: Node, what: str, why: str, fix: str) -> Problem:
    return Problem(node.name, Severity.ERROR, what, why, fix)
