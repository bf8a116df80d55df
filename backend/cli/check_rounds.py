"""The work of `npudeck check`: ask, show, put right, ask again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from backend.cli.check_repairs import Done, Repairs
from backend.cli.check_report import exit_code, lines_of, to_json
from backend.cli.job_display import display
from backend.cli.report_output import print_report
from backend.cli.streams import terminal_width
from backend.clock import RealClock
from backend.fleet.ssh_client import SshTransport
from backend.inventory import Inventory
from backend.preflight.check_worker import check_nodes
from backend.preflight.item import Finding
from backend.preflight.setting import Setting
from backend.translation import _

_MOST_ROUNDS = 3  # what was put right may show what else is wrong: a container that runs, then its owner


async def rounds(
    arguments: argparse.Namespace, inventory: Inventory, setting: Setting, planned: Sequence[Finding]
) -> int:
    transport = SshTransport(inventory.ssh)
    clock = RealClock()
    done: list[Done] = []
    try:
        began = clock.now()
        findings = await _ask(transport, setting)
        took_s = clock.now() - began
        if arguments.fix:
            repairs = Repairs(arguments, transport, setting)
            for _round in range(_MOST_ROUNDS):
                if not await repairs.make(findings):
                    break
                findings = await _ask(transport, setting)
            done = repairs.done
    finally:
        await transport.close()
    everything = (*planned, *findings)
    report = to_json(inventory, setting, everything, done, took_s)
    lines = lines_of(
        setting, everything, done, took_s, fixing=arguments.fix, width=terminal_width(sys.stdout)
    )
    print_report(report, lines, json=arguments.json)
    return exit_code(everything)


async def _ask(transport: SshTransport, setting: Setting) -> tuple[Finding, ...]:
    with display(quiet=False, start=_("asking")) as shown:
        return await check_nodes(transport, setting, shown.move)
