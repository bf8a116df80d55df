"""The transport against a real SSH server in this loop."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import time
from collections.abc import AsyncIterator

import asyncssh
import pytest
from loopback_ssh import LoopbackHost

from backend.fleet import ssh_client
from backend.fleet.ssh_client import SshTransport
from backend.fleet.ssh_jumps_client import jump_target
from backend.fleet.ssh_login_client import Target, login
from backend.inventory import Node
from backend.problems import HostKeyError, NodeError, NodeUnreachableError


async def test_runs_argv_as_given(transport: SshTransport, node: Node) -> None:
    words = ["a b", "$HOME", ";", "it's", "", "*", "新", "-n", "x\ny"]
    done = await transport.run(node, ["printf", "%s\\n", *words])
    assert done.ok
    assert done.text() == "".join(f"{word}\n" for word in words)


async def test_exit_code_stderr_and_signal(transport: SshTransport, node: Node) -> None:
    done = await transport.run(node, ["sh", "-c", "echo out; echo bad >&2; exit 7"])
    assert (done.exit_code, done.stdout, done.complaint()) == (7, b"out\n", "bad")
    killed = await transport.run(node, ["exec", "sh", "-c", "kill -9 $$"])
    assert killed.exit_code == -9


async def test_stdin_is_binary_and_ends(transport: SshTransport, node: Node) -> None:
    data = bytes(range(256)) * 4096
    assert (await transport.run(node, ["cat"], stdin=data)).stdout == data
    assert (await transport.run(node, ["cat"])).stdout == b""


async def test_endless_output_ends_and_the_node_still_answers(
    transport: SshTransport, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.fleet.ssh_client.MAX_OUTPUT_BYTES", 1 << 20)
    with pytest.raises(NodeError, match="said more than 1 MB"):
        await transport.run(node, ["yes"])
    with pytest.raises(NodeError, match="said more than 1 MB"):
        await transport.run(node, ["sh", "-c", "exec yes >&2"])
    assert (await transport.run(node, ["echo", "there"])).text() == "there\n"


async def test_one_login_serves_many_calls(transport: SshTransport, node: Node, host: LoopbackHost) -> None:
    answers = await asyncio.gather(*(transport.run(node, ["echo", str(number)]) for number in range(12)))
    assert [answer.text().strip() for answer in answers] == [str(number) for number in range(12)]
    assert host.logins == 1


async def test_deadline_is_kept_and_the_node_still_answers(transport: SshTransport, node: Node) -> None:
    began = time.monotonic()
    with pytest.raises(NodeUnreachableError, match=r"no answer within 0.3 s"):
        await transport.run(node, ["sleep", "30"], timeout_s=0.3)
    assert time.monotonic() - began < 2
    assert (await transport.run(node, ["echo", "there"])).text() == "there\n"


async def test_cut_is_unreachable_and_heals(transport: SshTransport, node: Node, host: LoopbackHost) -> None:
    await transport.run(node, ["true"])
    under_way = asyncio.create_task(transport.run(node, ["sleep", "30"]))
    while len(host.commands) < 2:
        await asyncio.sleep(0.01)
    host.cut()
    with pytest.raises(NodeUnreachableError, match="lost"):
        await under_way
    with pytest.raises(NodeUnreachableError, match="refuses the connection"):
        await transport.run(node, ["true"])
    await host.heal()
    assert (await transport.run(node, ["echo", "back"])).text() == "back\n"
    assert host.logins == 2


async def test_unknown_host_key_says_what_to_do(host: LoopbackHost, node: Node) -> None:
    known = host.directory / "ssh" / "known_hosts"
    known.unlink()
    transport = SshTransport(host.options())
    with pytest.raises(HostKeyError) as caught:
        await transport.run(node, ["true"])
    [problem] = caught.value.problems
    assert problem.field == "n01"
    assert host.host_key.get_fingerprint() in problem.why
    assert "npudeck fleet trust" in problem.fix
    line = problem.fix.split(": ", 1)[1]
    known.write_text(line + "\n")
    assert (await transport.run(node, ["true"])).ok
    await transport.close()


async def test_changed_host_key_is_refused(host: LoopbackHost, node: Node) -> None:
    host.trust(asyncssh.generate_private_key("ssh-ed25519"))
    transport = SshTransport(host.options())
    with pytest.raises(HostKeyError, match="has changed") as caught:
        await transport.run(node, ["true"])
    [problem] = caught.value.problems
    assert host.host_key.get_fingerprint() in problem.why
    # the key that is to be doubted is not handed out for pasting
    assert host.host_key.export_public_key("openssh").decode().split()[1] not in problem.sentence()
    known = host.directory / "ssh" / "known_hosts"
    command = problem.fix.split(": ", 1)[1].split(", then `npudeck fleet trust`")[0]
    subprocess.run(shlex.split(command), check=True, capture_output=True)
    assert known.read_text() == ""
    assert host.commands == []
    await transport.close()


async def test_config_cannot_switch_host_keys_off(host: LoopbackHost, node: Node) -> None:
    config = host.directory / "ssh" / "config"
    config.write_text("Host *\n  UserKnownHostsFile none\n  StrictHostKeyChecking no\n")
    transport = SshTransport(host.options(config=str(config), known_hosts=None))
    with pytest.raises(HostKeyError):
        await transport.run(node, ["true"])
    await transport.close()


async def test_config_names_the_host(host: LoopbackHost) -> None:
    config = host.directory / "ssh" / "config"
    directory = host.directory / "ssh"
    config.write_text(
        f"Host far\n  HostName 127.0.0.1\n  Port {host.port}\n  User somebody\n"
        f"  IdentityFile {directory}/id\n  UserKnownHostsFile {directory}/known_hosts\n"
    )
    options = host.options(config=str(config), known_hosts=None, identity_files=(), user=None)
    transport = SshTransport(options)
    node = Node("n09", "far", "far", 8, "/tmp")
    assert (await transport.run(node, ["true"])).ok
    await transport.close()


@pytest.mark.parametrize(
    ("said", "taken"), [("", "aes128-gcm@openssh.com"), ("  Ciphers aes256-ctr,aes128-ctr\n", "aes256-ctr")]
)
async def test_the_cipher_is_the_quick_one_unless_the_config_chooses(
    host: LoopbackHost, node: Node, said: str, taken: str
) -> None:
    config = host.directory / "ssh" / "config"
    config.write_text(f"Host *\n{said}")
    options = host.options(config=str(config))
    connection = await login(Target("n01", node.host, node.port), options, no_jump)
    assert connection.get_extra_info("send_cipher") == taken
    connection.close()
    await connection.wait_closed()


async def no_jump(__: str) -> None:
    return None


async def test_wrong_key_says_who_and_with_what(host: LoopbackHost, node: Node) -> None:
    other = host.directory / "ssh" / "other"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(other))
    transport = SshTransport(host.options(identity_files=(str(other),)))
    with pytest.raises(NodeError, match="refuses the login") as caught:
        await transport.run(node, ["true"])
    assert "tester@127.0.0.1" in str(caught.value)
    assert str(other) in str(caught.value)
    await transport.close()


async def test_missing_identity_file_is_named(host: LoopbackHost, node: Node) -> None:
    transport = SshTransport(host.options(identity_files=("/no/such/key",)))
    with pytest.raises(NodeError, match="/no/such/key"):
        await transport.run(node, ["true"])
    await transport.close()


async def test_reset_before_login_is_tried_once_more(host: LoopbackHost, node: Node) -> None:
    host.drop_before_login = 1
    transport = SshTransport(host.options())
    assert (await transport.run(node, ["true"])).ok
    await transport.close()


async def test_silent_port_ends_at_the_connect_timeout(host: LoopbackHost) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = SshTransport(host.options(connect_timeout_s=0.3))
    node = Node("n05", "127.0.0.1", "127.0.0.1", 8, "/tmp", port=port)
    with pytest.raises(NodeUnreachableError, match=r"did not answer within 0\.3 s"):
        await transport.run(node, ["true"])
    await transport.close()
    server.close()


@pytest.fixture
async def jump(host: LoopbackHost, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LoopbackHost]:
    """A second host, known like the first, that lets connections through."""
    jump = LoopbackHost(tmp_path_factory.mktemp("jump"), host.client_key)
    jump.forwards = True
    await jump.start()
    known = host.directory / "ssh" / "known_hosts"
    known.write_text(known.read_text() + (jump.directory / "ssh" / "known_hosts").read_text())
    yield jump
    await jump.stop()


async def test_jump_host_is_shared(host: LoopbackHost, jump: LoopbackHost) -> None:
    transport = SshTransport(host.options(proxy_jump=f"127.0.0.1:{jump.port}"))
    nodes = [host.node(f"n{number:02d}") for number in range(6)]
    assert all(done.ok for done in await asyncio.gather(*(transport.run(node, ["true"]) for node in nodes)))
    assert (host.logins, jump.logins) == (6, 1)
    assert len(host.commands) == 6
    assert jump.commands == []
    await transport.close()


async def test_jump_host_of_the_config_and_its_own_key(host: LoopbackHost, jump: LoopbackHost) -> None:
    config = host.directory / "ssh" / "config"
    # the usual slip: the rule for all hosts names the jump host for the jump host too
    config.write_text(f"Host *\n  ProxyJump 127.0.0.1:{jump.port}\n")
    transport = SshTransport(host.options(config=str(config)))
    assert (await transport.run(host.node(), ["true"])).ok
    assert jump.logins == 1
    await transport.close()
    host.trust()
    strict = SshTransport(host.options(config=str(config)))
    with pytest.raises(HostKeyError, match=str(jump.port)):
        await strict.run(host.node(), ["true"])
    await strict.close()


async def test_jump_host_that_lets_nobody_through(host: LoopbackHost, jump: LoopbackHost) -> None:
    jump.forwards = False
    transport = SshTransport(host.options(proxy_jump=f"127.0.0.1:{jump.port}"))
    with pytest.raises(NodeUnreachableError, match="jump host"):
        await transport.run(host.node(), ["true"])
    await transport.close()


async def test_channel_reads_writes_and_ends(transport: SshTransport, node: Node) -> None:
    channel = await transport.open(node, ["cat"])
    await channel.write(b"first\nsecond")
    assert await channel.readline() == b"first\n"
    assert await channel.readexactly(6) == b"second"
    await channel.close()
    await channel.close()


async def test_channel_end_is_not_an_answer(transport: SshTransport, node: Node) -> None:
    channel = await transport.open(node, ["sh", "-c", "echo no python >&2; printf abc"])
    with pytest.raises(NodeUnreachableError, match="no python"):
        await channel.readexactly(10)
    assert await channel.readline() == b""
    await channel.close()


async def test_channels_do_not_keep_short_commands_waiting(transport: SshTransport, node: Node) -> None:
    channels = [await transport.open(node, ["cat"]) for _number in range(5)]
    assert (await transport.run(node, ["echo", "quick"])).text() == "quick\n"
    with pytest.raises(NodeUnreachableError):
        await transport.open(node, ["cat"], timeout_s=0.2)
    await channels[0].close()
    late = await transport.open(node, ["cat"])
    for channel in [*channels, late]:
        await channel.close()


async def test_cancelled_call_leaves_the_link_usable(transport: SshTransport, node: Node) -> None:
    for _turn in range(5):
        call = asyncio.create_task(transport.run(node, ["sleep", "5"]))
        await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert (await transport.run(node, ["echo", "fine"])).text() == "fine\n"


async def test_closed_transport_refuses(transport: SshTransport, node: Node) -> None:
    await transport.run(node, ["true"])
    await transport.close()
    with pytest.raises(NodeUnreachableError, match="closed"):
        await transport.run(node, ["true"])


def test_jump_host_spelling() -> None:
    assert (jump_target("ops@gate:2222", None).host, jump_target("ops@gate:2222", None).port) == (
        "gate",
        2222,
    )
    assert jump_target("ops@gate", None).user == "ops"
    assert jump_target("[fe80::1]:22", None).host == "fe80::1"
    assert jump_target("[fe80::1]", None).port is None


async def test_a_command_that_ends_before_it_is_told_anything_has_ended(
    transport: SshTransport, node: Node
) -> None:
    """Its channel is closed by then: that is no lost link."""
    process = await transport.process(node, ["sh", "-c", "echo no; exit 3"], timeout_s=5)
    await asyncio.sleep(0.3)
    done = await ssh_client._finish(process, node, b"words")
    assert (done.exit_code, done.stdout) == (3, b"no\n")
