"""Nodes that run no commands, said in one way: a login shell such as nologin, a container not there."""

from __future__ import annotations

import secrets

from backend.fleet.transport import Completed, Transport
from backend.inventory import Container, Node
from backend.problems import NodeError, Problem, Severity
from backend.translation import _


def no_commands(node: Node, said: bytes, exit_code: int) -> NodeError:
    """What is to be told of a node whose login shell answered `said` instead of running a command."""
    what = _("the login shell runs no commands: {said}").format(said=_last_words(said, exit_code))
    return NodeError(Problem(node.name, Severity.ERROR, what))


def no_commands_inside(node: Node, container: Container, said: bytes, exit_code: int) -> NodeError:
    """The same of its container: between the login shell and the command stands docker, whose words these
    are in nearly all cases.
    """
    what = _("no command runs in the container {name}: {said}").format(
        name=container.name, said=_last_words(said, exit_code)
    )
    fix = _("npudeck containers status {node} says why, containers start starts it").format(node=node.name)
    return NodeError(Problem(node.name, Severity.ERROR, what, "", fix))


def _last_words(said: bytes, exit_code: int) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else _("exit code {code}").format(code=exit_code)


async def check_commands_run(transport: Transport, node: Node, *, timeout_s: float = 15.0) -> None:
    """To be asked after a command went wrong, before it is blamed. Raises `NodeError` when no command runs:
    on the host, or where `transport` leads into a container in that.
    """
    from backend.fleet.connect_client import ContainerTransport, to_the_host

    done = await _echo(to_the_host(transport), node, timeout_s)
    if done is not None:
        raise no_commands(node, done.stdout + done.stderr, done.exit_code)
    if isinstance(transport, ContainerTransport):
        done = await _echo(transport, node, timeout_s)
        if done is not None:
            raise no_commands_inside(node, transport.container, done.stdout + done.stderr, done.exit_code)


async def _echo(transport: Transport, node: Node, timeout_s: float) -> Completed | None:
    """What came instead of a word that was to be printed; None where it came."""
    word = secrets.token_hex(12)
    # in two parts: a shell that prints what it was told to do has not done it
    argv = ["printf", "%s-%s\\n", "npudeck", word]
    done = await transport.run(node, argv, timeout_s=timeout_s)
    return None if f"npudeck-{word}" in done.text() else done
