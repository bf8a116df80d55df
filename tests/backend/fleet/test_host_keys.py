"""Host keys before anybody logs in: known, unknown, changed, revoked, and behind a jump host."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from loopback_ssh import LoopbackHost

from backend.fleet.host_keys import HostKey
from backend.fleet.host_keys_client import HostKeys
from backend.fleet.known_hosts_files import add_known_hosts
from backend.fleet.ssh_client import SshTransport
from backend.inventory import Node, SshOptions
from backend.problems import LocalError, NodeError


async def look(node: Node, options: SshOptions) -> HostKey:
    looking = HostKeys(options)
    try:
        [key] = await looking.of_nodes([node])
        return key
    finally:
        await looking.close()


def known_hosts(host: LoopbackHost) -> Path:
    return host.directory / "ssh" / "known_hosts"


async def test_known_unknown_changed_revoked(host: LoopbackHost, node: Node) -> None:
    known = await look(node, host.options())
    assert (known.state, known.name) == ("known", f"[127.0.0.1]:{host.port}")
    assert known.fingerprint == host.host_key.get_fingerprint()
    line = known_hosts(host).read_text()
    known_hosts(host).write_text("")
    unknown = await look(node, host.options())
    assert (unknown.state, unknown.line + "\n") == ("unknown", line)
    assert unknown.file == str(known_hosts(host))
    other = asyncssh.generate_private_key("ssh-ed25519")
    host.trust(other)
    changed = await look(node, host.options())
    assert (changed.state, changed.expected) == ("changed", (other.get_fingerprint(),))
    known_hosts(host).write_text(f"@revoked {line}")
    assert (await look(node, host.options())).state == "revoked"
    assert host.logins == 0
    assert host.commands == []


async def test_a_hashed_name_is_known_too(host: LoopbackHost, node: Node) -> None:

    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known_hosts(host))], check=True, capture_output=True)
    assert "127.0.0.1" not in known_hosts(host).read_text()
    assert (await look(node, host.options())).state == "known"


async def test_a_host_that_an_authority_vouches_for(host: LoopbackHost, node: Node) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode()
    known_hosts(host).write_text(f"@cert-authority * {authority}\n")
    assert (await look(node, host.options())).state == "certified"


async def test_no_key_of_ours_is_needed(host: LoopbackHost, node: Node) -> None:
    """Nobody logs in to look: an identity that is missing or protected changes nothing."""
    key = await look(node, host.options(identity_files=("/no/such/key",)))
    assert key.state == "known"


async def test_away(host: LoopbackHost, node: Node) -> None:
    host.cut()
    key = await look(node, host.options())
    assert (key.state, "refuses the connection" in key.reason) == ("unreachable", True)


async def test_a_jump_host_comes_first(host: LoopbackHost, tmp_path_factory: pytest.TempPathFactory) -> None:
    jump = LoopbackHost(tmp_path_factory.mktemp("jump"), host.client_key)
    jump.forwards = True
    await jump.start()
    known_hosts(host).write_text("")
    options = host.options(proxy_jump=f"127.0.0.1:{jump.port}")
    nodes = [host.node("n01"), host.node("n02")]
    looking = HostKeys(options)
    [key] = await looking.of_jumps(nodes)
    assert (key.state, key.fingerprint) == ("unknown", jump.host_key.get_fingerprint())
    # what is behind somebody unknown is not even asked
    assert {found.state for found in await looking.of_nodes(nodes)} == {"unreachable"}
    await looking.close()
    assert host.commands == []
    add_known_hosts(key.file, [key.line])
    looking = HostKeys(options)
    assert [found.state for found in await looking.of_jumps(nodes)] == ["known"]
    behind = await looking.of_nodes(nodes)
    assert [found.state for found in behind] == ["unknown", "unknown"]
    assert behind[0].fingerprint == host.host_key.get_fingerprint()
    await looking.close()
    assert add_known_hosts(behind[0].file, [found.line for found in behind]) == 1
    transport = SshTransport(options)
    assert (await transport.run(nodes[0], ["true"])).ok
    await transport.close()
    await jump.stop()


# ---- the file


def test_lines_are_added_and_nothing_else_changes(tmp_path: Path) -> None:
    real, file = tmp_path / "real", tmp_path / "link"
    real.write_text("# mine\nold ssh-rsa AAAA")
    real.chmod(0o640)
    file.symlink_to(real)
    assert (
        add_known_hosts(str(file), ["new ssh-ed25519 BBBB", "old ssh-rsa AAAA", "new ssh-ed25519 BBBB"]) == 1
    )
    assert real.read_text() == "# mine\nold ssh-rsa AAAA\nnew ssh-ed25519 BBBB\n"
    assert (file.is_symlink(), real.stat().st_mode & 0o777) == (True, 0o640)
    assert add_known_hosts(str(file), ["new ssh-ed25519 BBBB"]) == 0
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / ".ssh" / "known_hosts"
    assert add_known_hosts(str(file), ["a ssh-ed25519 B"]) == 1
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with pytest.raises(LocalError, match="cannot be written"):
        add_known_hosts("/proc/nowhere/known_hosts", ["x"])


async def test_a_comment_in_another_encoding_is_harmless(
    host: LoopbackHost, node: Node, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    comment = b"# L\xfcfter\nother ssh-ed25519 AAAA r\xfcck\x85w\xe4rts\n"
    known.write_bytes(comment)
    options = host.options(known_hosts=str(known))
    looking = HostKeys(options)
    [key] = await looking.of_nodes([node])
    await looking.close()
    assert key.state == "unknown"
    assert add_known_hosts(key.file, [key.line]) == 1
    assert known.read_bytes().startswith(comment)
    transport = SshTransport(options)
    assert (await transport.run(node, ["true"])).ok
    await transport.close()


async def test_a_line_that_is_none_is_named_with_its_file(
    host: LoopbackHost, node: Node, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    known.write_text("broken\n")
    transport = SshTransport(host.options(known_hosts=str(known)))
    with pytest.raises(NodeError, match=rf"{known}: .*broken"):
        await transport.run(node, ["true"])
    await transport.close()


async def test_who_is_done_is_told_while_others_are_looked_at(host: LoopbackHost, node: Node) -> None:
    heard: list[list[str]] = []
    looking = HostKeys(host.options())
    await looking.of_nodes([node, replace(node, name="n02")], lambda names: heard.append(sorted(names)))
    await looking.close()
    assert [len(names) for names in heard] == [1, 2]
    assert heard[-1] == ["n01", "n02"]
