"""The one-off keys of a demo fleet: a host key, a client key, and the list of known hosts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import asyncssh

from backend.demo.demo_layout import DemoLayout


def ensure_keys(layout: DemoLayout) -> asyncssh.SSHKey:
    """Make both keys when they are not there yet; answers the private host key."""
    if not layout.client_key.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="npudeck demo")
        _write_private(layout.client_key, key.export_private_key())
        _public(layout.client_key).write_bytes(key.export_public_key())
    host_key = layout.ssh / "host_key"
    if not host_key.exists():
        _write_private(host_key, asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    return asyncssh.read_private_key(str(host_key))


def authorized_keys(layout: DemoLayout) -> str:
    """Path of the public keys that may log in."""
    return str(_public(layout.client_key))


def write_known_hosts(layout: DemoLayout, host_key: asyncssh.SSHKey, ports: Mapping[str, int]) -> None:
    """All nodes are one machine with one key, on different ports."""
    public = " ".join(host_key.export_public_key().decode().split()[:2])
    lines = [f"[127.0.0.1]:{port} {public}\n" for port in ports.values()]
    temporary = layout.known_hosts.with_suffix(".new")
    temporary.write_text("".join(lines))
    temporary.replace(layout.known_hosts)


def _public(private: Path) -> Path:
    return private.with_name(private.name + ".pub")


def _write_private(path: Path, content: bytes) -> None:
    """Never readable by others, not even for a moment."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    temporary.replace(path)
