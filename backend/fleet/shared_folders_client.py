"""Find out which nodes see the same folder: nobody is believed, a file of each is looked for on all."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from backend.fleet.fan_out import fan_out
from backend.fleet.login_shell_client import check_commands_run
from backend.fleet.transport import Transport
from backend.inventory import Node
from backend.problems import NodeError, NpudeckError, Problem, Severity
from backend.translation import _

# the last line in two parts: a shell that prints what it was told to do has not done it
_MARK = """
set -eu
umask 022
mkdir -p "$1"
: >"$1/$2"
printf 'npudeck-%s\\n' folder
"""
_SEE = """
cd "$1"
for name in .npudeck-seen-"$2"-*; do
    [ -e "$name" ] && printf 'npudeck-seen %s\\n' "$name"
done
printf 'npudeck-%s\\n' folder
"""
_CLEAN = """
rm -f "$1/$2"
printf 'npudeck-%s\\n' folder
"""
_DEADLINE_S = 60.0


async def nodes_by_folder(
    transport: Transport, nodes: Sequence[Node], folder: Callable[[Node], str]
) -> list[tuple[Node, ...]]:
    """Nodes whose `folder` is one and the same stand together, first come first; the folder is made.

    Raises `NodeError` with the problem of every node where that does not work.
    """
    nonce = secrets.token_hex(8)
    marks = {node.name: f".npudeck-seen-{nonce}-{number}" for number, node in enumerate(nodes)}

    async def ask(node: Node, script: str, *words: str) -> str:
        argv = ["sh", "-c", script, "sh", folder(node), *words]
        done = await transport.run(node, argv, timeout_s=_DEADLINE_S)
        if not done.ok or "npudeck-folder" not in done.text():
            await check_commands_run(transport, node, timeout_s=_DEADLINE_S)
            what = _("{folder} cannot be used: {complaint}")
            raise NodeError(
                Problem(
                    node.name,
                    Severity.ERROR,
                    what.format(folder=folder(node), complaint=done.complaint()),
                    "",
                    _("see that it exists and belongs to the user who logs in"),
                )
            )
        return done.text()

    try:
        await _all(nodes, lambda node: ask(node, _MARK, marks[node.name]))
        seen = await _all(nodes, lambda node: ask(node, _SEE, nonce))
    finally:
        await fan_out(nodes, lambda node: ask(node, _CLEAN, marks[node.name]), deadline_s=_DEADLINE_S)
    by_mark = {marks[node.name]: node for node in nodes}
    groups: dict[str, list[Node]] = {}
    for node in nodes:
        visible = [by_mark[word] for word in seen[node.name].split() if word in by_mark]
        # the first that both see speaks for the folder
        first = min(visible, key=list(nodes).index, default=node)
        groups.setdefault(first.name, []).append(node)
    return [tuple(members) for members in groups.values()]


async def _all(nodes: Sequence[Node], action: Callable[[Node], object]) -> dict[str, str]:
    answers = await fan_out(nodes, action, deadline_s=_DEADLINE_S + 10)  # type: ignore[arg-type]
    problems = [
        problem
        for answer in answers.values()
        if isinstance(answer, NpudeckError)
        for problem in answer.problems
    ]
    if problems:
        raise NodeError(*problems)
    return {name: str(answer) for name, answer in answers.items()}
