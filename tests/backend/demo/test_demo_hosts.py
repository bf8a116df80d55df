"""Demo nodes behave as hosts do: environment, exit codes, signals, lost links, power."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
import pytest

from backend.demo.demo_control import LONGEST_PATH, ask
from backend.demo.demo_hosts import DemoHosts, characters
from backend.demo.demo_layout import claim
from backend.demo.marked_processes import end_all, marked
from backend.fleet.inventory_files import load_inventory
from backend.problems import ConflictError, InputError

if TYPE_CHECKING:
    from tests.backend.demo.conftest import Client


async def until(condition: Callable[[], bool], deadline_s: float = 15.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def control(hosts: DemoHosts, line: str) -> str:
    return await asyncio.to_thread(ask, hosts.layout, line)


def state(answer: str, node: str) -> dict[str, object]:
    return next(item for item in json.loads(answer)["nodes"] if item["name"] == node)


async def test_each_node_has_its_own_disk_and_environment(client: Client, tmp_path: Path) -> None:
    for node in ("demo-1", "demo-2"):
        disk = tmp_path / "fleet" / "nodes" / node
        result = await client.run('echo "$DEMO_NODE $HOME $TMPDIR $PWD"; command -v npu-smi', node)
        assert str(result.stdout).split() == [
            node, str(disk / "home"), str(disk / "tmp"), str(disk / "home"), str(disk / "bin" / "npu-smi"),
        ]  # fmt: skip


async def test_the_environment_of_the_starter_stays_outside(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_STARTER", "1")
    result = await client.run("env")
    assert "SECRET_OF_THE_STARTER" not in str(result.stdout)


@pytest.mark.parametrize("code", [0, 1, 7, 127, 255])
async def test_exit_codes(client: Client, code: int) -> None:
    assert (await client.run(f"exit {code}")).exit_status == code


async def test_streams(client: Client) -> None:
    text = "a line\n" * 50_000
    result = await client.run("cat; echo complaint >&2", stdin=text)
    assert result.stdout == text
    assert result.stderr == "complaint\n"


async def test_the_signal_that_ended_a_command_is_told(client: Client) -> None:
    result = await client.run("kill -KILL $$")
    assert result.exit_signal is not None
    assert result.exit_signal[0] == "KILL"


async def test_a_signal_sent_reaches_the_command(client: Client) -> None:
    async with client.connect() as connection:
        process = await connection.create_process(
            "trap 'echo caught; exit 9' TERM; echo ready; sleep 30 & wait"
        )
        assert await process.stdout.readline() == "ready\n"
        process.send_signal("TERM")
        result = await process.wait()
    assert (result.stdout, result.exit_status) == ("caught\n", 9)


async def test_a_child_in_the_background_keeps_the_channel_as_with_sshd(client: Client) -> None:
    result = await client.run("(sleep 0.3; echo late) & echo started; exit 4")
    assert (result.stdout, result.exit_status) == ("started\nlate\n", 4)


async def test_many_commands_at_once(client: Client) -> None:
    async with client.connect() as connection:
        results = await asyncio.gather(*(connection.run(f"echo {n}; exit {n}") for n in range(8)))
    assert [(result.stdout, result.exit_status) for result in results] == [(f"{n}\n", n) for n in range(8)]


async def test_a_command_ends_when_its_client_goes(hosts: DemoHosts, client: Client) -> None:
    async with client.connect() as connection:
        process = await connection.create_process("echo up; exec cat")
        assert await process.stdout.readline() == "up\n"
        connection.abort()
    await until(lambda: not any(marked(str(hosts.layout.root))))


def sleeps(hosts: DemoHosts, node: str) -> bool:
    """Whether `setsid sleep` has come so far: before, it belongs to the command that started it."""
    pids = [pid for pid, _environment in marked(str(hosts.layout.root), node)]
    names = (Path(f"/proc/{pid}/comm") for pid in pids)
    return any(name.exists() and name.read_text() == "sleep\n" for name in names)


async def test_a_cut_drops_the_link_and_spares_the_jobs(hosts: DemoHosts, client: Client) -> None:
    async with client.connect() as connection:
        await connection.run("setsid sleep 60 >/dev/null 2>&1 </dev/null &")
        await until(lambda: sleeps(hosts, "demo-1"))
        assert await control(hosts, "cut demo-1") == "ok"
        await asyncio.wait_for(connection.wait_closed(), 10)
    with pytest.raises(OSError, match=r"(?i)refused|connect"):
        await client.run("true")
    assert state(await control(hosts, "status"), "demo-1")["state"] == "cut"
    assert sleeps(hosts, "demo-1")
    port = hosts.nodes["demo-1"].port
    assert await control(hosts, "heal demo-1") == "ok"
    assert hosts.nodes["demo-1"].port == port
    assert (await client.run("true")).exit_status == 0


async def test_power_off_ends_the_jobs_of_that_node_alone(hosts: DemoHosts, client: Client) -> None:
    for node in ("demo-1", "demo-2"):
        await client.run("setsid sleep 60 >/dev/null 2>&1 </dev/null &", node)
        await until(lambda node=node: sleeps(hosts, node))  # type: ignore[misc]
    assert await control(hosts, "poweroff demo-1") == "ok"
    assert not any(marked(str(hosts.layout.root), "demo-1"))
    assert sleeps(hosts, "demo-2")
    assert state(await control(hosts, "status"), "demo-1")["state"] == "off"
    assert await control(hosts, "heal demo-1") == "ok"
    assert (await client.run("true")).exit_status == 0


@pytest.mark.parametrize("line", ["", "cut", "cut nobody", "explode demo-1", "\x00"])
async def test_control_refuses_what_it_does_not_know(hosts: DemoHosts, line: str) -> None:
    assert (await control(hosts, line)).startswith("error")


async def test_stop_leaves_nothing(hosts: DemoHosts, client: Client) -> None:
    await client.run("setsid sh -c 'setsid sleep 60 & setsid sleep 60' >/dev/null 2>&1 </dev/null &")
    await hosts.stop()
    assert not any(marked(str(hosts.layout.root)))
    assert not (hosts.layout.root / "control.sock").exists()
    with contextlib.suppress(OSError, asyncssh.Error):
        await client.run("true")
        pytest.fail("a stopped fleet answers")


async def test_keys_are_private_and_strangers_stay_out(hosts: DemoHosts) -> None:
    layout = hosts.layout
    for secret in (layout.client_key, layout.ssh / "host_key"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(layout.root.stat().st_mode) == 0o700
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            "127.0.0.1", hosts.nodes["demo-1"].port, username="demo", client_keys=[stranger], agent_path=None,
            known_hosts=str(layout.known_hosts), config=None, password="demo",
        )  # fmt: skip


async def test_the_inventory_names_every_node(hosts: DemoHosts) -> None:
    inventory = load_inventory(str(hosts.layout.inventory))
    assert [(node.name, node.port, node.npus) for node in inventory.nodes] == [
        (name, node.port, 2) for name, node in hosts.nodes.items()
    ]
    assert inventory.ssh.known_hosts == str(hosts.layout.known_hosts)
    assert inventory.shared_directory == str(hosts.layout.shared)


async def test_a_second_fleet_in_one_directory_is_refused(hosts: DemoHosts) -> None:
    with pytest.raises(ConflictError):
        await DemoHosts(hosts.layout, 2).start()
    assert await control(hosts, "status")


async def test_ports_stay_over_a_restart(hosts: DemoHosts) -> None:
    ports = [node.port for node in hosts.nodes.values()]
    await hosts.stop()
    again = DemoHosts(hosts.layout, 2)
    await again.start()
    try:
        assert [node.port for node in again.nodes.values()] == ports
    finally:
        await again.stop()


async def test_an_idle_fleet_ends_by_itself_but_not_under_a_job(tmp_path: Path) -> None:
    fleet = DemoHosts(claim(tmp_path / "idle"), 2)
    await fleet.start()
    environment = {**os.environ, "DEMO_FLEET": str(fleet.layout.root), "DEMO_NODE": "demo-1"}
    job = await asyncio.create_subprocess_exec("sleep", "60", env=environment)
    try:
        waiting = asyncio.create_task(fleet.wait(0.4))
        done, _ = await asyncio.wait({waiting}, timeout=1.2)
        assert not done
        job.kill()
        await job.wait()
        await asyncio.wait_for(waiting, 10)
    finally:
        await fleet.stop()


async def test_a_directory_whose_name_is_too_long_for_a_socket(tmp_path: Path) -> None:
    fleet = DemoHosts(claim(tmp_path / ("long" * (LONGEST_PATH // 4))), 2)
    await fleet.start()
    path = Path(json.loads(fleet.layout.record.read_text())["control"])
    assert await control(fleet, "status")
    await fleet.stop()
    assert not path.parent.exists()


def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "npudeck.toml").write_text("mine")
    with pytest.raises(InputError):
        claim(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["npudeck.toml"]


def test_one_node_is_slow_and_one_has_a_warning() -> None:
    assert [(node.delay_s > 0, node.faults) for node in characters(4)] == [
        (False, ""), (False, ""), (False, "1=warning"), (True, ""),
    ]  # fmt: skip


def test_end_all_spares_other_fleets(tmp_path: Path) -> None:
    jobs = {}
    for fleet in ("one", "two"):
        environment = {"DEMO_FLEET": str(tmp_path / fleet), "DEMO_NODE": "demo-1", "PATH": os.environ["PATH"]}
        jobs[fleet] = subprocess.Popen(["sleep", "60"], env=environment)
    end_all(str(tmp_path / "one"))
    assert jobs["one"].wait(10) == -signal.SIGKILL
    assert [pid for pid, _ in marked(str(tmp_path / "two"))] == [jobs["two"].pid]
    jobs["two"].kill()
    jobs["two"].wait()
