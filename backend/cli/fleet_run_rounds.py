"""The work of `npudeck fleet run`: ask all, gather, print, answer an exit code."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from backend.cli.fleet_run_report import lines_of, to_json
from backend.cli.job_display import display
from backend.cli.report_output import print_report
from backend.cli.waiting_nodes import show_waiting
from backend.fleet.capture_client import Captured, capture
from backend.fleet.fan_out import as_done
from backend.fleet.ssh_client import SshTransport
from backend.inventory import Inventory, Node
from backend.problems import NpudeckError
from backend.translation import _

_LOGIN_S = 15.0  # what a login may take, on top of the command


async def run_everywhere(arguments: argparse.Namespace, inventory: Inventory, nodes: Sequence[Node]) -> int:
    """Run `arguments.argv` on the nodes; see `fleet_run` for the exit code."""
    transport = SshTransport(inventory.ssh)
    answers: dict[str, Captured | NpudeckError] = {}
    names = [node.name for node in nodes]

    async def ask(node: Node) -> Captured:
        return await capture(
            transport,
            node,
            arguments.argv,
            timeout_s=arguments.timeout,
            keep_bytes=arguments.keep * 1024,
            container=inventory.container if arguments.inside else None,
        )

    try:
        with display(quiet=False, start=_("asking")) as shown:
            limit = arguments.timeout + _LOGIN_S
            async for node, answer in as_done(nodes, ask, limit=arguments.at_once, deadline_s=limit):
                answers[node.name] = answer
                show_waiting(shown, names, answers)
    finally:
        await transport.close()
    ordered = {node.name: answers[node.name] for node in nodes}
    hosts = {node.name: node.host for node in nodes}
    report = to_json(arguments.argv, ordered, hosts)
    print_report(report, lines_of(ordered, hosts), json=arguments.json)
    return exit_code(list(ordered.values()))


def exit_code(answers: Sequence[Captured | NpudeckError]) -> int:
    """4: a node gave no answer; 1: one answered something else than 0; 0: all well."""
    if any(isinstance(answer, NpudeckError) or answer.ended != "exit" for answer in answers):
        return 4
    return int(any(isinstance(answer, Captured) and answer.exit_code != 0 for answer in answers))
