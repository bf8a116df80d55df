"""Holding by hand that is interrupted."""

from __future__ import annotations

import asyncio
import fcntl
from dataclasses import replace
from pathlib import Path

import pytest
from loopback_ssh import LoopbackHost

from backend.fleet import hold_worker
from backend.fleet.hold_worker import GivenBack, Holding, names_of
from backend.fleet.leases import LeaseOwner, acquire, leases_of, release
from backend.fleet.ssh_client import SshTransport
from backend.inventory import Node
from backend.problems import ConflictError, NodeUnreachableError

MINE = LeaseOwner("by-hand-ann", "ann@gate", 1_700_000_000.0)
THEIRS = LeaseOwner("r8-aaaaaa", "bob@gate", 1_700_000_060.0)


async def held(transport: SshTransport, node: Node) -> dict[str, str]:
    return {lease.device: lease.run_key for lease in await leases_of(transport, node)}


async def test_only_what_this_call_took_is_given_back(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, MINE, [0])
    await acquire(transport, node, THEIRS, [5])
    holding = Holding(MINE, [0, 1, 2], steal=False)
    await holding.hold(transport, node)
    assert set(await held(transport, node)) == {"0", "1", "2", "5"}
    assert await holding.give_back(transport) == GivenBack(("n01",), {}, {}, {})
    assert await held(transport, node) == {"0": MINE.run_key, "5": THEIRS.run_key}


async def test_a_refusal_leaves_nothing_to_give_back(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, THEIRS, [1])
    holding = Holding(MINE, None, steal=False)
    with pytest.raises(ConflictError):
        await holding.hold(transport, node)
    assert await holding.give_back(transport) == GivenBack((), {}, {}, {})


async def test_a_node_that_was_just_being_asked(
    transport: SshTransport, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes its NPUs after the interrupt: they are waited for, and given back."""
    asked = asyncio.Event()

    async def slowly(*words: object, **more: object) -> object:
        asked.set()
        await asyncio.sleep(0.3)
        return await acquire(*words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(hold_worker, "acquire", slowly)
    holding = Holding(MINE, None, steal=False)
    holds = asyncio.ensure_future(holding.hold(transport, node))
    await asked.wait()
    holds.cancel()
    assert await holding.give_back(transport) == GivenBack(("n01",), {}, {}, {})
    assert await held(transport, node) == {}


async def test_a_node_that_cannot_give_back_is_named(
    transport: SshTransport, node: Node, host: LoopbackHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold_worker, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(hold_worker, "_DEADLINE_S", 0.5)
    holding = Holding(MINE, None, steal=False)
    await holding.hold(transport, node)
    with (Path(node.work_directory) / ".npudeck" / "leases.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        given = await holding.give_back(transport)
    assert given == GivenBack((), {}, {"n01": "no answer within 0.5 s"}, {"n01": ()})


def files(node: Node) -> dict[str, str]:
    folder = Path(node.work_directory) / ".npudeck" / "leases"
    return {path.name: path.read_text() for path in folder.iterdir()}


async def test_what_was_stolen_is_its_holders_again_as_it_was(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, MINE, [0])
    await acquire(transport, node, THEIRS, [5, 6])
    (Path(node.work_directory) / ".npudeck" / "leases" / "7").write_text("broken")
    before = files(node)
    holding = Holding(MINE, None, steal=True)
    await holding.hold(transport, node)
    assert set(await held(transport, node)) == {"0", "all"}
    assert [lease.device for lease in holding.stolen["n01"]] == ["5", "6", "7"]
    given = await holding.give_back(transport)
    assert given.back == ("n01",)
    words = "run r8-aaaaaa of bob@gate, nobody known (a lease that cannot be read)"
    assert names_of(given.restored["n01"]) == words
    assert files(node) == before
    assert not list((Path(node.work_directory) / ".npudeck" / "stolen").rglob("*"))
    log = (Path(node.work_directory) / ".npudeck" / "leases.log").read_text()
    assert "restored: ann@gate gave NPU 5 back to bob@gate: r8-aaaaaa, held; " in log


async def test_what_an_earlier_call_stole_stays_stolen(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, THEIRS, [5])
    await Holding(MINE, [5], steal=True).hold(transport, node)
    later = Holding(replace(MINE, since=MINE.since + 60), [5, 6], steal=True)
    await later.hold(transport, node)
    assert (await later.give_back(transport)).restored == {}
    assert await held(transport, node) == {"5": MINE.run_key}
    await release(transport, node, MINE.run_key)
    assert not list((Path(node.work_directory) / ".npudeck" / "stolen").rglob("*"))


async def test_no_answer_is_no_refusal(
    transport: SshTransport, node: Node, host: LoopbackHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    await acquire(transport, node, THEIRS)

    async def cut(*words: object, **more: object) -> object:
        await acquire(*words, **more)  # type: ignore[arg-type]
        raise NodeUnreachableError.because("the link was lost")

    monkeypatch.setattr(hold_worker, "acquire", cut)
    with pytest.raises(NodeUnreachableError) as caught:
        await Holding(MINE, None, steal=True).hold(transport, node)
    [problem] = caught.value.problems
    assert problem.why == "it may have been taken all the same, from run r8-aaaaaa of bob@gate"
    assert "fleet leases n01" in problem.fix
