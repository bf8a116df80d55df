"""A question that no node answered: in the words of what kept it, with the advice that belongs to it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from backend.cli.check_report import grouped
from backend.fleet.capture_client import Captured
from backend.fleet.kept_output import Output
from backend.fleet.login_shell_client import no_commands
from backend.fleet.ssh_client import SshTransport
from backend.fleet.transport import Completed
from backend.inventory import Node
from backend.preflight import asking_worker
from backend.preflight.asking_worker import Asking
from backend.preflight.item import Finding, Status
from backend.preflight.login_items import limits_item, login_item
from backend.preflight.setting import Setting
from backend.preflight.stale_item import stale_item
from backend.preflight.together_worker import Together
from backend.problems import NodeError, NodeUnreachableError

NODE = Node("n01", "192.0.2.1", "192.0.2.1", 8, "/w")
SETTING = Setting((NODE,), "/s", None, 6000)
NO_TRANSPORT = cast(SshTransport, None)


@pytest.mark.parametrize("kind", [NodeError, NodeUnreachableError])
def test_a_refused_host_key_is_no_login_shell(kind: type[NodeError], monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_words: object, **_more: object) -> Any:
        raise kind.because("the host key is not known", "it offers x", "npudeck fleet trust n01", field="n01")

    monkeypatch.setattr(asking_worker, "capture", refused)

    async def ask() -> list[Finding]:
        return await Asking(NO_TRANSPORT, SETTING).items(NODE, [login_item(NODE)])

    (found,) = asyncio.run(ask())
    assert found.status is Status.UNKNOWN
    assert found.found == "the host key is not known: it offers x"
    assert found.fix == "npudeck fleet trust n01"


def test_nodes_that_are_off_are_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is told of with its own address."""

    async def refused(_transport: object, node: Node, *_words: object, **_more: object) -> Any:
        raise NodeUnreachableError.because(f"{node.host}:22 cannot be reached", field=node.name)

    monkeypatch.setattr(asking_worker, "capture", refused)
    nodes = [Node(f"n{number:02}", f"192.0.2.{number}", "a", 8, "/w") for number in range(1, 17)]

    async def ask() -> list[list[Finding]]:
        asking = Asking(NO_TRANSPORT, SETTING)
        return [await asking.items(node, [login_item(node)]) for node in nodes]

    findings = [found for (found,) in asyncio.run(ask())]
    assert findings[4].found == "192.0.2.5:22 cannot be reached"
    ((item, status, names, shown),) = grouped(findings)
    assert (item, status, len(names), shown.found) == ("ssh", Status.UNKNOWN, 16, "HOST:22 cannot be reached")
    assert shown.fix


def test_a_shell_that_answers_something_else_runs_no_commands() -> None:
    """Told in the words of every other command."""
    verdict = login_item(NODE).judge(Completed(1, b"", b"no such luck"))
    assert verdict.status is Status.UNKNOWN
    assert verdict.found == no_commands(NODE, b"no such luck", 1).problems[0].what


def test_nothing_outlives_an_interrupted_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever were left would fail when the connection goes, in a traceback of its own."""
    ended: list[str] = []

    async def slow(_transport: object, node: Node, argv: Sequence[str], **_more: object) -> Any:
        if argv == login_item(NODE).argv:
            return Captured("exit", 0, Output(b"npudeck-login 0 root\n"), Output(), b"", 0.1)
        try:
            await asyncio.sleep(600)
        finally:
            ended.append(node.name)

    monkeypatch.setattr(asking_worker, "capture", slow)

    async def ask() -> int:
        asking = Asking(NO_TRANSPORT, SETTING)
        check = asyncio.ensure_future(
            asking.items(NODE, [login_item(NODE), stale_item(), limits_item(SETTING)])
        )
        await asyncio.sleep(0.05)
        check.cancel()
        with pytest.raises(asyncio.CancelledError):
            await check
        return len(asyncio.all_tasks())

    assert asyncio.run(ask()) == 1
    assert ended == ["n01", "n01"]


class _Silent:
    """A channel whose program ended without a word."""

    async def readline(self) -> bytes:
        return b""

    async def close(self) -> None:
        pass


class _Transport:
    async def open(self, *_words: object, **_more: object) -> _Silent:
        return _Silent()


@pytest.mark.parametrize(("python", "port"), [(Status.WRONG, Status.SKIPPED), (Status.OK, Status.UNKNOWN)])
def test_without_a_python_nothing_can_listen(python: Status, port: Status) -> None:
    """One cause is said once."""
    transport = cast(SshTransport, _Transport())
    before = [Finding("python", "n01", python, "", "")]
    together = Together(Asking(transport, SETTING), transport, SETTING, before)
    found = {one.item: one for one in asyncio.run(together.ask())}
    assert found["master_port"].status is port
