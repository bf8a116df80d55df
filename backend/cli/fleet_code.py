"""`npudeck fleet code`: the same code everywhere? Package, edited files, commits of the sources."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from backend.cli.diagnostics import printable, say_problem
from backend.cli.equal_problems import together
from backend.cli.fleet_selection import chosen_names, nodes_of, open_fleet
from backend.cli.output import print_json, print_line, print_table
from backend.cli.own_commands import pasteable
from backend.fleet.code_package import NEEDED
from backend.fleet.code_script import CodeThere
from backend.fleet.code_worker import code_folder, look
from backend.fleet.connect_client import connect_inside
from backend.fleet.fan_out import fan_out
from backend.fleet.gather import by_equality
from backend.fleet.node_sets import folded
from backend.problems import NpudeckError
from backend.translation import _

_DEADLINE_S = 330.0


async def compare(arguments: argparse.Namespace) -> int:
    """See `fleet_push`, which declares it."""
    inventory = open_fleet(arguments)
    nodes = nodes_of(chosen_names(arguments.nodes, inventory), inventory)
    transport = connect_inside(inventory)
    try:
        answers = await fan_out(
            nodes, lambda node: look(transport, node, code_folder(inventory, node)), deadline_s=_DEADLINE_S
        )
    finally:
        await transport.close()
    found = {name: answer for name, answer in answers.items() if isinstance(answer, CodeThere)}
    errors = {name: answer for name, answer in answers.items() if isinstance(answer, NpudeckError)}
    groups = by_equality(found)
    if arguments.json:
        print_json(_to_json(groups, errors))
    else:
        if groups:
            _print(groups)
        for problem in together(problem for error in errors.values() for problem in error.problems):
            say_problem(problem)
    if errors:
        return 4
    return int(len(groups) > 1 or any(code.missing for _names, code in groups))


def _print(groups: list[tuple[tuple[str, ...], CodeThere]]) -> None:
    rows = []
    for names, code in groups:
        commits = ", ".join(f"{name} {commit[:9]}{_mark(commit)}" for name, commit in code.commits)
        remark = _("lacks {names}").format(names=", ".join(code.missing)) if code.missing else ""
        if _none(code):
            remark = _("no code")
        if code.changed_count:
            remark = _("{count} files edited").format(count=code.changed_count)
        rows.append((folded(names), code.package or "-", commits, remark))
    columns = (_("NODES"), _("PACKAGE"), _("COMMITS"), _("REMARK"))
    print_table(columns, [tuple(map(printable, row)) for row in rows])
    print_line()
    if len(groups) > 1:
        print_line(_("{count} different states: a run needs one").format(count=len(groups)))
    elif groups and not groups[0][1].missing:
        print_line(_("the same on all nodes"))
    if none := [name for names, code in groups if _none(code) for name in names]:
        words = _("no code on {names}: npudeck fleet push code AscendCloud-….zip --nodes {nodes} brings it")
        print_line(pasteable(words.format(names=folded(none), nodes=shlex.quote(folded(none)))))
    elif half := [name for names, code in groups if code.missing for name in names]:
        words = _("not whole on {names}: the same push again mends it")
        print_line(words.format(names=folded(half)))
    whole = [(names, code) for names, code in groups if not code.missing]
    if bare := [name for names, code in whole if _uninstalled(code) for name in names]:
        words = _("not installed on {names}: fleet push code … --install fetches the sources")
        print_line(words.format(names=folded(bare)))


def _none(code: CodeThere) -> bool:
    return len(code.missing) == len(NEEDED)


def _uninstalled(code: CodeThere) -> bool:
    return any(commit == "missing" for _name, commit in code.commits)


def _mark(commit: str) -> str:
    return "+" if commit.endswith("+changed") else ""


def _to_json(
    groups: list[tuple[tuple[str, ...], CodeThere]], errors: dict[str, NpudeckError]
) -> dict[str, Any]:
    return {
        "same": len(groups) == 1 and not errors,
        "whole": bool(groups) and not errors and not any(code.missing for _names, code in groups),
        "groups": [
            {
                "nodes": list(names),
                "package": code.package,
                "sha256": code.sha256,
                "missing": list(code.missing),
                "installed": not _uninstalled(code),
                "edited": list(code.changed),
                "edited_count": code.changed_count,
                "commits": dict(code.commits),
            }
            for names, code in groups
        ],
        "problems": [problem.to_json() for error in errors.values() for problem in error.problems],
    }
