"""`npudeck fleet leases`, `hold` and `release`: who has which NPUs, and taking or giving them by hand."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from backend.cli.arguments import Commands, add_command, add_inventory, add_json
from backend.cli.flag_types import text
from backend.cli.fleet_selection import add_nodes, chosen_names, nodes_of, open_fleet
from backend.fleet.leases import BY_HAND, Lease, LeaseOwner
from backend.fleet.transport import Transport
from backend.inventory import Inventory, Node
from backend.problems import ConflictError, NpudeckError, Problem, Severity, UsageError
from backend.translation import _

_DEADLINE_S = 60.0
_Action = Callable[[Transport, Node], Awaitable[tuple[Lease, ...]]]
_Undo = Callable[[Transport], Awaitable[None]]


def register(commands: Commands) -> None:
    """Declare the commands."""
    words = _("show who holds which NPUs, and what leases are over")
    parser = add_command(commands, "leases", words, _leases)
    add_inventory(parser)
    add_nodes(parser, _("nodes, groups or node sets (default: all)"))
    add_json(parser)
    words = _("hold NPUs for work by hand: no run starts on them")
    parser = add_command(commands, "hold", words, _hold)
    add_inventory(parser)
    add_nodes(parser, _("nodes, groups or node sets"), "+")
    parser.add_argument(
        "--npus", type=_npus, metavar="IDS", help=_("such as 0-3,6 (default: the whole node)")
    )
    parser.add_argument(
        "--for", dest="span_s", type=_span, default="4h", metavar="TIME", help=_("30m, 4h, 2d (default 4h)")
    )
    parser.add_argument(
        "--reason", type=text, default="", metavar="TEXT", help=_("why, for others who want them")
    )
    _add_steal(parser)
    add_json(parser)
    words = _("give back what was held by hand; with --steal what anybody holds")
    parser = add_command(commands, "release", words, _release)
    add_inventory(parser)
    add_nodes(parser, _("nodes, groups or node sets"), "+")
    parser.add_argument(
        "--reason", type=text, default="", metavar="TEXT", help=_("why, where it is somebody else's")
    )
    _add_steal(parser)
    add_json(parser)


def _add_steal(parser: argparse.ArgumentParser) -> None:
    words = _("take what others hold; it is written into leases.log on the node, with your name")
    parser.add_argument("--steal", action="store_true", help=words)
    words = _("who you are, where several people share an account (default: who logged in, also behind sudo)")
    parser.add_argument("--as", dest="name", type=_name, metavar="NAME", help=words)


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        words = _("{text!r} is no name of letters, digits, `.`, `_`, `-`")
        raise argparse.ArgumentTypeError(words.format(text=text))
    return text


def _npus(text: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", part.strip())
        ids = range(int(match[1]), int(match[2] or match[1]) + 1) if match is not None else ()
        if not ids:
            raise argparse.ArgumentTypeError(_("{text!r} are no NPU ids such as 0-3,6").format(text=text))
        found += ids
    return tuple(dict.fromkeys(found))


def _span(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,5})([mhd])", text.strip())
    seconds = int(match[1]) * {"m": 60, "h": 3600, "d": 86400}[match[2]] if match else 0
    if not 60 <= seconds <= 30 * 86400:
        words = _("{text!r} is not a time such as 30m, 4h or 2d; at least 1m, at most 30d")
        raise argparse.ArgumentTypeError(words.format(text=text))
    return seconds


def _leases(arguments: argparse.Namespace) -> int:
    """Exit code 4 when a node could not be asked."""
    from backend.fleet.leases import leases_of

    inventory = open_fleet(arguments)
    place = inventory.container.name if inventory.container else ""
    return _everywhere(arguments, inventory, lambda transport, node: leases_of(transport, node, place))


def _hold(arguments: argparse.Namespace) -> int:
    """Exit code 6 when somebody else holds some of it; other nodes are held all the same.

    Interrupted (SIGINT, SIGTERM, SIGHUP), it gives back what it took, to others what it stole from them, or
    says where it could not.
    """
    from backend.cli.fleet_lease_report import say_given_back
    from backend.fleet.hold_worker import Holding

    inventory = open_fleet(arguments)
    for node in nodes_of(chosen_names(arguments.nodes, inventory), inventory):
        if arguments.npus and max(arguments.npus) >= node.npus:
            what = _("{node} has the NPUs 0 to {last}").format(node=node.name, last=node.npus - 1)
            raise UsageError.because(what, field="--npus")
    owner = replace(_owner(arguments, inventory), ttl_s=arguments.span_s)
    holding = Holding(owner, arguments.npus, steal=arguments.steal)

    async def hold(transport: Transport, node: Node) -> tuple[Lease, ...]:
        return await holding.hold(transport, node)

    async def undo(transport: Transport) -> None:
        say_given_back(await holding.give_back(transport))

    taken = holding.stolen if arguments.steal else None
    return _everywhere(arguments, inventory, hold, undo, taken, holds=True)


def _release(arguments: argparse.Namespace) -> int:
    """Exit code 6 where all that is held is somebody else's: nothing was given back."""
    from backend.cli.diagnostics import say_problem
    from backend.fleet.leases import leases_of, release, seize

    inventory = open_fleet(arguments)
    owner = _owner(arguments, inventory)

    async def give(transport: Transport, node: Node) -> tuple[Lease, ...]:
        if arguments.steal:
            seized = await seize(transport, node, owner)
            if others := tuple(
                lease for lease in seized if lease.run_key != owner.run_key and not lease.over
            ):
                taken[node.name] = others
            return await leases_of(transport, node, owner.place)
        gave = await release(transport, node, owner.run_key)
        left = await leases_of(transport, node, owner.place)
        if not gave:
            # to give back nothing must not look like having given it back
            foreign.extend(_of_others(node, owner, left))
        return left

    foreign: list[Problem] = []
    taken: dict[str, tuple[Lease, ...]] = {}
    code = _everywhere(arguments, inventory, give, taken=taken if arguments.steal else None)
    for problem in foreign:
        say_problem(problem)
    return max(code, ConflictError.exit_code) if foreign else code


def _of_others(node: Node, owner: LeaseOwner, leases: Sequence[Lease]) -> list[Problem]:
    """What is held there after all; nothing where all is free or over."""
    from backend.fleet.hold_worker import names_of

    held = [lease for lease in leases if not lease.over]
    if not held:
        return []
    what = _("{actor} holds nothing there").format(actor=owner.actor)
    why = _("it is held by {names}").format(names=names_of(held))
    fix = _(
        "ask whose it is; --as NAME gives back what NAME holds, --steal --reason TEXT takes it all the same"
    )
    return [Problem(node.name, Severity.ERROR, what, why, fix)]


def _owner(arguments: argparse.Namespace, inventory: Inventory) -> LeaseOwner:
    """One holder for each name at this bastion: `--as`, else who took this account by sudo, else the user."""
    from backend.runs.run_site_files import actor

    account = actor()
    user, _at, host = account.partition("@")
    name = arguments.name or os.environ.get("SUDO_USER") or user
    # where somebody sits tells people of one account apart for others, but not for us: it changes too often
    seat = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    place = inventory.container.name if inventory.container else ""
    key = re.sub(r"[^A-Za-z0-9._@-]", "-", f"{BY_HAND}-{name}@{host}")
    who = f"{name}@{host}" if name == user else f"{name} ({account})"
    if seat:
        who = f"{who} from {seat}" if name == user else f"{name} ({account} from {seat})"
    return LeaseOwner(key, who, time.time(), place, arguments.reason)


def _everywhere(
    arguments: argparse.Namespace,
    inventory: Inventory,
    action: _Action,
    undo: _Undo | None = None,
    taken: Mapping[str, Sequence[Lease]] | None = None,
    *,
    holds: bool = False,
) -> int:
    """`taken`: node -> what `action` took from others, filled while it works; None where it takes nothing.

    `holds`: a node that answers is held from then on.
    """
    from backend.cli.fleet_lease_report import print_leases, say_held, say_taken, to_json
    from backend.cli.output import print_json

    nodes = nodes_of(chosen_names(arguments.nodes, inventory), inventory)
    answers = asyncio.run(_ask(inventory, nodes, action, undo))
    errors = [answer for answer in answers.values() if isinstance(answer, NpudeckError)]
    held = [name for name, answer in answers.items() if not isinstance(answer, NpudeckError)]
    if arguments.json:
        print_json(to_json(answers, taken, held if holds else None))
    else:
        print_leases(answers)
        in_order = {name: taken[name] for name in answers if taken and name in taken}
        say_taken(_("{node}: taken from {names}"), in_order)
        if holds and held and errors:
            say_held(held, arguments.name)
    return max((error.exit_code for error in errors), default=0)


async def _ask(
    inventory: Inventory, nodes: Sequence[Node], action: _Action, undo: _Undo | None
) -> dict[str, tuple[Lease, ...] | NpudeckError]:
    from backend.fleet.connect_client import connect_inside
    from backend.fleet.fan_out import fan_out

    transport = connect_inside(inventory)
    ended_by: list[int] = []
    if undo is not None:
        _cancel_at_the_end_signals(ended_by)
    try:
        return await fan_out(nodes, lambda node: action(transport, node), deadline_s=_DEADLINE_S)
    except asyncio.CancelledError:
        if undo is not None:
            await undo(transport)
        if ended_by:
            raise SystemExit(128 + ended_by[0]) from None
        raise
    finally:
        await transport.close()


def _cancel_at_the_end_signals(ended_by: list[int]) -> None:
    """As asyncio does it for SIGINT; the second SIGTERM or SIGHUP ends the process as it does by default."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def end(number: int) -> None:
        loop.remove_signal_handler(number)
        ended_by.append(number)
        if task is not None:
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGHUP):
        # nohup has SIGHUP ignored
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, end, number)
