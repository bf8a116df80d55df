"""Who may use a node's NPUs: one run each, until it gives them back or is gone."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.fleet.lease_script import parse_answer
from backend.fleet.leases import LeaseOwner, acquire, holder_of, keep, leases_of, release, renew, seize
from backend.fleet.ssh_client import SshTransport
from backend.inventory import Node
from backend.problems import ConflictError, NodeError

MINE = LeaseOwner("r7-3f2a91", "ann@bastion", 1_700_000_000.0)
THEIRS = LeaseOwner("r8-aaaaaa", "bob o'neil@bastion", 1_700_000_060.0)


def leases_folder(node: Node) -> Path:
    return Path(node.work_directory) / ".npudeck" / "leases"


def change(node: Node, device: str, line: int, value: str) -> None:
    """Put another value into a lease's file, as time or another machine would have."""
    path = leases_folder(node) / device
    lines = path.read_text().splitlines()
    lines[line] = value
    path.write_text("\n".join(lines) + "\n")


PLACE, BOOT, PIDS, BEAT = 3, 4, 5, 6


def left_behind(node: Node) -> list[str]:
    return sorted(path.name for path in (Path(node.work_directory) / ".npudeck").iterdir())


async def test_one_holder(transport: SshTransport, node: Node) -> None:
    assert await holder_of(transport, node) is None
    await acquire(transport, node, MINE)
    await acquire(transport, node, MINE)
    assert await holder_of(transport, node) == MINE
    with pytest.raises(ConflictError, match="r7-3f2a91 of ann@bastion since 2023-11-14 22:13 UTC"):
        await acquire(transport, node, THEIRS)
    assert left_behind(node) == ["leases", "leases.lock"]


async def test_only_the_owner_gives_back(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, MINE)
    assert await release(transport, node, THEIRS.run_key) is False
    assert await holder_of(transport, node) == MINE
    assert await release(transport, node, MINE.run_key) is True
    assert await release(transport, node, MINE.run_key) is False
    await acquire(transport, node, THEIRS)
    assert await holder_of(transport, node) == THEIRS


async def test_two_at_once_one_wins(transport: SshTransport, node: Node) -> None:
    owners = [LeaseOwner(f"r{number}-x", "ann@bastion", 1.0) for number in range(8)]
    results = await asyncio.gather(
        *(acquire(transport, node, owner) for owner in owners), return_exceptions=True
    )
    assert results.count(()) == 1
    assert sum(isinstance(result, ConflictError) for result in results) == 7
    winner = await holder_of(transport, node)
    assert winner == owners[results.index(())]


async def test_unwritable_work_directory(transport: SshTransport, node: Node) -> None:
    with pytest.raises(NodeError, match="cannot be read or written"):
        await acquire(transport, replace(node, work_directory="/proc/nowhere"), MINE)


async def test_npus_are_taken_apart_and_together(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, MINE, [0, 1])
    await acquire(transport, node, THEIRS, [2, 3])
    third = replace(THEIRS, run_key="r9-bbbbbb")
    with pytest.raises(ConflictError, match="NPU 1 of n01 is held by run r7-3f2a91") as caught:
        await acquire(transport, node, third, [1, 2, 4])
    assert len(caught.value.problems) == 2
    with pytest.raises(ConflictError):
        await acquire(transport, node, third)
    # a refusal takes nothing, not even what was free
    assert {lease.device: lease.run_key for lease in await leases_of(transport, node)} == {
        "0": MINE.run_key,
        "1": MINE.run_key,
        "2": THEIRS.run_key,
        "3": THEIRS.run_key,
    }
    assert await release(transport, node, MINE.run_key)
    await acquire(transport, node, third, [1, 4])
    with pytest.raises(ConflictError, match="NPU 4"):
        await acquire(transport, node, MINE, [0, 4])


async def test_many_at_once_never_share_an_npu(transport: SshTransport, node: Node) -> None:
    owners = [LeaseOwner(f"r{number}-x", "ann@bastion", 1.0) for number in range(9)]
    wanted = [[number % 4, (number + 1) % 4] for number in range(9)]
    results = await asyncio.gather(
        *(acquire(transport, node, owner, devices) for owner, devices in zip(owners, wanted, strict=True)),
        return_exceptions=True,
    )
    winners = {
        owner.run_key: set(devices)
        for owner, devices, result in zip(owners, wanted, results, strict=True)
        if not isinstance(result, BaseException)
    }
    assert winners
    held: dict[str, set[int]] = {}
    for lease in await leases_of(transport, node):
        held.setdefault(lease.run_key, set()).add(int(lease.device))
    assert held == winners


async def test_a_lease_ends_with_the_boot(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, THEIRS)
    change(node, "all", BOOT, "11111111-2222-3333-4444-555555555555")
    assert await holder_of(transport, node) is None
    [lease] = await leases_of(transport, node)
    assert lease.state == "reboot"
    [replaced] = await acquire(transport, node, MINE)
    assert replaced.run_key == THEIRS.run_key
    assert await holder_of(transport, node) == MINE
    log = (leases_folder(node).parent / "leases.log").read_text()
    assert "expired: ann@bastion took all NPUs, left over from bob o'neil@bastion: r8-aaaaaa, reboot; " in log


async def test_a_lease_ends_with_its_container(transport: SshTransport, node: Node) -> None:
    inside = replace(THEIRS, place="trainer")
    await acquire(transport, node, inside)
    change(node, "all", PIDS, "pid:[1]")
    # seen from the host the namespaces differ anyway, and say nothing
    assert (await holder_of(transport, node)) is not None
    assert (await holder_of(transport, node, "trainer")) is None
    await acquire(transport, node, replace(MINE, place="trainer"))


async def test_a_lease_that_nobody_renews_ends(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, THEIRS)
    change(node, "all", BEAT, str(int(time.time()) - THEIRS.ttl_s + 5))
    with pytest.raises(ConflictError):
        await acquire(transport, node, MINE)
    change(node, "all", BEAT, str(int(time.time()) - THEIRS.ttl_s - 5))
    [lease] = await leases_of(transport, node)
    assert (lease.state, lease.over) == ("silent", True)
    await acquire(transport, node, MINE)


async def test_a_clock_that_was_put_back_holds_nothing_for_years(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, THEIRS)
    change(node, "all", BEAT, str(int(time.time()) + THEIRS.ttl_s - 60))
    with pytest.raises(ConflictError):
        await acquire(transport, node, MINE)
    change(node, "all", BEAT, str(int(time.time()) + THEIRS.ttl_s + 60))
    [lease] = await leases_of(transport, node)
    assert (lease.state, lease.over) == ("silent", True)


@pytest.fixture
def training() -> Iterator[subprocess.Popen[bytes]]:
    """What job.sh marks as a process of THEIRS."""
    mark = {**os.environ, "NPUDECK_JOB": f"{THEIRS.run_key}.train"}
    process = subprocess.Popen(["sleep", "60"], env=mark)
    yield process
    process.kill()
    process.wait()


async def test_a_run_that_computes_keeps_its_npus_though_its_bastion_is_gone(
    transport: SshTransport, node: Node, training: subprocess.Popen[bytes]
) -> None:
    await acquire(transport, node, THEIRS)
    change(node, "all", BEAT, "1000")
    [lease] = await leases_of(transport, node)
    assert (lease.state, lease.alive) == ("orphaned", 1)
    with pytest.raises(ConflictError, match="1 processes of the run live"):
        await acquire(transport, node, MINE)
    training.kill()
    training.wait()
    await acquire(transport, node, MINE)


async def test_renewing(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, MINE, [0, 5])
    for device in ("0", "5"):
        change(node, device, BEAT, str(int(time.time()) - 800))
    await renew(transport, node, MINE)
    assert {lease.quiet_s for lease in await leases_of(transport, node)} <= {0, 1, 2}
    assert await holder_of(transport, node) == MINE
    with pytest.raises(ConflictError, match="held by run r7-3f2a91"):
        await renew(transport, node, THEIRS)
    await release(transport, node, MINE.run_key)
    with pytest.raises(ConflictError, match="is gone"):
        await renew(transport, node, MINE)


async def test_stealing_is_written_down(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, THEIRS, [3])
    [stolen] = await acquire(transport, node, replace(MINE, why="bob has left\nthe firm"), steal=True)
    assert (stolen.run_key, stolen.state) == (THEIRS.run_key, "held")
    assert [lease.run_key for lease in await leases_of(transport, node)] == [MINE.run_key]
    log = (leases_folder(node).parent / "leases.log").read_text()
    assert (
        "stolen: ann@bastion took NPU 3 from bob o'neil@bastion: r8-aaaaaa, held; bob has left the firm\n"
    ) in log
    [dropped] = await seize(transport, node, replace(THEIRS, why="mine again"))
    assert dropped.run_key == MINE.run_key
    assert await holder_of(transport, node) is None
    log = (leases_folder(node).parent / "leases.log").read_text()
    words = f"dropped: {THEIRS.actor} freed all NPUs held by ann@bastion: {MINE.run_key}, held; "
    assert words in log


async def test_keeping_says_once_who_took_the_node(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, MINE)
    change(node, "all", BEAT, str(int(time.time()) - 800))
    lost: list[str] = []
    keeping = asyncio.create_task(
        keep(transport, [node], MINE, lambda where, error: lost.append(where.name), interval_s=0.02)
    )
    async with asyncio.timeout(10):
        while (await leases_of(transport, node))[0].quiet_s > 5:
            await asyncio.sleep(0.02)
        await acquire(transport, node, THEIRS, steal=True)
        await keeping
    assert lost == ["n01"]
    assert await holder_of(transport, node) == THEIRS


async def test_a_file_that_cannot_be_read_is_nobodys_to_take(transport: SshTransport, node: Node) -> None:
    leases_folder(node).mkdir(parents=True)
    (leases_folder(node) / "all").write_text("")
    with pytest.raises(ConflictError, match="the lease of n01 cannot be read"):
        await acquire(transport, node, MINE)
    (leases_folder(node) / "all").write_bytes(b"\x00\xff\n" * 20)
    [lease] = await leases_of(transport, node)
    assert lease.state == "broken"
    await acquire(transport, node, MINE, steal=True)
    assert await holder_of(transport, node) == MINE


async def test_words_stay_words(transport: SshTransport, node: Node) -> None:
    owner = LeaseOwner("r1-x", "$(touch /tmp/pwned) `id`\tx", 1.0, why="; rm -rf ~ %s %n \\n")
    await acquire(transport, node, owner)
    [lease] = await leases_of(transport, node)
    assert (lease.actor, lease.why) == ("$(touch /tmp/pwned) `id` x", "; rm -rf ~ %s %n \\n")


def test_an_answer_among_other_words() -> None:
    row = "npudeck-lease\tthere\t3\theld\tr1-x\tann\t100\thost\t5\t900\t0\twhy"
    answer = parse_answer(f"Welcome to n01!\n{row}\nnpudeck-lease\tcut\tshort\nnpudeck-lease\ttaken\n")
    assert answer.done
    [lease] = answer.said("there")
    assert (lease.device, lease.since, lease.quiet_s) == ("3", 100.0, 5)
    assert not parse_answer("npudeck-lease").done


async def test_ones_own_that_is_over_makes_way(transport: SshTransport, node: Node) -> None:
    await acquire(transport, node, MINE)
    change(node, "all", BOOT, "11111111-2222-3333-4444-555555555555")
    await acquire(transport, node, MINE, [1])
    assert [lease.device for lease in await leases_of(transport, node)] == ["1"]
    await acquire(transport, node, MINE, [2])
    assert [lease.device for lease in await leases_of(transport, node)] == ["1", "2"]


async def test_looking_makes_nothing(transport: SshTransport, node: Node) -> None:
    assert await leases_of(transport, node) == ()
    assert await leases_of(transport, replace(node, work_directory=f"{node.work_directory}/none")) == ()
    assert list(Path(node.work_directory).iterdir()) == []


async def test_what_cannot_be_seen_is_not_free(transport: SshTransport, node: Node) -> None:
    """A file stands where the folder should be: root would pass every right."""
    (Path(node.work_directory) / ".npudeck").write_text("")
    with pytest.raises(NodeError, match="cannot be read or written"):
        await leases_of(transport, node)


async def test_what_somebody_holds_by_hand_is_said_with_the_reason(
    transport: SshTransport, node: Node
) -> None:
    await acquire(transport, node, replace(MINE, run_key="by-hand-ann@bastion", why="soldering"), [1])
    with pytest.raises(ConflictError) as caught:
        await acquire(transport, node, THEIRS)
    [problem] = caught.value.problems
    assert problem.what == "NPU 1 of n01 is held by hand by ann@bastion since 2023-11-14 22:13 UTC"
    assert problem.why == "soldering"
    # whoever asks: a launch has no --steal of its own
    assert "npudeck fleet release n01 --steal --reason TEXT" in problem.fix
