"""Nodes whose login shell runs no commands (nologin, a shell that only talks): said in one way."""

from __future__ import annotations

import secrets

from backend.fleet.transport import Transport
from backend.inventory import Node
from backend.problems import NodeError, Problem, Severity
from backend.translation import _


def no_commands(node: Node, said: bytes, exit_code: int) -> NodeError:
    """What is to be told of a node whose login shell answered `said` instead of running a command."""
    what = _("the login shell runs no commands: {said}").format(said=last_words(said, exit_code))
    return NodeError(Problem(node.name, Severity.ERROR, what))


def last_words(said: bytes, exit_code: int) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else _("exit code {code}").format(code=exit_code)


async def check_login_shell(transport: Transport, node: Node, *, timeout_s: float = 15.0) -> None:
    """To be asked after a command went wrong, before it is blamed. Raises `NodeError` when no command runs.

    It asks the host also where `transport` leads into a container.
    """
    from backend.fleet.connect_client import to_the_host

    word = secrets.token_hex(12)
    # in two parts: a shell that prints what it was told to do has not done it
    argv = ["printf", "%s-%s\\n", "npudeck", word]
    done = await to_the_host(transport).run(node, argv, timeout_s=timeout_s)
    if f"npudeck-{word}" not in done.text():
        raise no_commands(node, done.stdout + done.stderr, done.exit_code)
